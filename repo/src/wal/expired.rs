//! WAL that was deleted because nothing kept needs it: what of it is gone, and the
//! markers that say so to whoever finds it missing.
//!
//! `expired/<TLI>/<from>-<to>` is put before anything of the range is deleted. So
//! who verifies a repository, or makes a catalog of it, takes for lost only what
//! was lost. Markers are sealed: nobody without the key hides a loss with one.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::TryStreamExt;
use holdfast_types::{Coverage, Lsn, LsnRange, Timeline};

use super::{AsideFile, WalObject, WalRepository};
use crate::codec::Codec;
use crate::envelope::Kind;
use crate::{Batch, Error, Result};

/// What a marker holds; its name says the rest.
const CONTENT: &[u8] = b"{\"format\":1}";
/// Objects that are deleted on one confirmation.
const BATCH: usize = 64;

impl WalRepository {
    /// The WAL that was deleted because nothing kept needed it, by the markers that
    /// open.
    pub async fn expired(&self) -> Result<BTreeMap<Timeline, Coverage>> {
        let mut found: BTreeMap<Timeline, Coverage> = BTreeMap::new();
        for (timeline, range, _) in self.markers().await? {
            let below = marker_name(timeline, range);
            match self.lineage.get(Kind::Expired, &below).await {
                Ok(Some(_)) => found.entry(timeline).or_default().insert(range),
                // Replaced by a longer one since, or not ours.
                Ok(None) | Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The markers there are, with their full names.
    pub(crate) async fn markers(&self) -> Result<Vec<(Timeline, LsnRange, String)>> {
        let directory = self.lineage.name("expired");
        let mut listed = self.lineage.repository.store.list(&directory);
        let mut found = Vec::new();
        while let Some(item) = listed.try_next().await? {
            let parsed = self.lineage.below(&item.name).and_then(parse);
            if let Some((timeline, range)) = parsed {
                found.push((timeline, range, item.name));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Says that WAL is deleted because nothing kept needs it. Before the first
    /// object of it is.
    pub async fn mark_expired(&self, timeline: Timeline, gone: &Coverage) -> Result<()> {
        for range in gone.ranges() {
            let below = marker_name(timeline, *range);
            let content = Bytes::from_static(CONTENT);
            let put = self
                .lineage
                .put(Kind::Expired, &below, Codec::None, content);
            let (_, sealed) = put.await?;
            // Without it, what is deleted next would be taken for lost.
            let (store, name) = (&self.lineage.repository.store, self.lineage.name(&below));
            store.prove_stored(&name, sealed.len() as u64).await?;
        }
        for (of, range, name) in self.markers().await? {
            let longer = |other: &LsnRange| {
                *other != range && other.from_lsn <= range.from_lsn && range.to_lsn <= other.to_lsn
            };
            if of == timeline && gone.ranges().iter().any(longer) {
                self.lineage.repository.store.delete(&name).await?;
            }
        }
        Ok(())
    }

    /// The batches in which WAL is deleted: segments and slices of which every byte
    /// is `gone` and none is `needed`, and the files beside them when nothing is
    /// left of the WAL that they belong to. Histories stay: they are small, and tell
    /// which WAL belongs together.
    pub async fn expired_batches(
        &self,
        timeline: Timeline,
        gone: &Coverage,
        needed: &Coverage,
    ) -> Result<Vec<Batch>> {
        let directory = self.lineage.name(&super::timeline_directory(timeline));
        let mut listed = self.lineage.repository.store.list(&directory);
        let (mut names, mut beside, mut kept) = (Vec::new(), Vec::new(), Coverage::default());
        while let Some(item) = listed.try_next().await? {
            let range = match self.recognise(&item.name) {
                Some(WalObject::Segment(segment)) if segment.timeline() == timeline => {
                    LsnRange::new(segment.start(), segment.end())
                }
                Some(WalObject::Slice(of, range)) if of == timeline => Some(range),
                Some(WalObject::Aside(file)) if file.segment().timeline() == timeline => {
                    beside.push((file, item.name));
                    continue;
                }
                _ => None,
            };
            let Some(range) = range else { continue };
            if gone.covers(range) && is_free(needed, range) {
                names.push(item.name);
            } else {
                kept.insert(range);
            }
        }
        let free = |file: AsideFile| belongs_to(file, gone) && is_alone(file, needed, &kept);
        let beside = beside.into_iter().filter(|(file, _)| free(*file));
        names.extend(beside.map(|(_, name)| name));
        names.sort();
        Ok(names
            .chunks(BATCH)
            .map(|some| Batch::Objects(some.to_vec()))
            .collect())
    }
}

fn is_free(needed: &Coverage, range: LsnRange) -> bool {
    needed.gaps(range) == [range]
}

/// Whether a file lies beside WAL that is gone: in its segment, or, where a
/// timeline was left and its last segment is stored as this file only, before it.
fn belongs_to(file: AsideFile, gone: &Coverage) -> bool {
    let segment = file.segment();
    let from = match file {
        AsideFile::BackupHistory(..) => segment.start(),
        AsideFile::Partial(_) => Lsn::new(segment.start().get().saturating_sub(1)),
    };
    LsnRange::new(from, segment.end()).is_some_and(|range| !is_free(gone, range))
}

/// Whether nothing that stays lies in its segment.
fn is_alone(file: AsideFile, needed: &Coverage, kept: &Coverage) -> bool {
    let segment = file.segment();
    let range = LsnRange::new(segment.start(), segment.end());
    range.is_some_and(|range| is_free(needed, range) && is_free(kept, range))
}

fn marker_name(timeline: Timeline, range: LsnRange) -> String {
    let (from, to) = (range.from_lsn.get(), range.to_lsn.get());
    format!("expired/{:08X}/{from:016X}-{to:016X}", timeline.get())
}

fn parse(below: &str) -> Option<(Timeline, LsnRange)> {
    let (timeline, range) = below.strip_prefix("expired/")?.split_once('/')?;
    let timeline = Timeline::new(u32::from_str_radix(timeline, 16).ok()?)?;
    let (from, to) = range.split_once('-')?;
    let lsn = |text: &str| u64::from_str_radix(text, 16).ok().map(Lsn::new);
    let range = LsnRange::new(lsn(from)?, lsn(to)?)?;
    // One spelling only: a name that we would not write is not ours.
    (marker_name(timeline, range) == below).then_some((timeline, range))
}
