//! Asking the world, and waiting until it is whole.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::setup::SETUP_MAX;
use super::{FaultyNode, NODES, REST, World};
use crate::load::{Answer, Client};

impl World {
    /// Everything of a list, asked of the first node that answers.
    pub fn list(&self, path: &str) -> Result<Vec<Json>, String> {
        let mut said = String::new();
        for node in &self.nodes {
            match self.list_at(node.host.name(), path) {
                Ok(items) => return Ok(items),
                Err(error) => said = format!("{}: {error}", node.host.name()),
            }
        }
        Err(said)
    }

    /// The same, asked of one node.
    pub fn list_at(&self, node: &str, path: &str) -> Result<Vec<Json>, String> {
        let (net, token) = (&self.net, &self.token);
        let separator = if path.contains('?') { '&' } else { '?' };
        let ask = async {
            let client = Client::new(REST, token);
            let mut items = Vec::new();
            let mut from = String::new();
            loop {
                let page = match path {
                    "nodes" | "exposure" => client.get(path).await,
                    _ => {
                        client
                            .get(&format!("{path}{separator}limit=1000{from}"))
                            .await
                    }
                };
                let Answer::Done(mut page, _) = page else {
                    return Err(format!("{page:?}"));
                };
                items.extend(
                    page["items"]
                        .as_array_mut()
                        .map(std::mem::take)
                        .unwrap_or_default(),
                );
                match page["nextCursor"].as_str() {
                    Some(cursor) => from = format!("&cursor={cursor}"),
                    None => return Ok(items),
                }
            }
        };
        net.inside(node, || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(ask)
        })
    }

    /// Which node leads, as one that answers says.
    pub fn leader(&self) -> Option<usize> {
        let nodes = self.list("nodes").ok()?;
        let leader = nodes.iter().find(|node| node["role"] == "leader")?;
        NODES.iter().position(|name| leader["name"] == *name)
    }

    /// What is known of the cluster's WAL in its repository.
    pub fn wal(&self) -> Option<Json> {
        let exposure = self.list("exposure").ok()?;
        Some(exposure.first()?["repositories"][0].clone())
    }

    /// The agent that receives the cluster's WAL.
    pub fn receiver(&self) -> Option<String> {
        let name = &self.wal()?["receiver"]["agent"];
        name.as_str().map(str::to_owned)
    }

    /// Up to when every commit is in the repository.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.wal()?["frontier"].as_str()?.parse().ok()
    }

    /// Makes the network what the rules say.
    ///
    /// # Panics
    /// When that fails.
    pub fn apply_rules(&self) {
        let applied = self.net.apply(&self.rules);
        applied.expect("the network can be changed");
    }

    /// What one of the nodes lacks to be whole.
    fn missing(&self) -> Option<String> {
        self.nodes.iter().find_map(|node| {
            let name = node.host.name();
            let nodes = match self.list_at(name, "nodes") {
                Ok(nodes) => nodes,
                Err(error) => return Some(format!("{name} answers {error}")),
            };
            let fine = |node: &&Json| node["reachable"] == true && node["state"] == "member";
            let whole = nodes.iter().filter(fine).count() == self.nodes.len();
            (!whole).then(|| format!("{name} sees {}", Json::Array(nodes)))
        })
    }

    /// Waits until every node serves and knows the others, and something can be
    /// written. How long that took.
    ///
    /// # Panics
    /// When it does not happen.
    pub fn wait_whole(&mut self) -> Duration {
        let started = Instant::now();
        for node in &mut self.nodes {
            node.wait_ready();
        }
        while let Some(missing) = self.missing() {
            let waited = started.elapsed();
            assert!(waited < SETUP_MAX, "waited {waited:?} in vain: {missing}");
            std::thread::sleep(Duration::from_millis(50));
            // One whose disk has failed it may stop only now.
            self.nodes.iter_mut().for_each(FaultyNode::wait_ready);
        }
        started.elapsed()
    }
}
