//! Making the world, and asking it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use serde_json::Value as Json;

use super::{FaultyAgent, FaultyNode, REST};
use crate::load::{Answer, Client};
use crate::net::{Net, Rules};

/// The cluster that is protected.
pub const CLUSTER: &str = "orders";
/// The names of the nodes.
pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// The name of the agent.
pub const AGENT: &str = "agent-1";
const SETUP_MAX: Duration = Duration::from_secs(90);

/// Everything that runs. In the order in which it must end.
#[derive(Debug)]
pub struct World {
    /// The agent.
    pub agent: FaultyAgent,
    /// The nodes.
    pub nodes: Vec<FaultyNode>,
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
        crate::net::clean_up();
        let scratch = Scratch::new();
        let all: Vec<&str> = NODES.into_iter().chain([AGENT]).collect();
        let net = Arc::new(Net::new(&all).expect("a network"));
        let folder = scratch.path();
        let nodes = NODES.map(|name| FaultyNode::place(&net, folder, name));
        let agent = FaultyAgent::place(&net, folder, AGENT);
        let mut world = Self {
            agent,
            nodes: nodes.into(),
            rules: Rules::default(),
            token: String::new(),
            net,
            scratch,
        };
        world.found();
        world.protect();
        world
    }

    /// A folder of its own, gone with it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
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
            self.net.address(self.nodes[index].name())
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
        let name = node.name().to_owned();
        until("the node to vote", SETUP_MAX, || {
            let nodes = self.list("nodes").ok()?;
            let mut own = nodes.iter().filter(|node| node["name"] == name.as_str());
            own.any(|node| node["state"] == "member").then_some(())
        });
    }

    fn protect(&mut self) {
        let token = self.nodes[0].cli(|cli| cli.json(["agent", "token", "create"]));
        let server = self.server(0);
        let token = token["token"].as_str().expect("a join token").to_owned();
        self.agent.enroll(&server, &token);
        let yaml = self.documents();
        self.nodes[0].cli(|cli| cli.apply(&yaml));
        until("WAL to stream", SETUP_MAX, || {
            let exposure = self.list("exposure").ok()?;
            exposure.first()?["repositories"][0]["frontier"]
                .as_str()
                .map(|_| ())
        });
    }

    fn documents(&self) -> String {
        let connection = self.agent.postgres.socket_conninfo();
        format!(
            "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: main}}
spec: {{url: \"{}\"}}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: {CLUSTER}, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: {AGENT}, connection: \"{} user=holdfast\"}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: main
  wal: {{flushEvery: 500ms}}
  schedules:
    - {{name: by-cron, kind: full, cron: \"* * * * *\", retry: {{max: 20}}}}
    - {{name: by-period, kind: full, every: 1m, overlap: queueOne, catchUp: all, retry: {{max: 20}}}}
",
            self.agent.repository(),
            connection.replace(" user=postgres", ""),
        )
    }

    /// Everything of a list, asked of the first node that answers.
    pub fn list(&self, path: &str) -> Result<Vec<Json>, String> {
        let mut said = String::new();
        for node in &self.nodes {
            match self.list_at(node.name(), path) {
                Ok(items) => return Ok(items),
                Err(error) => said = format!("{}: {error}", node.name()),
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

    /// What one of the nodes lacks to be whole.
    fn missing(&self) -> Option<String> {
        self.nodes.iter().find_map(|node| {
            let name = node.name();
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

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // What they said is all there is to go by.
        let kept =
            std::env::temp_dir().join(format!("{}logs-{}", crate::PREFIX, std::process::id()));
        drop(std::fs::create_dir_all(&kept));
        for name in NODES.into_iter().chain([AGENT]) {
            let log = self.scratch.path().join(format!("{name}.log"));
            drop(std::fs::copy(&log, kept.join(format!("{name}.log"))));
        }
        eprintln!("the logs of nodes and agent are in {}", kept.display());
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
