//! Nodes that move, leave and come back, and what depends on them.

use std::time::Duration;

use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::Addresses;
use holdfast_tests::fleet::LONG;
use holdfast_tests::group::Group;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::{Value, json};

fn three(scratch: &Scratch, settings: &[(&'static str, &'static str)]) -> Group {
    let any = (0..3).map(|_| Addresses::any()).collect();
    Group::found_with(scratch.path(), any, settings)
}

/// I-11: the log says who went where, and who said so.
#[test]
fn a_node_that_moved_is_in_the_audit_log_and_found_again() {
    let scratch = Scratch::new();
    let mut group = three(&scratch, &[]);
    let cli = group.cli().clone();
    let moves = || {
        let audit = cli.json(["audit", "list", "--action", "move_node"]);
        audit["items"].as_array().unwrap().clone()
    };
    assert_eq!(moves(), Vec::<Value>::new());
    let mover = (group.leader() + 1) % 3;
    let before = group.node(mover).listen();
    group.node_mut(mover).restart_elsewhere();
    let at = |listen: &Value, name: &str| {
        let url = listen[name].as_str().unwrap();
        url.split_once("://").unwrap().1.to_owned()
    };
    let now = group.node(mover).listen();
    assert_ne!(at(&now, "raft"), at(&before, "raft"));

    let name = ["node-1", "node-2", "node-3"][mover];
    until("the others to know where it is", LONG, || {
        let nodes = cli.json(["node", "list"]);
        let nodes = nodes["items"].as_array()?.clone();
        let node = nodes.iter().find(|node| node["name"] == name)?;
        (node["addresses"]["raft"] == at(&now, "raft").as_str()).then_some(())
    });
    let told = moves();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["target"], format!("nodes/{}", mover + 1).as_str());
    assert_eq!(told[0]["outcome"], "accepted");
    let leader = ["node-1", "node-2", "node-3"][group.leader()];
    assert_eq!(told[0]["principal"], format!("node:{leader}").as_str());
    let places = ["raft", "grpc", "rest"].map(|name| (name, at(&now, name)));
    for (name, place) in places {
        assert_eq!(told[0]["detail"][name], place.as_str(), "{told:?}");
    }
    // It is one of them, and not only known: it is sent what it lacks.
    let sent = until("it to have all", LONG, || {
        let nodes = cli.json(["node", "list"]);
        let nodes = nodes["items"].as_array()?.clone();
        let node = nodes.iter().find(|node| node["name"] == name)?.clone();
        (node["behind"] == 0 && node["reachable"] == true).then_some(node)
    });
    assert_eq!(sent["voter"], true, "{sent}");
    let own = Cli::new(group.node(mover).rest(), &scratch.path().join("own.toml"));
    own.login("admin", &group.node(0).admin_password());
    let seen = own.json(["audit", "list", "--action", "move_node"]);
    assert_eq!(seen["items"], json!(told));
}

#[test]
fn a_removal_says_which_quorum_is_left_and_the_removed_node_stops() {
    let scratch = Scratch::new();
    let mut group = three(&scratch, &[]);
    let cli = group.cli().clone();
    group.node_mut(2).kill();
    // With one of three gone, no other can be spared.
    until("the leader to miss the dead node", LONG, || {
        let preview = cli.json(["node", "remove", "node-2", "--dry-run"]);
        (preview["keepsQuorum"] == false).then_some(())
    });
    let refused = cli.refused(4, ["node", "remove", "node-2"]);
    assert_eq!(refused["code"], "no_quorum_left", "{refused}");
    let said = refused["message"].as_str().unwrap();
    assert!(said.contains("2 voters of which 1"), "{said}");

    let removed = cli.json(["node", "remove", "node-3"]);
    assert_eq!(removed["name"], "node-3", "{removed}");
    assert_eq!(removed["state"], "removing", "{removed}");
    let left = json!({
        "votersNow": [1, 2, 3], "votersAfter": [1, 2], "needed": 2,
        "reachable": [1, 2], "keepsQuorum": true,
    });
    assert_eq!(removed["quorum"], left);
    until("the dead node to be out", LONG, || {
        let nodes = cli.json(["node", "list"]);
        (nodes["items"].as_array()?.len() == 2).then_some(())
    });

    // It slept through that: its own log says that it is one of three.
    group.node_mut(2).begin_restart();
    let dead = group.node_mut(2);
    let status = until("the removed node to stop", LONG, || dead.process().ended());
    assert!(!status.success(), "{}", dead.log());
    let log = dead.log();
    let last = log.lines().rev().take(5).collect::<Vec<_>>().join("\n");
    assert!(last.contains("no member any more"), "{log}");
    assert!(last.contains("join anew"), "{log}");
}

#[test]
fn a_nodes_death_moves_its_agents_to_another_node() {
    let scratch = Scratch::new();
    let mut group = three(&scratch, &[]);
    let cli = group.cli().clone();
    let agent = Agent::enroll(group.node(1), &cli, scratch.path(), "db1");
    let urls: Vec<String> = group.nodes().iter().map(|node| node.grpc()).collect();
    let place = || {
        let text = std::fs::read_to_string(agent.data().join("ready.json")).ok()?;
        let ready: Value = serde_json::from_str(&text).ok()?;
        let server = ready["server"].as_str()?;
        urls.iter().position(|url| url == server)
    };
    let mut first = until("its node", LONG, place);
    // Whichever has it dies, and so does the next: all of them are good.
    for _ in 0..2 {
        group.node_mut(first).kill();
        let next = until("the agent to be with another node", LONG, || {
            place().filter(|next| *next != first)
        });
        until("that node to have it", LONG, || {
            let agents = cli.json(["agent", "list"]);
            let named = &agents["items"][0];
            (named["name"] == "db1" && named["state"] == "online").then_some(())
        });
        group.node_mut(first).restart();
        first = next;
    }
    assert!(agent.log().contains("the session is up"), "{}", agent.log());
}

#[test]
fn nodes_outlive_their_certificates() {
    let lasts = Duration::from_secs(20);
    let scratch = Scratch::new();
    let short = [("HOLDFAST_ACCESS__NODE_CERTIFICATE", "20s")];
    let mut group = three(&scratch, &short);
    let certificate = |group: &Group, index: usize| {
        std::fs::read(group.node(index).data().join("node.pem")).expect("its certificate")
    };
    let first: Vec<_> = (0..3).map(|index| certificate(&group, index)).collect();
    let ready = Timestamp::now();
    until("the first certificates to end", 2 * lasts, || {
        let passed = Timestamp::now().duration_since(ready).unsigned_abs();
        (passed > lasts).then_some(())
    });
    for (index, first) in first.iter().enumerate() {
        let log = group.node(index).log();
        assert_ne!(&certificate(&group, index), first, "{log}");
    }
    // A node that comes back has no connection yet: the others dial it, and it
    // them, with what they have in their hands.
    let leader = group.leader();
    group.node_mut(leader).kill();
    group
        .cli()
        .apply("{apiVersion: holdfast/v1, kind: Fleet, metadata: {name: after}, spec: {}}");
    group.node_mut(leader).restart();
    let own = Cli::new(group.node(leader).rest(), &scratch.path().join("own.toml"));
    own.login("admin", &group.node(0).admin_password());
    let seen = own.json(["get", "fleet", "after"]);
    assert_eq!(seen["metadata"]["name"], "after");
    // Agents look at it too.
    let other = group.node((leader + 1) % 3);
    let agent = Agent::enroll(other, group.cli(), scratch.path(), "db1");
    assert_eq!(agent.name(), "db1");
}
