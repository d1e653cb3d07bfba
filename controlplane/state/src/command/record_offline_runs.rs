//! Records what an agent did with a schedule while it was on its own (I-08).
//!
//! One record per due time, as ever (I-03). What was only decided gives way to
//! what happened: a due time that was to be missed, skipped or coalesced, and
//! at which an agent did begin, *ran*. Between two decisions the first stays.
//! An attempt is adopted under the generation that its agent counts by, as if
//! the job had been leased to it, where nobody else holds the job; otherwise
//! it is a late one, whose result `record_late_result` takes.

use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunId, RunReason, RunState};
use holdfast_types::{AgentId, AssignmentId, BackupId, Generation, JobKind, JobState, Name};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::create_job::{NewJob, queue};
use super::lease_job::{Lease, write};
use super::record_runs::{DueRun, Mark, RunDecision, RunJob, blank};
use crate::column::{Count, Flag, Json, Moment, Rank, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{agents, job_queue, jobs, offline_runs, runs, schedule_marks};
use crate::leases::{self, NewLease};
use crate::lookup::Lookup;
use crate::schedules::settle;
use crate::{Effect, Noun, Refusal, StateError, TaskName};

/// Since level 4. A repeat changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordOfflineRuns {
    /// Who.
    pub agent: AgentId,
    /// Of which cluster.
    pub cluster: Name,
    /// Of which schedule.
    pub schedule: Name,
    /// What.
    pub did: OfflineDeed,
}

/// What an agent did on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineDeed {
    /// These due times do not run.
    Decided(Vec<DueRun>),
    /// It began an attempt at a run.
    Began(Box<OfflineAttempt>),
    /// It has stopped deciding: due times after `from` and up to the mark are
    /// decided on and recorded.
    Settled {
        /// Where it began.
        from: Timestamp,
        /// How far it came.
        to: Mark,
    },
}

/// An attempt that an agent began on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineAttempt {
    /// When its run was due.
    pub due: Timestamp,
    /// Under which its reports come.
    pub assignment: AssignmentId,
    /// And under which generation.
    pub generation: Generation,
    /// The backup it makes.
    pub backup: BackupId,
    /// When it began.
    pub began_at: Timestamp,
    /// The job, should there be none.
    pub job: RunJob,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineRecorded {
    /// It is on record.
    Recorded,
    /// It was already.
    Known,
    /// The run is in other hands, or over: the attempt counts as late.
    Late,
}

impl ReplicatedCommand for RecordOfflineRuns {
    type Outcome = OfflineRecorded;
    const NAME: &'static str = "record_offline_runs";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        let did = match &self.did {
            OfflineDeed::Decided(runs) => json!({"decided": runs.len()}),
            OfflineDeed::Began(attempt) => json!({
                "run": self.run(attempt.due), "backup": attempt.backup,
                "generation": attempt.generation,
            }),
            OfflineDeed::Settled { to, .. } => json!({"decidedUntil": to.until}),
        };
        json!({"schedule": self.schedule, "offline": did})
    }

    fn level(&self) -> u32 {
        leases::LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<OfflineRecorded, Stop> {
        let agent = cx.live_agent(self.agent).await?;
        if cx.resource(Kind::Cluster, &self.cluster).await?.is_none() {
            return Err(Refusal::not_found(Noun::Cluster, &self.cluster).into());
        }
        match self.did {
            OfflineDeed::Decided(ref decided) => {
                for due in decided {
                    let run = self.run(due.due);
                    let due = due.clone();
                    record_decision(cx, &agent, run, due).await?;
                }
                Ok(OfflineRecorded::Recorded)
            }
            OfflineDeed::Began(ref attempt) => {
                let run = self.run(attempt.due);
                began(cx, agent, run, (**attempt).clone()).await
            }
            OfflineDeed::Settled { from, to } => {
                advance(cx, (self.cluster, self.schedule), from, to).await
            }
        }
    }
}

impl RecordOfflineRuns {
    fn run(&self, due: Timestamp) -> RunId {
        RunId::new(self.cluster.clone(), self.schedule.clone(), due)
    }
}

