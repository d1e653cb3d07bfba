//! The rows of DESIGN section 9.

pub mod agents;
pub mod backups;
pub mod catalog;
pub mod commands;
pub mod failover;
pub mod jobs;
pub mod wal_push;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_tests::control_plane::Addresses;
use holdfast_tests::group::Group;
use tempfile::TempDir;

use crate::fleet::{self, Identity, Layout, Nodes};
use crate::machine::Machine;
use crate::rest::Rest;

/// Three nodes that a row works with.
#[derive(Debug)]
pub struct Stage {
    // In the order in which they must end.
    /// The nodes.
    pub group: Group,
    /// Their REST API.
    pub rest: Rest,
    /// Where agents dial.
    pub nodes: Nodes,
    /// The machine, as it was before.
    pub machine: Machine,
    folder: TempDir,
}

impl Stage {
    /// Founds them in a folder of their own below `below`.
    pub async fn found(below: Option<&PathBuf>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("holdfast-bench-");
        let folder = match below {
            Some(below) => builder.tempdir_in(below)?,
            None => builder.tempdir()?,
        };
        let machine = Machine::here(folder.path());
        let path = folder.path().to_owned();
        let group =
            tokio::task::spawn_blocking(move || Group::found(&path, vec![Addresses::any(); 3]));
        let group = group.await?;
        let rest = Rest::of(&group).await?;
        let nodes = group.nodes().iter().map(|node| node.grpc()).collect();
        Ok(Self {
            rest,
            nodes: Nodes(std::sync::Arc::new(nodes)),
            group,
            machine,
            folder,
        })
    }

    /// Where the data lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Which node leads.
    pub async fn leader(&self) -> Result<usize> {
        let nodes = self.rest.get("/api/v1/nodes").await?;
        let items = nodes["items"].as_array().cloned().unwrap_or_default();
        let leader = items.iter().find(|node| node["role"] == "leader");
        let address = leader.and_then(|node| node["addresses"]["rest"].as_str());
        let found = self
            .group
            .nodes()
            .iter()
            .position(|node| Some(node.rest_address()) == address);
        found.context("no node leads")
    }

    /// Waits until every node has applied what one had when this was called: a
    /// node that lags for good would make the others look good.
    pub async fn level(&self) -> Result<()> {
        let end = Instant::now() + LEVEL_WITHIN;
        let wanted = self.rest.applied(self.leader().await?).await?;
        for (number, node) in self.group.nodes().iter().enumerate() {
            loop {
                let applied = self.rest.applied(number).await?;
                if applied >= wanted {
                    break;
                }
                if Instant::now() > end {
                    let log = node.log();
                    let tail: Vec<&str> = log.lines().rev().take(30).collect();
                    bail!("node {number} has applied {applied} of {wanted}: {tail:#?}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// The processes of the nodes.
    pub fn processes(&mut self) -> Vec<u32> {
        (0..self.group.nodes().len())
            .map(|index| self.group.node_mut(index).process().id())
            .collect()
    }

    /// Enrols so many agents.
    pub async fn enrol(&self, agents: usize) -> Result<Vec<Identity>> {
        let began = Instant::now();
        let names = (0..agents).map(fleet::agent_name).collect();
        let identities = fleet::enrol(&self.nodes, &self.rest, names).await?;
        say(&format!(
            "{agents} agents enrolled in {:.1?}",
            began.elapsed()
        ));
        Ok(identities)
    }

    /// Declares what there is.
    pub async fn declare(&self, layout: &Layout) -> Result<()> {
        let began = Instant::now();
        self.rest.apply(&layout.frame()).await?;
        self.rest.apply(&layout.clusters()).await?;
        say(&format!(
            "{} clusters declared in {:.1?}",
            layout.clusters,
            began.elapsed()
        ));
        Ok(())
    }
}

/// Tells people how far a run is.
pub fn say(what: &str) {
    eprintln!("holdfast-bench: {what}");
}

/// How long a node may lag behind another.
const LEVEL_WITHIN: Duration = Duration::from_secs(60);
/// How long anything may take that must come.
pub const LONG: Duration = Duration::from_secs(300);
