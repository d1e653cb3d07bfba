//! Getting WAL again that the repository lacks, from one instance that may
//! still have it: over the replication protocol, which serves every timeline
//! that the server descends from, and else from the files of its `pg_wal`
//! where they can be read (pitfall 18).
//!
//! Nothing is overwritten: what is stored already is compared, and what is
//! stored now ends where its timeline was left at the latest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use holdfast_pg::replication::{
    Client, StandbyStatus, Start, StartedStream, StreamOptions, WalEvent,
};
use holdfast_pg::wal::{PAGE_SIZE, SegmentHeader};
use holdfast_pg::{ConnectionInfo, sql};
use holdfast_repo::{Error, Fetched, WalRepository};
use holdfast_types::{Coverage, Lsn, LsnRange, SegmentSize, Timeline, WalSegment};
use tokio::time::Instant;

use super::buffer::SegmentBuffer;
use super::retention;
use super::trouble::{self, Trouble};

/// How long a server may send nothing of what it was asked for. It has it, or
/// it has not: nothing new is waited for.
const SILENCE: Duration = Duration::from_secs(20);

/// An instance that may have the WAL.
#[derive(Debug)]
pub(super) struct Instance<'a> {
    pub(super) info: &'a ConnectionInfo,
    pub(super) system_identifier: u64,
    pub(super) size: SegmentSize,
    /// Its data directory, where it is on this host.
    pub(super) directory: Option<PathBuf>,
}

/// WAL that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hole {
    pub(super) timeline: Timeline,
    pub(super) range: LsnRange,
}

impl Instance<'_> {
    /// Stores as much of `hole` as the instance has, and says what that was.
    /// That it has none of it is no trouble.
    pub(super) async fn refetch(
        &self,
        wal: &WalRepository,
        hole: Hole,
    ) -> Result<Coverage, Trouble> {
        let mut stored = Coverage::default();
        match self.stream(wal, hole, &mut stored).await {
            Ok(()) => {}
            // What it does not send may still lie in its directory.
            Err(Trouble::Postgres(error)) => {
                tracing::debug!(%error, "missing WAL does not come by replication");
            }
            Err(trouble) => return Err(trouble),
        }
        for range in stored.gaps(hole.range) {
            let rest = Hole { range, ..hole };
            self.read(wal, rest, &mut stored).await?;
        }
        Ok(stored)
    }

    /// Streams it, without a slot: nothing is confirmed and nothing is kept.
    async fn stream(
        &self,
        wal: &WalRepository,
        hole: Hole,
        stored: &mut Coverage,
    ) -> Result<(), Trouble> {
        let Hole { timeline, range } = hole;
        let mut client = Client::connect(self.info).await?;
        client.require_system(self.system_identifier).await?;
        let from = self.size.start_of(range.from_lsn);
        let start = Start {
            slot: None,
            from,
            timeline,
        };
        let started = client
            .start_replication(start, StreamOptions::default())
            .await?;
        let StartedStream::Streaming(mut stream) = started else {
            return Ok(());
        };
        let mut buffer = SegmentBuffer::new(WalSegment::containing(timeline, from, self.size));
        let mut patience = Instant::now() + SILENCE;
        loop {
            let Ok(event) = tokio::time::timeout_at(patience, stream.next()).await else {
                break;
            };
            let bytes = match event? {
                WalEvent::Data { bytes, .. } => bytes,
                WalEvent::Keepalive {
                    reply_requested, ..
                } => {
                    if reply_requested {
                        stream.send_status(received(&buffer)).await?;
                    }
                    continue;
                }
                WalEvent::TimelineEnded(_) => break,
            };
            patience = Instant::now() + SILENCE;
            let mut rest = bytes.as_ref();
            while !rest.is_empty() {
                let taken = buffer.append(rest);
                rest = &rest[taken..];
                if buffer.is_full() {
                    let (segment, bytes) = buffer.take_full();
                    store(wal, hole, segment, bytes, stored).await?;
                }
            }
            if buffer.received() >= range.to_lsn {
                break;
            }
        }
        let segment = buffer.segment();
        store(wal, hole, segment, buffer.into_bytes(), stored).await
    }

    /// Reads it from the files.
    async fn read(
        &self,
        wal: &WalRepository,
        hole: Hole,
        stored: &mut Coverage,
    ) -> Result<(), Trouble> {
        let Some(directory) = self.directory.clone() else {
            return Ok(());
        };
        let mut segment = WalSegment::containing(hole.timeline, hole.range.from_lsn, self.size);
        while segment.start() < hole.range.to_lsn {
            let (directory, system) = (directory.clone(), self.system_identifier);
            let until = hole.range.to_lsn.min(segment.end());
            let read = move || read(&directory, segment, until, system);
            if let Ok(Some(bytes)) = tokio::task::spawn_blocking(read).await {
                tracing::info!(wal.segment = %segment, "missing WAL was in pg_wal");
                store(wal, hole, segment, bytes, stored).await?;
            }
            segment = segment.next();
        }
        Ok(())
    }
}

