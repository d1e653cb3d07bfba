//! Copies of backups in other repositories.

use holdfast_consensus::StateView;
use holdfast_state::command::CreateJob;
use holdfast_state::query::{self, BackupView};
use holdfast_state::{Refusal, schema};
use holdfast_types::access::Permission;
use holdfast_types::resource::Kind;
use holdfast_types::{BackupId, BackupState, JobId, Lineage, Name};
use uuid::Uuid;

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::error::{AppError, Result};
use super::job::{JobSpec, WorkSpec};

impl App {
    /// Queues a copy of a backup into `to`, or into the one copy that the policy of
    /// its cluster names.
    pub async fn copy_backup(
        &self,
        by: &Caller,
        backup: BackupId,
        to: Option<Name>,
    ) -> Result<JobId> {
        let view = self.node.read().await?;
        self.demand_backup(&view, by, Permission::BackupsWrite, backup)
            .await?;
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        refuse_below(&view, schema::COPIES).await?;
        let found = query::backup(view.connection(), backup).await?;
        let found = found.ok_or_else(|| AppError::not_found("backup", backup))?;
        let to = match to {
            Some(to) => to,
            None => self.only_copy(&view, &found.cluster).await?,
        };
        let place = (&found.cluster, &to);
        self.demand_repository(&view, by, Permission::BackupsWrite, place)
            .await?;
        let named = query::resource(view.connection(), Kind::Repository, &to).await?;
        if named.is_none() {
            return Err(AppError::not_found("repository", &to).with_field("repository"));
        }
        let (from, lineage) = source(&found, &to)?;
        let work = WorkSpec::Copy {
            backup,
            lineage,
            from,
        };
        let place = (found.cluster, to);
        self.create_job(by, place, None, work, self.config.jobs.attempts)
            .await
    }

    async fn only_copy(&self, view: &StateView, cluster: &Name) -> Result<Name> {
        let policy = self.policy_of(view, cluster).await?;
        match policy.copies.as_slice() {
            [only] => Ok(only.repository.clone()),
            copies => {
                let message = format!(
                    "the policy of \"{cluster}\" names {} copies: say which repository",
                    copies.len()
                );
                Err(AppError::invalid("repository", message))
            }
        }
    }
}

/// Queues what a policy wants, on nobody's request.
pub(crate) async fn order(app: &App, backup: &BackupView, to: &Name) -> Result<JobId> {
    let (from, lineage) = source(backup, to)?;
    let spec = JobSpec {
        traceparent: None,
        run: None,
        because: None,
        work: WorkSpec::Copy {
            backup: backup.id,
            lineage,
            from,
        },
    };
    let job = JobId::from_uuid(Uuid::now_v7());
    let command = CreateJob {
        job,
        kind: spec.kind(),
        cluster: backup.cluster.clone(),
        repository: to.clone(),
        agent: None,
        spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
        attempts_max: app.config.jobs.attempts,
    };
    app.propose_as(app.own_context(), command).await?;
    Ok(job)
}

/// From which repository a backup is copied, and of which lineage it is.
fn source(backup: &BackupView, to: &Name) -> Result<(Name, Lineage)> {
    let id = backup.id;
    match (backup.state, backup.lineage) {
        (BackupState::Available, Some(lineage)) => {
            let mut elsewhere = backup.repositories.iter().filter(|one| *one != to);
            match elsewhere.next() {
                Some(from) => Ok((from.clone(), lineage)),
                None => {
                    let message = format!("{id} is in \"{to}\" and nowhere else");
                    Err(AppError::invalid("repository", message))
                }
            }
        }
        (BackupState::Condemned | BackupState::Deleted, _) => {
            Err(Refusal::BackupCondemned { backup: id }.into())
        }
        (state, _) => Err(Refusal::BackupState { backup: id, state }.into()),
    }
}
