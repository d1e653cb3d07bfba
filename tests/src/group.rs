//! Several nodes of one control plane.

use std::path::Path;
use std::time::Duration;

use crate::cli::Cli;
use crate::control_plane::{Addresses, ControlPlane};
use crate::until::until;

/// The nodes, the founder first.
#[derive(Debug)]
pub struct Group {
    nodes: Vec<ControlPlane>,
    cli: Cli,
}

impl Group {
    /// Founds a control plane at the first address and lets nodes at the
    /// others join.
    ///
    /// # Panics
    /// When that does not work, or there is no address.
    pub fn found(folder: &Path, addresses: Vec<Addresses>) -> Self {
        Self::found_with(folder, addresses, &[])
    }

    /// The same with settings of every node, as environment variables.
    ///
    /// # Panics
    /// When that does not work, or there is no address.
    pub fn found_with(
        folder: &Path,
        addresses: Vec<Addresses>,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let mut addresses = addresses.into_iter();
        let first = addresses.next().expect("an address");
        let founder = ControlPlane::bootstrap_with(folder, first, settings);
        let cli = founder.cli();
        let mut nodes = vec![founder];
        for (number, addresses) in (2..).zip(addresses) {
            let joined = nodes[0].join(&cli, folder, &format!("node-{number}"), addresses);
            nodes.push(joined);
        }
        let cli = Self::cli_of(&nodes);
        Self { nodes, cli }
    }

    fn cli_of(nodes: &[ControlPlane]) -> Cli {
        let urls: Vec<String> = nodes.iter().map(ControlPlane::rest).collect();
        let cli = Cli::new(urls.join(","), &nodes[0].data().join("cli.toml"));
        cli.login("admin", &nodes[0].admin_password());
        cli
    }

    /// A CLI that knows all of them, logged in.
    pub const fn cli(&self) -> &Cli {
        &self.cli
    }

    /// One of them.
    pub fn node(&self, index: usize) -> &ControlPlane {
        &self.nodes[index]
    }

    /// The same, for ending it.
    pub fn node_mut(&mut self, index: usize) -> &mut ControlPlane {
        &mut self.nodes[index]
    }

    /// All of them.
    pub fn nodes(&self) -> &[ControlPlane] {
        &self.nodes
    }

    /// Which of them leads.
    ///
    /// # Panics
    /// When none does for long.
    pub fn leader(&self) -> usize {
        until("a leader", Duration::from_secs(30), || {
            let ran = self.cli.run(["node", "list", "-o", "json"]);
            let nodes: serde_json::Value = serde_json::from_str(&ran.stdout).ok()?;
            let items = nodes["items"].as_array()?.clone();
            let leader = items.iter().find(|item| item["role"] == "leader")?.clone();
            let rest = leader["addresses"]["rest"].as_str()?.to_owned();
            let is = |node: &ControlPlane| node.rest_address() == rest;
            self.nodes.iter().position(is)
        })
    }

    /// Takes the nodes apart, for letting them run on.
    pub fn into_nodes(self) -> Vec<ControlPlane> {
        self.nodes
    }
}
