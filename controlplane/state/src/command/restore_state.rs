//! The first command of a control plane that was made anew from a snapshot of
//! its state: what happened since then is not known here, and nothing may act
//! as if it were.
//!
//! - No generation that was given since is given again (I-04, I-14).
//! - What was under way has ended: what became of it, agents tell, or the
//!   repository shows. A queued backup stays queued, for if it was taken, its
//!   run's mark decides (I-03); a queued restore is not repeated unasked (I-12).
//! - One-time tokens and logins end: they may have been used since (I-14).
//! - Of the nodes only the new one remains; ids of the others are never given
//!   again.

use holdfast_types::{Failure, JobKind, JobState, StateSnapshotId};
use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::finish_job::end_attempt;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{
    AssignmentKind, AssignmentState, AttemptOutcome, NodeState, StateSnapshotState,
};
use crate::entity::{assignments, jobs, nodes, state_snapshots};
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;
use crate::{Effect, Noun, Refusal, TaskName, catalog, generations, meta};

/// The key of the group's id among single values.
pub(crate) const GROUP: &str = "group";

/// Since level 5. Repeated for the same group it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreState {
    /// The snapshot that this state came from.
    pub snapshot: StateSnapshotId,
    /// Where it was, without anything secret.
    pub from: String,
    /// The last log entry that is in it.
    pub index: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The id of the new node: above all that were given.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// By what the new group is told from the old one.
    pub group: String,
    /// Above every generation that the old group can have given.
    pub generation_floor: u64,
    /// Who did it, on which host.
    pub by: String,
}

impl ReplicatedCommand for RestoreState {
    /// How many jobs were under way.
    type Outcome = u64;
    const NAME: &'static str = "restore_state";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({
            "snapshot": self.snapshot,
            "from": self.from,
            "index": self.index,
            "takenAt": self.taken_at,
            "node": self.node,
            "by": self.by,
        })
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let group = meta::read(cx.tx(), GROUP).await?;
        if group.as_deref() == Some(self.group.as_bytes()) {
            return Ok(0);
        }
        self.check(cx).await?;
        generations::raise_floor(cx.tx(), self.generation_floor).await?;
        meta::write(cx.tx(), GROUP, self.group.as_bytes()).await?;
        let ended = end_jobs(cx, self.taken_at).await?;
        renew_duties(cx).await?;
        for table in ["sessions", "spent_refreshes", "join_tokens", "node_tokens"] {
            cx.execute(&format!("DELETE FROM {table}"), []).await?;
        }
        self.replace_nodes(cx).await?;
        self.settle_snapshots(cx).await?;
        cx.activate(TaskName::Dispatch);
        cx.activate(TaskName::Duties);
        cx.activate(TaskName::StateSnapshots);
        Ok(ended)
    }
}

impl RestoreState {
    async fn check(&self, cx: &ApplyContext<'_>) -> Result<(), Stop> {
        let given = "SELECT 1 FROM assignments WHERE generation >= ?1 \
                     UNION ALL SELECT 1 FROM jobs WHERE generation >= ?1";
        let floor = Count(self.generation_floor);
        let floor_now = generations::floor(cx.tx()).await?;
        if cx.exists(given, [floor.into()]).await? || floor_now >= self.generation_floor {
            let message = "a generation so high was given already: is the clock behind?";
            return Err(Refusal::invalid("generation_floor", message).into());
        }
        let given = "SELECT 1 FROM nodes WHERE id >= ?";
        let node = Count(self.node);
        if cx.exists(given, [node.into()]).await? {
            return Err(Refusal::already_exists(Noun::Node, self.node).into());
        }
        Ok(())
    }

