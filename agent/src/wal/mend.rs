//! Mending gaps: as long as the duty knows of WAL that is missing, it looks
//! whether another agent has stored it meanwhile, and asks its own instance
//! for it again. A gap that is filled is one no more.
//!
//! What is missing because it expired is left alone: what is condemned never
//! comes back (I-06).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::{ConnectionInfo, sql};
use holdfast_proto::WalWork;
use holdfast_repo::WalRepository;
use holdfast_types::{Coverage, LsnRange, Timeline};

use super::backoff::Backoff;
use super::open;
use super::refetch::{Hole, Instance, local_directory};
use super::status::Status;
use super::trouble::Trouble;
use crate::host::Host;

/// How soon a gap is tried for the first time at the earliest, and how long
/// the pauses become: whoever has the WAL may come back.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(300);

/// Mends the gaps of one duty.
#[derive(Debug)]
pub(super) struct Mender {
    pub(super) host: Host,
    pub(super) work: WalWork,
    pub(super) info: ConnectionInfo,
    pub(super) status: Status,
}

impl Mender {
    /// Mends until it is dropped.
    pub(super) async fn run(self) {
        let mut reports = self.status.subscribe();
        let mut backoff = Backoff::new(SOONEST, LATEST);
        let mut left = Vec::new();
        loop {
            let holes = self.status.holes();
            if holes.is_empty() {
                left.clear();
                backoff.reset();
                if reports.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if holes != left {
                backoff.reset();
            }
            tokio::time::sleep(backoff.pause()).await;
            if let Err(trouble) = self.mend().await {
                let failure = trouble.failure();
                tracing::warn!(code = failure.code, "a WAL gap is not mended: {failure}");
            }
            left = self.status.holes();
        }
    }

    async fn mend(&self) -> Result<(), Trouble> {
        let Some(lineage) = self.status.lineage() else {
            return Ok(());
        };
        let repository = self.host.repository(&self.work.repository).await?;
        let repository = repository.lineage(&self.work.cluster, lineage).await?;
        let size = repository.facts().segment_size;
        let wal = repository.wal(open::codec(self.work.compression));
        self.look(&wal).await?;
        let holes = wanted(&wal, self.status.holes()).await?;
        if holes.is_empty() {
            return Ok(());
        }
        let instance = Instance {
            info: &self.info,
            system_identifier: lineage.system_identifier,
            size,
            directory: self.directory(lineage.system_identifier).await,
        };
        for hole in holes {
            let stored = instance.refetch(&wal, hole).await?;
            for range in stored.ranges() {
                self.status.stored(hole.timeline, *range);
                tell(hole, *range);
            }
            if !stored.ranges().is_empty() {
                self.host.wal().announce();
            }
        }
        Ok(())
    }

    /// Takes note of what others have stored.
    async fn look(&self, wal: &WalRepository) -> Result<(), Trouble> {
        let mut first: BTreeMap<Timeline, LsnRange> = BTreeMap::new();
        for hole in self.status.holes() {
            first.entry(hole.timeline).or_insert(hole.range);
        }
        for (timeline, range) in first {
            let listed = wal.list_from(timeline, range.from_lsn).await?;
            for range in listed.coverage().ranges() {
                self.status.stored(timeline, *range);
            }
        }
        Ok(())
    }

    async fn directory(&self, system_identifier: u64) -> Option<PathBuf> {
        if self.work.instance.is_remote() {
            return None;
        }
        let session = sql::Session::connect(&self.info).await.ok()?;
        let told = self.work.instance.told_directory();
        local_directory(&session, told, system_identifier).await
    }
}

/// What of the holes is to be got again: not what expired (I-06), and nothing
/// of a timeline behind the place where it was left.
pub(super) async fn wanted(wal: &WalRepository, holes: Vec<Hole>) -> Result<Vec<Hole>, Trouble> {
    if holes.is_empty() {
        return Ok(holes);
    }
    let expired = wal.expired().await?;
    let newest = wal.timelines().await?.into_iter().max();
    let history = match newest {
        Some(newest) => Some(wal.history(newest).await?),
        None => None,
    };
    let nothing = Coverage::default();
    let mut wanted = Vec::new();
    for Hole { timeline, range } in holes {
        let left = history
            .as_ref()
            .and_then(|history| history.switchpoint_of(timeline));
        let to = left.map_or(range.to_lsn, |left| left.min(range.to_lsn));
        let Some(range) = LsnRange::new(range.from_lsn, to) else {
            continue;
        };
        let gone = expired.get(&timeline).unwrap_or(&nothing);
        let rest = gone.gaps(range).into_iter();
        wanted.extend(rest.map(|range| Hole { timeline, range }));
    }
    Ok(wanted)
}

/// Says that some of a hole is filled.
pub(super) fn tell(hole: Hole, range: LsnRange) {
    tracing::info!(
        wal.timeline = %hole.timeline, from = %range.from_lsn, to = %range.to_lsn,
        "missing WAL is stored"
    );
}
