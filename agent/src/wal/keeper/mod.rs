//! A slot at an instance whose WAL is received elsewhere, or from another
//! instance: so that a standby that is promoted has what the old primary took
//! with it, and so that a gap can be filled from whoever has the WAL.
//!
//! The slot follows what the repository holds, as a listing shows it, and
//! never runs ahead of it (I-07). Nobody need be asked for that, so it goes on
//! without a control plane (I-08). At its bound it goes, unless the policy says
//! that it shall stay, and none is made that would be over its bound from the
//! first moment (I-15).

mod advance;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::replication::{Client, SystemIdentity};
use holdfast_pg::{ConnectionInfo, Error as PgError, SlotName, sql};
use holdfast_proto::WalWork;
use holdfast_repo::WalRepository;
use holdfast_types::{Coverage, Failure, Lineage, Lsn, SegmentSize, Timeline, TimelineHistory};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure;
use crate::host::Host;
use crate::wal::backoff::Backoff;
use crate::wal::mend::{tell, wanted};
use crate::wal::open;
use crate::wal::refetch::{Hole, Instance, local_directory, oldest_file};
use crate::wal::retention::{Retained, RetentionBound};
use crate::wal::slot;
use crate::wal::stored::Stored;
use crate::wal::trouble::{self, Trouble};
use advance::{advance_to, is_on};

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
    trouble: watch::Receiver<Option<Failure>>,
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
        let (told, trouble) = watch::channel(info.as_ref().err().cloned());
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
                    given_up: None,
                    told,
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
            trouble,
        }
    }

    /// Why there is no slot, or why it keeps more than it may; `None` while all
    /// is well.
    pub fn trouble(&self) -> watch::Receiver<Option<Failure>> {
        self.trouble.clone()
    }

    /// Ends it; the slot stays.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// Ends it for good: nobody would ever move the slot again (I-15).
    pub async fn drop_slot(mut self) -> Result<(), Failure> {
        self.end().await;
        slot::drop_of(&self.info, &self.slot).await
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
    /// Why the slot went: the next one waits for the repository.
    given_up: Option<Failure>,
    /// Whom [`Keeper::trouble`] reaches.
    told: watch::Sender<Option<Failure>>,
    /// What was missing at the last look. Segments may come out of their
    /// order, so what is missing once is not a hole yet.
    holes: Vec<Hole>,
    /// When holes are tried again.
    again: Instant,
    backoff: Backoff,
}

/// What is not kept any more is in no trouble.
impl Drop for Keeping {
    fn drop(&mut self) {
        let (cluster, instance) = (&self.work.cluster, &self.work.instance.connection);
        self.host.slots().note(cluster, instance, None);
    }
}

/// The server at one look.
struct Seen {
    identity: SystemIdentity,
    size: SegmentSize,
    /// The oldest WAL that the slot keeps; `None` without a slot.
    kept_from: Option<Lsn>,
    /// Where a slot would have kept WAL from, when none could be made.
    redo: Option<Lsn>,
    directory: Option<PathBuf>,
}

