//! Brings the Raft group to the nodes that there should be, and the feature
//! level to what all of them know.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_consensus::{Member, MembershipError, NodeId};
use holdfast_state::command::{MoveNode, RaiseLevel, RecordNode};
use holdfast_state::query::{self, NodeState, NodeView};
use holdfast_state::schema;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

#[derive(Default)]
pub(super) struct Members {
    /// Moves that the audit log tells of and the group does not know yet: what
    /// is tried again is told once.
    told: Mutex<BTreeMap<u64, Member>>,
}

impl Members {
    fn told(&self) -> MutexGuard<'_, BTreeMap<u64, Member>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Members {
    const NAME: &'static str = "members";
    const PERIOD: Duration = Duration::from_secs(1);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let level = schema::version(view.connection()).await?;
        let nodes = query::nodes(view.connection()).await?;
        let mut done = raise_level(app, level, &nodes).await?;
        for node in &nodes {
            let changed = match node.state {
                NodeState::Joining => bring_in(app, node).await,
                NodeState::Removing => take_out(app, node).await,
                NodeState::Member => self.move_to(app, node, level).await,
                NodeState::Removed => Ok(false),
            };
            match changed {
                Ok(true) => done += 1,
                Ok(false) => {}
                // Most often it has not caught up, or cannot be reached yet.
                Err(error) => {
                    tracing::info!(node = node.name, "the group is not changed yet: {error}");
                }
            }
        }
        Ok(done)
    }
}

impl Members {
    /// A node that was started at another address is reached there.
    async fn move_to(&self, app: &App, node: &NodeView, level: u32) -> Changed {
        let members = app.node.status().members;
        let known = members.into_iter().find(|member| member.id.0 == node.id);
        let (Some(known), Some(hello)) = (known, app.hellos.of(node.id)) else {
            return Ok(false);
        };
        if known.member == hello.member {
            self.told().remove(&node.id);
            return Ok(false);
        }
        let told = self.told().get(&node.id) == Some(&hello.member);
        // A node that knows only a lower level cannot read the command, and is
        // reached at its new address nonetheless.
        if !told && level >= schema::MOVES {
            let Member { raft, grpc, rest } = hello.member.clone();
            let command = MoveNode {
                node: node.id,
                raft,
                grpc,
                rest,
            };
            app.propose_as(app.own_context(), command).await?;
            self.told().insert(node.id, hello.member.clone());
        }
        app.node.move_member(known.id, hello.member).await?;
        tracing::info!(node = node.name, "a node has moved");
        Ok(true)
    }
}

/// Raises the level, step by step, to the newest that every node has lately said
/// that it knows: a new group is at once where documents of any kind are taken.
async fn raise_level(app: &App, level: u32, nodes: &[NodeView]) -> Result<u64> {
    let mut next = level + 1;
    while all_know(app, next, nodes) {
        let reached = app
            .propose_as(app.own_context(), RaiseLevel { level: next })
            .await?;
        tracing::info!(
            level = reached,
            "the control plane has reached a feature level"
        );
        next += 1;
    }
    Ok(u64::from(next - level - 1))
}

fn all_know(app: &App, level: u32, nodes: &[NodeView]) -> bool {
    if level > app.config.node.newest_level() {
        return false;
    }
    let knows = |node: u64| {
        node == app.node.id().0
            || app
                .hellos
                .of(node)
                .is_some_and(|hello| hello.newest_level >= level)
    };
    let there = nodes.iter().filter(|node| node.state != NodeState::Removed);
    let members = app.node.status().members;
    there.map(|node| node.id).all(knows) && members.iter().all(|it| knows(it.id.0))
}

type Changed = std::result::Result<bool, Failed>;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    App(#[from] crate::app::error::AppError),
}

async fn bring_in(app: &App, node: &NodeView) -> Changed {
    let id = NodeId(node.id);
    let members = app.node.status().members;
    match members.iter().find(|member| member.id == id) {
        None => {
            let Some(hello) = app.hellos.of(node.id) else {
                return Ok(false);
            };
            app.node.add_member(id, hello.member).await?;
            tracing::info!(node = node.name, "a node is being brought up to date");
            Ok(true)
        }
        Some(member) if !member.voter => {
            app.node.promote(id).await?;
            tracing::info!(node = node.name, "a node votes");
            Ok(true)
        }
        Some(_) => record(app, node, true).await,
    }
}

async fn take_out(app: &App, node: &NodeView) -> Changed {
    let id = NodeId(node.id);
    let members = app.node.status().members;
    if members.iter().any(|member| member.id == id) {
        app.node.remove_member(id).await?;
        tracing::info!(node = node.name, "a node has left the group");
        return Ok(true);
    }
    record(app, node, false).await
}

async fn record(app: &App, node: &NodeView, votes: bool) -> Changed {
    let command = RecordNode {
        node: node.id,
        votes,
    };
    Ok(app.propose_as(app.own_context(), command).await?)
}