/// A sign of life. That nothing is durable keeps us from counting as anybody's
/// synchronous standby (I-07).
fn received(buffer: &SegmentBuffer) -> StandbyStatus {
    StandbyStatus {
        write: buffer.received(),
        flush: Lsn::INVALID,
        apply: Lsn::INVALID,
    }
}

/// Stores the beginning of `segment`, or all of it: the part that is missing,
/// and the whole segment where it is whole.
async fn store(
    wal: &WalRepository,
    hole: Hole,
    segment: WalSegment,
    bytes: Bytes,
    stored: &mut Coverage,
) -> Result<(), Trouble> {
    let have = Lsn::new(segment.start().get() + bytes.len() as u64);
    let from = hole.range.from_lsn.max(segment.start());
    let Some(range) = LsnRange::new(from, hole.range.to_lsn.min(have)) else {
        return Ok(());
    };
    require_agreement(wal, segment, &bytes).await?;
    // Only where the hole reaches to its end: a timeline that was left in a
    // segment has no more of it than that.
    if have == segment.end() && range.to_lsn == segment.end() {
        wal.put_segment(segment, bytes).await?;
        let whole = LsnRange::new(segment.start(), segment.end());
        whole.into_iter().for_each(|whole| stored.insert(whole));
        return Ok(());
    }
    let offset = |lsn: Lsn| length(lsn.bytes_since(segment.start()));
    let part = bytes.slice(offset(range.from_lsn)..offset(range.to_lsn));
    wal.put_slice(segment.timeline(), range, part).await?;
    stored.insert(range);
    Ok(())
}

