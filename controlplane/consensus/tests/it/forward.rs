//! Proposals on a node that does not lead.

use holdfast_consensus::{Node, ProposeContext, ProposeError};
use holdfast_state::{Digest, Entry, IdempotencyKey, Principal, query};
use jiff::Timestamp;

use crate::cluster::{Group, PATIENCE, id};
use crate::raw::{self, ProposeReply, ProposeRequest};
use crate::support::{context, full_dump, secret, set};

/// A request of a person, as a client repeats it or does not.
fn request(name: &str, keyed: bool) -> ProposeContext {
    let mut context = context();
    context.idempotency = keyed.then(|| IdempotencyKey {
        key: name.to_owned(),
        principal: Principal::user("admin"),
        fingerprint: Digest::of(name.as_bytes()),
    });
    context
}

/// How often the request was applied: each time it left an audit row.
fn applications(dump: &str, context: &ProposeContext) -> usize {
    let request = context.cause.as_ref().unwrap().request.to_string();
    let of_request = |line: &&str| line.contains(&format!("request='{request}'"));
    dump.lines().filter(of_request).count()
}

async fn local_dump(node: &Node) -> String {
    full_dump(node.read_stale().view.connection()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_on_a_follower_is_read_there() {
    let group = Group::of_three(10_000).await;
    let follower = group.node(group.follower().await);
    for number in 0..20 {
        let name = format!("mine-{number}");
        set(follower, &name).await.unwrap();
        // Without a barrier: this node has applied it.
        let dump = local_dump(follower).await;
        assert!(dump.contains(&format!("name='{name}'")), "{name}");
    }
    group.assert_equal().await;
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_takes_commands_too() {
    let mut group = Group::founded(2, 10_000).await;
    group.join(1).await;
    group.add(1).await;
    set(group.node(1), "from-a-learner").await.unwrap();
    let dump = local_dump(group.node(1)).await;
    assert!(dump.contains("name='from-a-learner'"));
    group.shut_down().await;
}

/// Many proposals are under way through a follower when the leader goes.
/// Returns what each was told, and how often it was applied.
async fn while_the_leader_goes(keyed: bool) -> Vec<(Result<(), ProposeError>, usize)> {
    let mut group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let at = group.follower().await;
    let (mut running, mut told) = (Vec::new(), Vec::new());
    let mut stopping = None;
    for number in 0..200 {
        let node = group.node(at).clone();
        running.push(tokio::spawn(async move {
            let name = format!("during-{number}");
            let context = request(&name, keyed);
            let told = node.propose(context.clone(), secret(&name)).await;
            let told = told.map(|outcome| outcome.map(|_| ()).unwrap());
            (context, told)
        }));
        if number == 100 {
            // One is done, some are on the way, some come later.
            told.push(running.remove(0).await.unwrap());
            let lost = group.take(leader);
            stopping = Some(tokio::spawn(async move { lost.shutdown().await }));
        }
    }
    for proposal in running {
        told.push(proposal.await.unwrap());
    }
    stopping.unwrap().await.unwrap();
    // What was in a log and is not decided yet is decided by then.
    group.start(leader).await;
    group.set_somewhere("together").await;
    group.assert_equal().await;
    let dump = local_dump(group.node(at)).await;
    group.shut_down().await;
    let counted = |(context, told)| (told, applications(&dump, &context));
    told.into_iter().map(counted).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_a_lost_leader_is_survived_and_nothing_is_done_twice() {
    for (told, applications) in while_the_leader_goes(true).await {
        told.unwrap();
        assert_eq!(applications, 1); // I-14
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nobody_is_lied_to() {
    let all = while_the_leader_goes(false).await;
    assert!(all.iter().any(|(told, _)| told.is_ok()));
    for (told, applications) in all {
        match told {
            Ok(()) => assert_eq!(applications, 1),
            Err(error) if error.is_certain() => assert_eq!(applications, 0, "{error}"),
            Err(error) => {
                assert_eq!(error.code(), "outcome_unknown");
                assert!(applications <= 1, "{applications}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_answered_the_same_on_every_node() {
    let group = Group::of_three(10_000).await;
    let context = request("once", true);
    for (_, node) in group.running() {
        let told = node.propose(context.clone(), secret("once")).await;
        told.unwrap().unwrap();
    }
    let dump = local_dump(group.node(0)).await;
    assert_eq!(applications(&dump, &context), 1);
    group.shut_down().await;
}

/// A node that does not lead answers a forwarded proposal itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_proposal_is_never_sent_further() {
    let group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let (asked, asker) = ((leader + 1) % 3, (leader + 2) % 3);
    let entry = Entry::new(Timestamp::now(), secret("round-and-round"));
    let ask = async |at: usize, entry: Vec<u8>| -> ProposeReply {
        let request = ProposeRequest {
            to: id(at).0,
            entry,
            patience_ms: 10_000,
        };
        let method = "/holdfast.v1.RaftService/Propose";
        let (authority, identity) = (&group.authority, &group.identities[asker]);
        let sent = raw::send(authority, identity, group.addresses[at], method, &request);
        sent.await.unwrap()
    };
    let reply = ask(asked, entry.encode()).await;
    assert!(reply.not_leader.is_some() && reply.done.is_none());
    // What the leader cannot read it does not put into the log: no node of its
    // version could apply it.
    let reply = ask(leader, b"\x09{}".to_vec()).await;
    assert!(reply.unreadable.is_some() && reply.done.is_none());
    let dump = full_dump(group.node(asked).read().await.unwrap().connection()).await;
    assert!(!dump.contains("round-and-round"));
    assert!(ask(leader, entry.encode()).await.done.is_some());
    let dump = full_dump(group.node(asked).read().await.unwrap().connection()).await;
    assert!(dump.contains("round-and-round"));
    group.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_leader_the_command_was_certainly_not_done() {
    let mut group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    group.stop(leader).await;
    group.stop((leader + 1) % 3).await;
    let alone = group.node((leader + 2) % 3);
    let error = set(alone, "nobody-leads").await.unwrap_err();
    assert!(error.is_certain(), "{error:?}");
    group.start(leader).await;
    let written = set(group.node((leader + 2) % 3), "again");
    tokio::time::timeout(PATIENCE, written)
        .await
        .unwrap()
        .unwrap();
    group.shut_down().await;
}

/// Under load proposals travel together: each is done once and gets the answer
/// to its own.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_each_its_own_answer() {
    const MANY: usize = 300;
    let group = Group::of_three(10_000).await;
    let follower = group.node(group.follower().await);
    let asked = (0..MANY).map(|number| {
        let (node, request) = (follower.clone(), context());
        let name = format!("of-{number}");
        tokio::spawn(async move {
            let revision = node.propose(request.clone(), secret(&name)).await;
            (request, name, revision.unwrap().unwrap())
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.unwrap());
    }
    let dump = local_dump(follower).await;
    for (request, name, revision) in answers {
        assert_eq!(applications(&dump, &request), 1, "{name}");
        let row = dump
            .lines()
            .find(|line| line.contains(&format!("name='{name}'")))
            .unwrap();
        let revision = revision.revision.0;
        assert!(row.contains(&format!("revision={revision}")), "{row}");
    }
    group.assert_equal().await;
    group.shut_down().await;
}

/// Reads share barriers, and none gets one that began before it came: whoever
/// was told that a write is done reads it on any node.
#[tokio::test(flavor = "multi_thread")]
async fn reads_at_once_each_see_what_was_written_before() {
    let group = Group::of_three(10_000).await;
    let leader = group.node(group.leader().await).clone();
    let follower = group.node(group.follower().await).clone();
    let asked = (0..100).map(|number| {
        let (leader, follower) = (leader.clone(), follower.clone());
        tokio::spawn(async move {
            let name = format!("of-{number}");
            set(&leader, &name).await.unwrap();
            let view = follower.read().await.unwrap();
            let name = name.parse().unwrap();
            let found = query::sealed_secret(view.connection(), &name).await;
            assert!(found.unwrap().is_some(), "{name}");
        })
    });
    let asked: Vec<_> = asked.collect();
    for one in asked {
        one.await.unwrap();
    }
    group.shut_down().await;
}
