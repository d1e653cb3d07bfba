//! Which agents are connected: to this node, and, as the other nodes tell, to
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::NodeId;
use holdfast_proto::v1::ControlMessage;
use holdfast_types::{AgentId, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{LOST_AFTER, tick};

/// How long an agent that is connected is waited for to report what it did on
/// its own. Past that its records are taken as they come.
const REPORTS_WITHIN: Duration = Duration::from_secs(60);

/// Every agent this process has heard of.
#[derive(Debug)]
pub struct Registry {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    agents: BTreeMap<AgentId, Link>,
    elsewhere: BTreeMap<AgentId, Elsewhere>,
    /// Whose orders name which cluster.
    orders: Orders,
    /// Who owes a report of what it did on its own: with thousands of agents it
    /// is asked for each due time whether anybody does.
    owing: BTreeSet<AgentId>,
    sessions: u64,
}

/// Which agent has orders for which clusters.
#[derive(Debug, Default)]
struct Orders {
    holders: BTreeMap<Name, AgentId>,
    clusters: BTreeMap<AgentId, Vec<Name>>,
}

/// An agent as another node last told.
#[derive(Debug)]
struct Elsewhere {
    node: NodeId,
    online: bool,
    owes_since: Option<Instant>,
    version: String,
    last_seen: Instant,
    last_seen_at: Timestamp,
}

#[derive(Debug)]
struct Link {
    session: Option<Session>,
    /// Since when it has owed a report of what it did on its own, in this
    /// session.
    owes_since: Option<Instant>,
    version: String,
    last_seen: Instant,
    last_seen_at: Timestamp,
    changed: u64,
}

/// What a node tells the others of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveAgent {
    agent: AgentId,
    online: bool,
    version: String,
    /// An age and no time: clocks differ.
    seen_ms_ago: u64,
    /// For how long it has owed a report of what it did on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owes_for_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Session {
    number: u64,
    wake: Arc<Notify>,
    wake_soon: Arc<Notify>,
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
    /// Rings when only its orders may have.
    pub wake_soon: Arc<Notify>,
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
            wake_soon: Arc::new(Notify::new()),
            close: parent.child_token(),
            sender,
        };
        let opened = Opened {
            number: session.number,
            wake: session.wake.clone(),
            wake_soon: session.wake_soon.clone(),
            close: session.close.clone(),
        };
        let link = Link {
            session: Some(session),
            owes_since: None,
            version,
            last_seen: Instant::now(),
            last_seen_at: Timestamp::now(),
            changed: tick(),
        };
        if let Some(Link {
            session: Some(older),
            ..
        }) = inner.agents.insert(agent, link)
        {
            older.close.cancel();
        }
        inner.note_owing(agent);
        opened
    }

    /// The agent spoke.
    pub fn seen(&self, agent: AgentId) {
        if let Some(link) = self.lock().agents.get_mut(&agent) {
            link.last_seen = Instant::now();
            link.last_seen_at = Timestamp::now();
            link.changed = tick();
        }
    }

    /// Whether the agent owes a report of what it did on its own.
    pub fn set_owes(&self, agent: AgentId, owes: bool) {
        let mut inner = self.lock();
        if let Some(link) = inner.agents.get_mut(&agent)
            && link.owes_since.is_some() != owes
        {
            link.owes_since = owes.then(Instant::now);
            link.changed = tick();
            inner.note_owing(agent);
        }
    }

    /// Whether the agent is about to report what it did on its own: until then
    /// nothing of its clusters should be decided or given out. It is waited for
    /// no longer than [`REPORTS_WITHIN`].
    pub fn owes(&self, agent: AgentId) -> bool {
        let inner = self.lock();
        let here = inner.agents.get(&agent).filter(|link| link.is_online());
        let there = inner.elsewhere.get(&agent).filter(|one| one.is_online());
        let since = here.and_then(|link| link.owes_since);
        let since = since.or_else(|| there.and_then(|one| one.owes_since));
        since.is_some_and(|since| since.elapsed() < REPORTS_WITHIN)
    }

    /// Whether any agent may owe one; cheap, for asking often.
    pub fn anyone_owes(&self) -> bool {
        !self.lock().owing.is_empty()
    }

    /// A session ended. Says nothing of a newer one of the same agent.
    pub fn closed(&self, agent: AgentId, number: u64) {
        let mut inner = self.lock();
        if let Some(link) = inner.agents.get_mut(&agent)
            && link
                .session
                .as_ref()
                .is_some_and(|session| session.number == number)
        {
            link.session = None;
            link.owes_since = None;
            link.changed = tick();
            inner.note_owing(agent);
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
                link.changed = tick();
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

    /// The agent has orders for these clusters.
    pub fn ordered<'a>(&self, agent: AgentId, clusters: impl Iterator<Item = &'a Name>) {
        let mut inner = self.lock();
        let orders = &mut inner.orders;
        let before = orders.clusters.remove(&agent).unwrap_or_default();
        for name in before {
            // Another may have got orders for it meanwhile.
            if orders.holders.get(&name) == Some(&agent) {
                orders.holders.remove(&name);
            }
        }
        let now: Vec<Name> = clusters.cloned().collect();
        for name in &now {
            orders.holders.insert(name.clone(), agent);
        }
        if !now.is_empty() {
            orders.clusters.insert(agent, now);
        }
    }

    /// Has the session that has orders for the cluster look at them again
    /// before long: they are for a day without a control plane.
    pub fn wake_for(&self, cluster: &Name) {
        let inner = self.lock();
        let agent = inner.orders.holders.get(cluster);
        let link = agent.and_then(|agent| inner.agents.get(agent));
        if let Some(session) = link.and_then(|link| link.session.as_ref()) {
            session.wake_soon.notify_one();
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

    /// Whether it has a session, with whichever node, and spoke lately.
    pub fn is_online(&self, agent: AgentId) -> bool {
        self.status(agent).is_some_and(|status| status.online)
    }

    /// What is known of its life; `None` when no node has heard of it.
    pub fn status(&self, agent: AgentId) -> Option<AgentStatus> {
        let inner = self.lock();
        let here = inner.agents.get(&agent).map(|link| AgentStatus {
            online: link.is_online(),
            last_seen_at: link.last_seen_at,
            version: link.version.clone(),
        });
        let there = inner.elsewhere.get(&agent).map(|there| AgentStatus {
            online: there.is_online(),
            last_seen_at: there.last_seen_at,
            version: there.version.clone(),
        });
        match (here, there) {
            (Some(here), Some(there)) if there.supersedes(&here) => Some(there),
            (here, there) => here.or(there),
        }
    }

    /// The other node that has the agent's session.
    pub fn node_of(&self, agent: AgentId) -> Option<NodeId> {
        let inner = self.lock();
        let here = inner.agents.get(&agent).is_some_and(Link::is_online);
        let there = inner
            .elsewhere
            .get(&agent)
            .filter(|there| there.is_online());
        there.filter(|_| !here).map(|there| there.node)
    }

    /// For how long the agent has been silent. One that never spoke counts
    /// from this process's start, for nothing is known of before.
    pub fn silent_for(&self, agent: AgentId) -> Duration {
        let inner = self.lock();
        let here = inner.agents.get(&agent).map(|link| link.last_seen);
        let there = inner.elsewhere.get(&agent).map(|there| there.last_seen);
        here.max(there).unwrap_or(self.started).elapsed()
    }

    /// What changed here after `since`, for the other nodes.
    pub(crate) fn changed_since(&self, since: u64) -> Vec<LiveAgent> {
        let inner = self.lock();
        let changed = inner.agents.iter().filter(|(_, link)| link.changed > since);
        let told = changed.map(|(agent, link)| LiveAgent {
            agent: *agent,
            online: link.is_online(),
            version: link.version.clone(),
            seen_ms_ago: millis(link.last_seen.elapsed()),
            owes_for_ms: link.owes_since.map(|since| millis(since.elapsed())),
        });
        told.collect()
    }

    /// Notes what another node tells.
    pub(crate) fn mirror(&self, node: NodeId, told: Vec<LiveAgent>) {
        let (now, now_at) = (Instant::now(), Timestamp::now());
        let mut inner = self.lock();
        for agent in told {
            let age = Duration::from_millis(agent.seen_ms_ago);
            // Before the machine started nobody was seen.
            let last_seen = now.checked_sub(age).unwrap_or(self.started);
            let known = inner.elsewhere.get(&agent.agent);
            if known.is_some_and(|known| known.node != node && known.last_seen > last_seen) {
                continue;
            }
            let there = Elsewhere {
                node,
                online: agent.online,
                owes_since: agent.owes_for_ms.map(|ms| {
                    let age = Duration::from_millis(ms);
                    now.checked_sub(age).unwrap_or(self.started)
                }),
                version: agent.version,
                last_seen,
                last_seen_at: now_at.checked_sub(age).unwrap_or(now_at),
            };
            inner.elsewhere.insert(agent.agent, there);
            inner.note_owing(agent.agent);
        }
    }

    /// Where messages to the agent go.
    pub fn sender(&self, agent: AgentId) -> Option<mpsc::Sender<ControlMessage>> {
        let inner = self.lock();
        let link = inner.agents.get(&agent).filter(|link| link.is_online())?;
        link.session.as_ref().map(|session| session.sender.clone())
    }
}

impl Inner {
    fn note_owing(&mut self, agent: AgentId) {
        let here = self.agents.get(&agent);
        let there = self.elsewhere.get(&agent);
        let owes = here.is_some_and(|link| link.owes_since.is_some())
            || there.is_some_and(|there| there.owes_since.is_some());
        if owes {
            self.owing.insert(agent);
        } else {
            self.owing.remove(&agent);
        }
    }
}

impl AgentStatus {
    /// Of two views of an agent the one counts that has a session; of two with
    /// or two without, the later.
    fn supersedes(&self, other: &Self) -> bool {
        (self.online, self.last_seen_at) > (other.online, other.last_seen_at)
    }
}

impl Elsewhere {
    fn is_online(&self) -> bool {
        self.online && self.last_seen.elapsed() <= LOST_AFTER
    }
}

impl Link {
    fn is_online(&self) -> bool {
        self.session.is_some() && self.last_seen.elapsed() <= LOST_AFTER
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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

    #[test]
    fn whoever_owes_a_report_is_known_until_it_has_none_left() {
        let (here, there) = (Registry::default(), Registry::default());
        let agent = AgentId::from_uuid(uuid::Uuid::from_u128(1));
        let all = CancellationToken::new();
        let opened = there.open(agent, "0.1.0".to_owned(), mpsc::channel(1).0, &all);
        there.set_owes(agent, true);
        assert!(there.anyone_owes() && there.owes(agent));
        here.mirror(NodeId(2), there.changed_since(0));
        assert!(here.anyone_owes() && here.owes(agent));
        there.set_owes(agent, false);
        here.mirror(NodeId(2), there.changed_since(0));
        assert!(!there.anyone_owes() && !here.anyone_owes());
        there.set_owes(agent, true);
        there.closed(agent, opened.number);
        assert!(!there.anyone_owes());
    }

    #[tokio::test]
    async fn the_one_that_has_orders_is_woken_for_its_cluster() {
        let registry = Registry::default();
        let all = CancellationToken::new();
        let agent = |number| AgentId::from_uuid(uuid::Uuid::from_u128(number));
        let open =
            |number| registry.open(agent(number), "0.1.0".to_owned(), mpsc::channel(1).0, &all);
        let (one, two) = (open(1), open(2));
        let [orders, shop]: [Name; 2] = ["orders", "shop"].map(|name| name.parse().unwrap());
        let rings = async |opened: &Opened| {
            use futures_util::FutureExt;
            opened.wake_soon.notified().now_or_never().is_some()
        };
        registry.ordered(agent(1), [&orders, &shop].into_iter());
        registry.ordered(agent(2), [&shop].into_iter());
        // What the first was told before is no longer so: the second has it.
        registry.ordered(agent(1), [&orders].into_iter());
        registry.wake_for(&shop);
        assert_eq!((rings(&one).await, rings(&two).await), (false, true));
        registry.wake_for(&orders);
        assert_eq!((rings(&one).await, rings(&two).await), (true, false));
        registry.ordered(agent(1), std::iter::empty());
        registry.wake_for(&orders);
        assert_eq!((rings(&one).await, rings(&two).await), (false, false));
    }

    #[test]
    fn an_agent_is_where_it_has_a_session() {
        let (here, there) = (Registry::default(), Registry::default());
        let agent = AgentId::from_uuid(uuid::Uuid::from_u128(1));
        let all = CancellationToken::new();
        let open = |at: &Registry| at.open(agent, "0.1.0".to_owned(), mpsc::channel(1).0, &all);
        let pull = |since| here.mirror(NodeId(2), there.changed_since(since));
        let since = tick();
        let opened = open(&there);
        pull(since);
        assert!(here.is_online(agent));
        assert_eq!(here.node_of(agent), Some(NodeId(2)));
        let moved = open(&here);
        assert_eq!(here.node_of(agent), None);
        // The other end of the old connection is noticed later.
        there.closed(agent, opened.number);
        pull(since);
        assert!(here.is_online(agent));
        here.closed(agent, moved.number);
        assert!(!here.is_online(agent));
        assert_eq!(there.changed_since(tick()), []);
    }
}
