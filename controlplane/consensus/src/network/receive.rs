//! Receiving a snapshot: into a file of its own, checked before anybody is
//! told that it is there.
//!
//! When the connection breaks, what arrived stays under a name that says of
//! which snapshot it is a part, and the next attempt goes on behind it. It is
//! trusted no more than the rest: the whole file must have the announced hash.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tonic::Status;

use crate::machine::SnapshotFile;
use crate::raft::{SnapshotMeta, Vote};
use crate::wire::{self, WireError, need, pb};

/// Distinguishes snapshots that are being received at the same time.
static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// What a sender says about the snapshot it sends.
pub(super) struct Announced {
    pub(super) to: u64,
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
    bytes: u64,
    hash: blake3::Hash,
    offset: u64,
}

/// A received file. It is deleted in the end; installing it gives it another
/// name.
pub(super) struct Incoming {
    path: PathBuf,
    /// Under which name it stays, should the stream break off.
    part: Option<PathBuf>,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Opening the directory deletes what is left here.
        let _ = match &self.part {
            Some(part) => std::fs::rename(&self.path, part),
            None => std::fs::remove_file(&self.path),
        };
    }
}

/// The hash that tells one snapshot from another.
pub(super) fn hash(bytes: &[u8]) -> Result<blake3::Hash, WireError> {
    let bytes = <[u8; 32]>::try_from(bytes);
    bytes
        .map(blake3::Hash::from_bytes)
        .map_err(|_| WireError::Missing("a BLAKE3 of 32 bytes"))
}

fn part_of(dir: &Path, hash: blake3::Hash) -> PathBuf {
    dir.join(format!("incoming-part-{}.db", hash.to_hex()))
}

/// How much of a snapshot arrived before its stream broke off.
pub(super) async fn offset(dir: &Path, hash: blake3::Hash) -> u64 {
    let part = tokio::fs::metadata(part_of(dir, hash)).await;
    part.map_or(0, |part| part.len())
}

pub(super) fn malformed(error: &WireError) -> Status {
    Status::invalid_argument(error.to_string())
}

async fn next_part<S>(frames: &mut S) -> Result<Option<pb::raft_snapshot_part::Part>, Status>
where
    S: Stream<Item = Result<pb::RaftFrame, Status>> + Unpin,
{
    let Some(frame) = frames.next().await.transpose()? else {
        return Ok(None);
    };
    let part: pb::RaftSnapshotPart =
        wire::decode(frame.payload).map_err(|error| malformed(&error))?;
    let part = need(part.part, "the part").map_err(|error| malformed(&error))?;
    Ok(Some(part))
}

/// The first part, which says what comes.
pub(super) async fn announced<S>(frames: &mut S) -> Result<Announced, Status>
where
    S: Stream<Item = Result<pb::RaftFrame, Status>> + Unpin,
{
    let Some(pb::raft_snapshot_part::Part::Header(header)) = next_part(frames).await? else {
        return Err(Status::invalid_argument(
            "a snapshot begins with its header",
        ));
    };
    let read = || -> Result<Announced, WireError> {
        let membership = need(header.membership, "the membership")?;
        let meta = SnapshotMeta {
            last_log_id: header.last_log.as_ref().map(wire::log_id),
            last_membership: wire::stored_membership(membership)?,
        };
        Ok(Announced {
            to: header.to,
            vote: wire::vote(&need(header.vote, "the vote")?),
            meta,
            bytes: header.bytes,
            hash: hash(&header.blake3)?,
            offset: header.offset,
        })
    };
    read().map_err(|error| malformed(&error))
}

/// The rest, as a durable file in `dir` that holds what was announced.
pub(super) async fn receive<S>(
    dir: &Path,
    announced: &Announced,
    frames: &mut S,
) -> Result<(Incoming, SnapshotFile), Status>
where
    S: Stream<Item = Result<pb::RaftFrame, Status>> + Unpin,
{
    let failed = |error: std::io::Error| {
        Status::internal(format!("failed to receive the snapshot: {error}"))
    };
    let (mut incoming, mut file) = begin(dir, announced).await?;
    let mut received = announced.offset;
    loop {
        let part = match next_part(frames).await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(status) => {
                // The last write may be under way: its sender asks how much is here.
                let _ = file.flush().await;
                return Err(status);
            }
        };
        let pb::raft_snapshot_part::Part::Chunk(chunk) = part else {
            return Err(Status::invalid_argument("a snapshot has one header"));
        };
        received += chunk.len() as u64;
        if received > announced.bytes {
            incoming.part = None;
            return Err(Status::invalid_argument(
                "the snapshot is longer than announced",
            ));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    let path = incoming.path.clone();
    if received == announced.bytes {
        // All of it is there: if it is not right, none of it is worth keeping.
        incoming.part = None;
    }
    file.sync_all().await.map_err(failed)?;
    drop(file);
    let hashed = tokio::task::spawn_blocking(move || SnapshotFile::of(path)).await;
    let snapshot = hashed
        .map_err(std::io::Error::other)
        .and_then(|snapshot| snapshot)
        .map_err(failed)?;
    if snapshot.bytes != announced.bytes || snapshot.hash != announced.hash {
        return Err(Status::data_loss(format!(
            "the snapshot arrived with {} of {} bytes, or damaged",
            snapshot.bytes, announced.bytes
        )));
    }
    Ok((incoming, snapshot))
}

/// The file to write into: a new one, or what is there of the snapshot. Of two
/// senders only one can have that.
async fn begin(dir: &Path, announced: &Announced) -> Result<(Incoming, File), Status> {
    let failed = |error: std::io::Error| {
        Status::internal(format!("failed to receive the snapshot: {error}"))
    };
    let number = RECEIVED.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!("incoming-{number}.db"));
    let part = part_of(dir, announced.hash);
    if announced.offset == 0 {
        forget_parts(dir).await;
        let file = File::create(&path).await.map_err(failed)?;
        let part = Some(part);
        return Ok((Incoming { path, part }, file));
    }
    let gone = || Status::aborted("the beginning of the snapshot is here no more");
    tokio::fs::rename(&part, &path).await.map_err(|_| gone())?;
    let incoming = Incoming {
        path: path.clone(),
        part: Some(part),
    };
    let mut file = File::options()
        .write(true)
        .open(&path)
        .await
        .map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    if length < announced.offset {
        return Err(gone());
    }
    // What came in after the sender had asked comes again.
    file.set_len(announced.offset).await.map_err(failed)?;
    let end = SeekFrom::Start(announced.offset);
    file.seek(end).await.map_err(failed)?;
    Ok((incoming, file))
}

