//! Receiving a snapshot: into a file of its own, checked before anybody is
//! told that it is there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
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
    hash: [u8; 32],
}

/// A received file. It is deleted in the end; installing it gives it another
/// name.
pub(super) struct Incoming(PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        // Opening the directory deletes what is left here.
        let _ = std::fs::remove_file(&self.0);
    }
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
            hash: <[u8; 32]>::try_from(header.blake3.as_ref())
                .map_err(|_| WireError::Missing("a BLAKE3 of 32 bytes"))?,
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
    let number = RECEIVED.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!("incoming-{number}.db"));
    let failed = |error: std::io::Error| {
        Status::internal(format!("failed to receive the snapshot: {error}"))
    };
    let incoming = Incoming(path.clone());
    let mut file = File::create(&path).await.map_err(failed)?;
    let mut received = 0;
    while let Some(part) = next_part(frames).await? {
        let pb::raft_snapshot_part::Part::Chunk(chunk) = part else {
            return Err(Status::invalid_argument("a snapshot has one header"));
        };
        received += chunk.len() as u64;
        if received > announced.bytes {
            return Err(Status::invalid_argument(
                "the snapshot is longer than announced",
            ));
        }
        file.write_all(&chunk).await.map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use pb::raft_snapshot_part::Part;
    use tonic::Code;

    use super::*;

    fn frames(
        bytes: u64,
        chunks: &[&'static [u8]],
    ) -> impl Stream<Item = Result<pb::RaftFrame, Status>> + Unpin {
        let header = pb::RaftSnapshotHeader {
            to: 2,
            vote: Some(pb::RaftVote::default()),
            membership: Some(pb::RaftStoredMembership {
                membership: Some(pb::RaftMembership::default()),
                ..Default::default()
            }),
            bytes,
            blake3: blake3::hash(b"whole snapshot").as_bytes().to_vec().into(),
            ..Default::default()
        };
        let chunks = chunks.iter().map(|chunk| Part::Chunk((*chunk).into()));
        let parts: Vec<_> = std::iter::once(Part::Header(header))
            .chain(chunks)
            .collect();
        stream::iter(parts.into_iter().map(|part| {
            let message = pb::RaftSnapshotPart { part: Some(part) };
            Ok(pb::RaftFrame {
                payload: wire::encode(&message).into(),
            })
        }))
    }

    async fn received(bytes: u64, chunks: &[&'static [u8]]) -> Result<u64, Code> {
        let dir = tempfile::tempdir().unwrap();
        let mut frames = frames(bytes, chunks);
        let announced = announced(&mut frames).await.unwrap();
        assert_eq!(announced.to, 2);
        let outcome = receive(dir.path(), &announced, &mut frames).await;
        let outcome = outcome.map(|(incoming, file)| {
            assert!(file.path.exists());
            drop(incoming);
            file.bytes
        });
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 0, "something was left behind");
        outcome.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn only_the_announced_bytes_are_taken() {
        assert_eq!(received(14, &[b"whole ", b"snapshot"]).await, Ok(14));
        assert_eq!(
            received(14, &[b"whole snapshoT"]).await,
            Err(Code::DataLoss)
        );
        assert_eq!(received(14, &[b"whole "]).await, Err(Code::DataLoss));
        let longer = received(6, &[b"whole ", b"snapshot"]).await;
        assert_eq!(longer, Err(Code::InvalidArgument));
    }
}
