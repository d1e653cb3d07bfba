//! What restoring to a point means: from where, how much of it, how long, and what would
//! be lost.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, DrillFilter, DrillView, PageRequest, ResourceView};
use holdfast_types::access::Permission;
use holdfast_types::drill::{DrillVerdict, Proof, prove};
use holdfast_types::resource::{Kind, Policy};
use holdfast_types::{BackupId, BackupKind, Lsn, Name, RestoreTarget, Timeline};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::gather::Known;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};
use crate::app::policy::{Rates, rates};
use crate::plan::coverage::{Cannot, Point, Proved, Way, nearest, reach, stretches};

/// What restoring to a point means, by what the catalog knows. No agent is asked: what a
/// restore will do is said by its plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Recoverability)]
pub struct RecoverabilityView {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// The point.
    #[schema(value_type = String)]
    pub at: RestoreTarget,
    /// When this was so.
    pub as_of: Timestamp,
    /// Whether it can be restored from any repository.
    pub possible: bool,
    /// Why not: `no_backup`, `target_before_first_backup`, `target_after_frontier`,
    /// `target_needs_wal`, `wal_missing`; null when it can.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
    /// The latest point before it that can be restored; null when it can itself, and
    /// when there is none.
    pub nearest_before: Option<RestorablePoint>,
    /// The earliest one after it.
    pub nearest_after: Option<RestorablePoint>,
    /// The repository that would be read first.
    #[schema(value_type = Option<String>)]
    pub repository: Option<Name>,
    /// The backup that it would start from.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
    /// What that holds.
    pub backup_kind: Option<BackupKind>,
    /// When that was consistent.
    pub backup_finished_at: Option<Timestamp>,
    /// The timeline that it would end on.
    #[schema(value_type = Option<u32>)]
    pub timeline: Option<Timeline>,
    /// Every commit until then would be there.
    pub recovers_to: Option<Timestamp>,
    /// Where replay would end; null where only a plan, which reads the WAL, can say.
    #[schema(value_type = Option<String>)]
    pub lsn: Option<Lsn>,
    /// Bytes of the database that would be written.
    pub database_bytes: Option<u64>,
    /// Bytes of WAL that would be replayed: of a time, by where the positions known
    /// around it are, in proportion.
    pub replay_bytes: Option<u64>,
    /// And at most.
    pub replay_bytes_at_most: Option<u64>,
    /// What would be lost of what was committed until now.
    pub loss_from_now_seconds: Option<f64>,
    /// What would be given up of what could be had: from that point to the frontier.
    pub loss_from_frontier_seconds: Option<f64>,
    /// How long it would take, by how fast the newest restores were; null when that is
    /// not known.
    pub predicted_seconds: Option<f64>,
    /// Why that is not known: `no_restore_measured`, `no_replay_measured`,
    /// `size_unknown`.
    pub predicted_because: Option<&'static str>,
    /// Bytes a second that the newest restores copied.
    pub copy_bytes_per_second: Option<f64>,
    /// Bytes of WAL a second that they replayed.
    pub replay_bytes_per_second: Option<f64>,
    /// What drills prove: how long a restore took, and when.
    pub proof: Proof,
    /// What each repository can do, the one that would be read first at the front.
    pub repositories: Vec<PointOfRepository>,
}

/// A point that can be restored.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestorablePoint {
    /// The time.
    pub time: Timestamp,
    /// The position.
    #[schema(value_type = String)]
    pub lsn: Lsn,
    /// From which repository.
    #[schema(value_type = String)]
    pub repository: Name,
}

/// Whether a point can be restored from one repository.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointOfRepository {
    /// The repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// Whether it can.
    pub possible: bool,
    /// Why not.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
    /// The backup that it would start from.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
}

