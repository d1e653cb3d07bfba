//! What nodes ask of each other beside Raft: nothing here is replicated.
//!
//! Bodies are JSON. A kind carries its version: a node of an older release
//! answers that it does not know a new one, and the asker does without.

mod group;
mod hello;
mod relay;

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use holdfast_consensus::{CallError, CallFault, NodeId, PeerCalls};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use group::{lead, preview};
pub(crate) use hello::{Hello, Hellos, NodeReport, REMOVED, announce, reports};
pub(crate) use relay::{ask_lines, ask_plan};

use crate::app::App;
use crate::app::error::AppError;

/// What happened on a node's boards.
pub(crate) const LIVE: &str = "live.1";
/// A node says that it is there.
pub(crate) const HELLO: &str = "hello.1";
/// What the leader knows of the nodes.
const NODES: &str = "nodes.1";
/// What removing a node would leave.
const PREVIEW: &str = "preview.1";
/// The leader is to hand over.
const LEAD: &str = "lead.1";
/// A restore plan of an agent that is connected elsewhere.
const PLAN: &str = "plan.1";
/// The log of a job whose agent is connected elsewhere.
const LINES: &str = "lines.1";

/// Why another node gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// The call came to nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer cannot be read.
    #[error("the answer of node {node} cannot be read")]
    Unreadable {
        /// Who answered.
        node: NodeId,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody leads.
    #[error("there is no leader at the moment")]
    NoLeader,
}

/// Asks a node.
pub(crate) async fn ask<Q: Serialize, A: DeserializeOwned>(
    app: &App,
    node: NodeId,
    kind: &'static str,
    question: &Q,
    within: Duration,
) -> Result<A, PeerError> {
    let body = serde_json::to_vec(question).map_err(|source| PeerError::Unreadable {
        node: app.node.id(),
        source,
    })?;
    let answer = app.node.call(node, kind, body.into(), within).await?;
    serde_json::from_slice(&answer).map_err(|source| PeerError::Unreadable { node, source })
}

/// Asks whoever leads, which may be this node.
pub(crate) async fn ask_leader<Q: Serialize, A: DeserializeOwned>(
    app: &App,
    kind: &'static str,
    question: &Q,
    within: Duration,
) -> Result<A, PeerError> {
    let leader = app.node.leader().borrow().clone();
    let leader = leader.ok_or(PeerError::NoLeader)?;
    ask(app, leader.id, kind, question, within).await
}

/// Answers the other nodes.
pub(crate) struct Answerer(Weak<App>);

impl Answerer {
    /// Answers for `app`, as long as it lives.
    pub(crate) fn new(app: &Arc<App>) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(app)))
    }
}

#[async_trait::async_trait]
impl PeerCalls for Answerer {
    async fn call(&self, from: NodeId, kind: &str, body: Bytes) -> Result<Bytes, CallFault> {
        let app = self.0.upgrade().ok_or_else(stopping)?;
        match kind {
            LIVE => answer(&app.tell(read(&body)?)),
            HELLO => answer(&hello::hear(&app, from, read(&body)?).await?),
            NODES => answer(&hello::nodes(&app).await.map_err(fault)?),
            PREVIEW => answer(&group::previewed(&app, read(&body)?)?),
            LEAD => answer(&group::hand_over(&app, read(&body)?).await?),
            PLAN => answer(&relay::plan(&app, read(&body)?).await),
            LINES => answer(&relay::lines(&app, &read(&body)?)),
            _ => Err(CallFault::UnknownKind),
        }
    }
}

fn stopping() -> CallFault {
    CallFault::failed("shutting_down", "the node is shutting down")
}

fn read<Q: DeserializeOwned>(body: &Bytes) -> Result<Q, CallFault> {
    serde_json::from_slice(body)
        .map_err(|error| CallFault::failed("malformed_request", error.to_string()))
}

fn answer<A: Serialize>(answer: &A) -> Result<Bytes, CallFault> {
    let bytes = serde_json::to_vec(answer);
    let bytes = bytes.map_err(|error| CallFault::failed("internal", error.to_string()))?;
    Ok(bytes.into())
}

fn fault(error: AppError) -> CallFault {
    CallFault::failed(error.code(), error.message())
}
