//! Copying the WAL of a lineage.
//!
//! Histories first, then segments and slices in the order of the log, so that what
//! the copy holds grows at its end. A slice is left out when the segment around it
//! is complete: it would be deleted anyway.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use holdfast_types::{Coverage, Lsn, LsnRange, Timeline, WalSegment};

use super::LineageCopy;
use super::object::{Is, Outcome, Wanted};
use crate::codec::Codec;
use crate::envelope::{Header, Kind};
use crate::wal::{SealedWal, WalObject, timeline_directory};
use crate::{BackupKind, Error, Result};

/// Which WAL to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyScope {
    /// All of it.
    All,
    /// What can be of use from a place on: that of its timeline and of those made
    /// later, from this position.
    From(Timeline, Lsn),
    /// What holds a range of one timeline.
    Range(Timeline, LsnRange),
}

/// What copying WAL has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalCopied {
    /// Objects that were not there.
    pub copied: u64,
    /// Objects that were there.
    pub there: u64,
}

/// How often WAL is listed again because slices were joined meanwhile.
const PASSES: u32 = 5;

type Expired = BTreeMap<Timeline, Coverage>;

/// Where an object belongs in the log; histories belong nowhere.
fn place_of(object: WalObject) -> Option<(Timeline, LsnRange)> {
    let of = |segment: WalSegment| {
        let range = LsnRange::new(segment.start(), segment.end())?;
        Some((segment.timeline(), range))
    };
    match object {
        WalObject::History(_) => None,
        WalObject::Segment(segment) => of(segment),
        WalObject::Slice(timeline, range) => Some((timeline, range)),
        WalObject::Aside(file) => of(file.segment()),
    }
}

fn is_expired(object: WalObject, expired: &Expired) -> bool {
    let place = place_of(object);
    place.is_some_and(|(timeline, range)| {
        let gone = expired.get(&timeline);
        gone.is_some_and(|gone| gone.covers(range))
    })
}

impl CopyScope {
    fn wants(self, object: WalObject) -> bool {
        let Some((timeline, range)) = place_of(object) else {
            // Small, and they tell which WAL belongs together.
            return true;
        };
        match self {
            Self::All => true,
            Self::From(first, from) => timeline >= first && range.to_lsn > from,
            Self::Range(of, wanted) => {
                timeline == of && range.from_lsn < wanted.to_lsn && range.to_lsn > wanted.from_lsn
            }
        }
    }
}

impl LineageCopy {
    /// Copies the WAL that is not there yet, with histories and what says which WAL
    /// has expired. What expires while it is copied is left out.
    pub async fn copy_wal(&self, scope: CopyScope) -> Result<WalCopied> {
        let mut done = WalCopied::default();
        // What was deleted there because nothing kept needed it never comes back
        // (I-06), whatever the original still has.
        let expired = self.to.wal(Codec::DEFAULT).expired().await?;
        for pass in 1..=PASSES {
            let gone = self.copy_wal_once(scope, &expired, &mut done).await?;
            // Joined into a segment that was listed too early, or expired.
            if gone == 0 {
                break;
            }
            tracing::debug!(pass, gone, "WAL went while it was copied");
            self.from.prove_present().await?;
        }
        self.copy_expired(&expired).await?;
        Ok(done)
    }

    /// The WAL that the backups of the copy need, and all that was stored after the
    /// oldest of them: what is older can restore nothing there. Without a backup, what
    /// was stored after the first WAL that is there.
    pub async fn copy_needed_wal(&self) -> Result<WalCopied> {
        let backups = self.to.list_backups().await?.available;
        let physical = backups
            .iter()
            .filter(|backup| backup.kind != BackupKind::Logical);
        let oldest = physical
            .map(|backup| (backup.start_lsn, backup.timeline))
            .min();
        let oldest = match oldest {
            Some(oldest) => Some(oldest),
            None => self.first_wal().await?,
        };
        let Some((start, timeline)) = oldest else {
            return Ok(WalCopied::default());
        };
        let start = self.from.facts().segment_size.start_of(start);
        self.copy_wal(CopyScope::From(timeline, start)).await
    }

