//! Opens alarms, counts what happened again, and closes what is over, by what the
//! leader has seen. Of a rule and a subject one is open at most: to say the same again
//! changes nothing, whoever says it (I-14).

use holdfast_types::alarm::{AlarmDetail, AlarmRule, Severity};
use holdfast_types::{AlarmId, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::alarms::owed;
use crate::column::{Count, Flag, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::alarms;
use crate::lookup::Lookup;
use crate::{StateError, TaskName, row, schema};

/// Since the level at which there are notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleAlarms {
    /// What is wrong now and was not before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<NewAlarm>,
    /// What happened again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeat: Vec<RepeatedAlarm>,
    /// What is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub close: Vec<AlarmId>,
}

/// An alarm that opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlarm {
    /// Its id.
    pub alarm: AlarmId,
    /// Its rule.
    pub rule: AlarmRule,
    /// What it is about.
    pub subject: String,
    /// The fleet that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Name>,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
    /// How bad it is.
    pub severity: Severity,
    /// Another one means that it happened again.
    pub mark: String,
    /// What there is to say.
    pub detail: AlarmDetail,
}

/// What happened again while it was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatedAlarm {
    /// The alarm.
    pub alarm: AlarmId,
    /// How bad it is now.
    pub severity: Severity,
    /// Which time it happened.
    pub mark: String,
    /// What there is to say.
    pub detail: AlarmDetail,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Opened.
    pub opened: u64,
    /// Happened again.
    pub repeated: u64,
    /// Closed.
    pub closed: u64,
}

impl ReplicatedCommand for SettleAlarms {
    type Outcome = Settled;
    const NAME: &'static str = "settle_alarms";

    fn target(&self) -> String {
        "alarms".to_owned()
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Settled, Stop> {
        let mut settled = Settled {
            opened: 0,
            repeated: 0,
            closed: 0,
        };
        // What is over makes room for the same anew.
        for alarm in self.close {
            settled.closed += u64::from(close(cx, alarm).await?);
        }
        for new in self.open {
            match open_one(cx, &new).await? {
                None => {
                    open(cx, new).await?;
                    settled.opened += 1;
                }
                Some(known) => {
                    let again = (new.severity, new.mark, new.detail);
                    settled.repeated += u64::from(repeat(cx, known, again).await?);
                }
            }
        }
        for again in self.repeat {
            let known = row::read::<alarms::Entity>(cx.tx(), Text(again.alarm)).await?;
            if let Some(known) = known.filter(|known| known.closed_at.is_none()) {
                let again = (again.severity, again.mark, again.detail);
                settled.repeated += u64::from(repeat(cx, known, again).await?);
            }
        }
        if settled.opened + settled.closed > 0 {
            cx.activate(TaskName::Alarms);
        }
        Ok(settled)
    }
}

/// The open alarm of the same key.
async fn open_one(
    cx: &ApplyContext<'_>,
    new: &NewAlarm,
) -> Result<Option<alarms::Model>, StateError> {
    let found = alarms::Entity::find()
        .filter(alarms::Column::Rule.eq(Text(new.rule)))
        .filter(alarms::Column::Subject.eq(new.subject.as_str()))
        .filter(alarms::Column::ClosedAt.is_null());
    Ok(found.only(cx.tx()).await?)
}

async fn open(cx: &mut ApplyContext<'_>, new: NewAlarm) -> Result<(), StateError> {
    if row::read::<alarms::Entity>(cx.tx(), Text(new.alarm))
        .await?
        .is_some()
    {
        // The same command once more, after it was closed.
        return Ok(());
    }
    cx.changed("alarms", new.alarm);
    cx.insert(alarms::Model {
        id: Text(new.alarm),
        rule: Text(new.rule),
        subject: new.subject,
        fleet: new.fleet.map(Text),
        cluster: new.cluster.map(Text),
        severity: Text(new.severity),
        mark: new.mark,
        detail: Json(new.detail),
        count: Count(1),
        opened_at: Moment(cx.now()),
        seen_at: Moment(cx.now()),
        closed_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        told: Json(std::collections::BTreeMap::new()),
        owed: Flag(false),
        revision: cx.revision().into(),
    })
    .await
}

async fn repeat(
    cx: &mut ApplyContext<'_>,
    known: alarms::Model,
    (severity, mark, detail): (Severity, String, AlarmDetail),
) -> Result<bool, StateError> {
    let again = known.mark != mark;
    if !again && known.severity.0 == severity {
        return Ok(false);
    }
    cx.changed("alarms", known.id.0);
    cx.put(alarms::Model {
        severity: Text(severity),
        mark,
        detail: Json(detail),
        count: Count(known.count.0 + u64::from(again)),
        seen_at: Moment(cx.now()),
        revision: cx.revision().into(),
        ..known
    })
    .await?;
    Ok(true)
}

async fn close(cx: &mut ApplyContext<'_>, alarm: AlarmId) -> Result<bool, StateError> {
    let known = row::read::<alarms::Entity>(cx.tx(), Text(alarm)).await?;
    let Some(known) = known.filter(|known| known.closed_at.is_none()) else {
        return Ok(false);
    };
    cx.changed("alarms", alarm);
    cx.put(alarms::Model {
        closed_at: Some(Moment(cx.now())),
        owed: owed(true, &known.told.0),
        revision: cx.revision().into(),
        ..known
    })
    .await?;
    Ok(true)
}
