//! The control plane's own nodes: who they are, and changing that.

use holdfast_consensus::{CallError, Member};
use holdfast_state::command::{RemoveNode, TransferLeadership};
use holdfast_state::query::{self, NodeState, Page};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::caller::{Caller, Consistency};
use super::code::Code;
use super::error::{AppError, Result};
use crate::peer::{self, PeerError};

/// A node of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Node)]
pub struct NodeView {
    /// Its id; never given twice.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `joining`, `member`, `removing`.
    pub state: String,
    /// `leader`, `follower`, `learner`.
    pub role: &'static str,
    /// Whether it counts for the quorum.
    pub voter: bool,
    /// Whether the leader has heard from it lately; null when not known.
    pub reachable: Option<bool>,
    /// How many log entries it lacks; null when not known.
    pub behind: Option<u64>,
    /// Where it is reached; null while it never said.
    pub addresses: Option<NodeAddresses>,
    /// The release it runs; null when it did not say lately.
    pub release: Option<String>,
    /// When it was let in.
    pub joined_at: Timestamp,
}

/// Where a node is reached, as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeAddresses {
    /// REST.
    pub rest: String,
    /// gRPC, for agents and automation.
    pub grpc: String,
    /// Raft, for nodes.
    pub raft: String,
}

impl From<Member> for NodeAddresses {
    fn from(member: Member) -> Self {
        let Member { raft, grpc, rest } = member;
        Self { rest, grpc, raft }
    }
}

/// What removing a node would leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuorumView {
    /// The voters there are, by id.
    pub voters_now: Vec<u64>,
    /// The voters there would be.
    pub voters_after: Vec<u64>,
    /// How many of those are a quorum.
    pub needed: u64,
    /// Which of those the leader has heard from lately.
    pub reachable: Vec<u64>,
    /// Whether a quorum would be left.
    pub keeps_quorum: bool,
}

/// A node that is leaving, and what that leaves.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NodeRemoval)]
pub struct NodeRemovalView {
    /// The node.
    #[serde(flatten)]
    pub node: NodeView,
    /// The quorum that is left.
    pub quorum: QuorumView,
}

impl App {
    /// Every node.
    pub async fn nodes(&self, by: &Caller) -> Result<Page<NodeView>> {
        let items = match peer::reports(self).await {
            Ok(reports) => reports.into_iter().map(shown).collect(),
            // Asked for what this node knows, it need not be the newest.
            Err(error) if by.consistency == Consistency::Stale => {
                tracing::debug!("the leader does not tell of the nodes: {error}");
                self.nodes_known_here().await?
            }
            Err(error) => return Err(unavailable(&error)),
        };
        Ok(Page {
            items,
            next_cursor: None,
        })
    }

    /// One node, by id or name.
    pub async fn node(&self, by: &Caller, id_or_name: &str) -> Result<NodeView> {
        let nodes = self.nodes(by).await?.items;
        let found = nodes
            .into_iter()
            .find(|node| node.name == id_or_name || node.id.to_string() == id_or_name);
        found.ok_or_else(|| AppError::not_found("node", id_or_name))
    }

    /// What removing a node would leave.
    pub async fn node_removal(&self, by: &Caller, id_or_name: &str) -> Result<QuorumView> {
        let node = self.node(by, id_or_name).await?;
        let preview = peer::preview(self, node.id).await;
        preview.map_err(|error| unavailable(&error))
    }

    /// Has a node leave, and says what that leaves. It is out of the group a
    /// moment later.
    pub async fn remove_node(&self, by: &Caller, id_or_name: &str) -> Result<NodeRemovalView> {
        let node = self.node(by, id_or_name).await?;
        let preview = peer::preview(self, node.id).await;
        let preview = preview.map_err(|error| unavailable(&error))?;
        if node.voter && !preview.voters_after.is_empty() && !preview.keeps_quorum {
            let message = format!(
                "removing \"{}\" would leave {} voters of which {} can be reached, and {} are a \
                 quorum",
                node.name,
                preview.voters_after.len(),
                preview.reachable.len(),
                preview.needed
            );
            return Err(AppError::new(Code::NO_QUORUM_LEFT, message));
        }
        self.propose(by, RemoveNode { node: node.id }).await?;
        let node = NodeView {
            state: NodeState::Removing.to_string(),
            ..node
        };
        let quorum = preview;
        Ok(NodeRemovalView { node, quorum })
    }

    /// Makes another node lead.
    pub async fn lead(&self, by: &Caller, id_or_name: &str) -> Result<NodeView> {
        let node = self.node(by, id_or_name).await?;
        if node.role != "leader" {
            self.propose(by, TransferLeadership { node: node.id })
                .await?;
            let moved = peer::lead(self, node.id).await;
            moved.map_err(|error| unavailable(&error))?;
        }
        self.node(by, id_or_name).await
    }

    async fn nodes_known_here(&self) -> Result<Vec<NodeView>> {
        let view = self.local();
        let status = self.node.status();
        let leader = status.leader.as_ref().map(|leader| leader.id.0);
        let rows = query::nodes(view.connection()).await?;
        let rows = rows
            .into_iter()
            .filter(|row| row.state != NodeState::Removed);
        let shown = rows.map(|row| {
            let known = status.members.iter().find(|known| known.id.0 == row.id);
            let voter = known.is_some_and(|known| known.voter);
            NodeView {
                id: row.id,
                name: row.name,
                state: row.state.to_string(),
                role: role(leader == Some(row.id), voter),
                voter,
                reachable: None,
                behind: None,
                addresses: known.map(|known| known.member.clone().into()),
                release: None,
                joined_at: row.joined_at,
            }
        });
        Ok(shown.collect())
    }
}

fn shown(report: peer::NodeReport) -> NodeView {
    NodeView {
        id: report.id,
        name: report.name,
        state: report.state,
        role: role(report.leader, report.voter),
        voter: report.voter,
        reachable: Some(report.reachable),
        behind: report.behind,
        addresses: report.member.map(NodeAddresses::from),
        release: report.release,
        joined_at: report.joined_at,
    }
}

const fn role(leads: bool, votes: bool) -> &'static str {
    match (leads, votes) {
        (true, _) => "leader",
        (false, true) => "follower",
        (false, false) => "learner",
    }
}

fn unavailable(error: &PeerError) -> AppError {
    match error {
        PeerError::Call(CallError::Fault { code, message, .. }) if code != Code::NO_LEADER.name => {
            AppError::refused_by_leader(code.clone(), message.clone())
        }
        other => AppError::new(Code::NO_LEADER, other.to_string()),
    }
}