/// Who asks for what is not on record has it planned.
fn point_of(at: &RestoreTarget) -> Result<Point> {
    match at {
        RestoreTarget::Latest => Ok(Point::Latest),
        RestoreTarget::Time(time) => Ok(Point::Time(*time)),
        RestoreTarget::Lsn(lsn) => Ok(Point::Lsn(*lsn)),
        RestoreTarget::Xid(_)
        | RestoreTarget::Name(_)
        | RestoreTarget::Immediate
        | RestoreTarget::Backup(_) => {
            let message = format!(
                "what restoring to {at} means is not on record: this is answered for `latest`, \
                 an RFC 3339 time and `lsn:X`"
            );
            let error = AppError::invalid("at", message);
            Err(error.with_hint("plan a restore to it, with `holdfast restore plan`"))
        }
    }
}

impl App {
    /// What restoring a cluster to a point means.
    pub async fn recoverability(
        &self,
        by: &Caller,
        cluster: &Name,
        at: RestoreTarget,
        repository: Option<&Name>,
    ) -> Result<RecoverabilityView> {
        let point = point_of(&at)?;
        let now = Timestamp::now();
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::BackupsRead, cluster)
            .await?;
        let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
        let found = found.ok_or_else(|| AppError::not_found("cluster", cluster))?;
        let mut known = self.known_of(&view, cluster).await?;
        if let Some(repository) = repository {
            known.only(repository)?;
        }
        let order = self.reading_order(&view, (cluster, &at), &known).await?;
        let policy = known.policy.as_ref().map(|(_, policy)| policy);
        let proof = proof_of(&view, &found, policy, now).await?;
        let rates = rates(&view).await?;
        let mut answer = answer(&known, &order, point);
        // Of a database of which nothing is left there is nothing to compare with.
        let frontier = known.of.values().flat_map(|here| stretches(&here.held));
        let frontier = frontier.map(|stretch| stretch.to).max();
        let way = answer.way.take();
        let (predicted, because) = match &way {
            Some((_, way)) => predict(way, rates),
            None => (None, None),
        };
        let recovers_to = way.as_ref().map(|(_, way)| way.recovers_to);
        let since = |later: Timestamp| {
            let lost = later.duration_since(recovers_to?).as_secs_f64();
            Some(lost.max(0.0))
        };
        let base = way.as_ref().map(|(_, way)| way.base);
        let (code, message) = match (&way, answer.why) {
            (None, Some((code, message))) => (Some(code), Some(message)),
            _ => (None, None),
        };
        Ok(RecoverabilityView {
            cluster: cluster.clone(),
            at,
            as_of: now,
            possible: way.is_some(),
            code,
            message,
            nearest_before: answer.before.filter(|_| way.is_none()),
            nearest_after: answer.after.filter(|_| way.is_none()),
            repository: way.as_ref().map(|(name, _)| name.clone()),
            backup: base.map(|base| base.id),
            backup_kind: base.map(|base| base.kind),
            backup_finished_at: base.map(|base| base.consistent_at),
            timeline: way.as_ref().map(|(_, way)| way.timeline),
            recovers_to,
            lsn: way.as_ref().and_then(|(_, way)| way.lsn),
            database_bytes: base.and_then(|base| base.bytes),
            replay_bytes: way.as_ref().map(|(_, way)| way.replay),
            replay_bytes_at_most: way.as_ref().map(|(_, way)| way.replay_most),
            loss_from_now_seconds: since(now),
            loss_from_frontier_seconds: frontier.and_then(since),
            predicted_seconds: predicted,
            predicted_because: because,
            copy_bytes_per_second: rates.copy_bytes_per_second,
            replay_bytes_per_second: rates.replay_bytes_per_second,
            proof,
            repositories: answer.repositories,
        })
    }

    /// The repositories in the order in which a restore would read them.
    async fn reading_order(
        &self,
        view: &StateView,
        (cluster, at): (&Name, &RestoreTarget),
        known: &Known,
    ) -> Result<Vec<Name>> {
        let holding = known.of.iter();
        let holding = holding.filter(|(_, here)| !here.held.backups.is_empty());
        // Of one there is no choice, and nothing more to look up.
        if holding.count() < 2 {
            let mut names: Vec<Name> = known.of.keys().cloned().collect();
            names.sort_by_key(|name| known.of[name].held.backups.is_empty());
            return Ok(names);
        }
        let copies = self.copies_for(view, (cluster, None), at, None).await?;
        let names = copies.into_iter().map(|copy| copy.repository);
        let mut names: Vec<Name> = names.filter(|name| known.of.contains_key(name)).collect();
        let rest = known.of.keys().filter(|name| !names.contains(name));
        let rest: Vec<Name> = rest.cloned().collect();
        names.extend(rest);
        Ok(names)
    }
}

