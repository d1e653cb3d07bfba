//! Staying connected: which server next, and when.

use std::sync::Arc;
use std::time::Duration;

use holdfast_types::DiscoveredInstance;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, chance};
use super::connect::connect;
use super::nodes::Nodes;
use super::stream::{self, Ended};
use crate::facts::Seen;
use crate::host::{Host, SessionState};
use crate::identity::SharedIdentity;
use crate::journal::Journal;
use crate::run::Readiness;
use crate::work::Executor;

/// Over how long the agents of a node that is gone spread their next dials.
const SPREAD: Duration = Duration::from_secs(2);

/// What the link connects.
#[derive(Debug)]
pub struct LinkParts {
    /// The process.
    pub host: Host,
    /// Where transitions are until they are answered.
    pub journal: Journal,
    /// Who executes what is assigned.
    pub executor: Executor,
    /// What is observed of the instances.
    pub facts: watch::Receiver<Vec<Seen>>,
    /// Which servers there are on the host, once it has been looked at.
    pub discovered: watch::Receiver<Option<Vec<DiscoveredInstance>>>,
    /// Whom to tell when the link is up.
    pub readiness: Readiness,
    /// Who we are.
    pub identity: SharedIdentity,
    /// The control plane's nodes.
    pub nodes: Arc<Nodes>,
}

/// The link to the control plane.
#[derive(Debug)]
pub struct Link {
    parts: LinkParts,
    boot_id: String,
}

impl Link {
    /// A link that has not been dialled yet.
    pub fn new(parts: LinkParts) -> Self {
        Self {
            parts,
            boot_id: uuid::Uuid::new_v4().simple().to_string(),
        }
    }

    /// Keeps a session with one of the servers until `stop` fires.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        // Agents spread over the nodes by starting anywhere in the list.
        let mut turn = usize::from(uuid::Uuid::new_v4().as_bytes()[0]);
        let mut failed_in_a_row = 0;
        while !stop.is_cancelled() {
            let servers = self.parts.nodes.all();
            if servers.is_empty() {
                break;
            }
            let server = &servers[turn % servers.len()];
            turn = turn.wrapping_add(1);
            let was_up = tokio::select! {
                was_up = self.session(server, &stop) => was_up,
                () = stop.cancelled() => break,
            };
            if was_up {
                backoff.reset();
                failed_in_a_row = 0;
            } else {
                failed_in_a_row += 1;
            }
            // The other nodes are tried at once; then we wait. One that was up
            // and is gone had many agents: they do not all run to the next at
            // the same moment.
            let wait = if was_up && servers.len() > 1 {
                SPREAD.mul_f64(chance())
            } else if failed_in_a_row > 0 && failed_in_a_row % servers.len() != 0 {
                Duration::ZERO
            } else {
                backoff.next(chance())
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => break,
            }
        }
        self.down("the agent ends");
    }

    /// One session, to its end; whether it was ever up.
    async fn session(&self, server: &str, stop: &CancellationToken) -> bool {
        let client = match connect(server, &self.parts.identity.get()).await {
            Ok(client) => client,
            Err(reason) => {
                tracing::warn!(server, reason, "the control plane cannot be reached");
                self.parts
                    .readiness
                    .waiting(&format!("{server} cannot be reached: {reason}"));
                return false;
            }
        };
        let ended = Box::pin(stream::run(
            client,
            server,
            &self.parts,
            &self.boot_id,
            stop,
        ))
        .await;
        let Ended { was_up, reason } = ended;
        tracing::warn!(server, reason, "the session ended");
        self.down(&reason);
        was_up
    }

    fn down(&self, reason: &str) {
        let quorum_at = self.parts.host.session().borrow().quorum_at;
        self.parts.host.set_session(SessionState {
            connected: false,
            quorum_at,
        });
        self.parts.readiness.down(reason);
    }
}
