//! Deletes what is due of one lineage, in this order: it is begun in the state;
//! marks; what nothing needs of the rest; WAL; all of it is seen to be gone; it is
//! ended in the state. Killed anywhere, the next leader goes on (I-06).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_repo::{Batch, Codec, Error, LineageRepository, Repository, Stock};
use holdfast_state::command::{BeginDeletion, Deletable, EndDeletion};
use holdfast_state::query::{self, Deletion};
use holdfast_types::{BackupId, Coverage, Timeline};

use super::sweep::{Due, Place};
use crate::app::App;
use crate::app::error::Result;
use crate::state_snapshot::failure_of;

/// Why a deletion stopped where it was.
enum Stopped {
    /// The control plane: no quorum, or another leads.
    Control(crate::app::error::AppError),
    /// The repository.
    Repository(Error),
}

impl From<crate::app::error::AppError> for Stopped {
    fn from(error: crate::app::error::AppError) -> Self {
        Self::Control(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Repository(error)
    }
}

/// What of a lineage may be deleted, and was deleted before.
struct Licence {
    dead: BTreeSet<BackupId>,
    wal: BTreeMap<Timeline, Coverage>,
}

/// Deletes what is due; answers how much was.
pub(super) async fn delete(
    app: &App,
    repository: &Repository,
    place: &Place,
    due: &Due,
) -> Result<u64> {
    match run(app, repository, place, due).await {
        Ok(done) => Ok(done),
        Err(Stopped::Control(error)) => Err(error),
        // One lineage holds up no other.
        Err(Stopped::Repository(error)) => {
            let failure = failure_of(&error);
            tracing::warn!(
                repository = %place.repository, cluster = %place.cluster, code = failure.code,
                "what is condemned cannot be deleted: {}", failure.message
            );
            Ok(0)
        }
    }
}

async fn run(
    app: &App,
    repository: &Repository,
    place: &Place,
    due: &Due,
) -> std::result::Result<u64, Stopped> {
    let begin = BeginDeletion {
        repository: place.repository.clone(),
        cluster: place.cluster.clone(),
        lineage: place.lineage,
        backups: due.backups.clone(),
        wal: due.wal(),
    };
    let begun = app.propose_as(app.own_context(), begin).await?;
    if begun == Deletable::default() {
        return Ok(0);
    }
    let lineage = repository.lineage(&place.cluster, place.lineage).await?;
    lineage.prove_there().await?;
    let licence = confirm(app, place).await?;
    delete_marks(app, place, &lineage, &licence).await?;
    // Anew: what was committed since is seen to need its own.
    let stock = lineage.stock(&licence.dead).await?;
    delete_remains(app, place, &lineage, (&licence, &stock)).await?;
    delete_wal(app, place, &lineage, (&licence, &stock)).await?;
    let gone = see(&lineage, &licence, begun).await?;
    if gone == Deletable::default() {
        return Ok(0);
    }
    let end = EndDeletion {
        repository: place.repository.clone(),
        cluster: place.cluster.clone(),
        lineage: place.lineage,
        backups: gone.backups,
        wal: gone.wal,
    };
    let ended = app.propose_as(app.own_context(), end).await?;
    tracing::info!(
        repository = %place.repository, cluster = %place.cluster, ended,
        "what was condemned is deleted"
    );
    Ok(ended)
}

/// Confirms with a quorum, at this moment, that this node leads and what may be
/// deleted (I-04).
async fn confirm(app: &App, place: &Place) -> Result<Licence> {
    let view = app.node.read().await?;
    if !app.node.is_leader() {
        return Err(crate::app::error::AppError::new(
            crate::app::code::Code::NO_LEADER,
            "another node leads: it goes on with what is to be deleted",
        ));
    }
    let conn = view.connection();
    let (cluster, repository) = (&place.cluster, &place.repository);
    let backups = query::condemned_in(conn, cluster, repository, place.lineage).await?;
    let may = |state: Deletion| matches!(state, Deletion::Deleting | Deletion::Deleted);
    let mut licence = Licence {
        dead: backups
            .iter()
            .filter(|one| may(one.state))
            .map(|one| one.backup)
            .collect(),
        wal: BTreeMap::new(),
    };
    for one in query::condemned_wal_of(conn, cluster, repository, place.lineage).await? {
        if may(one.state) {
            licence
                .wal
                .entry(one.timeline)
                .or_default()
                .insert(one.range);
        }
    }
    Ok(licence)
}

/// First: the repository lists no backup any more whose packs go.
async fn delete_marks(
    app: &App,
    place: &Place,
    lineage: &LineageRepository,
    licence: &Licence,
) -> std::result::Result<(), Stopped> {
    let stock = lineage.stock(&licence.dead).await?;
    let dead = stock.backups().filter(|one| licence.dead.contains(&one.id));
    for backup in dead {
        confirm(app, place).await?; // I-04
        lineage.delete_mark(backup).await?;
    }
    Ok(())
}

async fn delete_remains(
    app: &App,
    place: &Place,
    lineage: &LineageRepository,
    (licence, stock): (&Licence, &Stock),
) -> std::result::Result<(), Stopped> {
    for remains in stock.remains(&licence.dead) {
        for batch in lineage.batches(&remains, stock).await? {
            delete_batch(app, place, lineage, &batch).await?;
        }
    }
    Ok(())
}

async fn delete_wal(
    app: &App,
    place: &Place,
    lineage: &LineageRepository,
    (licence, stock): (&Licence, &Stock),
) -> std::result::Result<(), Stopped> {
    let (wal, needed) = (lineage.wal(Codec::DEFAULT), stock.needed_wal());
    for (timeline, gone) in &licence.wal {
        let batches = wal.expired_batches(*timeline, gone, &needed).await?;
        if batches.is_empty() {
            continue;
        }
        wal.mark_expired(*timeline, gone).await?;
        for batch in batches {
            delete_batch(app, place, lineage, &batch).await?;
        }
    }
    Ok(())
}

async fn delete_batch(
    app: &App,
    place: &Place,
    lineage: &LineageRepository,
    batch: &Batch,
) -> std::result::Result<(), Stopped> {
    confirm(app, place).await?; // I-04
    Ok(lineage.delete_batch(batch).await?)
}

/// What of it is seen to be gone. A volume that was unmounted meanwhile shows
/// nothing, so the repository must be there.
async fn see(
    lineage: &LineageRepository,
    licence: &Licence,
    begun: Deletable,
) -> std::result::Result<Deletable, Stopped> {
    let stock = lineage.stock(&licence.dead).await?;
    let left: BTreeSet<BackupId> = stock
        .remains(&licence.dead)
        .iter()
        .map(|remains| remains.backup)
        .collect();
    let is_gone = |id: &BackupId| !left.contains(id) && stock.backup(*id).is_none();
    let wal = lineage.wal(Codec::DEFAULT);
    let mut ended = Deletable {
        backups: begun.backups.into_iter().filter(is_gone).collect(),
        wal: Vec::new(),
    };
    for timeline in begun.wal {
        let gone = licence
            .wal
            .get(&timeline.timeline)
            .cloned()
            .unwrap_or_default();
        let left = wal.expired_batches(timeline.timeline, &gone, &stock.needed_wal());
        if left.await?.is_empty() {
            ended.wal.push(timeline);
        }
    }
    lineage.prove_there().await?;
    Ok(ended)
}