    async fn replace_nodes(&self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let others = nodes::Entity::find()
            .filter(nodes::Column::State.ne(Text(NodeState::Removed)))
            .order_by_asc(nodes::Column::Id)
            .all(cx.tx())
            .await?;
        for node in others {
            cx.changed("nodes", &node.name);
            cx.put(nodes::Model {
                state: Text(NodeState::Removed),
                since: Moment(cx.now()),
                revision: cx.revision().into(),
                ..node
            })
            .await?;
        }
        cx.insert(nodes::Model {
            id: self.node.cast_signed(),
            name: self.name.clone(),
            state: Text(NodeState::Member),
            since: Moment(cx.now()),
            joined_at: Moment(cx.now()),
            revision: cx.revision().into(),
        })
        .await?;
        cx.changed("nodes", &self.name);
        Ok(())
    }

    /// The snapshot could not say of itself that it is complete. Others that
    /// were wanted are forgotten: what is there of them, a listing shows.
    async fn settle_snapshots(&self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let id = Text(self.snapshot);
        let own = state_snapshots::Entity::find_by_id(id)
            .only(cx.tx())
            .await?;
        if let Some(own) = own {
            cx.put(state_snapshots::Model {
                state: Text(StateSnapshotState::Available),
                log_index: Some(Count(self.index)),
                taken_at: Some(Moment(self.taken_at)),
                failure: None,
                revision: cx.revision().into(),
                ..own
            })
            .await?;
        }
        let wanted = "DELETE FROM state_snapshots WHERE state = 'requested'";
        cx.execute(wanted, []).await?;
        Ok(())
    }
}

async fn end_jobs(cx: &mut ApplyContext<'_>, taken_at: Timestamp) -> Result<u64, Stop> {
    let open = ["queued", "leased", "running", "committing"];
    let found = jobs::Entity::find()
        .filter(jobs::Column::State.is_in(open))
        .order_by_asc(jobs::Column::Id)
        .all(cx.tx())
        .await?;
    let mut ended = 0;
    for job in found {
        let queued = job.state.0 == JobState::Queued;
        if queued && job.kind.0 == JobKind::Backup {
            continue;
        }
        let reason = Failure::permanent(
            "state_restored",
            format!(
                "the control plane was restored from its state of {taken_at}, when this was \
                 under way; what became of it is not known here"
            ),
            "look for its result where it was done; a backup that it took is shown once its \
             agent or the repository tells of it",
        );
        if !queued {
            let outcome = AttemptOutcome::Interrupted;
            end_attempt(cx, &job, outcome, Some(reason.clone()), Vec::new()).await?;
            catalog::fail_running(cx, job.id, &reason).await?;
        }
        let generation = generations::next(cx.tx(), job.generation).await?;
        changed(
            cx,
            jobs::Model {
                state: Text(JobState::Failed),
                generation: Count(generation.0),
                phase: None,
                finished_at: Some(Moment(cx.now())),
                failure: Some(Json(reason)),
                ..job
            },
        )
        .await?;
        ended += 1;
    }
    Ok(ended)
}

/// A duty stays where it is, under the id that its agent knows: withdrawn and
/// placed anew it would end for good there, and its slot with it (I-15). Its
/// generation rises, so that the agent begins it anew, and what anybody still
/// reports of an earlier one is refused.
async fn renew_duties(cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
    let duties = assignments::Entity::find()
        .filter(assignments::Column::Kind.eq(Text(AssignmentKind::Wal)))
        .filter(assignments::Column::State.eq(Text(AssignmentState::Active)))
        .order_by_asc(assignments::Column::Subject)
        .all(cx.tx())
        .await?;
    for duty in duties {
        let generation = generations::next(cx.tx(), duty.generation).await?;
        cx.effect(Effect::AgentChanged(duty.agent.0));
        cx.put(assignments::Model {
            generation: Count(generation.0),
            since: Moment(cx.now()),
            ..duty
        })
        .await?;
    }
    Ok(())
}

/// The id of the group, if it was made from a snapshot.
pub(crate) async fn group(
    conn: &impl ConnectionTrait,
) -> Result<Option<String>, crate::StateError> {
    let bytes = meta::read(conn, GROUP).await?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| crate::StateError::corrupt("the id of its group is unreadable"))
}
