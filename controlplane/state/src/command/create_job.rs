//! Queues a job.

use holdfast_types::resource::Kind;
use holdfast_types::{JobId, JobKind, JobState, Name, Revision};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Flag, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::jobs;
use crate::lookup::Lookup;
use crate::{Noun, Refusal, StateError, TaskName, schema};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// Its id.
    pub job: JobId,
    /// What it does.
    pub kind: JobKind,
    /// To which cluster.
    pub cluster: Name,
    /// With which repository.
    pub repository: Name,
    /// On which agent; `None` leaves the choice to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Name>,
    /// What exactly, in the words of its kind. Holds no secret (I-10).
    pub spec: Value,
    /// How often it may be tried.
    pub attempts_max: u32,
}

impl ReplicatedCommand for CreateJob {
    type Outcome = Revision;
    const NAME: &'static str = "create_job";

    fn target(&self) -> String {
        format!("jobs/{}", self.job)
    }

    fn level(&self) -> u32 {
        match self.kind {
            JobKind::Backup | JobKind::Restore => schema::VERSION,
            JobKind::Copy => schema::COPIES,
            JobKind::Drill => schema::DRILLS,
        }
    }

    fn audit_detail(&self) -> Value {
        json!({
            "kind": self.kind,
            "cluster": self.cluster,
            "repository": self.repository,
            "agent": self.agent,
            "spec": self.spec,
        })
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Revision, Stop> {
        if self.attempts_max == 0 {
            let message = "a job is tried at least once";
            return Err(Refusal::invalid("attempts_max", message).into());
        }
        let known = jobs::Entity::find_by_id(Text(self.job));
        if known.only(cx.tx()).await?.is_some() {
            return Err(Refusal::already_exists(Noun::Job, self.job).into());
        }
        let Some(cluster) = cx.resource(Kind::Cluster, &self.cluster).await? else {
            return Err(Refusal::not_found(Noun::Cluster, self.cluster).into());
        };
        if cluster.retired_at.is_some() && self.kind == JobKind::Backup {
            let cluster = self.cluster;
            return Err(Refusal::ClusterRetired { cluster }.into());
        }
        let repository = cx.resource(Kind::Repository, &self.repository).await?;
        if repository.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        if let Some(agent) = &self.agent {
            cx.live_agent_named(agent).await?;
        }
        let new = NewJob {
            job: self.job,
            kind: self.kind,
            cluster: self.cluster,
            repository: self.repository,
            agent: self.agent,
            spec: self.spec,
            attempts_max: self.attempts_max,
            not_before: None,
        };
        queue(cx, new).await?;
        cx.activate(TaskName::Dispatch);
        Ok(cx.revision())
    }
}

/// A job that is to be queued.
pub(super) struct NewJob {
    pub(super) job: JobId,
    pub(super) kind: JobKind,
    pub(super) cluster: Name,
    pub(super) repository: Name,
    pub(super) agent: Option<Name>,
    pub(super) spec: Value,
    pub(super) attempts_max: u32,
    pub(super) not_before: Option<Timestamp>,
}

/// Queues a job of an id that is free, for what exists.
pub(super) async fn queue(cx: &mut ApplyContext<'_>, new: NewJob) -> Result<(), StateError> {
    cx.insert(jobs::Model {
        id: Text(new.job),
        kind: Text(new.kind),
        state: Text(JobState::Queued),
        cluster: Text(new.cluster),
        repository: Text(new.repository),
        agent: new.agent.map(Text),
        holder: None,
        spec: Json(new.spec),
        created_by: cx.principal().cloned().map(Text),
        created_at: Moment(cx.now()),
        updated_at: Moment(cx.now()),
        started_at: None,
        finished_at: None,
        not_before: new.not_before.map(Moment),
        attempts: Count(0),
        attempts_max: Count(u64::from(new.attempts_max)),
        generation: Count(0),
        phase: None,
        cancel_requested: Flag(false),
        backup: None,
        result: None,
        failure: None,
        superseded_by: None,
        revision: cx.revision().into(),
    })
    .await?;
    cx.changed("jobs", new.job);
    Ok(())
}
