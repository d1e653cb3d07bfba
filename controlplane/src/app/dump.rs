//! Restores of dumps: one database, into the running server of a cluster.

use holdfast_consensus::StateView;
use holdfast_state::query::{self, BackupView};
use holdfast_state::schema;
use holdfast_types::access::Permission;
use holdfast_types::{BackupKind, BackupState, DumpRestoreRequest, JobId};

use super::App;
use super::backup::{invalid_dump, refuse_below};
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::job::WorkSpec;

impl App {
    /// Queues the restore of a database of a dump. Whether the database that it
    /// makes is free is for the agent to see, which asks the server (I-12).
    pub async fn start_dump_restore(
        &self,
        by: &Caller,
        mut request: DumpRestoreRequest,
    ) -> Result<JobId> {
        let view = self.node.read().await?;
        let needed = Permission::RestoresWrite;
        self.demand_at(&view, by, needed, &request.cluster).await?;
        self.demand_at(&view, by, needed, request.target())
            .await
            .map_err(|error| error.with_field("toCluster"))?;
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        request.check().map_err(invalid_dump)?;
        refuse_below(&view, schema::DUMPS).await?;
        self.cluster(&view, &request.cluster).await?;
        let target = request.target().clone();
        self.cluster(&view, &target)
            .await
            .map_err(|error| error.with_field("toCluster"))?;
        let dump = dump_of(&view, &request).await?;
        request.backup = Some(dump.id);
        let (Some(lineage), Some(repository)) = (dump.lineage, dump.repositories.first()) else {
            return Err(no_dump(format!("{} is in no repository", dump.id)));
        };
        let work = WorkSpec::RestoreDump {
            backup: dump.id,
            lineage,
            request: Box::new(request),
        };
        // On the primary of the target, which is chosen when it is given out.
        // What is refused or fails leaves nothing behind, and a person looks.
        let place = (target, repository.clone());
        self.create_job(by, place, None, work, 1).await
    }
}

fn no_dump(message: String) -> AppError {
    AppError::new(Code::NO_BACKUP, message)
}

/// The dump that is named, or the newest.
async fn dump_of(view: &StateView, request: &DumpRestoreRequest) -> Result<BackupView> {
    let cluster = &request.cluster;
    let Some(id) = request.backup else {
        let available = query::available_backups(view.connection(), cluster).await?;
        let mut dumps = available
            .into_iter()
            .filter(|one| one.kind == BackupKind::Logical);
        return dumps
            .next()
            .ok_or_else(|| no_dump(format!("\"{cluster}\" has no available dump")));
    };
    let found = query::backup(view.connection(), id).await?;
    let found = found.filter(|backup| backup.cluster == *cluster);
    let backup = found.ok_or_else(|| AppError::not_found("backup", id).with_field("backup"))?;
    if backup.kind != BackupKind::Logical {
        let message = format!("{id} is a {} backup and no dump", backup.kind);
        return Err(AppError::new(Code::NOT_A_DUMP, message).with_field("backup"));
    }
    if backup.state != BackupState::Available {
        return Err(no_dump(format!("the dump {id} is {}", backup.state)));
    }
    Ok(backup)
}