    async fn first_wal(&self) -> Result<Option<(Lsn, Timeline)>> {
        let wal = self.to.wal(Codec::DEFAULT);
        for timeline in wal.timelines().await? {
            let held = wal.list(timeline).await?.coverage();
            if let Some(first) = held.ranges().first() {
                return Ok(Some((first.from_lsn, timeline)));
            }
        }
        Ok(None)
    }

    /// Puts an object of the WAL as it was just stored in the original.
    pub async fn ship(&self, object: &SealedWal) -> Result<()> {
        let name = self.to.name(object.below());
        self.put(&name, object.bytes().clone()).await.map(|_| ())
    }

    async fn copy_wal_once(
        &self,
        scope: CopyScope,
        expired: &Expired,
        done: &mut WalCopied,
    ) -> Result<u64> {
        let mut gone = 0;
        for timeline in self.from.wal(Codec::DEFAULT).timelines().await? {
            let directory = timeline_directory(timeline);
            let listed = self.listed(&directory, scope, expired).await?;
            if listed.is_empty() {
                continue;
            }
            let there = self.there(&directory).await?;
            self.copy_all(listed, &there, |_, outcome| {
                match outcome {
                    Outcome::Copied => done.copied += 1,
                    Outcome::There => done.there += 1,
                    Outcome::Gone => gone += 1,
                }
                Ok(())
            })
            .await?;
        }
        Ok(gone)
    }

    /// What the original has of a timeline within `scope`, in the order in which it
    /// is copied.
    async fn listed(
        &self,
        directory: &str,
        scope: CopyScope,
        expired: &Expired,
    ) -> Result<Vec<Wanted>> {
        let wal = self.from.wal(Codec::DEFAULT);
        let store = &self.from.repository.store;
        let mut listed = store.list(&self.from.name(directory));
        let mut found: BTreeMap<(u8, Lsn, String), (WalObject, u64)> = BTreeMap::new();
        let mut full: BTreeSet<Lsn> = BTreeSet::new();
        while let Some(item) = listed.try_next().await? {
            let Some(object) = wal.recognise(&item.name) else {
                continue;
            };
            if !scope.wants(object) || is_expired(object, expired) {
                continue;
            }
            let (rank, at) = match object {
                WalObject::History(_) => (0, Lsn::INVALID),
                WalObject::Segment(segment) => {
                    full.insert(segment.start());
                    (1, segment.start())
                }
                WalObject::Slice(_, range) => (1, range.from_lsn),
                WalObject::Aside(file) => (2, file.segment().start()),
            };
            found.insert((rank, at, item.name), (object, item.size));
        }
        let size = self.from.facts().segment_size;
        let superfluous = |object: &WalObject| match object {
            WalObject::Slice(timeline, range) => {
                let around = WalSegment::containing(*timeline, range.from_lsn, size);
                full.contains(&around.start())
            }
            _ => false,
        };
        let wanted = found
            .into_iter()
            .filter(|(_, (object, _))| !superfluous(object))
            .map(|((_, _, name), (object, bytes))| Wanted {
                name,
                bytes,
                is: Is::Sealed(object.kind()),
            });
        Ok(wanted.collect())
    }

    /// The markers of expired WAL, so that nobody takes for lost in the copy what
    /// was deleted in the original before it was copied.
    async fn copy_expired(&self, known: &Expired) -> Result<()> {
        for (timeline, range, name) in self.from.wal(Codec::DEFAULT).markers().await? {
            if known.get(&timeline).is_some_and(|gone| gone.covers(range)) {
                continue;
            }
            // Replaced by a longer one since.
            let Some(bytes) = self.from.repository.store.read(&name).await? else {
                continue;
            };
            let damaged = |damage| Error::damaged(&name, damage);
            Header::decode(&bytes, Kind::Expired).map_err(damaged)?;
            // One that is there says the same, whoever put it.
            self.to.repository.store.create(&name, bytes).await?;
        }
        Ok(())
    }
}
