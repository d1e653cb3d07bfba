//! Jobs: what they are asked to do, and how they are shown.

use holdfast_state::Digest;
use holdfast_state::command::{CreateJob, RequestCancel};
use holdfast_state::query::{self, JobFilter, Page, PageRequest};
use holdfast_types::access::Permission;
use holdfast_types::drill::{DrillPoint, DumpToDrill};
use holdfast_types::resource::{Check, Checkpoint, Source};
use holdfast_types::schedule::RunId;
use holdfast_types::{
    AssignmentId, BackupId, BackupKind, DumpOptions, DumpRestoreRequest, Failure, Generation,
    JobId, JobKind, JobPhase, JobState, Lineage, Name, RestorePlan, RestoreRequest, RestoreTarget,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::peer;
use crate::session::Progress;
use crate::task::Queue;

/// What a job is asked to do, as the state keeps it. Holds no secret (I-10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobSpec {
    /// The trace of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
    /// The run that it is the job of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    /// Why the control plane asks for it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) because: Option<String>,
    /// The work itself.
    #[serde(flatten)]
    pub(crate) work: WorkSpec,
}

/// The kinds of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WorkSpec {
    /// Take a backup.
    Backup {
        /// What it holds.
        kind: BackupKind,
        /// Of a dump, what is in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dump: Option<DumpOptions>,
        /// From which server; the primary when it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Source>,
        /// How PostgreSQL begins it; at once when it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<Checkpoint>,
    },
    /// Restore.
    Restore {
        /// What was asked for.
        request: Box<RestoreRequest>,
        /// What was planned.
        plan: Box<RestorePlan>,
    },
    /// Restore a database of a dump.
    RestoreDump {
        /// What was asked for.
        request: Box<DumpRestoreRequest>,
        /// The dump.
        backup: BackupId,
        /// The lineage it is of.
        lineage: Lineage,
    },
    /// Copy a backup; the job's repository is where to.
    Copy {
        /// The backup.
        backup: BackupId,
        /// The lineage it is of.
        lineage: Lineage,
        /// The repository that has it.
        from: Name,
    },
    /// Rehearse a restore.
    Drill(Box<DrillSpec>),
}

/// What is rehearsed. The point is decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DrillSpec {
    /// Where it ends.
    pub(crate) at: RestoreTarget,
    /// How that was asked for.
    pub(crate) asked: DrillPoint,
    /// The dump that is restored; without it, a base backup and WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dump: Option<DumpToDrill>,
    /// In which database queries are asked that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// On a host of this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// What is checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) checks: Vec<Check>,
}

impl JobSpec {
    pub(crate) fn read(spec: &Value) -> Result<Self> {
        Self::deserialize(spec).map_err(AppError::internal)
    }

    pub(crate) fn kind(&self) -> JobKind {
        match self.work {
            WorkSpec::Backup { .. } => JobKind::Backup,
            WorkSpec::Restore { .. } | WorkSpec::RestoreDump { .. } => JobKind::Restore,
            WorkSpec::Copy { .. } => JobKind::Copy,
            WorkSpec::Drill(_) => JobKind::Drill,
        }
    }
}

/// The backup that an attempt at a job makes: every attempt has its own, so
/// that nothing of an earlier one is taken for its.
pub(crate) fn backup_of(job: JobId, generation: Generation) -> BackupId {
    let digest = Digest::of(format!("backup of {job} under {generation}").as_bytes());
    BackupId::from_uuid(derived(&digest))
}

/// The id of a job that the control plane gives itself: whoever leads finds it.
pub(crate) fn own_job(what: &str) -> JobId {
    JobId::from_uuid(derived(&Digest::of(what.as_bytes())))
}

