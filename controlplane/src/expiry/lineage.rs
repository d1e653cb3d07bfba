//! Deletes what is due of one lineage, in this order: it is begun in the state;
//! marks; what nothing needs of the rest; WAL; all of it is seen to be gone; it is
//! ended in the state. Killed anywhere, the next leader goes on (I-06).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_repo::{Batch, Codec, Error, LineageRepository, Repository, Stock, failpoint};
use holdfast_state::command::{BeginDeletion, Deletable, EndDeletion};
use holdfast_state::query::{self, BackupFilter, Deletion, PageRequest};
use holdfast_types::{BackupId, BackupState, Coverage, Timeline};

use super::sweep::{Due, Place};
use crate::app::App;
use crate::app::code::Code;
use crate::app::error::{AppError, Result};
use crate::state_snapshot::failure_of;

/// Why a deletion stopped where it was.
enum Stopped {
    /// The control plane: no quorum, or another leads.
    Control(AppError),
    /// The repository.
    Repository(Error),
}

impl From<AppError> for Stopped {
    fn from(error: AppError) -> Self {
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
    /// What must be there while anything is deleted.
    kept: BTreeSet<BackupId>,
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
    failpoint!("expire::begin::done");
    let lineage = repository.lineage(&place.cluster, place.lineage).await?;
    lineage.prove_there().await?;
    let licence = licence(app, place).await?;
    delete_marks(app, &lineage, &licence).await?;
    failpoint!("expire::marks::done");
    // Anew: what was committed since is seen to need its own.
    let stock = lineage.stock(&licence.dead).await?;
    refuse_partial(&licence, |id| stock.backup(*id).is_some())?;
    delete_remains(app, &lineage, (&licence, &stock)).await?;
    failpoint!("expire::remains::done");
    delete_wal(app, &lineage, (&licence, &stock)).await?;
    failpoint!("expire::wal::done");
    let gone = see(&lineage, (&licence, &stock), begun).await?;
    failpoint!("expire::see::done");
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
    failpoint!("expire::end::done");
    tracing::info!(
        repository = %place.repository, cluster = %place.cluster, ended,
        "what was condemned is deleted"
    );
    Ok(ended)
}

/// Confirms with a quorum, at this moment, that this node leads (I-04). What may be
/// deleted may be so for ever, so that need not be asked again.
async fn confirm(app: &App) -> Result<StateView> {
    let view = app.node.read().await?;
    if app.node.is_leader() {
        return Ok(view);
    }
    let message = "another node leads: it goes on with what is to be deleted";
    Err(AppError::new(Code::NO_LEADER, message))
}

/// What may be deleted of a lineage, and was before.
async fn licence(app: &App, place: &Place) -> Result<Licence> {
    let view = confirm(app).await?;
    let conn = view.connection();
    let (cluster, repository) = (&place.cluster, &place.repository);
    let backups = query::condemned_in(conn, cluster, repository, place.lineage).await?;
    let may = |state: Deletion| matches!(state, Deletion::Deleting | Deletion::Deleted);
    let dead = backups.iter().filter(|one| may(one.state));
    let mut licence = Licence {
        dead: dead.map(|one| one.backup).collect(),
        kept: kept(&view, place).await?,
        wal: BTreeMap::new(),
    };
    for one in query::condemned_wal_of(conn, cluster, repository, place.lineage).await? {
        if may(one.state) {
            let gone = licence.wal.entry(one.timeline).or_default();
            gone.insert(one.range);
        }
    }
    Ok(licence)
}

/// What the catalog takes for available here.
async fn kept(view: &StateView, place: &Place) -> Result<BTreeSet<BackupId>> {
    let filter = BackupFilter {
        cluster: Some(place.cluster.clone()),
        repository: Some(place.repository.clone()),
        state: Some(BackupState::Available),
        ..BackupFilter::default()
    };
    let mut page = PageRequest::longest();
    let mut kept = BTreeSet::new();
    loop {
        let found = query::backups(view.connection(), &filter, &page).await?;
        let here = found.items.into_iter();
        let here = here.filter(|backup| backup.lineage == Some(place.lineage));
        kept.extend(here.map(|backup| backup.id));
        match found.next_cursor {
            None => return Ok(kept),
            cursor => page.cursor = cursor,
        }
    }
}

/// I-06: what a backup needs is known only if its mark is seen. A listing that lacks
/// one which must be there says too little to delete anything by.
fn refuse_partial(
    licence: &Licence,
    is_there: impl Fn(&BackupId) -> bool,
) -> std::result::Result<(), Stopped> {
    match licence.kept.iter().find(|id| !is_there(id)) {
        None => Ok(()),
        Some(id) => Err(Stopped::Repository(Error::Missing {
            object: format!("the mark of {id}"),
        })),
    }
}

/// First: the repository lists no backup any more whose packs go.
async fn delete_marks(
    app: &App,
    lineage: &LineageRepository,
    licence: &Licence,
) -> std::result::Result<(), Stopped> {
    let listed = lineage.list_backups().await?;
    // It may be one that needs what is to go.
    if let Some(unreadable) = listed.unreadable.into_iter().next() {
        return Err(unreadable.error.into());
    }
    let there: BTreeSet<BackupId> = listed.available.iter().map(|one| one.id).collect();
    refuse_partial(licence, |id| there.contains(id))?;
    for backup in listed.available {
        if licence.dead.contains(&backup.id) {
            confirm(app).await?; // I-04
            lineage.delete_mark(&backup).await?;
        }
    }
    Ok(())
}

async fn delete_remains(
    app: &App,
    lineage: &LineageRepository,
    (licence, stock): (&Licence, &Stock),
) -> std::result::Result<(), Stopped> {
    for remains in stock.remains(&licence.dead) {
        for batch in lineage.batches(&remains, stock).await? {
            delete_batch(app, lineage, &batch).await?;
        }
    }
    Ok(())
}

async fn delete_wal(
    app: &App,
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
        failpoint!("expire::wal::marked");
        for batch in batches {
            delete_batch(app, lineage, &batch).await?;
        }
    }
    Ok(())
}

async fn delete_batch(
    app: &App,
    lineage: &LineageRepository,
    batch: &Batch,
) -> std::result::Result<(), Stopped> {
    confirm(app).await?; // I-04
    Ok(lineage.delete_batch(batch).await?)
}

/// What of it is seen to be gone. A volume that was unmounted meanwhile shows
/// nothing, so the repository must be there.
async fn see(
    lineage: &LineageRepository,
    (licence, stock): (&Licence, &Stock),
    begun: Deletable,
) -> std::result::Result<Deletable, Stopped> {
    let (wal, needed) = (lineage.wal(Codec::DEFAULT), stock.needed_wal());
    let mut ended = Deletable::default();
    for backup in begun.backups {
        if lineage.left_of(backup, stock).await?.is_empty() {
            ended.backups.push(backup);
        }
    }
    for timeline in begun.wal {
        let gone = licence
            .wal
            .get(&timeline.timeline)
            .cloned()
            .unwrap_or_default();
        let left = wal.expired_batches(timeline.timeline, &gone, &needed);
        if left.await?.is_empty() {
            ended.wal.push(timeline);
        }
    }
    lineage.prove_there().await?;
    Ok(ended)
}
