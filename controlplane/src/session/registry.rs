//! Which agents are connected to this node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_proto::v1::ControlMessage;
use holdfast_types::AgentId;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::LOST_AFTER;

/// Every agent this process has heard of.
#[derive(Debug)]
pub struct Registry {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    agents: BTreeMap<AgentId, Link>,
    sessions: u64,
}

#[derive(Debug)]
struct Link {
    session: Option<Session>,
    version: String,
    last_seen: Instant,
    last_seen_at: Timestamp,
}

#[derive(Debug, Clone)]
struct Session {
    number: u64,
    wake: Arc<Notify>,
    close: CancellationToken,
    sender: mpsc::Sender<ControlMessage>,
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Tells it from the agent's other sessions.
    pub number: u64,
    /// Rings when the agent's assignments may have changed.
    pub wake: Arc<Notify>,
    /// Ends the session.
    pub close: CancellationToken,
}

/// What is known of an agent's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStatus {
    /// Whether it has a session and spoke lately.
    pub online: bool,
    /// When it last spoke.
    pub last_seen_at: Timestamp,
    /// The version it runs.
    pub version: String,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            inner: Mutex::default(),
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is inside is consistent after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. An older one of the same agent ends: an agent dials
    /// again because its old connection is dead, whatever we see of it.
    pub fn open(
        &self,
        agent: AgentId,
        version: String,
        sender: mpsc::Sender<ControlMessage>,
        parent: &CancellationToken,
    ) -> Opened {
        let mut inner = self.lock();
        inner.sessions += 1;
        let session = Session {
            number: inner.sessions,
            wake: Arc::new(Notify::new()),
            close: parent.child_token(),
            sender,
        };
        let opened = Opened {
            number: session.number,
            wake: session.wake.clone(),
            close: session.close.clone(),
        };
        let link = Link {
            session: Some(session),
            version,
            last_seen: Instant::now(),
            last_seen_at: Timestamp::now(),
        };
        if let Some(Link {
            session: Some(older),
            ..
        }) = inner.agents.insert(agent, link)
        {
            older.close.cancel();
        }
        opened
    }

    /// The agent spoke.
    pub fn seen(&self, agent: AgentId) {
        if let Some(link) = self.lock().agents.get_mut(&agent) {
            link.last_seen = Instant::now();
            link.last_seen_at = Timestamp::now();
        }
    }

    /// A session ended. Says nothing of a newer one of the same agent.
    pub fn closed(&self, agent: AgentId, number: u64) {
        if let Some(link) = self.lock().agents.get_mut(&agent)
            && link
                .session
                .as_ref()
                .is_some_and(|session| session.number == number)
        {
            link.session = None;
        }
    }

    /// Ends the agent's session, if it has one.
    pub fn disconnect(&self, agent: AgentId) {
        if let Some(session) = self
            .lock()
            .agents
            .get_mut(&agent)
            .and_then(|link| link.session.take())
        {
            session.close.cancel();
        }
    }

    /// Ends the sessions of agents that have not spoken for too long.
    pub fn drop_silent(&self) -> Vec<AgentId> {
        let mut lost = Vec::new();
        for (agent, link) in &mut self.lock().agents {
            if link.last_seen.elapsed() > LOST_AFTER
                && let Some(session) = link.session.take()
            {
                session.close.cancel();
                lost.push(*agent);
            }
        }
        lost
    }

    /// Has the agent's session look at its assignments again.
    pub fn wake(&self, agent: AgentId) {
        if let Some(session) = self
            .lock()
            .agents
            .get(&agent)
            .and_then(|link| link.session.as_ref())
        {
            session.wake.notify_one();
        }
    }

    /// Has every session look at its assignments again.
    pub fn wake_all(&self) {
        for link in self.lock().agents.values() {
            if let Some(session) = &link.session {
                session.wake.notify_one();
            }
        }
    }

    /// Whether it has a session and spoke lately.
    pub fn is_online(&self, agent: AgentId) -> bool {
        self.lock().agents.get(&agent).is_some_and(Link::is_online)
    }

    /// What is known of its life; `None` when it did not speak to this process.
    pub fn status(&self, agent: AgentId) -> Option<AgentStatus> {
        let inner = self.lock();
        let link = inner.agents.get(&agent)?;
        Some(AgentStatus {
            online: link.is_online(),
            last_seen_at: link.last_seen_at,
            version: link.version.clone(),
        })
    }

    /// For how long the agent has been silent. One that never spoke to this
    /// process counts from the process's start, for nothing is known of before.
    pub fn silent_for(&self, agent: AgentId) -> Duration {
        let since = self.lock().agents.get(&agent).map(|link| link.last_seen);
        since.unwrap_or(self.started).elapsed()
    }

    /// Where messages to the agent go.
    pub fn sender(&self, agent: AgentId) -> Option<mpsc::Sender<ControlMessage>> {
        let inner = self.lock();
        let link = inner.agents.get(&agent).filter(|link| link.is_online())?;
        link.session.as_ref().map(|session| session.sender.clone())
    }
}

impl Link {
    fn is_online(&self) -> bool {
        self.session.is_some() && self.last_seen.elapsed() <= LOST_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_session_ends_the_older_and_survives_its_end() {
        let registry = Registry::default();
        let agent = AgentId::from_uuid(uuid::Uuid::from_u128(1));
        let all = CancellationToken::new();
        let open = || registry.open(agent, "0.1.0".to_owned(), mpsc::channel(1).0, &all);
        let (first, second) = (open(), open());
        assert!(first.close.is_cancelled() && !second.close.is_cancelled());
        registry.closed(agent, first.number);
        assert!(registry.is_online(agent));
        registry.closed(agent, second.number);
        assert!(!registry.is_online(agent));
        assert_eq!(registry.status(agent).unwrap().version, "0.1.0");
        let stranger = AgentId::from_uuid(uuid::Uuid::from_u128(2));
        assert_eq!(registry.status(stranger), None);
        assert!(registry.silent_for(stranger) < Duration::from_secs(60));
    }
}