fn derived(digest: &Digest) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A job as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
pub struct JobView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// To which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// With which repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// On which agent; null while nobody was chosen.
    #[schema(value_type = Option<String>)]
    pub agent: Option<Name>,
    /// Where it is.
    pub state: JobState,
    /// What it is doing.
    pub phase: Option<JobPhase>,
    /// What it did, of every attempt; only when one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Vec<PhaseView>>,
    /// How often it was tried; only when one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptView>>,
    /// Results of attempts that were taken back before they were reported, in
    /// quarantine; only when one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_results: Option<Vec<LateResultView>>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When an agent first began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it gave.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// The backup it took.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// Whether somebody asked for it to end.
    pub cancel_requested: bool,
    /// What it waits for, while it does, in words.
    pub waiting_for: Option<String>,
    /// The same as a code: `start, retry, too_late, blackout, cluster_busy, cluster_gone,
    /// limit, agent_busy, agent_offline, agent_missing, agent_revoked, agent_reporting,
    /// drill_host, no_standby, no_instance`.
    pub waiting_code: Option<&'static str>,
    /// Its place in the queue, from 1: who waits for nothing goes first in this order.
    /// Null while it may not begin yet, and while more jobs wait than are counted.
    pub queue_position: Option<u64>,
    /// The run of a schedule that it is the job of.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// Why the control plane asked for it itself, such as `wal_gap`: a gap in the
    /// WAL cut the cluster off from its newest backup.
    pub because: Option<String>,
}

/// A phase that an attempt entered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobPhaseEntry)]
pub struct PhaseView {
    /// The phase.
    pub phase: JobPhase,
    /// When.
    pub at: Timestamp,
    /// In which attempt.
    pub attempt: u64,
}

/// An attempt at a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobAttempt)]
pub struct AttemptView {
    /// Which, from 1.
    pub attempt: u64,
    /// Under which generation.
    pub generation: u64,
    /// By whom.
    #[schema(value_type = String)]
    pub agent: Name,
    /// When the agent was given it.
    pub leased_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub outcome: Option<String>,
    /// Why it did not succeed.
    pub error: Option<Failure>,
}

/// A result that was refused because the attempt was not its agent's any more.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LateResult)]
pub struct LateResultView {
    /// Which attempt that was.
    pub attempt: u64,
    /// Under which generation.
    pub generation: u64,
    /// By whom.
    #[schema(value_type = String)]
    pub agent: Name,
    /// What it claims: succeeded, failed, cancelled, superseded.
    pub outcome: String,
    /// Why it failed, as it says.
    pub error: Option<Failure>,
    /// The backup it took, or found to be taken.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
    /// Whether that is in the catalog by it: its commit mark is in the
    /// repository, so it counts whatever became of the job.
    pub backup_recorded: bool,
    /// Why it was refused.
    pub refused: Failure,
    /// When it came.
    pub at: Timestamp,
}

impl From<query::LateResultView> for LateResultView {
    fn from(late: query::LateResultView) -> Self {
        Self {
            attempt: late.attempt,
            generation: late.generation.0,
            agent: late.agent,
            outcome: late.outcome,
            error: late.failure,
            backup: late.backup,
            backup_recorded: late.backup_recorded,
            refused: late.refused,
            at: late.at,
        }
    }
}

/// A result that came too late, and of which job it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LateResultOfJob)]
pub struct LateResultOfJobView {
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// The result.
    #[serde(flatten)]
    pub result: LateResultView,
}

