//! A fleet of simulated agents: the real protocol over real sockets, each with
//! a certificate and a connection of its own. Only their PostgreSQL is made up.

mod agent;
mod documents;
mod enrol;
mod jobs;
mod server;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use documents::{Layout, REPOSITORIES, agent_name, cluster_name};
pub use enrol::{Identity, enrol};
pub use tally::{Lease, Tally};

use agent::Agent;

/// What agents do besides living.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// They look at their instances every 5 s, and receive WAL as told.
    pub instances: bool,
    /// How long a backup takes; `None`: it never ends.
    pub backup: Option<Duration>,
}

/// The nodes that agents dial.
#[derive(Debug, Clone)]
pub struct Nodes(pub Arc<Vec<String>>);

/// Running agents; they end when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    tally: Arc<Tally>,
    behaviour: watch::Sender<Behaviour>,
    drive: watch::Sender<usize>,
    agents: usize,
    _running: JoinSet<()>,
}

impl Fleet {
    /// Lets agents run, so many beginning a second.
    pub fn start(nodes: &Nodes, identities: Vec<Identity>, a_second: u32) -> Self {
        let tally = Arc::new(Tally::default());
        let behaviour = watch::Sender::new(Behaviour::default());
        let drive = watch::Sender::new(0);
        let agents = identities.len();
        let mut running = JoinSet::new();
        let pace = Duration::from_secs(1) / a_second.max(1);
        for (index, identity) in identities.into_iter().enumerate() {
            let agent = Agent::new(
                index,
                identity,
                nodes.clone(),
                tally.clone(),
                (behaviour.subscribe(), drive.subscribe()),
            );
            let wait = pace * u32::try_from(index).unwrap_or(u32::MAX);
            running.spawn(async move {
                tokio::time::sleep(wait).await;
                agent.run().await;
            });
        }
        Self {
            tally,
            behaviour,
            drive,
            agents,
            _running: running,
        }
    }

    /// What happens to them.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Has them do something else from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Has the first so many report transitions of their jobs, each the next
    /// as soon as the last was answered.
    pub fn drive(&self, agents: usize) {
        self.drive.send_replace(agents);
    }

    /// Waits until all have a session; how long that took.
    pub async fn all_connected(&self, within: Duration) -> Result<Duration> {
        let all = self.agents;
        self.wait(within, &format!("{all} sessions"), |tally| {
            tally.connected() >= all
        })
        .await
    }

    /// Waits for something that the tally shows; how long that took.
    pub async fn wait(
        &self,
        within: Duration,
        what: &str,
        mut reached: impl FnMut(&Tally) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        let mut changes = self.tally.changes();
        loop {
            changes.borrow_and_update();
            if reached(&self.tally) {
                return Ok(began.elapsed());
            }
            let changed = tokio::time::timeout_at(began + within, changes.changed()).await;
            if changed.is_err() {
                bail!(
                    "{what} were not reached in {within:?}: {}",
                    self.tally.describe()
                );
            }
        }
    }
}
