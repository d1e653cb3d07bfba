//! A slot at an instance whose WAL is received elsewhere, or from another
//! instance: so that a standby that is promoted has what the old primary took
//! with it, and so that a gap can be filled from whoever has the WAL.
//!
//! The slot follows what the repository holds, as a listing shows it, and
//! never runs ahead of it (I-07). Nobody need be asked for that, so it goes on
//! without a control plane (I-08). At its bound it goes, unless the policy says
//! that it shall stay (I-15).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::replication::{Client, SystemIdentity};
use holdfast_pg::{ConnectionInfo, Error as PgError, SlotName, sql};
use holdfast_proto::WalWork;
use holdfast_repo::WalRepository;
use holdfast_types::{Coverage, Failure, Lineage, Lsn, SegmentSize, Timeline, TimelineHistory};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::mend::{tell, wanted};
use super::open;
use super::refetch::{Hole, Instance, local_directory, oldest_file};
use super::retention::{Retained, RetentionBound};
use super::slot;
use super::stored::Stored;
use super::trouble::Trouble;
use crate::failure;
use crate::host::Host;

/// Looks in a flush interval of the policy: the slot may be that far behind.
const LOOK_EVERY: u32 = 4;
/// How long a look may take before it is given up: but for what it gets again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon a hole that could not be filled is tried again, and how long that
/// becomes.
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(600);

/// A slot that is being kept. Dropping it ends that without waiting; the slot
/// stays.
#[derive(Debug)]
pub struct Keeper {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    slot: SlotName,
    info: Result<ConnectionInfo, Failure>,
}

impl Keeper {
    /// Begins to keep the slot. Nothing is waited for: whatever is in the way
    /// is logged, and tried again.
    pub fn start(work: WalWork, host: Host) -> Self {
        let stop = CancellationToken::new();
        let slot = SlotName::for_cluster(&work.cluster);
        let instance = &work.instance;
        let info = ConnectionInfo::parse(&instance.connection, instance.password.clone());
        let info = info.map_err(|error| failure::of_postgres(&error));
        let task = match &info {
            Ok(info) => {
                let keeping = Keeping {
                    host,
                    info: info.clone(),
                    slot: slot.clone(),
                    bound: RetentionBound {
                        max: work.max_retained,
                        when_full: work.when_full,
                    },
                    work,
                    given_up: false,
                    holes: Vec::new(),
                    again: Instant::now(),
                    backoff: Backoff::new(SOONEST, LATEST),
                };
                Some(tokio::spawn(keeping.run(stop.clone())))
            }
            Err(failure) => {
                tracing::error!(slot = %slot, "the slot cannot be kept: {failure}");
                None
            }
        };
        Self {
            stop,
            task,
            slot,
            info,
        }
    }

    /// Ends it; the slot stays.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// Ends it for good: nobody would ever move the slot again (I-15).
    pub async fn drop_slot(mut self) -> Result<(), Failure> {
        self.end().await;
        let info = self.info.as_ref().map_err(Clone::clone)?;
        slot::drop(info, &self.slot)
            .await
            .map_err(|error| failure::of_postgres(&error))?;
        tracing::info!(slot = %self.slot, "replication slot dropped");
        Ok(())
    }

