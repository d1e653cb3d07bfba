//! Orders a full backup where a gap in the WAL cuts a cluster off from its
//! newest one: nothing behind the gap can be restored before there is another
//! (I-15).
//!
//! A gap may still be filled by an instance that has the WAL, so it is given
//! some time. The job's id derives from the gap: a leader that has just come
//! finds what the last one ordered, and nothing is ordered twice.

use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::CreateJob;
use holdfast_state::query::{self, JobFilter, PageRequest};
use holdfast_types::resource::Kind;
use holdfast_types::{BackupKind, JobId, JobKind, LsnRange, Name};
use jiff::Timestamp;

use super::driver::Task;
use crate::app::App;
use crate::app::error::{AppError, Result};
use crate::app::job::{JobSpec, WorkSpec, own_job};

/// How soon one that did not help is followed by another, and how long that
/// becomes.
const AGAIN: Duration = Duration::from_secs(3600);
const AGAIN_MOST: Duration = Duration::from_secs(24 * 3600);
/// What the job says of itself.
const WAL_GAP: &str = "wal_gap";

pub(super) struct Gaps;

impl Task for Gaps {
    const NAME: &'static str = "gaps";
    const PERIOD: Duration = Duration::from_secs(10);
    const JUDGES_LIVENESS: bool = true;

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let mut ordered = 0;
        for cluster in query::clusters_with_gaps(view.connection()).await? {
            ordered += u64::from(order(app, &view, &cluster).await?);
        }
        Ok(ordered)
    }
}

/// Orders a backup of the cluster if it needs one, and says whether.
async fn order(app: &App, view: &StateView, cluster: &Name) -> Result<bool> {
    let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
    let Some(found) = found.filter(|found| found.retired_at.is_none()) else {
        return Ok(false);
    };
    let policy = query::effective_policy(view.connection(), cluster).await?;
    let Some((_, policy)) = policy.filter(|(_, policy)| policy.receives_wal()) else {
        return Ok(false);
    };
    let repository = policy.repository;
    let Some((gap, since)) = app.cut_off(view, &found, &repository).await? else {
        return Ok(false);
    };
    let now = Timestamp::now();
    if older_than(since, now, app.config.jobs.backup_after_gap.get()).is_none()
        || is_backed_up(view, cluster).await?
    {
        return Ok(false);
    }
    let Some(job) = free(view, (cluster, &repository), gap, now).await? else {
        return Ok(false);
    };
    let spec = JobSpec {
        traceparent: None,
        run: None,
        because: Some(WAL_GAP.to_owned()),
        work: WorkSpec::Backup {
            kind: BackupKind::Full,
            dump: None,
            from: None,
            checkpoint: None,
        },
    };
    let command = CreateJob {
        job,
        kind: JobKind::Backup,
        cluster: cluster.clone(),
        repository,
        agent: None,
        spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
        attempts_max: app.config.jobs.attempts,
    };
    let created = app
        .node
        .propose(ProposeContext::internal(), command)
        .await?;
    match created {
        Ok(_) => tracing::warn!(
            %cluster, %job, from = %gap.from_lsn, to = %gap.to_lsn,
            "a full backup is ordered: WAL is missing, and nothing behind it can be restored"
        ),
        // It was deleted meanwhile, or another leader was quicker.
        Err(refusal) => tracing::info!(%cluster, "no backup is ordered: {refusal}"),
    }
    Ok(true)
}

/// Whether a backup with data files is queued or under way: what it leads past is
/// seen when it is over.
async fn is_backed_up(view: &StateView, cluster: &Name) -> Result<bool> {
    let filter = JobFilter {
        kind: Some(JobKind::Backup),
        cluster: Some(cluster.clone()),
        ..JobFilter::default()
    };
    let page = PageRequest::longest();
    let jobs = query::jobs(view.connection(), &filter, &page).await?;
    let open = jobs.items.iter().filter(|job| !job.state.is_terminal());
    let mut specs = open.filter_map(|job| JobSpec::read(&job.spec).ok());
    Ok(specs.any(|spec| {
        let dump = |kind| kind == BackupKind::Logical;
        !matches!(spec.work, WorkSpec::Backup { kind, .. } if dump(kind))
    }))
}

/// The id of the next job for a gap; `None` while the last one may yet help or
/// it is too early for another.
async fn free(
    view: &StateView,
    (cluster, repository): (&Name, &Name),
    gap: LsnRange,
    now: Timestamp,
) -> Result<Option<JobId>> {
    let LsnRange { from_lsn, to_lsn } = gap;
    let mut wait = AGAIN;
    for number in 0u32.. {
        let what =
            format!("backup {number} for {cluster} in {repository} past {from_lsn}-{to_lsn}");
        let id = own_job(&what);
        let Some(job) = query::job(view.connection(), id).await? else {
            return Ok(Some(id));
        };
        let over = job.finished_at.filter(|_| job.state.is_terminal());
        if over.and_then(|at| older_than(at, now, wait)).is_none() {
            return Ok(None);
        }
        wait = (wait * 2).min(AGAIN_MOST);
    }
    Ok(None)
}

/// `Some` when `at` is at least so long ago.
fn older_than(at: Timestamp, now: Timestamp, age: Duration) -> Option<()> {
    let waited = now.duration_since(at);
    (!waited.is_negative() && waited.unsigned_abs() >= age).then_some(())
}