impl App {
    /// One page of results that came too late, the latest first.
    pub async fn late_results(
        &self,
        by: &Caller,
        page: &PageRequest,
    ) -> Result<Page<LateResultOfJobView>> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::JobsRead).await?;
        let found = query::all_late_results(view.connection(), &visible, page).await?;
        Ok(found.map(|late| LateResultOfJobView {
            job: late.job,
            result: late.into(),
        }))
    }

    /// How many there are.
    pub async fn late_result_count(&self, by: &Caller) -> Result<u64> {
        let view = self.read(by).await?;
        Ok(query::late_result_count(view.connection()).await?)
    }

    /// One page of jobs, newest first.
    pub async fn jobs(
        &self,
        by: &Caller,
        filter: &JobFilter,
        page: &PageRequest,
    ) -> Result<Page<JobView>> {
        let view = self.read(by).await?;
        let filter = JobFilter {
            visible: self.visible(&view, by, Permission::JobsRead).await?,
            ..filter.clone()
        };
        let found = query::jobs(view.connection(), &filter, page).await?;
        let held = query::active_job_assignments(view.connection()).await?;
        let mut queue = Queue::load(&view, &held).await?;
        let any = found.items.iter().any(|job| job.state == JobState::Queued);
        let places = queue.places(&view, any).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for job in found.items {
            let assignment = assignment_of(&held, job.id);
            let queue_position = places.get(&job.id).copied();
            let shown = self.show_job(&view, job, assignment, &mut queue).await?;
            items.push(JobView {
                queue_position,
                ..shown
            });
        }
        Ok(Page {
            items,
            next_cursor: found.next_cursor,
        })
    }

    /// One job with everything that is known of it.
    pub async fn job(&self, by: &Caller, id: JobId) -> Result<JobView> {
        let view = self.read(by).await?;
        let detail = query::job_detail(view.connection(), id).await?;
        let detail = detail.ok_or_else(|| AppError::not_found("job", id))?;
        self.demand_job(&view, by, Permission::JobsRead, &detail.job)
            .await?;
        let held = query::active_job_assignments(view.connection()).await?;
        let phases = detail.attempts_made.iter().flat_map(|attempt| {
            attempt.phases.iter().map(|entered| PhaseView {
                phase: entered.phase,
                at: entered.started_at,
                attempt: attempt.number,
            })
        });
        let phases = phases.collect();
        let attempts = detail.attempts_made.into_iter().map(|attempt| AttemptView {
            attempt: attempt.number,
            generation: attempt.generation.0,
            agent: attempt.agent_name,
            leased_at: attempt.leased_at,
            started_at: attempt.started_at,
            ended_at: attempt.finished_at,
            outcome: attempt.outcome,
            error: attempt.failure,
        });
        let attempts = attempts.collect();
        let mut queue = Queue::load(&view, &held).await?;
        let late = query::late_results(view.connection(), id).await?;
        let queued = detail.job.state == JobState::Queued;
        let places = queue.places(&view, queued).await?;
        let shown = self
            .show_job(&view, detail.job, assignment_of(&held, id), &mut queue)
            .await?;
        Ok(JobView {
            phases: Some(phases),
            attempts: Some(attempts),
            late_results: Some(late.into_iter().map(Into::into).collect()),
            queue_position: places.get(&id).copied(),
            ..shown
        })
    }

    /// The lines a job logged: of its last attempt, live while it runs.
    pub async fn job_log(&self, by: &Caller, id: JobId) -> Result<Vec<String>> {
        let view = self.read(by).await?;
        let detail = query::job_detail(view.connection(), id).await?;
        let detail = detail.ok_or_else(|| AppError::not_found("job", id))?;
        self.demand_job(&view, by, Permission::JobsRead, &detail.job)
            .await?;
        let held = query::active_job_assignments(view.connection()).await?;
        if let Some(assignment) = assignment_of(&held, id) {
            let agent = held.iter().find(|held| held.id == assignment);
            let key = (assignment, detail.job.generation);
            return Ok(match agent {
                Some(held) => peer::ask_lines(self, held.agent, key).await,
                None => self.progress.lines(key.0, key.1),
            });
        }
        let last = detail
            .attempts_made
            .into_iter()
            .max_by_key(|attempt| attempt.number);
        Ok(last.map(|attempt| attempt.log).unwrap_or_default())
    }

    /// Asks for a job's end.
    pub async fn cancel_job(&self, by: &Caller, job: JobId) -> Result<JobView> {
        let view = self.node.read().await?;
        let found = query::job(view.connection(), job).await?;
        let found = found.ok_or_else(|| AppError::not_found("job", job))?;
        self.demand_job(&view, by, Permission::JobsWrite, &found)
            .await?;
        let _: JobState = self.propose(by, RequestCancel { job }).await?;
        self.job(by, job).await
    }

    async fn demand_job(
        &self,
        view: &holdfast_consensus::StateView,
        by: &Caller,
        permission: Permission,
        job: &query::JobView,
    ) -> Result<()> {
        let unseen = || AppError::not_found("job", job.id);
        let needs = (permission, Permission::JobsRead);
        self.demand_of(view, by, needs, &job.cluster, unseen).await
    }

    /// The job that an earlier request under the same Idempotency-Key made.
    pub(super) async fn replayed_job(&self, by: &Caller) -> Result<Option<JobId>> {
        let Some(id) = job_id_of(by) else {
            return Ok(None);
        };
        let view = self.node.read().await?;
        let Some(job) = query::job(view.connection(), id).await? else {
            return Ok(None);
        };
        // The kept answer is given when the request is the same one; another
        // request under its key is refused.
        let command = CreateJob {
            job: id,
            kind: job.kind,
            cluster: job.cluster,
            repository: job.repository,
            agent: job.wanted_agent,
            spec: job.spec,
            attempts_max: 1,
        };
        self.propose(by, command).await?;
        Ok(Some(id))
    }

    /// Queues a job.
    pub(super) async fn create_job(
        &self,
        by: &Caller,
        (cluster, repository): (Name, Name),
        agent: Option<Name>,
        work: WorkSpec,
        attempts_max: u32,
    ) -> Result<JobId> {
        let job = job_id_of(by).unwrap_or_else(|| JobId::from_uuid(Uuid::now_v7()));
        let traceparent = by.traceparent.clone();
        let spec = JobSpec {
            traceparent,
            run: None,
            because: None,
            work,
        };
        let command = CreateJob {
            job,
            kind: spec.kind(),
            cluster,
            repository,
            agent,
            spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
            attempts_max,
        };
        self.propose(by, command).await?;
        Ok(job)
    }

    async fn show_job(
        &self,
        view: &holdfast_consensus::StateView,
        job: query::JobView,
        assignment: Option<AssignmentId>,
        queue: &mut Queue,
    ) -> Result<JobView> {
        let progress = assignment.and_then(|id| self.progress.progress(id, job.generation));
        let wait = queue.waiting_for(self, view, &job).await?;
        let waiting_code = wait.as_ref().map(|wait| wait.code);
        let spec = JobSpec::read(&job.spec).ok();
        let (run, because) = spec.map_or((None, None), |spec| (spec.run, spec.because));
        Ok(JobView {
            id: job.id,
            kind: job.kind,
            cluster: job.cluster,
            repository: job.repository,
            agent: job.agent.or(job.wanted_agent),
            state: job.state,
            phase: job.phase,
            phases: None,
            attempts: None,
            late_results: None,
            progress,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            result: job.result,
            backup: job.backup,
            error: job.failure,
            cancel_requested: job.cancel_requested,
            waiting_for: wait.map(|wait| wait.text),
            waiting_code,
            queue_position: None,
            run,
            because,
        })
    }
}