    async fn end(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "keeping a slot ended badly");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Keeping {
    host: Host,
    work: WalWork,
    info: ConnectionInfo,
    slot: SlotName,
    bound: RetentionBound,
    /// The slot went at its bound: the next one waits for the repository.
    given_up: bool,
    /// What was missing at the last look. Segments may come out of their
    /// order, so what is missing once is not a hole yet.
    holes: Vec<Hole>,
    /// When holes are tried again.
    again: Instant,
    backoff: Backoff,
}

/// The server at one look.
struct Seen {
    identity: SystemIdentity,
    size: SegmentSize,
    /// The oldest WAL that the slot keeps; `None` without a slot.
    kept_from: Option<Lsn>,
    directory: Option<PathBuf>,
}

impl Keeping {
    async fn run(mut self, stop: CancellationToken) {
        let every = self.work.flush_every.get() * LOOK_EVERY;
        let mut told = None;
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            let code = looked.err().map(|trouble| {
                let failure = trouble.failure();
                if told.as_ref() != Some(&failure.code) {
                    tracing::warn!(slot = %self.slot, code = failure.code, "{failure}");
                }
                failure.code
            });
            told = code;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let (session, mut seen) = within(self.see()).await?;
        let Some(bound_bytes) = self.bound_bytes(&seen) else {
            return Err(Trouble::Waiting(self.unbounded(&session, &seen).await?));
        };
        if self.is_at_bound(&session, &seen, bound_bytes).await? {
            return Ok(());
        }
        if seen.kept_from.is_none() && !self.given_up {
            seen.kept_from = self.make().await?;
        }
        let Some(wal) = within(self.wal(seen.identity)).await? else {
            // Nothing was ever stored, so nothing is confirmed.
            return Ok(());
        };
        // The repository answers: what follows can be stored again.
        if seen.kept_from.is_none() {
            seen.kept_from = self.make().await?;
        }
        self.given_up = false;
        let Some(kept_from) = seen.kept_from else {
            return Ok(());
        };
        let oldest = oldest_file(&session, seen.identity.flushed, seen.size).await;
        let oldest = oldest.ok().flatten().unwrap_or(kept_from).min(kept_from);
        let stored = within(listed(&wal, seen.size, oldest)).await?;
        let Some((history, mut stored)) = stored else {
            return Ok(());
        };
        if !stored.holes(&history).is_empty() {
            // What expired is wanted by nobody, and holds up nothing (I-06).
            for (timeline, gone) in within(expired(&wal)).await? {
                if let Some(coverage) = stored.timelines.get_mut(&timeline) {
                    gone.ranges()
                        .iter()
                        .for_each(|range| coverage.insert(*range));
                }
            }
        }
        let to = advance_to(&history, &stored, kept_from, seen.size);
        let to = to.min(seen.size.start_of(seen.identity.flushed));
        if to > kept_from && is_on(&history, seen.identity.timeline, kept_from) {
            match session.advance_slot(&self.slot, to).await {
                // Whoever streams from it moves it.
                Ok(()) | Err(PgError::SlotInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.fill(&wal, &seen, stored.holes(&history)).await
    }

    async fn see(&self) -> Result<(sql::Session, Seen), Trouble> {
        let mut client = Client::connect(&self.info).await?;
        let identity = match self.work.instance.system_identifier {
            Some(expected) => client.require_system(expected).await?,
            None => client.identify_system().await?,
        };
        let size = client.segment_size().await?;
        let position = client.read_slot(&self.slot).await?;
        client.close().await;
        let session = sql::Session::connect(&self.info).await?;
        let directory = if self.work.instance.is_remote() {
            None
        } else {
            let told = self.work.instance.told_directory();
            local_directory(&session, told, identity.system_identifier).await
        };
        let kept_from = position.and_then(|position| position.restart_lsn);
        let seen = Seen {
            identity,
            size,
            kept_from,
            directory,
        };
        Ok((session, seen))
    }

    fn bound_bytes(&self, seen: &Seen) -> Option<u64> {
        self.bound.bytes(
            seen.directory.as_deref(),
            seen.identity.system_identifier,
            self.work.volume_bytes,
        )
    }

    /// I-15: a slot that cannot be bounded is not kept. It would be there for a
    /// day that may never come, and fill a volume that nobody sees.
    async fn unbounded(&self, session: &sql::Session, seen: &Seen) -> Result<Failure, Trouble> {
        if seen.kept_from.is_some() {
            match session.drop_slot(&self.slot).await {
                Ok(()) | Err(PgError::SlotMissing { .. } | PgError::SlotInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Failure::permanent(
            "wal_retention_unknown",
            "no slot is kept at this instance: the size of its volume is not known, so there is \
             no bound to what the slot would keep",
            "give wal.maxRetained as a size, or let the agent see the data directory; without the \
             slot a failover to this instance may lose WAL that was not stored yet",
        ))
    }

    /// I-15: whether the slot keeps more than it may, and then it goes.
    async fn is_at_bound(
        &mut self,
        session: &sql::Session,
        seen: &Seen,
        bound_bytes: u64,
    ) -> Result<bool, Trouble> {
        let Some(kept_from) = seen.kept_from else {
            return Ok(false);
        };
        let flushed = seen.identity.flushed;
        let retained = (flushed > kept_from).then(|| flushed.bytes_since(kept_from));
        match self.bound.judge(retained, Some(bound_bytes)) {
            Retained::Within => Ok(false),
            Retained::Stall(exceeded) => {
                tracing::error!(slot = %self.slot, "{}", exceeded.stalled());
                Ok(false)
            }
            Retained::Drop(exceeded) => {
                match session.drop_slot(&self.slot).await {
                    Ok(()) | Err(PgError::SlotMissing { .. }) => {}
                    // Its receiver sees to the bound.
                    Err(PgError::SlotInUse { .. }) => return Ok(false),
                    Err(error) => return Err(error.into()),
                }
                tracing::error!(slot = %self.slot, "{}", exceeded.failure());
                self.given_up = true;
                Ok(true)
            }
        }
    }

    /// Makes the slot, anew where PostgreSQL had given it up.
    async fn make(&self) -> Result<Option<Lsn>, Trouble> {
        let mut client = Client::connect(&self.info).await?;
        let made = slot::ensure(&mut client, &self.slot, false).await?;
        client.close().await;
        Ok((made.kept_from > Lsn::INVALID).then_some(made.kept_from))
    }

    /// The lineage's WAL, if there is any.
    async fn wal(&self, identity: SystemIdentity) -> Result<Option<WalRepository>, Trouble> {
        let lineage = Lineage {
            system_identifier: identity.system_identifier,
            incarnation: self.work.incarnation,
        };
        let repository = self.host.repository(&self.work.repository).await?;
        match repository.lineage(&self.work.cluster, lineage).await {
            Ok(lineage) => Ok(Some(lineage.wal(open::codec(self.work.compression)))),
            Err(holdfast_repo::Error::UnknownLineage { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gets again what the repository lacks, as far as this instance has it.
    async fn fill(
        &mut self,
        wal: &WalRepository,
        seen: &Seen,
        found: Vec<(Timeline, holdfast_types::LsnRange)>,
    ) -> Result<(), Trouble> {
        let holes = found.into_iter();
        let holes: Vec<Hole> = holes
            .map(|(timeline, range)| Hole { timeline, range })
            .collect();
        let mut known = std::mem::replace(&mut self.holes, holes.clone());
        known.retain(|hole| holes.contains(hole));
        if known.is_empty() {
            self.backoff.reset();
            return Ok(());
        }
        if Instant::now() < self.again {
            return Ok(());
        }
        self.again = Instant::now() + self.backoff.pause();
        let instance = Instance {
            info: &self.info,
            system_identifier: seen.identity.system_identifier,
            size: seen.size,
            directory: seen.directory.clone(),
        };
        for hole in wanted(wal, known).await? {
            let stored = instance.refetch(wal, hole).await?;
            stored.ranges().iter().for_each(|range| tell(hole, *range));
        }
        Ok(())
    }
}

async fn expired(wal: &WalRepository) -> Result<BTreeMap<Timeline, Coverage>, Trouble> {
    Ok(wal.expired().await?)
}

/// What is stored from `oldest` on, and the history of the newest timeline of
/// which there is WAL.
async fn listed(
    wal: &WalRepository,
    size: SegmentSize,
    oldest: Lsn,
) -> Result<Option<(TimelineHistory, Stored)>, Trouble> {
    let timelines = wal.timelines().await?;
    let Some(newest) = timelines.iter().max() else {
        return Ok(None);
    };
    let history = wal.history(*newest).await?;
    // One segment more: a hole shows by what lies before it.
    let before = Lsn::new(size.start_of(oldest).get().saturating_sub(size.bytes()));
    let mut stored = Stored::default();
    for timeline in timelines {
        if history
            .switchpoint_of(timeline)
            .is_some_and(|left| left < before)
        {
            continue;
        }
        let coverage = wal.list_from(timeline, before).await?.coverage();
        if !coverage.ranges().is_empty() {
            stored.timelines.insert(timeline, coverage);
        }
    }
    Ok(Some((history, stored)))
}

/// Whether a server on `timeline` has what the history says up to `lsn`.
fn is_on(history: &TimelineHistory, timeline: Timeline, lsn: Lsn) -> bool {
    // One that was promoted just now is ahead of what is stored.
    timeline > history.timeline || history.contains(timeline, lsn)
}

/// How far the slot may go: to the start of the segment in which what is stored
/// without a gap from `kept_from` on ends. That segment's writer may have been
/// killed before it was durable; what lies before it was followed by another
/// put.
fn advance_to(
    history: &TimelineHistory,
    stored: &Stored,
    kept_from: Lsn,
    size: SegmentSize,
) -> Lsn {
    let nothing = Coverage::default();
    let mut at = begin(history, &stored.timelines, kept_from);
    loop {
        let timeline = history.timeline_at(at);
        let coverage = stored.timelines.get(&timeline).unwrap_or(&nothing);
        let end = coverage.contiguous_end(at);
        match history.switchpoint_of(timeline) {
            Some(switch) if end >= switch => at = switch,
            _ => {
                let last = Lsn::new(end.get().saturating_sub(1));
                return size.start_of(last).max(kept_from);
            }
        }
    }
}

/// Where to look from: what was kept before the lineage began is nobody's.
fn begin(
    history: &TimelineHistory,
    timelines: &BTreeMap<Timeline, Coverage>,
    kept_from: Lsn,
) -> Lsn {
    let timeline = history.timeline_at(kept_from);
    let ranges = timelines
        .range(..=timeline)
        .flat_map(|(_, coverage)| coverage.ranges());
    let before = ranges.clone().any(|range| range.from_lsn <= kept_from);
    if before {
        return kept_from;
    }
    let first = ranges.map(|range| range.from_lsn).min();
    first.unwrap_or(kept_from).max(kept_from)
}

async fn within<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| {
            Err(Trouble::Waiting(Failure::transient(
                "pg_timed_out",
                format!(
                    "PostgreSQL or the repository did not answer within {} s",
                    PATIENCE.as_secs()
                ),
                "it is tried again; if it stays, look at the server's log and at the repository",
            )))
        })
}

#[cfg(test)]
mod tests {
    use holdfast_types::LsnRange;

    use super::*;

    const SIZE: u64 = 1 << 20;

    fn size() -> SegmentSize {
        SegmentSize::new(SIZE).unwrap()
    }

    fn timeline(number: u32) -> Timeline {
        Timeline::new(number).unwrap()
    }

    fn stored(timelines: &[(u32, &[(u64, u64)])]) -> Stored {
        let timelines = timelines.iter().map(|(number, ranges)| {
            let range = |(from, to): &(u64, u64)| LsnRange::new(Lsn::new(*from), Lsn::new(*to));
            (timeline(*number), ranges.iter().filter_map(range).collect())
        });
        Stored {
            timelines: timelines.collect(),
            superfluous: Vec::new(),
        }
    }

    fn one() -> TimelineHistory {
        TimelineHistory::root(timeline(1))
    }

    /// Timeline 2 since half of segment 5.
    fn two() -> TimelineHistory {
        TimelineHistory::parse(timeline(2), "1\t0/580000\tx\n").unwrap()
    }

    fn advanced(history: &TimelineHistory, stored: &Stored, kept_from: u64) -> u64 {
        advance_to(history, stored, Lsn::new(kept_from), size()).get()
    }

    // I-07
    #[test]
    fn a_slot_stays_behind_what_is_stored() {
        let held = stored(&[(1, &[(SIZE, 4 * SIZE + 10)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 4 * SIZE);
        // The last segment may not be durable, though it is whole.
        let held = stored(&[(1, &[(SIZE, 4 * SIZE)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 3 * SIZE);
        // Nothing goes back, and a hole is not passed.
        assert_eq!(advanced(&one(), &held, 3 * SIZE + 5), 3 * SIZE + 5);
        let hole = stored(&[(1, &[(SIZE, 2 * SIZE), (3 * SIZE, 6 * SIZE)])]);
        assert_eq!(advanced(&one(), &hole, SIZE), SIZE);
        assert_eq!(advanced(&one(), &hole, 2 * SIZE), 2 * SIZE);
    }

    #[test]
    fn it_follows_a_switch_and_what_is_missing_before_it_holds_it_up() {
        let half = 5 * SIZE + SIZE / 2;
        let whole = stored(&[(1, &[(SIZE, half)]), (2, &[(5 * SIZE, 8 * SIZE + 1)])]);
        assert_eq!(advanced(&two(), &whole, SIZE), 8 * SIZE);
        let torn = stored(&[(1, &[(SIZE, half - 1)]), (2, &[(5 * SIZE, 8 * SIZE + 1)])]);
        assert_eq!(advanced(&two(), &torn, SIZE), 5 * SIZE);
    }

    #[test]
    fn what_was_kept_before_the_lineage_began_is_let_go() {
        let held = stored(&[(1, &[(3 * SIZE, 6 * SIZE)])]);
        assert_eq!(advanced(&one(), &held, SIZE), 5 * SIZE);
        assert_eq!(advanced(&one(), &stored(&[]), SIZE), SIZE);
    }

    #[test]
    fn a_server_that_was_left_behind_confirms_nothing() {
        let half = 5 * SIZE + SIZE / 2;
        assert!(is_on(&two(), timeline(1), Lsn::new(half)));
        assert!(!is_on(&two(), timeline(1), Lsn::new(half + 1)));
        assert!(is_on(&two(), timeline(2), Lsn::new(9 * SIZE)));
        assert!(is_on(&one(), timeline(2), Lsn::new(9 * SIZE)));
    }
}