/// A sender that begins anew sends another snapshot, or knows nothing of parts.
async fn forget_parts(dir: &Path) {
    let Ok(mut entries) = tokio::fs::read_dir(dir).await else {
        return;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("incoming-part-") {
            // What cannot be deleted goes when the directory is opened next.
            drop(tokio::fs::remove_file(entry.path()).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use pb::raft_snapshot_part::Part;
    use tonic::Code;

    use super::*;

    /// What a sender sends, and how its stream ends.
    fn frames(
        (bytes, offset): (u64, u64),
        chunks: &[&'static [u8]],
        breaks: bool,
    ) -> impl Stream<Item = Result<pb::RaftFrame, Status>> + Unpin {
        let header = pb::RaftSnapshotHeader {
            to: 2,
            vote: Some(pb::RaftVote::default()),
            membership: Some(pb::RaftStoredMembership {
                membership: Some(pb::RaftMembership::default()),
                ..Default::default()
            }),
            bytes,
            blake3: whole().as_bytes().to_vec().into(),
            offset,
            ..Default::default()
        };
        let chunks = chunks.iter().map(|chunk| Part::Chunk((*chunk).into()));
        let parts: Vec<_> = std::iter::once(Part::Header(header))
            .chain(chunks)
            .collect();
        let broken = breaks.then(|| Err(Status::unavailable("the connection broke")));
        let sent = parts.into_iter().map(|part| {
            let message = pb::RaftSnapshotPart { part: Some(part) };
            Ok(pb::RaftFrame {
                payload: wire::encode(&message).into(),
            })
        });
        stream::iter(sent.chain(broken).collect::<Vec<_>>())
    }

    fn whole() -> blake3::Hash {
        blake3::hash(b"whole snapshot")
    }

    async fn receive_all(
        dir: &Path,
        mut frames: impl Stream<Item = Result<pb::RaftFrame, Status>> + Unpin,
    ) -> Result<u64, Code> {
        let announced = announced(&mut frames).await.unwrap();
        assert_eq!(announced.to, 2);
        let outcome = receive(dir, &announced, &mut frames).await;
        let outcome = outcome.map(|(incoming, file)| {
            assert!(file.path.exists());
            drop(incoming);
            file.bytes
        });
        outcome.map_err(|status| status.code())
    }

    fn left(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    async fn received(bytes: u64, chunks: &[&'static [u8]]) -> Result<u64, Code> {
        let dir = tempfile::tempdir().unwrap();
        let outcome = receive_all(dir.path(), frames((bytes, 0), chunks, false)).await;
        if outcome != Err(Code::DataLoss) || chunks.len() > 1 {
            assert_eq!(left(dir.path()), 0, "something was left behind");
        }
        outcome
    }

    #[tokio::test]
    async fn only_the_announced_bytes_are_taken() {
        assert_eq!(received(14, &[b"whole ", b"snapshot"]).await, Ok(14));
        let other = received(14, &[b"whole ", b"snapshoT"]).await;
        assert_eq!(other, Err(Code::DataLoss));
        assert_eq!(received(14, &[b"whole "]).await, Err(Code::DataLoss));
        let longer = received(6, &[b"whole ", b"snapshot"]).await;
        assert_eq!(longer, Err(Code::InvalidArgument));
    }

    #[tokio::test]
    async fn what_arrived_before_the_connection_broke_is_not_sent_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(offset(dir, whole()).await, 0);
        let broken = receive_all(dir, frames((14, 0), &[b"whole "], true)).await;
        assert_eq!(broken, Err(Code::Unavailable));
        assert_eq!(offset(dir, whole()).await, 6);
        let rest = receive_all(dir, frames((14, 6), &[b"snapshot"], false)).await;
        assert_eq!(rest, Ok(14));
        assert_eq!(left(dir), 0);
        // Whoever comes second finds nothing to go on with.
        let second = receive_all(dir, frames((14, 6), &[b"snapshot"], false)).await;
        assert_eq!(second, Err(Code::Aborted));
    }

    #[tokio::test]
    async fn a_part_that_is_wrong_is_noticed_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let broken = receive_all(dir, frames((14, 0), &[b"WHOLE "], true)).await;
        assert_eq!(broken, Err(Code::Unavailable));
        let rest = receive_all(dir, frames((14, 6), &[b"snapshot"], false)).await;
        assert_eq!(rest, Err(Code::DataLoss));
        assert_eq!(offset(dir, whole()).await, 0, "it begins anew");
        // Another snapshot takes the place of a part that nobody asked for.
        std::fs::write(part_of(dir, blake3::hash(b"older")), "part").unwrap();
        let again = receive_all(dir, frames((14, 0), &[b"whole snapshot"], false)).await;
        assert_eq!(again, Ok(14));
        assert_eq!(left(dir), 0);
    }
}
