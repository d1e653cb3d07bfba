//! What the agents of one node say, told to the others.
//!
//! Every node asks every other once a second for what happened since it last
//! asked. Nothing of it is replicated: a node that cannot be asked is a node
//! whose agents grow silent, until they connect elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_consensus::NodeId;
use holdfast_types::{AgentId, InstanceFacts};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::progress::ToldProgress;
use super::registry::LiveAgent;
use super::tick;
use super::wal::ToldWal;
use crate::app::App;
use crate::peer;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);

/// From where on to tell.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Since {
    /// The process that gave the number: another begins anew.
    process: Uuid,
    number: u64,
}

/// What happened since.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    upto: Since,
    agents: Vec<LiveAgent>,
    facts: Vec<(AgentId, InstanceFacts)>,
    wal: Vec<ToldWal>,
    progress: Vec<ToldProgress>,
}

impl App {
    /// What this node's agents said since then.
    pub(crate) fn tell(&self, since: Since) -> Told {
        let from = if since.process == self.process {
            since.number
        } else {
            0
        };
        // Taken first: what happens meanwhile is told twice rather than never.
        let upto = Since {
            process: self.process,
            number: tick(),
        };
        Told {
            upto,
            agents: self.sessions.changed_since(from),
            facts: self.facts.changed_since(from),
            wal: self.wal.changed_since(from),
            progress: self.progress.changed_since(from),
        }
    }

    fn hear(&self, node: NodeId, told: Told) {
        self.sessions.mirror(node, told.agents);
        self.facts.mirror(told.facts);
        self.wal.mirror(told.wal);
        self.progress.mirror(told.progress);
    }
}

/// Asks the other nodes until the app ends.
pub(crate) async fn follow(app: Arc<App>) {
    let mut known: BTreeMap<NodeId, Since> = BTreeMap::new();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {},
        }
        let members = app.node.status().members;
        let others = members.iter().map(|member| member.id);
        let others: Vec<NodeId> = others.filter(|id| *id != app.node.id()).collect();
        known.retain(|node, _| others.contains(node));
        let asked = others.into_iter().map(|node| {
            let since = known.get(&node).copied().unwrap_or_default();
            let app = &app;
            async move {
                let asked = peer::ask::<_, Told>(app, node, peer::LIVE, &since, PATIENCE);
                (node, asked.await)
            }
        });
        for (node, answer) in join_all(asked).await {
            match answer {
                Ok(told) => {
                    known.insert(node, told.upto);
                    app.hear(node, told);
                }
                Err(error) => tracing::debug!(%node, "a node does not tell of its agents: {error}"),
            }
        }
        app.progress.forget_silent();
    }
}