/// What the drills of a cluster prove.
async fn proof_of(
    view: &StateView,
    cluster: &ResourceView,
    policy: Option<&Policy>,
    now: Timestamp,
) -> Result<Proof> {
    let conn = view.connection();
    let newest = async |verdict| {
        let filter = DrillFilter {
            cluster: Some(cluster.name().clone()),
            verdict,
            ..DrillFilter::default()
        };
        let found = query::drills(conn, &filter, &PageRequest::first(1)).await?;
        Ok::<_, AppError>(found.items.first().map(DrillView::proves))
    };
    let passed = newest(Some(DrillVerdict::Passed)).await?;
    let plans = query::drill_plans(conn).await?;
    let planned = query::plans_for(&plans, cluster.labels());
    let planned = planned.filter_map(|(_, drill)| drill.fresh_for());
    let ordered = policy.and_then(Policy::drills_fresh_for);
    let fresh_for = ordered.into_iter().chain(planned).min();
    Ok(prove(newest(None).await?, passed, fresh_for, now))
}

/// What the repositories say together.
#[derive(Default)]
struct Answer {
    way: Option<(Name, Way)>,
    /// Why there is none, by the repository that would be read first.
    why: Option<(String, String)>,
    before: Option<RestorablePoint>,
    after: Option<RestorablePoint>,
    repositories: Vec<PointOfRepository>,
}

fn answer(known: &Known, order: &[Name], point: Point) -> Answer {
    let mut answer = Answer::default();
    let mut bands = BTreeMap::new();
    for name in order {
        let held = &known.of[name].held;
        bands.insert(name, stretches(held));
        let reached = reach(held, point);
        let (backup, why) = match &reached {
            Ok(way) => (Some(way.base.id), None),
            Err(cannot) => (None, Some(told(cannot, point))),
        };
        answer.repositories.push(PointOfRepository {
            repository: name.clone(),
            possible: backup.is_some(),
            code: why.as_ref().map(|(code, _)| code.clone()),
            message: why.as_ref().map(|(_, message)| message.clone()),
            backup,
        });
        answer.why = answer.why.or(why);
        if let (None, Ok(way)) = (&answer.way, reached) {
            answer.way = Some((name.clone(), way));
        }
    }
    if order.is_empty() {
        answer.why = Some(told(&Cannot::NoBackup, point));
    }
    let at = |name: &Name, proved: Proved| RestorablePoint {
        time: proved.time,
        lsn: proved.lsn,
        repository: name.clone(),
    };
    for (name, band) in bands {
        let near = nearest(&band, point);
        let key = |one: &RestorablePoint| match point {
            Point::Lsn(_) => (Timestamp::MIN, one.lsn),
            Point::Latest | Point::Time(_) => (one.time, one.lsn),
        };
        let before = near.before.map(|proved| at(name, proved));
        let before = before.into_iter().chain(answer.before.take());
        answer.before = before.max_by_key(|one| key(one));
        let after = near.after.map(|proved| at(name, proved));
        let after = after.into_iter().chain(answer.after.take());
        answer.after = after.min_by_key(|one| key(one));
    }
    answer
}

