//! Gives the WAL of a cluster to an agent to receive, from its own instance or
//! from another, under the next generation (I-04). Whoever had it before has
//! it no more.

use holdfast_types::resource::Kind;
use holdfast_types::{AgentId, AssignmentId, Generation, Name};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{AssignmentKind, AssignmentState};
use crate::entity::{assignments, wal_sources};
use crate::lookup::Lookup;
use crate::{Effect, Noun, Refusal, StateError, generations, schema};

/// Since v0.1. Placing it where it is changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceDuty {
    /// The id of the assignment.
    pub assignment: AssignmentId,
    /// Whose WAL.
    pub cluster: Name,
    /// Into which repository.
    pub repository: Name,
    /// By whom.
    pub agent: AgentId,
    /// From the instance on the host of this agent; `None`: from its own.
    /// Since level 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Name>,
}

/// A duty in an agent's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedDuty {
    /// The assignment: the one that was there already, or the new one.
    pub assignment: AssignmentId,
    /// Every report about it carries it.
    pub generation: Generation,
}

impl ReplicatedCommand for PlaceDuty {
    type Outcome = PlacedDuty;
    const NAME: &'static str = "place_duty";

    fn target(&self) -> String {
        format!("clusters/{}", self.cluster)
    }

    fn audit_detail(&self) -> Value {
        let mut detail = json!({"duty": "wal", "repository": self.repository, "agent": self.agent});
        if let Some(instance) = &self.instance {
            detail["instance"] = json!(instance);
        }
        detail
    }

    fn level(&self) -> u32 {
        match self.instance {
            Some(_) => schema::RECEIVERS,
            None => schema::VERSION,
        }
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<PlacedDuty, Stop> {
        let Some(cluster) = cx.resource(Kind::Cluster, &self.cluster).await? else {
            return Err(Refusal::not_found(Noun::Cluster, self.cluster).into());
        };
        if cluster.retired_at.is_some() {
            let cluster = self.cluster;
            return Err(Refusal::ClusterRetired { cluster }.into());
        }
        let repository = cx.resource(Kind::Repository, &self.repository).await?;
        if repository.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        let agent = cx.live_agent(self.agent).await?;
        let key = duty_key(&self.cluster, &self.repository);
        let before = assignments::Entity::find_by_id(key.clone());
        let before = before.only(cx.tx()).await?;
        if let Some(duty) = before.as_ref().filter(|duty| is_active(duty))
            && duty.agent == agent.id
            && source(cx, &self.cluster, &self.repository).await? == self.instance
        {
            return Ok(PlacedDuty {
                assignment: duty.id.0,
                generation: Generation(duty.generation.0),
            });
        }
        let taken = "SELECT 1 FROM assignments WHERE id = ?";
        if cx.exists(taken, [Text(self.assignment).into()]).await? {
            return Err(Refusal::already_exists(Noun::Assignment, self.assignment).into());
        }
        record_source(cx, &self.cluster, &self.repository, self.instance).await?;
        let generation = before.as_ref().map_or(Count(0), |duty| duty.generation);
        let generation = generations::next(cx.tx(), generation).await?;
        if let Some(duty) = before.filter(is_active) {
            cx.effect(Effect::AgentChanged(duty.agent.0));
        }
        cx.put(assignments::Model {
            kind: key.0,
            subject: key.1,
            id: Text(self.assignment),
            job: None,
            cluster: Text(self.cluster.clone()),
            repository: Text(self.repository),
            agent: agent.id,
            generation: Count(generation.0),
            state: Text(AssignmentState::Active),
            since: Moment(cx.now()),
        })
        .await?;
        cx.effect(Effect::AgentChanged(self.agent));
        cx.wake_instances(&self.cluster).await?;
        cx.changed(Kind::Cluster.plural(), self.cluster);
        Ok(PlacedDuty {
            assignment: self.assignment,
            generation,
        })
    }
}

/// The instance that WAL is received from, when it is not the receiver's own.
async fn source(
    cx: &ApplyContext<'_>,
    cluster: &Name,
    repository: &Name,
) -> Result<Option<Name>, StateError> {
    if !cx.has_level(schema::RECEIVERS).await? {
        return Ok(None);
    }
    let key = (Text(cluster.clone()), Text(repository.clone()));
    let row = wal_sources::Entity::find_by_id(key).only(cx.tx()).await?;
    Ok(row.map(|row| row.instance.0))
}

async fn record_source(
    cx: &ApplyContext<'_>,
    cluster: &Name,
    repository: &Name,
    instance: Option<Name>,
) -> Result<(), StateError> {
    let (cluster, repository) = (Text(cluster.clone()), Text(repository.clone()));
    match instance {
        Some(instance) => {
            let row = wal_sources::Model {
                cluster,
                repository,
                instance: Text(instance),
            };
            cx.put(row).await?;
        }
        None if cx.has_level(schema::RECEIVERS).await? => {
            let sql = "DELETE FROM wal_sources WHERE cluster = ? AND repository = ?";
            cx.execute(sql, [cluster.into(), repository.into()]).await?;
        }
        None => {}
    }
    Ok(())
}

/// The key of the row of a duty.
pub(super) fn duty_key(cluster: &Name, repository: &Name) -> (Text<AssignmentKind>, String) {
    (Text(AssignmentKind::Wal), format!("{cluster}/{repository}"))
}

pub(super) fn is_active(duty: &assignments::Model) -> bool {
    duty.state == Text(AssignmentState::Active)
}