/// A due time that does not run. What is on record stays; only what still
/// waited for this very agent is settled by its word.
async fn record_decision(
    cx: &mut ApplyContext<'_>,
    agent: &agents::Model,
    id: RunId,
    decided: DueRun,
) -> Result<(), Stop> {
    let (state, reason, last, count) = match decided.decision {
        RunDecision::Not { state, reason } => (state, reason, id.due(), 1),
        RunDecision::Missed { last, count } => (RunState::Missed, RunReason::TooMany, last, count),
        RunDecision::Run(_) => return Ok(()),
    };
    let known = runs::Entity::find_by_id(Text(id.clone())).only(cx.tx());
    if let Some(known) = known.await? {
        if known.state.0 == RunState::Due {
            give_up_waiting(cx, &id, state, reason).await?;
        }
        return Ok(());
    }
    cx.insert(runs::Model {
        last: Moment(last),
        count: Count(count),
        state: Text(state),
        reason: Some(Json(reason)),
        ..blank(cx, &id)
    })
    .await?;
    note(cx, agent, &id, None).await?;
    cx.changed("runs", &id);
    Ok(())
}

async fn give_up_waiting(
    cx: &mut ApplyContext<'_>,
    id: &RunId,
    state: RunState,
    reason: RunReason,
) -> Result<(), Stop> {
    let job = jobs::Entity::find_by_id(Text(id.job_id()))
        .only(cx.tx())
        .await?;
    let waits = |job: &jobs::Model| job.state.0 == JobState::Queued && job.attempts.0 == 0;
    let Some(job) = job.filter(waits) else {
        return Ok(());
    };
    settle(cx, id, state, Some(reason)).await?;
    changed(
        cx,
        jobs::Model {
            state: Text(JobState::Cancelled),
            finished_at: Some(Moment(cx.now())),
            cancel_requested: Flag(true),
            ..job
        },
    )
    .await
}

/// An attempt that an agent began.
async fn began(
    cx: &mut ApplyContext<'_>,
    agent: agents::Model,
    id: RunId,
    attempt: OfflineAttempt,
) -> Result<OfflineRecorded, Stop> {
    let (assignment, generation) = (attempt.assignment, attempt.generation);
    if leases::lease(cx.tx(), assignment, generation)
        .await?
        .is_some()
    {
        return Ok(OfflineRecorded::Known); // I-14
    }
    let job = jobs::Entity::find_by_id(Text(id.job_id()))
        .only(cx.tx())
        .await?;
    let row = runs::Entity::find_by_id(Text(id.clone()))
        .only(cx.tx())
        .await?;
    let tries = job.as_ref().map_or(0, |job| job.attempts.0);
    if !may_adopt(cx, &id, &attempt, (job.as_ref(), row.as_ref())).await? {
        let late = NewLease {
            assignment,
            generation,
            attempt: tries + 1,
            agent: &agent,
            backup: Some(attempt.backup),
            taken_back: true,
        };
        leases::note(cx, Text(id.job_id()), late).await?;
        return Ok(OfflineRecorded::Late);
    }
    record_ran(cx, &agent, &id, row, attempt.job.late).await?;
    let job = match job {
        Some(job) => job,
        None => queue_job(cx, &id, attempt.job, attempt.began_at).await?,
    };
    let (holder, attempt_number) = (agent.id.0, tries + 1);
    let lease = Lease {
        generation,
        attempt: attempt_number,
    };
    write(cx, job, agent, (assignment, Some(attempt.backup)), lease).await?;
    cx.effect(Effect::AgentChanged(holder));
    Ok(OfflineRecorded::Recorded)
}

/// Whether the attempt can be taken for one that the control plane gave: what
/// it needs exists, nobody holds the job, and no later generation has been
/// (I-04).
async fn may_adopt(
    cx: &ApplyContext<'_>,
    id: &RunId,
    attempt: &OfflineAttempt,
    (job, row): (Option<&jobs::Model>, Option<&runs::Model>),
) -> Result<bool, StateError> {
    let cluster = cx.resource(Kind::Cluster, id.cluster()).await?;
    if cluster.is_none_or(|cluster| cluster.retired_at.is_some()) {
        return Ok(false);
    }
    let repository = &attempt.job.repository;
    if cx.resource(Kind::Repository, repository).await?.is_none() {
        return Ok(false);
    }
    // One due time of a range that was counted cannot be told from the others.
    let counted = "SELECT 1 FROM runs WHERE cluster = ? AND schedule = ? AND count > 1 \
                   AND due <= ? AND last >= ?";
    let due = Moment(id.due());
    let values = [
        Text(id.cluster().clone()).into(),
        Text(id.schedule().clone()).into(),
        due.into(),
        due.into(),
    ];
    if cx.exists(counted, values).await? {
        return Ok(false);
    }
    let waits = |job: &jobs::Model| {
        job.state.0 == JobState::Queued
            && !job.cancel_requested.0
            && job.generation.0 < attempt.generation.0
    };
    Ok(job.is_none_or(waits) && (job.is_some() || row.is_none_or(|row| row.job.is_none())))
}