/// The id of the job that a request with an Idempotency-Key makes: the same
/// for every repeat, so that a repeat finds it.
pub(super) fn job_id_of(by: &Caller) -> Option<JobId> {
    let (key, _) = by.idempotency.as_ref()?;
    let digest = Digest::of(format!("job of {} by {key}", by.principal()).as_bytes());
    Some(JobId::from_uuid(derived(&digest)))
}

fn assignment_of(held: &[query::AssignmentView], id: JobId) -> Option<AssignmentId> {
    let found = held.iter().find(|assignment| match &assignment.work {
        query::Work::Job(job) => job.id == id,
        query::Work::Wal => false,
    });
    found.map(|assignment| assignment.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_reads_back_and_each_attempt_has_its_own_backup() {
        let work = WorkSpec::Backup {
            kind: BackupKind::Full,
            dump: None,
            from: Some(Source::PreferStandby),
            checkpoint: Some(Checkpoint::Spread),
        };
        let spec = JobSpec {
            traceparent: Some("00-1-2-01".to_owned()),
            because: Some("wal_gap".to_owned()),
            run: Some("orders.often.2026-07-25T02_00_00Z".parse().unwrap()),
            work,
        };
        let value = serde_json::to_value(&spec).unwrap();
        assert_eq!(JobSpec::read(&value).unwrap(), spec);
        let job = JobId::from_uuid(Uuid::from_u128(1));
        let backup = |generation| backup_of(job, Generation(generation));
        assert_eq!(backup(1), backup(1));
        assert_ne!(backup(1), backup(2));
    }
}
