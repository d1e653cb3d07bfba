//! Gives a queued job to an agent, under the next generation (I-04).

use holdfast_types::{AgentId, AssignmentId, BackupId, Generation, JobId, JobState, Name};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{AssignmentKind, AssignmentState};
use crate::entity::{agents, assignments, job_attempts, jobs};
use crate::leases::{self, NewLease};
use crate::lookup::Lookup;
use crate::{Effect, Noun, Refusal, StateError, generations, schedules};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseJob {
    /// The job.
    pub job: JobId,
    /// To whom.
    pub agent: AgentId,
    /// The id of the assignment.
    pub assignment: AssignmentId,
}

/// What the agent works under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Every report about the job carries it.
    pub generation: Generation,
    /// Which attempt this is, from 1.
    pub attempt: u64,
}

impl ReplicatedCommand for LeaseJob {
    type Outcome = Lease;
    const NAME: &'static str = "lease_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn audit_detail(&self) -> Value {
        json!({"agent": self.agent, "assignment": self.assignment})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Lease, Stop> {
        lease(cx, self).await
    }
}

/// Judges a lease, and gives it. A refusal comes before anything is written and
/// anybody woken.
pub(super) async fn lease(cx: &mut ApplyContext<'_>, new: LeaseJob) -> Result<Lease, Stop> {
    let job = cx.open_job(new.job).await?;
    if job.state.0 != JobState::Queued {
        let (job, state) = (new.job, job.state.0);
        return Err(Refusal::JobState { job, state }.into());
    }
    let agent = cx.live_agent(new.agent).await?;
    if let Some(expected) = job.agent.as_ref().filter(|wanted| **wanted != agent.name) {
        let expected: Name = expected.0.clone();
        return Err(Refusal::WrongAgent { expected }.into());
    }
    let generation = generations::next(cx.tx(), job.generation).await?;
    if is_taken(cx, new.assignment, generation).await? {
        return Err(Refusal::already_exists(Noun::Assignment, new.assignment).into());
    }
    let attempt = job.attempts.0 + 1;
    let lease = Lease {
        generation,
        attempt,
    };
    write(cx, job, agent, (new.assignment, None), lease).await?;
    schedules::job_begun(cx, new.job).await?;
    cx.effect(Effect::AgentChanged(new.agent));
    Ok(lease)
}

/// Whether somebody has the assignment, or had it under this generation:
/// reports name an attempt by both.
async fn is_taken(
    cx: &ApplyContext<'_>,
    assignment: AssignmentId,
    generation: Generation,
) -> Result<bool, StateError> {
    let held = "SELECT 1 FROM assignments WHERE id = ?";
    let id = || Text(assignment).into();
    if !cx.has_level(leases::LEVEL).await? {
        return cx.exists(held, [id()]).await;
    }
    let sql =
        format!("{held} UNION ALL SELECT 1 FROM leases WHERE assignment = ? AND generation = ?");
    let generation = Count(generation.0).into();
    cx.exists(&sql, [id(), id(), generation]).await
}

/// Puts a job into an agent's hands.
pub(super) async fn write(
    cx: &mut ApplyContext<'_>,
    job: jobs::Model,
    agent: agents::Model,
    (assignment, backup): (AssignmentId, Option<BackupId>),
    lease: Lease,
) -> Result<(), Stop> {
    if cx.has_level(leases::LEVEL).await? {
        // A late attempt leaves a lease and no assignment: its id is taken too.
        let taken = leases::lease(cx.tx(), assignment, lease.generation).await?;
        if taken.is_some() {
            return Err(Refusal::already_exists(Noun::Assignment, assignment).into());
        }
        let new = NewLease {
            assignment,
            generation: lease.generation,
            attempt: lease.attempt,
            agent: &agent,
            backup,
            taken_back: false,
        };
        leases::note(cx, job.id, new).await?;
    }
    cx.put(assignments::Model {
        kind: Text(AssignmentKind::Job),
        subject: job.id.0.to_string(),
        id: Text(assignment),
        job: Some(job.id),
        cluster: job.cluster.clone(),
        repository: job.repository.clone(),
        agent: agent.id,
        generation: Count(lease.generation.0),
        state: Text(AssignmentState::Active),
        since: Moment(cx.now()),
    })
    .await?;
    cx.insert(job_attempts::Model {
        job: job.id,
        number: Count(lease.attempt),
        generation: Count(lease.generation.0),
        agent: agent.id,
        agent_name: agent.name.clone(),
        leased_at: Moment(cx.now()),
        started_at: None,
        finished_at: None,
        outcome: None,
        failure: None,
        log: Json(Vec::new()),
    })
    .await?;
    changed(
        cx,
        jobs::Model {
            state: Text(JobState::Leased),
            holder: Some(agent.name),
            generation: Count(lease.generation.0),
            attempts: Count(lease.attempt),
            not_before: None,
            phase: None,
            ..job
        },
    )
    .await
}

/// Takes a job out of its agent's hands: its assignment ends.
pub(super) async fn release(cx: &mut ApplyContext<'_>, job: &jobs::Model) -> Result<(), Stop> {
    let key = (Text(AssignmentKind::Job), job.id.0.to_string());
    let found = assignments::Entity::find_by_id(key.clone());
    if let Some(assignment) = found.only(cx.tx()).await? {
        assignments::Entity::delete_by_id(key).exec(cx.tx()).await?;
        cx.effect(Effect::AgentChanged(assignment.agent.0));
    }
    Ok(())
}
