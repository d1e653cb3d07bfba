//! Facts that compliance is computed from.
//!
//! Written by the commands that make them true, in the same transaction. Nobody
//! says what has changed: what is so is read from the tables and compared with what
//! the facts in force say, so that no caller can forget a case, and a repeat writes
//! nothing. A fact is never changed; what ends it is another one.

mod backups;
mod claims;
mod holes;
mod promises;

use std::collections::BTreeSet;

use holdfast_compliance::{Drill, Exemption, Fact};
use holdfast_types::{ExemptionId, Name};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};

pub(crate) use self::backups::backups;
pub(crate) use self::claims::{claims, cut, refuse_absurd};
pub(crate) use self::holes::{holes, holes_of_cluster};
pub(crate) use self::promises::{About, promises};
use crate::column::{Count, Flag, Json, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{compliance_facts, compliance_in_force};
use crate::{StateError, row, schema};

/// What a fact does to what it is about.
#[derive(Debug)]
enum Said {
    /// It holds until another says otherwise.
    Holds(Fact),
    /// What held before does no more.
    Ends(Fact),
    /// It happened, and that is all.
    Happened(Fact),
}

/// Whether facts are kept.
pub(crate) async fn are_kept(cx: &ApplyContext<'_>) -> Result<bool, StateError> {
    cx.has_level(schema::COMPLIANCE).await
}

/// Writes a fact, and what is in force after it.
async fn write(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    subject: &str,
    at: Timestamp,
    said: Said,
) -> Result<(), StateError> {
    let known = cx.now();
    // Nothing is known before it is so.
    let at = Moment::truncate(at.min(known));
    let cluster = Text(cluster.clone());
    let (ends, fact) = match said {
        Said::Holds(fact) => {
            cx.put(compliance_in_force::Model {
                cluster: cluster.clone(),
                subject: subject.to_owned(),
                at: Moment(at),
                known: Moment(known),
                fact: Json(fact.clone()),
            })
            .await?;
            (false, fact)
        }
        Said::Ends(fact) => {
            let key = (cluster.clone(), subject.to_owned());
            let held = compliance_in_force::Entity::delete_by_id(key);
            held.exec(cx.tx()).await?;
            (true, fact)
        }
        Said::Happened(fact) => (true, fact),
    };
    let number = Count(cx.next_fact());
    cx.insert(compliance_facts::Model {
        cluster,
        log_index: Count(cx.index()),
        number,
        at: Moment(at),
        known: Moment(known),
        subject: subject.to_owned(),
        ends: Flag(ends),
        fact: Json(fact),
    })
    .await
}

/// What is in force of a cluster about subjects that begin so, in order.
async fn in_force(
    cx: &ApplyContext<'_>,
    cluster: &Name,
    prefix: &str,
) -> Result<Vec<compliance_in_force::Model>, StateError> {
    use compliance_in_force::{Column, Entity};
    // The character after the slash that ends a prefix.
    let end = format!("{}0", prefix.trim_end_matches('/'));
    Ok(Entity::find()
        .filter(Column::Cluster.eq(cluster.as_str()))
        .filter(Column::Subject.gte(prefix))
        .filter(Column::Subject.lt(end))
        .order_by_asc(Column::Subject)
        .all(cx.tx())
        .await?)
}

/// What is in force of a cluster about one subject.
async fn held(
    cx: &ApplyContext<'_>,
    cluster: &Name,
    subject: &str,
) -> Result<Option<compliance_in_force::Model>, StateError> {
    let key = (Text(cluster.clone()), subject.to_owned());
    Ok(row::read::<compliance_in_force::Entity>(cx.tx(), key).await?)
}

/// A drill has ended.
pub(crate) async fn drilled(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    drill: Drill,
) -> Result<(), StateError> {
    if !are_kept(cx).await? {
        return Ok(());
    }
    let (subject, now) = (format!("drill/{}", drill.id), cx.now());
    write(
        cx,
        cluster,
        &subject,
        now,
        Said::Happened(Fact::Drilled(drill)),
    )
    .await
}

fn exemption_subject(id: ExemptionId) -> String {
    format!("exemption/{id}")
}

/// An exemption was approved.
pub(crate) async fn exempted(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    exemption: Exemption,
) -> Result<(), StateError> {
    let (subject, now) = (exemption_subject(exemption.id), cx.now());
    let said = Said::Holds(Fact::Exempted(exemption));
    write(cx, cluster, &subject, now, said).await
}

/// An exemption ended before its time.
pub(crate) async fn exemption_ended(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    exemption: ExemptionId,
) -> Result<(), StateError> {
    let (subject, now) = (exemption_subject(exemption), cx.now());
    let said = Said::Ends(Fact::ExemptionEnded { exemption });
    write(cx, cluster, &subject, now, said).await
}

/// The agent that protects a cluster is silent since then, or was heard of again.
/// Says whether that is new.
pub(crate) async fn agent_lost(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    lost: bool,
    at: Timestamp,
) -> Result<bool, StateError> {
    const SUBJECT: &str = "agent";
    let known = held(cx, cluster, SUBJECT).await?;
    if known.is_some() == lost {
        return Ok(false);
    }
    // It cannot have come back before it was gone.
    let at = known.map_or(at, |known| at.max(known.at.0));
    let said = match lost {
        true => Said::Holds(Fact::AgentLost),
        false => Said::Ends(Fact::AgentBack),
    };
    write(cx, cluster, SUBJECT, at, said).await?;
    Ok(true)
}

/// WAL does not reach a repository since then, for this reason, or does again. Says
/// whether that is new.
pub(crate) async fn trouble(
    cx: &mut ApplyContext<'_>,
    cluster: &Name,
    repository: &Name,
    code: Option<String>,
    at: Timestamp,
) -> Result<bool, StateError> {
    let subject = format!("trouble/{repository}");
    let known = held(cx, cluster, &subject).await?;
    let told = known.as_ref().and_then(|known| match &known.fact.0 {
        Fact::TroubleBegan { code, .. } => Some(code),
        _ => None,
    });
    if told == code.as_ref() {
        return Ok(false);
    }
    let at = known.map_or(at, |known| at.max(known.at.0));
    let repository = repository.clone();
    let said = match code {
        Some(code) => Said::Holds(Fact::TroubleBegan { repository, code }),
        None => Said::Ends(Fact::TroubleEnded { repository }),
    };
    write(cx, cluster, &subject, at, said).await?;
    Ok(true)
}

/// The first facts: what is so when the level is raised. The level is not asked
/// for, for it is the one before in this entry.
pub(crate) async fn seed(cx: &mut ApplyContext<'_>) -> Result<(), StateError> {
    promises::settle(cx, &About::Everything).await?;
    for cluster in clusters_with_data(cx).await? {
        backups::settle(cx, &cluster).await?;
        holes::settle_cluster(cx, &cluster).await?;
        claims::seed(cx, &cluster).await?;
    }
    seed_drills(cx).await
}

/// The clusters of which something is in a repository.
async fn clusters_with_data(cx: &ApplyContext<'_>) -> Result<BTreeSet<Name>, StateError> {
    let mut found = BTreeSet::new();
    for table in ["backups", "wal_ranges", "frontiers"] {
        let sql = format!("SELECT DISTINCT cluster FROM {table} ORDER BY cluster");
        let statement = Statement::from_string(cx.tx().get_database_backend(), sql);
        for row in cx.tx().query_all_raw(statement).await? {
            let name: Text<Name> = row.try_get("", "cluster")?;
            found.insert(name.0);
        }
    }
    Ok(found)
}

async fn seed_drills(cx: &mut ApplyContext<'_>) -> Result<(), StateError> {
    use crate::entity::drills::{Column, Entity};
    let found = Entity::find()
        .order_by_asc(Column::FinishedAt)
        .order_by_asc(Column::Id)
        .all(cx.tx())
        .await?;
    for row in found {
        let Some(drill) = crate::drills::fact(&row) else {
            continue;
        };
        let (subject, at) = (format!("drill/{}", drill.id), row.finished_at.0);
        let said = Said::Happened(Fact::Drilled(drill));
        write(cx, &row.cluster.0, &subject, at, said).await?;
    }
    Ok(())
}

/// Forgets facts that no report can be about any more: what was over before the
/// limit. What is in force stays, however old it is.
pub(crate) async fn prune(cx: &ApplyContext<'_>, limit: Timestamp) -> Result<(), StateError> {
    let limit = Moment(limit);
    let over = "DELETE FROM compliance_facts WHERE (cluster, log_index, number) IN (\
                SELECT f.cluster, f.log_index, f.number FROM compliance_facts f \
                WHERE f.known <= ?1 AND (f.ends = 1 OR EXISTS (\
                SELECT 1 FROM compliance_facts l WHERE l.cluster = f.cluster \
                AND l.subject = f.subject AND l.known <= ?1 \
                AND (l.log_index, l.number) > (f.log_index, f.number)) \
                OR (f.subject LIKE 'exemption/%' AND NOT EXISTS (\
                SELECT 1 FROM compliance_in_force i \
                WHERE i.cluster = f.cluster AND i.subject = f.subject))) \
                ORDER BY f.known, f.cluster LIMIT 10000)";
    cx.execute(over, [limit.into()]).await?;
    let stretches = "DELETE FROM compliance_stretches WHERE (cluster, repository, first_at) IN (\
                     SELECT cluster, repository, first_at FROM compliance_stretches \
                     WHERE closed = 1 AND known_to <= ? \
                     ORDER BY known_to, cluster, repository LIMIT 10000)";
    cx.execute(stretches, [limit.into()]).await?;
    Ok(())
}