fn told(cannot: &Cannot, point: Point) -> (String, String) {
    let point = match point {
        Point::Latest => "the latest point".to_owned(),
        Point::Time(time) => time.to_string(),
        Point::Lsn(lsn) => lsn.to_string(),
    };
    let (code, message) = match cannot {
        Cannot::NoBackup => (
            "no_backup",
            "it has no available backup, and WAL alone cannot be restored".to_owned(),
        ),
        Cannot::BeforeFirst(first) => (
            "target_before_first_backup",
            format!(
                "{point} lies before the first backup that is there, which was consistent at {} \
                 ({})",
                first.time, first.lsn
            ),
        ),
        Cannot::AfterFrontier(last) => (
            "target_after_frontier",
            format!(
                "{point} lies after everything that is proved to be there: the last of it is of \
                 {} ({})",
                last.time, last.lsn
            ),
        ),
        Cannot::NoWal(last) => (
            "target_needs_wal",
            format!(
                "no WAL is known to lead to {point}: the last before it that can be restored is \
                 of {} ({})",
                last.time, last.lsn
            ),
        ),
        Cannot::WalMissing(range, last) => (
            "wal_missing",
            format!(
                "the WAL from {} to {} is missing on the way to {point}: the last that is proved \
                 to be there before it is of {} ({})",
                range.from_lsn, range.to_lsn, last.time, last.lsn
            ),
        ),
    };
    (code.to_owned(), message)
}

/// How long it would take, or why that is not known.
#[expect(clippy::cast_precision_loss, reason = "an estimate of seconds")]
fn predict(way: &Way, rates: Rates) -> (Option<f64>, Option<&'static str>) {
    let Some(bytes) = way.base.bytes else {
        return (None, Some("size_unknown"));
    };
    let Some(copied) = rates.copy_bytes_per_second else {
        return (None, Some("no_restore_measured"));
    };
    let copy = bytes as f64 / copied;
    if way.replay == 0 {
        return (Some(copy), None);
    }
    match rates.replay_bytes_per_second {
        Some(replayed) => (Some(copy + way.replay as f64 / replayed), None),
        None => (None, Some("no_replay_measured")),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Lineage;
    use uuid::Uuid;

    use super::*;
    use crate::plan::coverage::Base;

    fn way(bytes: Option<u64>, replay: u64) -> Way {
        Way {
            base: Base {
                id: BackupId::from_uuid(Uuid::from_u128(1)),
                kind: BackupKind::Full,
                parent: None,
                lineage: Lineage {
                    system_identifier: 7,
                    incarnation: 1,
                },
                timeline: Timeline::FIRST,
                start: Lsn::new(1),
                stop: Lsn::new(2),
                consistent_at: Timestamp::UNIX_EPOCH,
                bytes,
            },
            timeline: Timeline::FIRST,
            recovers_to: Timestamp::UNIX_EPOCH,
            lsn: None,
            replay,
            replay_most: replay,
        }
    }

    #[test]
    fn a_duration_is_predicted_from_what_was_measured_or_not_at_all() {
        let rates = |copy, replay| Rates {
            copy_bytes_per_second: copy,
            replay_bytes_per_second: replay,
        };
        let both = rates(Some(100.0), Some(10.0));
        assert_eq!(predict(&way(Some(1000), 50), both), (Some(15.0), None));
        let none = rates(None, None);
        let because = Some("no_restore_measured");
        assert_eq!(predict(&way(Some(1000), 50), none), (None, because));
        let copy = rates(Some(100.0), None);
        let because = Some("no_replay_measured");
        assert_eq!(predict(&way(Some(1000), 50), copy), (None, because));
        assert_eq!(predict(&way(Some(1000), 0), copy), (Some(10.0), None));
        assert_eq!(predict(&way(None, 0), both), (None, Some("size_unknown")));
    }

    #[test]
    fn what_only_wal_can_say_is_left_to_a_plan() {
        assert_eq!(point_of(&RestoreTarget::Latest).unwrap(), Point::Latest);
        let refused = point_of(&RestoreTarget::Xid(42)).unwrap_err();
        assert_eq!(refused.code(), "invalid");
    }
}
