//! Three nodes in one process over real TLS sockets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use holdfast_consensus::{
    Age, Member, Node, NodeConfig, NodeId, Notice, ProposeError, ReadError, Role,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{dump_of, full_dump, set, set_many};
use crate::tls::{Authority, Identity};

const PATIENCE: Duration = Duration::from_secs(30);

struct Group {
    authority: Authority,
    identities: Vec<Identity>,
    addresses: Vec<SocketAddr>,
    dirs: Vec<TempDir>,
    nodes: Vec<Option<Node>>,
    snapshot_every: u64,
}

impl Group {
    async fn of_three(snapshot_every: u64) -> Self {
        let authority = Authority::new();
        let identities: Vec<Identity> = (0..3).map(|_| authority.issue()).collect();
        let mut group = Self {
            authority,
            identities,
            addresses: Vec::new(),
            dirs: (0..3).map(|_| tempfile::tempdir().unwrap()).collect(),
            nodes: Vec::new(),
            snapshot_every,
        };
        let mut listeners = Vec::new();
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            group.addresses.push(listener.local_addr().unwrap());
            listeners.push(listener);
        }
        for (at, listener) in listeners.into_iter().enumerate() {
            let config = group.config(at);
            let node = match at {
                0 => Node::bootstrap(config, group.member(at)).await.unwrap(),
                _ => Node::join(config).await.unwrap(),
            };
            node.listen(listener).unwrap();
            group.nodes.push(Some(node));
        }
        let first = group.node(0);
        for at in [1, 2] {
            first.add_member(id(at), group.member(at)).await.unwrap();
        }
        let voters: BTreeSet<NodeId> = (0..3).map(id).collect();
        first.set_voters(voters).await.unwrap();
        group
    }

    fn config(&self, at: usize) -> NodeConfig {
        let mut config = NodeConfig::new(self.dirs[at].path().join("raft"), id(at));
        let tls = self
            .authority
            .peer_tls(&self.identities[at], &self.identities);
        config.peers = Some(tls);
        (config.snapshot_every, config.log_keep) = (self.snapshot_every, 0);
        config
    }

    fn member(&self, at: usize) -> Member {
        Member {
            raft: self.addresses[at].to_string(),
            ..Member::default()
        }
    }

    fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().unwrap()
    }

    async fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().shutdown().await;
    }

    async fn start(&mut self, at: usize) {
        let node = Node::open(self.config(at)).await.unwrap();
        let listener = TcpListener::bind(self.addresses[at]).await.unwrap();
        node.listen(listener).unwrap();
        self.nodes[at] = Some(node);
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let running = |(at, node)| Option::as_ref(node).map(|node| (at, node));
        self.nodes.iter().enumerate().filter_map(running)
    }

    /// Where the leader is, once all running nodes agree on a running one.
    async fn leader(&self) -> usize {
        let agreed = async {
            loop {
                let mut known = BTreeSet::new();
                for (_, node) in self.running() {
                    let leader = node.await_leader(PATIENCE).await.unwrap();
                    known.insert(leader.id);
                }
                let running: Vec<NodeId> = self.running().map(|(at, _)| id(at)).collect();
                if known.len() == 1 && running.contains(known.first().unwrap()) {
                    return usize::try_from(known.first().unwrap().0 - 1).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, agreed).await.unwrap()
    }

    /// Sets a secret on whoever leads, following the nodes' directions.
    async fn set_somewhere(&self, name: &str) {
        let done = async {
            loop {
                let leader = self.leader().await;
                match set(self.node(leader), name).await {
                    Ok(()) => return,
                    Err(error) if error.is_certain() => {}
                    // Setting a secret twice is setting it.
                    Err(ProposeError::Timeout(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap();
    }

    /// All nodes have applied the same, and hold the same to the byte.
    async fn assert_equal(&self) {
        let leader = self.leader().await;
        let applied = self.node(leader).read().await.unwrap().applied();
        let mut dumps = Vec::new();
        for (_, node) in self.running() {
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

    async fn shut_down(mut self) {
        for at in 0..3 {
            if self.nodes[at].is_some() {
                self.stop(at).await;
            }
        }
    }
}

fn id(at: usize) -> NodeId {
    NodeId(at as u64 + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_lost_and_writes_go_on() {
    let mut group = Group::of_three(10_000).await;
    set_many(group.node(group.leader().await), "before", 50).await;
    let lost = group.leader().await;
    group.stop(lost).await;
    for number in 0..50 {
        group.set_somewhere(&format!("without-{number}")).await;
    }
    group.start(lost).await;
    group.set_somewhere("together").await;
    group.assert_equal().await;
    let dump = dump_of(group.node(lost)).await;
    for name in [
        "before-0",
        "before-49",
        "without-0",
        "without-49",
        "together",
    ] {
        assert!(dump.contains(&format!("name='{name}'")), "{name} is lost");
    }
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_far_behind_is_given_a_snapshot() {
    let mut group = Group::of_three(100).await;
    let leader = group.leader().await;
    let behind = (leader + 1) % 3;
    group.stop(behind).await;
    set_many(group.node(leader), "missed", 700).await;
    group.node(leader).snapshot(PATIENCE).await.unwrap();
    // What the lost node is being sent is purged when sending it has failed.
    let purged = async {
        while group
            .node(leader)
            .status()
            .purged
            .is_none_or(|purged| purged < 50)
        {
            group.set_somewhere("more").await;
        }
    };
    tokio::time::timeout(PATIENCE, purged)
        .await
        .expect("the log was not purged");
    group.start(behind).await;
    let mut notices = group.node(behind).effects();
    group.set_somewhere("together").await;
    group.assert_equal().await;
    let replaced =
        async { while !matches!(notices.recv().await.unwrap(), Notice::Replaced { .. }) {} };
    tokio::time::timeout(PATIENCE, replaced)
        .await
        .expect("no snapshot was installed");
    // What was installed is found again.
    group.stop(behind).await;
    group.start(behind).await;
    group.assert_equal().await;
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sends_writers_away_and_reads_what_was_acknowledged() {
    let group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let follower = group.node((leader + 1) % 3);
    let Err(ProposeError::NotLeader {
        leader: Some(known),
    }) = set(follower, "no").await
    else {
        panic!("a follower took a command");
    };
    assert_eq!(known.id, id(leader));
    assert_eq!(known.member, group.member(leader));
    for number in 0..20 {
        let name = format!("read-{number}");
        set(group.node(leader), &name).await.unwrap();
        // The follower may be behind; a linearizable read is not.
        let dump = dump_of(follower).await;
        assert!(
            dump.contains(&format!("name='{name}'")),
            "{name} is not seen"
        );
    }
    let Age::Known(age) = follower.read_stale().age else {
        panic!("a follower that hears its leader knows how old its state is");
    };
    assert!(age < PATIENCE, "{age:?}");
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_can_be_handed_over() {
    let group = Group::of_three(10_000).await;
    let old = group.leader().await;
    let new = (old + 1) % 3;
    // A successor must hold the whole log to be taken.
    group.set_somewhere("flushed").await;
    group.assert_equal().await;
    group.node(old).transfer_leadership(id(new)).await.unwrap();
    let mut leader = group.node(old).leader();
    let handed =
        leader.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.id == id(new)));
    tokio::time::timeout(PATIENCE, handed)
        .await
        .unwrap()
        .unwrap();
    group.set_somewhere("after").await;
    assert_eq!(group.node(group.leader().await).status().role, Role::Leader);
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_acknowledged_and_only_stale_reads_answer() {
    let mut group = Group::of_three(10_000).await;
    group.set_somewhere("before").await;
    let leader = group.leader().await;
    group.stop((leader + 1) % 3).await;
    group.stop((leader + 2) % 3).await;
    let alone = group.node(leader);
    let error = set(alone, "unsure").await.unwrap_err();
    assert!(
        matches!(error, ProposeError::Timeout(_) | ProposeError::NoQuorum),
        "{error:?}"
    );
    // By now it knows.
    let error = set(alone, "refused").await.unwrap_err();
    assert!(matches!(error, ProposeError::NoQuorum), "{error:?}");
    let error = alone.read().await.unwrap_err();
    assert!(
        matches!(error, ReadError::NoQuorum | ReadError::NoLeader),
        "{error:?}"
    );
    let stale = alone.read_stale();
    let dump = full_dump(stale.view.connection()).await;
    assert!(dump.contains("name='before'") && !dump.contains("name='refused'"));
    group.start((leader + 1) % 3).await;
    group.set_somewhere("again").await;
    group.shut_down().await;
}

/// Agents hold certificates of the same authority; they are no nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_no_nodes_is_turned_away() {
    let group = Group::of_three(10_000).await;
    let agent = group.authority.issue();
    let knocked = knock(&group, &group.identities[1]).await;
    assert!(
        knocked.is_ok_and(|bytes| bytes > 0),
        "a node was turned away"
    );
    let knocked = knock(&group, &agent).await;
    assert!(!knocked.is_ok_and(|bytes| bytes > 0), "an agent was let in");
    group.shut_down().await;
}

/// How many bytes the listener of the first node answers to the beginning of
/// HTTP/2.
async fn knock(group: &Group, identity: &Identity) -> std::io::Result<usize> {
    let mut client = group.authority.client(identity);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(group.addresses[0]).await?;
    let name = "127.0.0.1".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let mut stream = connector.connect(name, stream).await?;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    let mut answer = [0; 9];
    stream.read(&mut answer).await
}