/// The run has run, whatever was decided on it.
async fn record_ran(
    cx: &mut ApplyContext<'_>,
    agent: &agents::Model,
    id: &RunId,
    known: Option<runs::Model>,
    late: bool,
) -> Result<(), StateError> {
    let before = known.as_ref().map(|row| (row.state.0, row.reason.clone()));
    if let Some((RunState::Ran, _)) = before {
        return Ok(());
    }
    let row = known.unwrap_or(runs::Model {
        late: Flag(late),
        ..blank(cx, id)
    });
    cx.put(runs::Model {
        state: Text(RunState::Ran),
        reason: None,
        job: Some(Text(id.job_id())),
        decided_at: Moment(cx.now()),
        revision: cx.revision().into(),
        ..row
    })
    .await?;
    note(cx, agent, id, before).await?;
    cx.changed("runs", id);
    Ok(())
}

/// Notes whose word the record of a run is.
pub(super) async fn note(
    cx: &ApplyContext<'_>,
    agent: &agents::Model,
    run: &RunId,
    before: Option<(RunState, Option<Json<RunReason>>)>,
) -> Result<(), StateError> {
    let (state_before, reason_before) =
        before.map_or((None, None), |(state, reason)| (Some(Text(state)), reason));
    cx.put(offline_runs::Model {
        run: Text(run.clone()),
        agent: agent.name.clone(),
        state_before,
        reason_before,
        at: Moment(cx.now()),
    })
    .await
}

async fn queue_job(
    cx: &mut ApplyContext<'_>,
    run: &RunId,
    job: RunJob,
    began_at: Timestamp,
) -> Result<jobs::Model, Stop> {
    let id = Text(run.job_id());
    let new = NewJob {
        job: id.0,
        kind: JobKind::Backup,
        cluster: run.cluster().clone(),
        repository: job.repository,
        agent: None,
        spec: job.spec,
        attempts_max: job.attempts_max.max(1),
        not_before: None,
    };
    queue(cx, new).await?;
    cx.insert(job_queue::Model {
        job: id,
        run: Text(run.clone()),
        cluster: Text(run.cluster().clone()),
        schedule: Text(run.schedule().clone()),
        due: Moment(run.due()),
        priority: Rank(job.priority),
        latest: job.latest.map(Moment),
        idle_timeout_ms: Count(job.idle_timeout.millis()),
    })
    .await?;
    let made = jobs::Entity::find_by_id(id).only(cx.tx()).await?;
    let missing = || StateError::corrupt(format!("{} was just queued", id.0));
    let made = made.ok_or_else(missing)?;
    Ok(jobs::Model {
        // It began when its agent says, unless its clock runs ahead of ours.
        started_at: Some(Moment(began_at.min(cx.now()))),
        ..made
    })
}

/// The leader goes on where the agent stopped. A stretch that begins after the
/// mark leaves it alone: between the two, nobody has decided.
async fn advance(
    cx: &mut ApplyContext<'_>,
    (cluster, schedule): (Name, Name),
    from: Timestamp,
    to: Mark,
) -> Result<OfflineRecorded, Stop> {
    let key = (Text(cluster), Text(schedule));
    let known = schedule_marks::Entity::find_by_id(key)
        .only(cx.tx())
        .await?;
    cx.activate(TaskName::Schedules);
    cx.activate(TaskName::Dispatch);
    let Some(mark) = known.filter(|mark| mark.anchor == to.anchor) else {
        return Ok(OfflineRecorded::Known);
    };
    if from > mark.until.0 || to.until <= mark.until.0 {
        return Ok(OfflineRecorded::Known);
    }
    cx.put(schedule_marks::Model {
        until: Moment(to.until.min(cx.now())),
        revision: cx.revision().into(),
        ..mark
    })
    .await?;
    Ok(OfflineRecorded::Recorded)
}