impl Keeping {
    async fn run(mut self, stop: CancellationToken) {
        let every = self.work.flush_every.get() * LOOK_EVERY;
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            let trouble = looked.unwrap_or_else(|trouble| {
                let why = trouble.failure();
                // What cannot be asked may be the very reason why it went.
                Some(self.given_up.clone().unwrap_or(why))
            });
            self.tell(trouble);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Says what has changed, once: numbers in it change at every look.
    fn tell(&self, trouble: Option<Failure>) {
        self.told.send_if_modified(|told| {
            let code = |one: &Option<Failure>| one.as_ref().map(|failure| failure.code.clone());
            if code(told) == code(&trouble) {
                return false;
            }
            match &trouble {
                Some(failure) if failure.code.starts_with("wal_retention") => {
                    tracing::error!(slot = %self.slot, code = failure.code, "{failure}");
                }
                Some(failure) => {
                    tracing::warn!(slot = %self.slot, code = failure.code, "{failure}");
                }
                None => tracing::info!(slot = %self.slot, "the slot is kept within its bound"),
            }
            let instance = &self.work.instance.connection;
            let slots = self.host.slots();
            slots.note(&self.work.cluster, instance, trouble.clone());
            *told = trouble;
            true
        });
    }

    /// Looks once. What is wrong with the slot while all else goes on is
    /// returned.
    async fn look(&mut self) -> Result<Option<Failure>, Trouble> {
        let (session, mut seen) = within(self.see()).await?;
        let Some(bound_bytes) = self.bound_bytes(&seen) else {
            return Err(Trouble::Waiting(self.unbounded(&session, &seen).await?));
        };
        let mut state = match self.at_bound(&session, &seen, bound_bytes).await? {
            Retained::Drop(exceeded) => return Ok(Some(exceeded.failure())),
            Retained::Stall(exceeded) => Some(exceeded.stalled()),
            Retained::Within => None,
        };
        if seen.kept_from.is_none() && self.given_up.is_none() {
            state = self.make(&session, &mut seen, bound_bytes).await?;
        }
        let Some(wal) = within(self.wal(seen.identity)).await? else {
            // Nothing was ever stored, so nothing is confirmed.
            return Ok(state.or_else(|| self.given_up.clone()));
        };
        // The repository answers: what follows can be stored again.
        if seen.kept_from.is_none() && self.given_up.is_some() {
            state = self.make(&session, &mut seen, bound_bytes).await?;
        }
        self.given_up = None;
        self.follow(&session, &wal, &seen).await?;
        Ok(state)
    }

    /// Moves the slot as far as it may go, and fills what is missing.
    async fn follow(
        &mut self,
        session: &sql::Session,
        wal: &WalRepository,
        seen: &Seen,
    ) -> Result<(), Trouble> {
        // Without a slot there is WAL here all the same.
        let Some(kept_from) = seen.kept_from.or(seen.redo) else {
            return Ok(());
        };
        let oldest = oldest_file(session, seen.identity.flushed, seen.size).await;
        let oldest = oldest.ok().flatten().unwrap_or(kept_from).min(kept_from);
        let stored = within(listed(wal, seen.size, oldest)).await?;
        let Some((history, mut stored)) = stored else {
            return Ok(());
        };
        if !stored.holes(&history).is_empty() {
            // What expired is wanted by nobody, and holds up nothing (I-06).
            for (timeline, gone) in within(expired(wal)).await? {
                if let Some(coverage) = stored.timelines.get_mut(&timeline) {
                    gone.ranges()
                        .iter()
                        .for_each(|range| coverage.insert(*range));
                }
            }
        }
        let to = advance_to(&history, &stored, kept_from, seen.size);
        let to = to.min(seen.size.start_of(seen.identity.flushed));
        let moves = seen.kept_from.is_some() && to > kept_from;
        if moves && is_on(&history, seen.identity.timeline, kept_from) {
            match session.advance_slot(&self.slot, to).await {
                // Whoever streams from it moves it.
                Ok(()) | Err(PgError::SlotInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.fill(wal, seen, stored.holes(&history)).await
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
            redo: None,
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

    /// I-15: what the slot keeps against what it may; at its bound it goes.
    async fn at_bound(
        &mut self,
        session: &sql::Session,
        seen: &Seen,
        bound_bytes: u64,
    ) -> Result<Retained, Trouble> {
        let Some(kept_from) = seen.kept_from else {
            return Ok(Retained::Within);
        };
        let judged = self.judge(seen, kept_from, bound_bytes);
        if let Retained::Drop(exceeded) = judged {
            match session.drop_slot(&self.slot).await {
                Ok(()) | Err(PgError::SlotMissing { .. }) => {}
                // Its receiver sees to the bound.
                Err(PgError::SlotInUse { .. }) => return Ok(Retained::Within),
                Err(error) => return Err(error.into()),
            }
            self.given_up = Some(exceeded.failure());
        }
        Ok(judged)
    }

    fn judge(&self, seen: &Seen, kept_from: Lsn, bound_bytes: u64) -> Retained {
        let flushed = seen.identity.flushed;
        let retained = (flushed > kept_from).then(|| flushed.bytes_since(kept_from));
        self.bound.judge(retained, Some(bound_bytes))
    }

    /// Makes the slot, anew where PostgreSQL had given it up, or says what it
    /// waits for.
    ///
    /// I-15: a new slot keeps WAL from the last restartpoint on. Where that is
    /// more than it may keep, it would go at the next look and be made again
    /// after it, until PostgreSQL makes the next one.
    async fn make(
        &self,
        session: &sql::Session,
        seen: &mut Seen,
        bound_bytes: u64,
    ) -> Result<Option<Failure>, Trouble> {
        // What the control file says is never ahead of what the server takes.
        let redo = session.redo_position().await?;
        if let Some(redo) = redo
            && let Retained::Drop(exceeded) = self.judge(seen, redo, bound_bytes)
        {
            seen.redo = Some(redo);
            return Ok(Some(exceeded.waits()));
        }
        let mut client = Client::connect(&self.info).await?;
        let made = slot::ensure(&mut client, &self.slot, false).await?;
        client.close().await;
        seen.kept_from = (made.kept_from > Lsn::INVALID).then_some(made.kept_from);
        Ok(None)
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

async fn within<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let words = (
        "PostgreSQL or the repository did not answer",
        "look at the server's log and at the repository",
    );
    trouble::within(PATIENCE, words, work).await
}
