//! Alarms end to end: agents that are stopped, a leader that is killed while it tells,
//! and who is told.

use std::collections::BTreeSet;

use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::Addresses;
use holdfast_tests::fleet::LONG;
use holdfast_tests::group::Group;
use holdfast_tests::receiver::{Post, Receiver};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

/// Agents beat every five seconds: two that end at once are missed up to so long apart.
const GROUP: i64 = 8;
const SETTINGS: [(&str, &str); 3] = [
    ("HOLDFAST_ALARMS__GROUP", "8s"),
    ("HOLDFAST_ALARMS__SETTLE", "1s"),
    ("HOLDFAST_ALARMS__RETRY", "500ms"),
];

fn documents(receiver: &Receiver) -> String {
    let cluster = |name: &str, agent: &str| {
        format!(
            "---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: {name}, fleet: payments}}
spec: {{instances: [{{agent: {agent}, connection: \"host=/nowhere user=holdfast\"}}]}}
"
        )
    };
    format!(
        "apiVersion: holdfast/v1
kind: NotificationChannel
metadata: {{name: on-call}}
spec: {{type: webhook, url: \"{}\", secret: signing, fleets: [payments]}}
---
apiVersion: holdfast/v1
kind: Fleet
metadata: {{name: payments}}
spec: {{}}
{}{}",
        receiver.url(),
        cluster("orders", "db1"),
        cluster("shop", "db2")
    )
}

fn absent(cli: &Cli) -> Vec<Value> {
    let listed = cli.json(["alarm", "list", "--rule", "agent_absent"]);
    listed["items"].as_array().unwrap().clone()
}

fn told(receiver: &Receiver, kind: &str) -> Vec<Post> {
    receiver.posts("agent_absent", kind)
}

fn start(group: &Group, cli: &Cli, scratch: &Scratch) -> [Agent; 2] {
    ["db1", "db2"].map(|name| Agent::enroll(group.node(0), cli, scratch.path(), name))
}

#[test]
fn what_is_wrong_is_told_once_for_the_fleet_whoever_leads() {
    let scratch = Scratch::new();
    let any = (0..3).map(|_| Addresses::any()).collect();
    let mut group = Group::found_with(scratch.path(), any, &SETTINGS);
    let cli = group.cli().clone();
    let receiver = Receiver::start();
    let secret = ["secret", "set", "signing", "--from-file", "-"];
    let ran = cli.run_with_input(secret, "0123456789abcdef0123456789abcdef\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut agents = start(&group, &cli, &scratch);
    cli.apply(&documents(&receiver));
    let tested = cli.json(["channel", "test", "on-call"]);
    assert_eq!(tested["delivered"], true, "{tested}");

    // What nobody protects is told too, and is out of the way.
    until("the first notice", LONG, || {
        let posts = receiver.posts("unprotected", "opened");
        posts.into_iter().find(|post| post.answered)
    });

    // Both stop. The leader is killed after the receiver has the notice and before
    // that is on record.
    receiver.hold();
    for agent in &mut agents {
        agent.kill();
    }
    let first = until("the notice", LONG, || told(&receiver, "opened").pop());
    assert_eq!(
        first.body["alarms"].as_array().unwrap().len(),
        2,
        "{}",
        first.body
    );
    let leader = group.leader();
    group.node_mut(leader).kill();
    receiver.release();
    let again = until("the notice once more", LONG, || {
        let posts = told(&receiver, "opened");
        posts.into_iter().skip(1).find(|post| post.answered)
    });
    assert_eq!(
        (again.key.as_str(), &again.body),
        (first.key.as_str(), &first.body)
    );
    assert!(again.signature.starts_with("t="), "{}", again.signature);
    until("the delivery to be on record", LONG, || {
        let sent = cli.json(["channel", "deliveries", "on-call", "--state", "sent"]);
        let sent = sent["items"].as_array()?.clone();
        sent.iter()
            .any(|one| one["notice"] == first.key.as_str())
            .then_some(())
    });
    let open = absent(&cli);
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(
        open.iter()
            .all(|alarm| alarm["told"]["on-call"] == first.key.as_str())
    );
    group.node_mut(leader).restart();

    held_back(&cli, &receiver, &mut agents, &first);
}

/// A silence holds back what opens, and not the end of what was told.
fn held_back(cli: &Cli, receiver: &Receiver, agents: &mut [Agent; 2], first: &Post) {
    let reason = ["--reason", "the hosts are moved"];
    let silence = ["alarm", "silence", "--fleet", "payments", "--for", "1h"];
    let silence = cli.json(silence.into_iter().chain(reason));
    for agent in agents.iter_mut() {
        agent.restart();
    }
    let over = until("the end", LONG, || {
        let ended = told(receiver, "resolved").pop();
        ended.filter(|post| post.body["remaining"] == 0)
    });
    assert_eq!(over.body["thread"], first.body["thread"]);
    agents[0].kill();
    let silenced = until("the silenced alarm to be due", LONG, || {
        let open = absent(cli).into_iter().next()?;
        let opened: Timestamp = open["openedAt"].as_str()?.parse().ok()?;
        let age = Timestamp::now().duration_since(opened).as_secs();
        (age > GROUP + 3).then_some(open)
    });
    assert_eq!(silenced["silencedUntil"], silence["until"]);
    let keys = |kind| -> BTreeSet<String> {
        told(receiver, kind)
            .into_iter()
            .map(|post| post.key)
            .collect()
    };
    assert_eq!(keys("opened").len(), 1, "somebody was told in a silence");
    cli.json(["alarm", "unsilence", silence["id"].as_str().unwrap()]);
    let new = until("what is still open", LONG, || {
        told(receiver, "opened")
            .into_iter()
            .find(|post| post.key != first.key)
    });
    assert_eq!(new.body["alarms"][0]["id"], silenced["id"]);
    let status = cli.json(["status"]);
    assert!(
        status["counts"]["alarms"]["warning"].as_u64() >= Some(1),
        "{status}"
    );
}
