//! Records that a report is made, and ends the stretches that go on: after that all
//! that counts for it is closed, and whoever makes it again gets the same bytes.

use holdfast_types::resource::Kind;
use holdfast_types::{Name, ReportId};
use jiff::{SignedDuration, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{reports, resources};
use crate::{Noun, Refusal, facts, row, schema};

/// Since level 26. The same report again is the one that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordReport {
    /// Its id.
    pub report: ReportId,
    /// Of which fleet.
    pub fleet: Name,
    /// The period's first moment.
    pub from: Timestamp,
    /// The moment after its last; a while before the moment as known at when it is not
    /// said.
    pub to: Option<Timestamp>,
    /// As known when; now, to the second before, when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_known_at: Option<Timestamp>,
}

/// What the report is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedReport {
    /// Its id.
    pub report: ReportId,
    /// The moment after the period's last.
    pub to: Timestamp,
    /// As known when.
    pub as_known_at: Timestamp,
    /// The clusters of the fleet, by name.
    pub clusters: Vec<Name>,
}

impl ReplicatedCommand for RecordReport {
    type Outcome = RecordedReport;
    const NAME: &'static str = "record_report";

    fn target(&self) -> String {
        format!("reports/{}", self.report)
    }

    fn audit_detail(&self) -> Value {
        json!({
            "fleet": self.fleet,
            "from": self.from,
            "to": self.to,
            "asKnownAt": self.as_known_at,
        })
    }

    fn level(&self) -> u32 {
        schema::REPORTS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<RecordedReport, Stop> {
        if let Some(known) = row::read::<reports::Entity>(cx.tx(), Text(self.report)).await? {
            return Ok(outcome(known));
        }
        if cx.resource(Kind::Fleet, &self.fleet).await?.is_none() {
            return Err(Refusal::not_found(Noun::Fleet, self.fleet).into());
        }
        // What is known at the moment of this entry may still grow in the next.
        let last = Moment::truncate(second_before(cx.now()));
        let known = Moment::truncate(self.as_known_at.unwrap_or(last));
        if known > last {
            let message = "nobody knows yet what will be known then";
            return Err(Refusal::invalid("asKnownAt", message).into());
        }
        let (from, to) = (
            Moment::truncate(self.from),
            Moment::truncate(self.to.unwrap_or(settled(known))),
        );
        if to > known {
            let message = "the period ends after the moment as known at which it is asked for";
            return Err(Refusal::invalid("to", message).into());
        }
        if from >= to {
            let message = "the period ends before it begins";
            return Err(Refusal::invalid("from", message).into());
        }
        let clusters = match earlier(cx, &self.fleet, known).await? {
            Some(earlier) => earlier.clusters.0,
            None => clusters_of(cx, &self.fleet).await?,
        };
        for cluster in &clusters {
            facts::cut(cx, cluster).await?;
        }
        let row = reports::Model {
            id: Text(self.report),
            fleet: Text(self.fleet),
            period_from: Moment(from),
            period_to: Moment(to),
            as_known_at: Moment(known),
            clusters: Json(clusters),
            made_by: cx.principal().cloned().map(Text),
            made_at: Moment(cx.now()),
            body_hash: None,
            revision: cx.revision().into(),
        };
        cx.changed("reports", self.report);
        cx.insert(row.clone()).await?;
        Ok(outcome(row))
    }
}

fn outcome(row: reports::Model) -> RecordedReport {
    RecordedReport {
        report: row.id.0,
        to: row.period_to.0,
        as_known_at: row.as_known_at.0,
        clusters: row.clusters.0,
    }
}

/// How long it may take until what agents say is in the log.
const SETTLES: SignedDuration = SignedDuration::from_secs(120);

/// Up to when all that happened is known: what is newer would look exposed because it
/// was not told yet.
fn settled(known: Timestamp) -> Timestamp {
    known.checked_sub(SETTLES).unwrap_or(Timestamp::MIN)
}

/// The last whole second that is over.
fn second_before(now: Timestamp) -> Timestamp {
    let second = now.as_second();
    let over = if now.subsec_nanosecond() == 0 {
        second - 1
    } else {
        second
    };
    Timestamp::from_second(over).unwrap_or(Timestamp::MIN)
}

/// Another report of the fleet as known at the same moment: which clusters were in it
/// is decided by the first.
async fn earlier(
    cx: &ApplyContext<'_>,
    fleet: &Name,
    known: Timestamp,
) -> Result<Option<reports::Model>, Stop> {
    use reports::{Column, Entity};
    let found = Entity::find()
        .filter(Column::Fleet.eq(fleet.as_str()))
        .filter(Column::AsKnownAt.eq(Moment(known)))
        .order_by_asc(Column::MadeAt)
        .order_by_asc(Column::Id)
        .limit(1)
        .all(cx.tx())
        .await?;
    Ok(found.into_iter().next())
}

/// Retired ones too: they were promised something once.
async fn clusters_of(cx: &ApplyContext<'_>, fleet: &Name) -> Result<Vec<Name>, Stop> {
    use resources::{Column, Entity};
    let names: Vec<Text<Name>> = Entity::find()
        .select_only()
        .column(Column::Name)
        .filter(Column::Kind.eq(Text(Kind::Cluster)))
        .filter(Column::Fleet.eq(fleet.as_str()))
        .order_by_asc(Column::Name)
        .into_tuple()
        .all(cx.tx())
        .await?;
    Ok(names.into_iter().map(|name| name.0).collect())
}