/// What is stored of the segment must be what the instance has.
async fn require_agreement(
    wal: &WalRepository,
    segment: WalSegment,
    bytes: &Bytes,
) -> Result<(), Trouble> {
    let (known, to) = match wal.fetch_segment(segment).await {
        Ok(Fetched::Full(known)) => (known, segment.end()),
        Ok(Fetched::Assembled { bytes, valid_to }) => (bytes, valid_to),
        // Behind a hole nothing can be compared now; hashes are, when slices
        // are deleted behind their segment.
        Ok(Fetched::Absent) | Err(Error::WalHole { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let common = length(to.bytes_since(segment.start())).min(bytes.len());
    if known[..common] == bytes[..common] {
        return Ok(());
    }
    Err(Trouble::Refused(trouble::conflict(&format!(
        "segment {segment}"
    ))))
}

/// A file of `pg_wal` that holds `segment` up to `until`: under its own name,
/// put aside when its timeline was left, or as the beginning of the segment
/// with which another timeline goes on.
fn read(directory: &Path, segment: WalSegment, until: Lsn, system: u64) -> Option<Bytes> {
    let pg_wal = directory.join("pg_wal");
    let own = segment.to_string();
    let mut names = vec![own.clone(), format!("{own}.partial")];
    names.extend(later(&pg_wal, segment));
    let holds = |name: String| {
        let bytes = std::fs::read(pg_wal.join(name)).ok()?;
        let needed = length(until.bytes_since(segment.start()));
        holds(&bytes, segment, needed, system).then(|| Bytes::from(bytes))
    };
    let bytes = names.into_iter().find_map(holds)?;
    // What lies behind was not looked at.
    Some(bytes.slice(..length(until.bytes_since(segment.start()))))
}

/// The same segment on later timelines, the nearest first.
fn later(pg_wal: &Path, segment: WalSegment) -> Vec<String> {
    let entries = std::fs::read_dir(pg_wal).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let parsed = names.filter_map(|name| WalSegment::parse(&name, segment.size()).ok());
    let same = parsed.filter(|other| {
        other.number() == segment.number() && other.timeline() > segment.timeline()
    });
    let timelines: BTreeSet<Timeline> = same.map(WalSegment::timeline).collect();
    let name = |timeline| segment.on(timeline).to_string();
    timelines.into_iter().map(name).collect()
}

/// Whether the first `needed` bytes are pages of `segment` that were written
/// there, none by a later timeline and none left over in a recycled file.
/// Behind a switch of segments PostgreSQL writes zeros, headers included.
fn holds(bytes: &[u8], segment: WalSegment, needed: usize, system: u64) -> bool {
    let Ok(header) = SegmentHeader::of(bytes, segment) else {
        return false;
    };
    let whole = bytes.len() as u64 == segment.size().bytes();
    if !whole || header.system_identifier != system {
        return false;
    }
    let (size, bytes) = (length(PAGE_SIZE), &bytes[..needed]);
    let written = |(index, page): (usize, &[u8])| {
        let (Some(timeline), Some(address)) = (page.get(4..8), page.get(8..16)) else {
            // Less than a header is needed of it, and that is not much.
            return true;
        };
        let timeline = u32::from_le_bytes(timeline.try_into().unwrap_or_default());
        let address = u64::from_le_bytes(address.try_into().unwrap_or_default());
        let expected = segment.start().get() + index as u64 * PAGE_SIZE;
        address == expected && (1..=segment.timeline().get()).contains(&timeline)
    };
    let pages = bytes.chunks(size).enumerate();
    let rest = pages.take_while(|page| written(*page)).count() * size;
    bytes
        .get(rest..)
        .is_none_or(|rest| rest.iter().all(|byte| *byte == 0))
}

/// The data directory of an instance, if it is on this host.
pub(super) async fn local_directory(
    session: &sql::Session,
    told: Option<&str>,
    system_identifier: u64,
) -> Option<PathBuf> {
    let directory = match told {
        Some(told) => PathBuf::from(told),
        None => {
            // Only roles with pg_monitor may ask.
            let query = "SELECT current_setting('data_directory')";
            let row = session.row(query, &[]).await.ok()?;
            PathBuf::from(row.try_get::<_, String>(0).ok()?)
        }
    };
    retention::is_of(&directory, system_identifier).then_some(directory)
}

/// The start of the oldest WAL file from which no file is missing up to the
/// one that holds `flushed`; `None` where that cannot be seen.
pub(super) async fn oldest_file(
    session: &sql::Session,
    flushed: Lsn,
    size: SegmentSize,
) -> Result<Option<Lsn>, holdfast_pg::Error> {
    let rows = session.rows("SELECT name FROM pg_ls_waldir()", &[]).await?;
    let names = rows
        .iter()
        .filter_map(|row| row.try_get::<_, String>(0).ok());
    let segments = names.filter_map(|name| WalSegment::parse(&name, size).ok());
    let numbers: BTreeSet<u64> = segments.map(WalSegment::number).collect();
    let mut oldest = size.number_of(flushed);
    while oldest > 0 && numbers.contains(&(oldest - 1)) {
        oldest -= 1;
    }
    Ok(numbers
        .contains(&oldest)
        .then(|| Lsn::new(oldest * size.bytes())))
}

/// A segment has at most 1 GiB.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a segment fits into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    /// A segment as PostgreSQL 15 writes it, each page on `timeline`.
    fn written(segment: WalSegment, timeline: u32) -> Vec<u8> {
        let mut bytes = vec![0; length(SIZE)];
        for (index, page) in bytes.chunks_mut(length(PAGE_SIZE)).enumerate() {
            let address = segment.start().get() + index as u64 * PAGE_SIZE;
            page[0..2].copy_from_slice(&0xD110u16.to_le_bytes());
            page[2..4].copy_from_slice(&(if index == 0 { 2u16 } else { 0 }).to_le_bytes());
            page[4..8].copy_from_slice(&timeline.to_le_bytes());
            page[8..16].copy_from_slice(&address.to_le_bytes());
        }
        bytes[24..32].copy_from_slice(&7u64.to_le_bytes());
        bytes[32..36].copy_from_slice(&(1u32 << 20).to_le_bytes());
        bytes[36..40].copy_from_slice(&8192u32.to_le_bytes());
        bytes
    }

    fn segment(timeline: u32, number: u64) -> WalSegment {
        let size = SegmentSize::new(SIZE).unwrap();
        let timeline = Timeline::new(timeline).unwrap();
        WalSegment::containing(timeline, Lsn::new(number * SIZE), size)
    }

    #[test]
    fn only_pages_that_were_written_there_are_taken() {
        let ours = segment(1, 5);
        let whole = length(SIZE);
        let good = written(ours, 1);
        assert!(holds(&good, ours, whole, 7));
        assert!(!holds(&good, ours, whole, 8), "of another system");
        assert!(!holds(&good[..whole - 1], ours, 100, 7), "cut off");
        // A file that was recycled and is written up to its middle only.
        let mut recycled = written(segment(1, 3), 1);
        recycled[..whole / 2].copy_from_slice(&good[..whole / 2]);
        assert!(holds(&recycled, ours, whole / 2, 7));
        assert!(!holds(&recycled, ours, whole / 2 + 100, 7));
        // Behind a switch of segments there is nothing, and no headers.
        let mut short = good.clone();
        short[whole / 2..].fill(0);
        assert!(holds(&short, ours, whole, 7));
        short[whole - 1] = 1;
        assert!(!holds(&short, ours, whole, 7));
        // Where a timeline goes on, the one before it ends.
        let mut switched = written(ours, 2);
        switched[..whole / 2].copy_from_slice(&good[..whole / 2]);
        assert!(holds(&switched, ours, whole / 2, 7));
        assert!(!holds(&switched, ours, whole / 2 + 100, 7));
    }

    #[test]
    fn the_last_segment_of_a_timeline_goes_by_several_names() {
        let directory = tempfile::tempdir().unwrap();
        let pg_wal = directory.path().join("pg_wal");
        std::fs::create_dir(&pg_wal).unwrap();
        let ours = segment(1, 5);
        let until = Lsn::new(ours.start().get() + 3 * PAGE_SIZE);
        let read = || read(directory.path(), ours, until, 7);
        assert_eq!(read(), None);
        std::fs::write(pg_wal.join(segment(3, 5).to_string()), written(ours, 3)).unwrap();
        assert_eq!(read(), None, "that timeline wrote all of it itself");
        std::fs::write(pg_wal.join(segment(2, 5).to_string()), written(ours, 1)).unwrap();
        assert_eq!(read().unwrap().len() as u64, 3 * PAGE_SIZE);
        std::fs::remove_file(pg_wal.join(segment(2, 5).to_string())).unwrap();
        std::fs::write(pg_wal.join(format!("{ours}.partial")), written(ours, 1)).unwrap();
        assert!(read().is_some());
    }
}
