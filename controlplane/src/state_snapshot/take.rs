//! Taking a snapshot: a copy of the applied state, part by part, then its mark.

use std::time::Duration;

use bytes::Bytes;
use holdfast_consensus::{ProposeContext, StateCopy, StateView};
use holdfast_repo::{Repository, STATE_PART_BYTES, StateFacts, StateMark};
use holdfast_state::command::{RecordStateSnapshot, StateSnapshotOutcome};
use holdfast_state::query::StateSnapshotView;
use holdfast_state::schema;
use holdfast_types::{Failure, StateSnapshotId};
use jiff::Timestamp;

use super::open::{Absent, failure_of, open};
use super::reconcile::reconcile;
use crate::app::App;
use crate::app::error::{AppError, Result};

/// Copying a large state takes a while.
const COPY_TIMEOUT: Duration = Duration::from_secs(600);

/// Takes a snapshot that was asked for, and records what became of it.
pub(crate) async fn take(app: &App, view: &StateView, wanted: &StateSnapshotView) -> Result<()> {
    let repository = &wanted.repository;
    let taken = match open(app, view, repository, Absent::Init).await {
        Ok(opened) => store(app, &opened, wanted.id)
            .await
            .map(|mark| (opened, mark)),
        Err(failure) => Err(failure),
    };
    let (opened, outcome) = match taken {
        Ok((opened, mark)) => {
            tracing::info!(
                snapshot = %mark.id, index = mark.facts.index, bytes = mark.stored_bytes(),
                repository = %repository, "the state is safe"
            );
            (Some(opened), stored(&mark))
        }
        Err(failure) => {
            tracing::warn!(
                snapshot = %wanted.id, repository = %repository, code = failure.code,
                "a snapshot of the state could not be taken: {}", failure.message
            );
            (None, StateSnapshotOutcome::Failed(failure))
        }
    };
    let command = RecordStateSnapshot {
        snapshot: wanted.id,
        repository: repository.clone(),
        outcome,
    };
    app.propose_as(ProposeContext::internal(), command).await?;
    if let Some(opened) = opened {
        reconcile(app, &opened, repository).await?;
    }
    Ok(())
}

/// What a mark says, for its row.
pub(super) fn stored(mark: &StateMark) -> StateSnapshotOutcome {
    StateSnapshotOutcome::Stored {
        index: mark.facts.index,
        taken_at: mark.facts.taken_at,
        stored_bytes: mark.stored_bytes(),
        node: mark.facts.node.clone(),
    }
}

async fn store(
    app: &App,
    repository: &Repository,
    id: StateSnapshotId,
) -> std::result::Result<StateMark, Failure> {
    let unread = |error: AppError| error.to_failure();
    let taken_at = Timestamp::now();
    let copy = app
        .node
        .copy_state(COPY_TIMEOUT)
        .await
        .map_err(|error| Failure::transient(error.code(), error.to_string(), error.hint()))?;
    let level = schema::version(app.local().connection()).await;
    let level = level.map_err(|error| unread(error.into()))?;
    let snapshots = repository.state_snapshots(app.authority.control_plane());
    let failed = |error: holdfast_repo::Error| failure_of(&error);
    let mut writer = snapshots.writer(id).await.map_err(failed)?;
    let mut offset = 0;
    loop {
        let part = part(&copy, offset).await?;
        if part.is_empty() {
            break;
        }
        offset += part.len() as u64;
        writer.put(part).await.map_err(failed)?;
    }
    let facts = StateFacts {
        index: copy.index(),
        taken_at,
        level,
        node: app.node_name.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        sealing_key_check: app.sealer.key_check().to_owned(),
    };
    writer.commit(facts).await.map_err(failed)
}

async fn part(copy: &StateCopy, offset: u64) -> std::result::Result<Bytes, Failure> {
    let source = copy.clone();
    let read = move || source.read_at(offset, STATE_PART_BYTES);
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map(Bytes::from).map_err(|error| {
        let message = format!("{} cannot be read: {error}", copy.path().display());
        let hint = "look at the node's volume; the snapshot is tried again";
        Failure::transient("node_snapshot_failed", message, hint)
    })
}
