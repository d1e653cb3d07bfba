//! Where a target ends, decided once (DESIGN 5.2).
//!
//! Every target becomes the start and the end of the last record that is
//! replayed. PostgreSQL is only ever told that position, so what the plan
//! promises and what recovery does cannot differ: not by a clock, not by a
//! rounded time, not by WAL that arrives later.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_pg::wal::{
    Detail, Record, TimeResolver, TimeTarget, TransactionEnd, claimed_position,
};
use holdfast_proto::ReportedFrontier;
use holdfast_repo::Backup;
use holdfast_types::{Failure, Lsn, LsnRange, RestoreTarget, StopBefore};
use jiff::Timestamp;

use super::chain::{Chain, wal_missing};
use super::landmark::is_same;
use crate::job::backup::{STANDBY, fact};

/// A target as positions.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// The end of the last record to be replayed.
    pub(super) to_lsn: Lsn,
    /// Its start.
    pub(super) last_record_lsn: Lsn,
    /// The last commit before that, when one is near.
    pub(super) last_commit: Option<TransactionEnd>,
    /// Every commit until then will be there.
    pub(super) recovers_to: Timestamp,
    pub(super) stop_before: Option<StopBefore>,
    /// What whoever asked may not expect.
    pub(super) warning: Option<String>,
}

impl Resolved {
    /// It is proved that every commit until then is there.
    fn proved_until(self, time: Timestamp) -> Self {
        Self {
            recovers_to: self.recovers_to.max(time),
            ..self
        }
    }
}

/// Why a target has no position on the way from a backup.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// It lies before the backup is consistent: an older one may do.
    BeforeBackup,
    Failed(Failure),
}

impl From<Failure> for Unresolved {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a target is resolved against.
pub(super) struct Question<'a> {
    pub(super) chain: &'a Chain,
    pub(super) backup: &'a Backup,
    pub(super) exclusive: bool,
    /// What is known of the cluster's frontier.
    pub(super) frontier: Option<ReportedFrontier>,
    /// The record that the target is, where it is one.
    pub(super) landmark: Option<&'a Record>,
}

