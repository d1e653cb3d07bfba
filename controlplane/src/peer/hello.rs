//! Every node says every two seconds where it is and what it knows. The leader
//! keeps the newest word of each: who wants to join, who moved, and which
//! feature level all of them can read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::{CallError, CallFault, Member, NODE_REMOVED, NodeId, Role};
use holdfast_state::query::{self, NodeState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{HELLO, NODES, PeerError};
use crate::app::App;
use crate::app::error::Result;

const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// A word that is older says nothing any more.
const FRESH: Duration = Duration::from_secs(15);
/// By which a node knows that it was removed.
pub(crate) const REMOVED: &str = NODE_REMOVED;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hello {
    /// Its id.
    pub(crate) node: u64,
    /// Where it is reached.
    pub(crate) member: Member,
    /// The release it runs.
    pub(crate) release: String,
    /// The newest feature level it knows.
    pub(crate) newest_level: u32,
    /// When its certificate ends; a node of an earlier release does not say.
    #[serde(default)]
    pub(crate) certificate_ends_at: Option<Timestamp>,
    /// Set by a node that passes it on to the leader.
    #[serde(default)]
    relayed: bool,
}

impl Hello {
    /// What the node of this id says.
    pub(crate) fn new(node: NodeId, member: Member, newest_level: u32) -> Self {
        Self {
            node: node.0,
            member,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            newest_level,
            certificate_ends_at: None,
            relayed: false,
        }
    }
}

/// The newest word of every node; complete on the leader alone.
#[derive(Debug, Default)]
pub(crate) struct Hellos(Mutex<BTreeMap<u64, (Instant, Hello)>>);

impl Hellos {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, (Instant, Hello)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one.
    pub(crate) fn note(&self, hello: Hello) {
        self.lock().insert(hello.node, (Instant::now(), hello));
    }

    /// What a node said lately.
    pub(crate) fn of(&self, node: u64) -> Option<Hello> {
        let known = self.lock();
        let (at, hello) = known.get(&node)?;
        (at.elapsed() < FRESH).then(|| hello.clone())
    }
}

/// Takes in what a node says. A node that does not lead passes it on.
pub(super) async fn hear(
    app: &App,
    from: NodeId,
    hello: Hello,
) -> std::result::Result<(), CallFault> {
    if !hello.relayed && hello.node != from.0 {
        return Err(CallFault::failed("malformed_request", "it is another node"));
    }
    if app.node.is_leader() {
        let view = app.local();
        let known = query::nodes(view.connection()).await;
        let known = known.map_err(|error| CallFault::failed("internal", error.to_string()))?;
        let node = known.iter().find(|known| known.id == hello.node);
        // Below feature level 2 no node has a row, and none was removed.
        let removed = node.map_or(!known.is_empty(), |node| node.state == NodeState::Removed);
        if removed {
            let what = format!("node {} was removed from the control plane", hello.node);
            return Err(CallFault::failed(REMOVED, what));
        }
        app.hellos.note(hello);
        return Ok(());
    }
    if hello.relayed {
        return Err(CallFault::failed("no_leader", "this node does not lead"));
    }
    let hello = Hello {
        relayed: true,
        ..hello
    };
    match super::ask_leader(app, HELLO, &hello, PATIENCE).await {
        Ok(()) => Ok(()),
        Err(PeerError::Call(CallError::Fault { code, message, .. })) => {
            Err(CallFault::failed(code, message))
        }
        Err(error) => Err(CallFault::failed("no_leader", error.to_string())),
    }
}

/// Says hello until the app ends.
pub(crate) async fn announce(app: Arc<App>) {
    let mut was_member = false;
    loop {
        let hello = Hello::new(
            app.node.id(),
            app.member.clone(),
            app.config.node.newest_level(),
        );
        let hello = Hello {
            certificate_ends_at: app.identity.ends_at(),
            ..hello
        };
        let said = match super::ask_leader::<_, ()>(&app, HELLO, &hello, PATIENCE).await {
            // One that was removed while it was down hears of no leader.
            Err(PeerError::NoLeader) => ask_around(&app, &hello).await,
            said => said,
        };
        match said {
            Ok(()) => {}
            Err(PeerError::Call(CallError::Fault { code, message, .. })) if code == REMOVED => {
                tracing::error!("this node has to stop: {message}");
                app.removed.cancel();
                return;
            }
            // Nobody talks to a node that was removed; it may have learned of
            // that from its own log.
            Err(_) if was_member && !app.node.is_member() => {
                tracing::error!("this node has to stop: it was removed from the control plane");
                app.removed.cancel();
                return;
            }
            Err(error) => tracing::debug!("nobody hears this node: {error}"),
        }
        was_member |= app.node.is_member();
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {},
        }
    }
}

/// Says hello to the members that this node remembers, until one has heard it
/// or knows that it was removed.
async fn ask_around(app: &App, hello: &Hello) -> std::result::Result<(), PeerError> {
    let mut said = Err(PeerError::NoLeader);
    for member in app.node.status().members {
        if member.id == app.node.id() {
            continue;
        }
        said = super::ask(app, member.id, HELLO, hello, PATIENCE).await;
        match &said {
            Ok(()) => break,
            Err(PeerError::Call(CallError::Fault { code, .. })) if code == REMOVED => break,
            Err(_) => {}
        }
    }
    said
}

/// A node, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeReport {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// `joining`, `member`, `removing`.
    pub(crate) state: String,
    /// Whether it leads.
    pub(crate) leader: bool,
    /// Whether it counts for the quorum.
    pub(crate) voter: bool,
    /// Whether the leader heard from it lately.
    pub(crate) reachable: bool,
    /// How many log entries it lacks; `None` when nobody knows.
    pub(crate) behind: Option<u64>,
    /// Where it is reached; `None` while it never said.
    pub(crate) member: Option<Member>,
    /// The release it runs; `None` when it did not say lately.
    pub(crate) release: Option<String>,
    /// When it was let in.
    pub(crate) joined_at: jiff::Timestamp,
}

/// The nodes as the leader sees them, asked of it.
pub(crate) async fn reports(app: &App) -> std::result::Result<Vec<NodeReport>, PeerError> {
    super::ask_leader(app, NODES, &(), PATIENCE).await
}

/// The nodes as this one, which leads, sees them.
pub(super) async fn nodes(app: &App) -> Result<Vec<NodeReport>> {
    let view = app.node.read().await?;
    let status = app.node.status();
    let last = status.last_log.unwrap_or_default();
    let rows = query::nodes(view.connection()).await?;
    let rows = rows
        .into_iter()
        .filter(|row| row.state != NodeState::Removed);
    let reports = rows.map(|row| {
        let known = status.members.iter().find(|known| known.id.0 == row.id);
        let own = row.id == app.node.id().0;
        let hello = app.hellos.of(row.id);
        let told = hello.as_ref().map(|hello| hello.member.clone());
        let matched = known.and_then(|known| known.matched);
        NodeReport {
            id: row.id,
            leader: own && status.role == Role::Leader,
            voter: known.is_some_and(|known| known.voter),
            reachable: own || hello.is_some(),
            behind: if own {
                Some(0)
            } else {
                matched.map(|matched| last.saturating_sub(matched))
            },
            member: known.map(|known| known.member.clone()).or(told),
            release: hello.map(|hello| hello.release),
            state: row.state.to_string(),
            name: row.name,
            joined_at: row.joined_at,
        }
    });
    Ok(reports.collect())
}
