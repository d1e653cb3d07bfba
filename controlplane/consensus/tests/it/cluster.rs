//! Some nodes of one group in one process, over real TLS sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use holdfast_consensus::{Member, Node, NodeConfig, NodeId, ProposeError};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::{full_dump, set};
use crate::tls::{Authority, Identity};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Group {
    pub(crate) authority: Authority,
    pub(crate) identities: Vec<Identity>,
    pub(crate) addresses: Vec<SocketAddr>,
    dirs: Vec<TempDir>,
    nodes: Vec<Option<Node>>,
    listeners: Vec<Option<TcpListener>>,
    snapshot_every: u64,
    /// The nodes that were removed.
    pub(crate) out: BTreeSet<usize>,
}

impl Group {
    /// Three voters.
    pub(crate) async fn of_three(snapshot_every: u64) -> Self {
        Self::of(3, snapshot_every).await
    }

    /// So many voters, the first of which leads.
    pub(crate) async fn of(voters: usize, snapshot_every: u64) -> Self {
        let mut group = Self::founded(voters, snapshot_every).await;
        for at in 1..voters {
            group.join(at).await;
            group.add(at).await;
            group.node(0).promote(id(at)).await.unwrap();
        }
        group
    }

    /// One voter, and what it takes for so many nodes.
    pub(crate) async fn founded(nodes: usize, snapshot_every: u64) -> Self {
        let authority = Authority::new();
        let identities: Vec<Identity> = (0..nodes).map(|_| authority.issue()).collect();
        let mut group = Self {
            authority,
            identities,
            addresses: Vec::new(),
            dirs: (0..nodes).map(|_| tempfile::tempdir().unwrap()).collect(),
            nodes: (0..nodes).map(|_| None).collect(),
            listeners: Vec::new(),
            snapshot_every,
            out: BTreeSet::new(),
        };
        for _ in 0..nodes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            group.addresses.push(listener.local_addr().unwrap());
            group.listeners.push(Some(listener));
        }
        let first = Node::bootstrap(group.config(0), group.member(0)).await;
        group.serve(0, first.unwrap());
        group
    }

    /// Starts a node that waits to be added.
    pub(crate) async fn join(&mut self, at: usize) {
        let node = Node::join(self.config(at)).await.unwrap();
        self.serve(at, node);
    }

    /// Starts a node whose directory is prepared, for the first time.
    pub(crate) async fn open(&mut self, at: usize) {
        let node = Node::open(self.config(at)).await.unwrap();
        self.serve(at, node);
    }

    /// Adds a node that waits to whoever leads, and waits until it could be
    /// promoted.
    pub(crate) async fn add(&self, at: usize) {
        let leader = self.node(self.leader().await);
        leader.add_member(id(at), self.member(at)).await.unwrap();
        leader.await_caught_up(id(at), PATIENCE).await.unwrap();
        self.node(at).await_membership(PATIENCE).await.unwrap();
    }

    fn serve(&mut self, at: usize, node: Node) {
        let listener = self.listeners[at].take().unwrap();
        node.listen(listener).unwrap();
        self.nodes[at] = Some(node);
    }

    pub(crate) fn config(&self, at: usize) -> NodeConfig {
        let mut config = NodeConfig::new(self.dirs[at].path().join("raft"), id(at));
        let tls = self
            .authority
            .peer_tls(&self.identities[at], &self.identities);
        config.peers = Some(tls);
        (config.snapshot_every, config.log_keep) = (self.snapshot_every, 0);
        config
    }

    pub(crate) fn member(&self, at: usize) -> Member {
        Member {
            raft: self.addresses[at].to_string(),
            ..Member::default()
        }
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().shutdown().await;
    }

    /// The node, which this group then holds no more.
    pub(crate) fn take(&mut self, at: usize) -> Node {
        self.nodes[at].take().unwrap()
    }

    pub(crate) async fn start(&mut self, at: usize) {
        let node = Node::open(self.config(at)).await.unwrap();
        let listener = TcpListener::bind(self.addresses[at]).await.unwrap();
        self.listeners[at] = Some(listener);
        self.serve(at, node);
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let running = |(at, node)| Option::as_ref(node).map(|node| (at, node));
        self.nodes.iter().enumerate().filter_map(running)
    }

    /// The running nodes that were added and not removed.
    fn members(&self) -> impl Iterator<Item = (usize, &Node)> {
        let members = |(at, node): &(usize, &Node)| node.is_member() && !self.out.contains(at);
        self.running().filter(members)
    }

    /// Where the leader is, once all running nodes agree on a running one.
    pub(crate) async fn leader(&self) -> usize {
        let agreed = async {
            loop {
                let mut known = BTreeSet::new();
                for (_, node) in self.members() {
                    let leader = node.await_leader(PATIENCE).await.unwrap();
                    known.insert(leader.id);
                }
                let running: Vec<NodeId> = self.members().map(|(at, _)| id(at)).collect();
                if known.len() == 1 && running.contains(known.first().unwrap()) {
                    return usize::try_from(known.first().unwrap().0 - 1).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, agreed).await.unwrap()
    }

    /// Where a node that does not lead is.
    pub(crate) async fn follower(&self) -> usize {
        let leader = self.leader().await;
        let (at, _) = self.running().find(|(at, _)| *at != leader).unwrap();
        at
    }

    /// Sets a secret on whoever leads.
    pub(crate) async fn set_somewhere(&self, name: &str) {
        let done = async {
            loop {
                let leader = self.leader().await;
                match set(self.node(leader), name).await {
                    Ok(()) => return,
                    Err(error) if error.is_certain() => {}
                    // Setting a secret twice is setting it.
                    Err(ProposeError::Unknown(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap();
    }

    /// All nodes have applied the same, and hold the same to the byte.
    pub(crate) async fn assert_equal(&self) {
        let leader = self.leader().await;
        let applied = self.node(leader).read().await.unwrap().applied();
        let mut dumps = Vec::new();
        for (_, node) in self.members() {
            let mut reached = node.applied();
            let reached = reached.wait_for(|reached| *reached >= applied);
            tokio::time::timeout(PATIENCE, reached)
                .await
                .unwrap()
                .unwrap();
            let view = node.read_stale().view;
            dumps.push(full_dump(view.connection()).await);
        }
        for dump in &dumps {
            assert_eq!(dump, &dumps[0]); // I-02
        }
    }

    pub(crate) async fn shut_down(mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_some() {
                self.stop(at).await;
            }
        }
    }
}

pub(crate) fn id(at: usize) -> NodeId {
    NodeId(at as u64 + 1)
}