impl Question<'_> {
    /// Resolves `target`.
    pub(super) async fn resolve(&self, target: &RestoreTarget) -> Result<Resolved, Unresolved> {
        let resolved = match target {
            RestoreTarget::Latest => self.latest().await?,
            RestoreTarget::Time(time) => self.time(*time).await?,
            RestoreTarget::Lsn(lsn) => self.position(*lsn).await?,
            RestoreTarget::Immediate | RestoreTarget::Backup(_) => self.consistent().await?,
            RestoreTarget::Xid(_) | RestoreTarget::Name(_) => match self.landmark {
                Some(record) => self.landmark(record).await?,
                None => return Err(Unresolved::BeforeBackup),
            },
        };
        if resolved.to_lsn < self.backup.stop_lsn {
            return Err(Unresolved::BeforeBackup);
        }
        Ok(resolved)
    }

    /// Everything that is there. A hole with WAL behind it is no end: whoever
    /// asks for the latest would be given something else.
    async fn latest(&self) -> Result<Resolved, Unresolved> {
        let end = self.end()?;
        if let Some(hole) = self.chain.hole_after(self.backup.start_lsn) {
            return Err(wal_missing(hole, self.chain.timeline()).into());
        }
        let resolved = self.up_to(end).await?;
        // What was proved to be there must still be.
        match self.unmet(&resolved) {
            None => Ok(resolved),
            Some((lost, until)) if self.is_begun(&resolved, lost, end).await? => {
                Ok(resolved.proved_until(until))
            }
            Some((lost, _)) => Err(wal_missing(lost, self.chain.timeline()).into()),
        }
    }

    /// What is claimed behind the last whole record, and the time of the claim.
    fn unmet(&self, resolved: &Resolved) -> Option<(LsnRange, Timestamp)> {
        let known = self.frontier?;
        if known.timeline != self.chain.timeline() {
            return None;
        }
        let claimed = claimed_position(known.frontier.lsn, self.chain.segment_size());
        let lost = LsnRange::new(resolved.to_lsn, claimed)?;
        Some((lost, known.frontier.time))
    }

    /// Whether it is all there, as the beginning of one more record. PostgreSQL writes
    /// and flushes whole pages, so a position it tells can lie in the middle of a record.
    /// Nobody was told that what such a record says was committed.
    async fn is_begun(&self, last: &Resolved, lost: LsnRange, end: Lsn) -> Result<bool, Failure> {
        Ok(lost.to_lsn <= end && self.chain.only_begins(last.last_record_lsn, end).await?)
    }

    /// As soon as the copy is consistent.
    async fn consistent(&self) -> Result<Resolved, Unresolved> {
        self.end()?;
        self.up_to(self.backup.stop_lsn).await
    }

    /// Before the first commit that is later; without one, everything, if it
    /// is known that nothing is missing until then.
    async fn time(&self, time: Timestamp) -> Result<Resolved, Unresolved> {
        let end = self.end()?;
        let target = TimeTarget {
            at: time,
            exclusive: self.exclusive,
        };
        let scanned = Arc::new(Mutex::new(TimeResolver::new(target)));
        let into = Arc::clone(&scanned);
        let observe = move |record: &Record| {
            let mut resolver = into.lock().unwrap_or_else(PoisonError::into_inner);
            let found = resolver.observe(record);
            if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        drop(self.chain.scan(self.backup.start_lsn, end, observe).await?);
        let resolver = scanned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(last) = resolver.last_record() else {
            return Err(Unresolved::BeforeBackup);
        };
        let last_commit = resolver.last_commit().map(|(_, commit)| *commit);
        if let Some((stop, _)) = resolver.stop() {
            let inclusive = !self.exclusive;
            let record_lsn = stop.start;
            return Ok(Resolved {
                to_lsn: last.end,
                last_record_lsn: last.start,
                last_commit,
                recovers_to: time,
                stop_before: Some(StopBefore {
                    time,
                    inclusive,
                    record_lsn,
                }),
                warning: None,
            });
        }
        if let Some(hole) = self.chain.hole_after(self.backup.start_lsn) {
            return Err(wal_missing(hole, self.chain.timeline()).into());
        }
        let mut resolved = self.finish(last.end, last.start, last_commit);
        if let Some((lost, until)) = self.unmet(&resolved)
            && self.is_begun(&resolved, lost, end).await?
        {
            resolved = resolved.proved_until(until);
        }
        if time > resolved.recovers_to {
            return Err(after_frontier(
                &time.to_string(),
                &format!("{} ({})", resolved.recovers_to, resolved.to_lsn),
            )
            .into());
        }
        Ok(resolved)
    }

    /// As `recovery_target_lsn`: after the first record that starts at the
    /// position or later; exclusive: before it. A position at which WAL ends
    /// means everything.
    async fn position(&self, lsn: Lsn) -> Result<Resolved, Unresolved> {
        let end = self.end()?;
        let size = self.chain.segment_size();
        let mut from = size.start_of(lsn).max(self.backup.start_lsn).min(end);
        loop {
            let (before, at) = self.around(lsn, from, end).await?;
            let chosen = if self.exclusive || at.is_none() {
                before
            } else {
                at.clone()
            };
            if let Some(record) = chosen {
                if at.is_none() && claimed_position(lsn, size) > record.end {
                    return Err(self.past_the_end(lsn, &record));
                }
                let seen = self
                    .chain
                    .last_before(self.backup.start_lsn, record.end)
                    .await?;
                return Ok(self.finish(record.end, record.start, seen.commit));
            }
            if from <= self.backup.start_lsn {
                return Err(Unresolved::BeforeBackup);
            }
            // The record before it began in an older segment.
            let before = Lsn::new(from.get() - 1);
            from = size.start_of(before).max(self.backup.start_lsn);
        }
    }

    /// After a record that was found; exclusive: before it.
    async fn landmark(&self, record: &Record) -> Result<Resolved, Unresolved> {
        let end = self.end()?;
        if record.end < self.backup.stop_lsn {
            return Err(Unresolved::BeforeBackup);
        }
        if end <= record.start {
            let hole = LsnRange {
                from_lsn: end,
                to_lsn: record.end,
            };
            return Err(wal_missing(hole, self.chain.timeline()).into());
        }
        let segment = self.chain.segment_size().start_of(record.start);
        let from = segment.max(self.backup.start_lsn);
        let (_, there) = self.around(record.start, from, end).await?;
        if !there.is_some_and(|there| is_same(&there, record)) {
            // It is on no way that leads on from this backup.
            return Err(Unresolved::BeforeBackup);
        }
        if self.exclusive {
            return self.up_to(record.start).await;
        }
        let start = self.backup.start_lsn;
        let seen = self.chain.last_before(start, record.end).await?;
        let mut resolved = self.finish(record.end, record.start, seen.commit);
        if let Detail::Abort(ended) = &record.detail {
            resolved.warning = Some(format!(
                "transaction {} was rolled back at {}: nothing of it is restored",
                ended.xid, ended.at
            ));
        }
        Ok(resolved)
    }

    /// The last record before a position, and the first from it on.
    async fn around(
        &self,
        lsn: Lsn,
        from: Lsn,
        end: Lsn,
    ) -> Result<(Option<Record>, Option<Record>), Failure> {
        let seen: Arc<Mutex<(Option<Record>, Option<Record>)>> = Arc::default();
        let into = Arc::clone(&seen);
        let observe = move |record: &Record| {
            let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
            if record.start >= lsn {
                seen.1 = Some(record.clone());
                return ControlFlow::Break(());
            }
            seen.0 = Some(record.clone());
            ControlFlow::Continue(())
        };
        drop(self.chain.scan(from, end, observe).await?);
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(seen)
    }

    fn past_the_end(&self, lsn: Lsn, last: &Record) -> Unresolved {
        let hole = self.chain.hole_after(self.backup.start_lsn);
        match hole.filter(|hole| lsn >= hole.from_lsn) {
            Some(hole) => wal_missing(hole, self.chain.timeline()).into(),
            None => after_frontier(&lsn.to_string(), &last.end.to_string()).into(),
        }
    }

    /// Everything that ends at `limit` or before.
    async fn up_to(&self, limit: Lsn) -> Result<Resolved, Unresolved> {
        let seen = self.chain.last_before(self.backup.start_lsn, limit).await?;
        let Some(last) = seen.last else {
            // Held, and yet no record can be read: it is not the WAL it says.
            let hole = LsnRange {
                from_lsn: self.backup.start_lsn,
                to_lsn: limit,
            };
            return Err(wal_missing(hole, self.chain.timeline()).into());
        };
        Ok(self.finish(last.end, last.start, seen.commit))
    }

    fn finish(
        &self,
        to_lsn: Lsn,
        last_record_lsn: Lsn,
        last_commit: Option<TransactionEnd>,
    ) -> Resolved {
        let reached = |reported: &ReportedFrontier| {
            reported.timeline <= self.chain.timeline()
                && claimed_position(reported.frontier.lsn, self.chain.segment_size()) <= to_lsn
        };
        let proved = self
            .frontier
            .filter(reached)
            .map(|reported| reported.frontier.time);
        let committed = last_commit.map(|commit| commit.at);
        // An empty log until the backup was complete: it holds all until then.
        let known = [proved, committed, Some(complete_until(self.backup))];
        let recovers_to = known.into_iter().flatten().max();
        let recovers_to = recovers_to.unwrap_or(self.backup.started_at);
        Resolved {
            to_lsn,
            last_record_lsn,
            last_commit,
            recovers_to,
            stop_before: None,
            warning: None,
        }
    }

    /// Where the WAL that is there without a hole ends: behind the backup.
    fn end(&self) -> Result<Lsn, Failure> {
        let start = self.backup.start_lsn;
        let end = self.chain.contiguous_end(start);
        if end >= self.backup.stop_lsn {
            return Ok(end);
        }
        let to_lsn = self
            .chain
            .hole_after(start)
            .map_or(self.backup.stop_lsn, |hole| hole.to_lsn);
        Err(wal_missing(
            LsnRange {
                from_lsn: end,
                to_lsn,
            },
            self.chain.timeline(),
        ))
    }
}

/// Until when a backup holds every commit. A standby may be behind its primary,
/// and says itself until when it surely is not.
fn complete_until(backup: &Backup) -> Timestamp {
    let said = backup.facts.get(fact::COMPLETE_UNTIL);
    let said = said.and_then(|at| at.parse().ok());
    match backup.facts.get(fact::FROM) {
        Some(from) if from == STANDBY => said.unwrap_or(Timestamp::UNIX_EPOCH),
        _ => backup.finished_at,
    }
}

fn after_frontier(target: &str, end: &str) -> Failure {
    Failure::permanent(
        "target_after_frontier",
        format!("{target} lies after everything that is known to be in the repository: {end}"),
        "choose an earlier target, or latest for everything that is there",
    )
}
