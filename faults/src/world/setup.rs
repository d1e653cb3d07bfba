//! Making the world.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_pg::testkit::TestCluster;
use holdfast_tests::fleet::ROLE;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;

use super::{FaultyAgent, FaultyNode};
use crate::net::{Net, Rules, SUBNET};

/// The cluster that is protected.
pub const CLUSTER: &str = "orders";
/// The names of the nodes.
pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// The names of the agents: of the one at the server, and of the relay.
pub const AGENTS: [&str; 2] = ["agent-1", "agent-2"];
pub(super) const SETUP_MAX: Duration = Duration::from_secs(90);

/// Everything that runs. In the order in which it must end.
#[derive(Debug)]
pub struct World {
    /// The agents. The repository is on the first one's disk, and the other writes
    /// to it as to a shared folder.
    pub agents: Vec<FaultyAgent>,
    /// The nodes.
    pub nodes: Vec<FaultyNode>,
    /// What is protected. It is on another disk than everything else, and its
    /// power stays on.
    pub postgres: TestCluster,
    /// What is cut now.
    pub rules: Rules,
    /// An API token.
    pub token: String,
    /// The network.
    pub net: Arc<Net>,
    scratch: Scratch,
}

impl World {
    /// Makes it and waits until backups can be taken.
    ///
    /// # Panics
    /// When that does not work.
    pub fn new() -> Self {
        let mut world = Self::unprotected();
        world.protect();
        world
    }

    /// Makes it without agents at work: nothing is written but what a test writes.
    ///
    /// # Panics
    /// When that does not work.
    pub fn unprotected() -> Self {
        crate::net::clean_up();
        let scratch = Scratch::new();
        let all: Vec<&str> = NODES.into_iter().chain(AGENTS).collect();
        let net = Arc::new(Net::new(&all).expect("a network"));
        let folder = scratch.path();
        let nodes = NODES.map(|name| FaultyNode::place(&net, folder, name));
        let agents = AGENTS.map(|name| FaultyAgent::place(&net, folder, name));
        let postgres = net.inside(AGENTS[0], server);
        let mut world = Self {
            agents: agents.into(),
            nodes: nodes.into(),
            postgres,
            rules: Rules::default(),
            token: String::new(),
            net,
            scratch,
        };
        world.found();
        world
    }

    /// A folder of its own, gone with it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Keeps what nodes and agents have said where it outlives the world: of
    /// something that went wrong it is all there is to go by.
    pub fn keep_logs(&self) {
        let kept = format!("{}logs-{}", crate::PREFIX, std::process::id());
        let kept = std::env::temp_dir().join(kept);
        drop(std::fs::create_dir_all(&kept));
        for name in NODES.into_iter().chain(AGENTS) {
            let log = self.scratch.path().join(format!("{name}.log"));
            drop(std::fs::copy(&log, kept.join(format!("{name}.log"))));
        }
        eprintln!("the logs of nodes and agents are in {}", kept.display());
    }

    /// A folder that a restore can make, of the user that runs PostgreSQL.
    pub fn server_folder(&self, name: &str) -> PathBuf {
        self.scratch.server_folder("restored").join(name)
    }

    fn found(&mut self) {
        let founder = &mut self.nodes[0];
        founder.start(true);
        founder.wait_ready();
        let password = std::fs::read_to_string(founder.data().join("bootstrap-admin"));
        let password = password.expect("bootstrap-admin");
        let password = password.trim().trim_start_matches("admin:").to_owned();
        self.token = founder.cli(|cli| {
            cli.login("admin", &password);
            let token = cli.json(["token", "create", "faults"]);
            token["token"].as_str().expect("a token").to_owned()
        });
        for index in 1..self.nodes.len() {
            self.join(index);
        }
    }

    /// The gRPC URL of a node.
    pub fn server(&self, index: usize) -> String {
        format!(
            "https://{}:8443",
            self.net.address(self.nodes[index].host.name())
        )
    }

    /// Lets a node with an empty disk join, and waits until it votes.
    ///
    /// # Panics
    /// When it does not.
    pub fn join(&mut self, index: usize) {
        let asked = usize::from(index == 0);
        let token = self.nodes[asked].cli(|cli| cli.json(["node", "add"])["token"].clone());
        let server = self.server(asked);
        let node = &mut self.nodes[index];
        node.join(&server, token.as_str().expect("a node token"));
        node.wait_ready();
        let name = node.host.name().to_owned();
        until("the node to vote", SETUP_MAX, || {
            let nodes = self.list("nodes").ok()?;
            let mut own = nodes.iter().filter(|node| node["name"] == name.as_str());
            own.any(|node| node["state"] == "member").then_some(())
        });
    }

    fn protect(&mut self) {
        let server = self.server(0);
        for agent in &mut self.agents {
            let token = self.nodes[0].cli(|cli| cli.json(["agent", "token", "create"]));
            agent.enroll(&server, token["token"].as_str().expect("a join token"));
        }
        let yaml = self.documents();
        self.nodes[0].cli(|cli| cli.apply(&yaml));
        until("WAL to stream", SETUP_MAX, || self.frontier().map(|_| ()));
    }
}

/// A server that its network reaches, too.
fn server() -> TestCluster {
    let programs = holdfast_pg::testkit::major(15);
    let server = TestCluster::builder(&programs)
        .initdb("--data-checksums")
        .setting("listen_addresses", "*")
        .hba(&format!("host all holdfast {SUBNET} trust"))
        .hba(&format!("host replication holdfast {SUBNET} trust"))
        .start();
    server.psql(ROLE);
    server
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_logs();
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
