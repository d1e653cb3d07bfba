//! Three nodes: any of them serves everything, and none of them is missed.

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, try_join};
use holdfast_tests::fleet::{LONG, ROLE};
use holdfast_tests::group::Group;
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::rest;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

fn three(scratch: &Scratch) -> Group {
    let any = (0..3).map(|_| Addresses::any()).collect();
    Group::found(scratch.path(), any)
}

fn one_node_cli(group: &Group, index: usize) -> Cli {
    let node = group.node(index);
    let config = node.data().join("cli-of-one.toml");
    let cli = Cli::new(node.rest(), &config);
    cli.login("admin", &group.node(0).admin_password());
    cli
}

#[test]
fn any_node_serves_everything_and_a_leaders_end_is_no_end() {
    let scratch = Scratch::new();
    let mut group = three(&scratch);
    let nodes = group.cli().json(["node", "list"]);
    let states: Vec<&str> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["member"; 3], "{nodes}");

    // What one node was told, the others know at once.
    for index in 0..3 {
        let cli = one_node_cli(&group, index);
        cli.apply(&format!(
            "{{apiVersion: holdfast/v1, kind: Fleet, metadata: {{name: fleet-{index}}}, spec: {{}}}}"
        ));
        for other in 0..3 {
            let name = format!("fleet-{index}");
            let seen = one_node_cli(&group, other).json(["get", "fleet", &name]);
            assert_eq!(seen["metadata"]["name"], name.as_str());
        }
    }

    // So it is with tokens, though each node proves them by what it has applied.
    for round in 0..10 {
        let token = one_node_cli(&group, round % 3).json(["token", "create", &format!("t{round}")]);
        let other = group.node((round + 1) % 3).rest_address().to_owned();
        let seen = rest::get_with(token["token"].as_str().unwrap(), &other, "clusters");
        assert!(
            seen.is_some(),
            "{other} does not know the token of round {round}"
        );
    }

    let leader = group.leader();
    group.node_mut(leader).kill();
    // The CLI knows all nodes and finds the one that leads next.
    group
        .cli()
        .apply("{apiVersion: holdfast/v1, kind: Fleet, metadata: {name: after}, spec: {}}");
    let next = group.leader();
    assert_ne!(next, leader);
    group.node_mut(leader).restart();
    let back = one_node_cli(&group, leader).json(["get", "fleet", "after"]);
    assert_eq!(back["metadata"]["name"], "after");

    // Leading can be handed over, and is in the audit log.
    let name = ["node-1", "node-2", "node-3"][leader];
    group.cli().json(["node", "lead", name]);
    assert_eq!(group.leader(), leader);
    let audit = group.cli().json(["audit", "list"]);
    let actions = audit["items"].as_array().unwrap();
    for action in ["transfer_leadership", "admit_node", "record_node"] {
        let told = actions.iter().any(|row| row["action"] == action);
        assert!(told, "{action} is not in the audit log");
    }
}

#[test]
fn a_minority_says_so_and_all_come_back_after_all_were_gone() {
    let scratch = Scratch::new();
    let mut group = three(&scratch);
    group.node_mut(1).kill();
    group.node_mut(2).kill();
    let alone = one_node_config(&group);
    let refused = alone.refused(1, ["get", "fleet", "default"]);
    let code = refused["code"].as_str().unwrap();
    assert!(
        ["no_quorum", "no_leader", "not_leader"].contains(&code),
        "{refused}"
    );
    // Two voters of three are down: removing the third would help nobody.
    group.node_mut(0).kill();
    for index in 0..3 {
        group.node_mut(index).begin_restart();
    }
    for index in 0..3 {
        group.node_mut(index).wait_ready();
    }
    let fleet = group.cli().json(["get", "fleet", "default"]);
    assert_eq!(fleet["metadata"]["name"], "default");
}

/// A CLI of the first node that was logged in while there was a quorum.
fn one_node_config(group: &Group) -> Cli {
    Cli::new(group.node(0).rest(), &group.node(0).data().join("cli.toml"))
}

#[test]
fn a_node_is_replaced_and_its_id_never_given_again() {
    let scratch = Scratch::new();
    let mut group = three(&scratch);
    let cli = group.cli().clone();
    let preview = cli.json(["node", "remove", "node-3", "--dry-run"]);
    assert_eq!(preview["keepsQuorum"], true, "{preview}");
    group.node_mut(2).kill();
    cli.json(["node", "remove", "node-3"]);
    until("the dead node to be out", LONG, || {
        let nodes = cli.json(["node", "list"]);
        (nodes["items"].as_array()?.len() == 2).then_some(())
    });
    // Without the other there would be nobody who could agree with the last.
    let joined = group
        .node(0)
        .join(&cli, scratch.path(), "node-4", Addresses::any());
    let nodes = cli.json(["node", "list"]);
    let ids: Vec<u64> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [1, 2, 4], "{nodes}");
    drop(joined);
    // The dead one comes back from the grave: nobody listens to it, and a used
    // token opens nothing.
    let token = cli.json(["node", "add"])["token"].clone();
    let token = token.as_str().unwrap();
    let data = scratch.path().join("node-5");
    let first = try_join(&group.node(0).grpc(), token, "node-5", &data);
    assert!(first.status.success());
    let again = try_join(
        &group.node(0).grpc(),
        token,
        "node-6",
        &scratch.path().join("node-6"),
    );
    assert_eq!(again.status.code(), Some(4));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("has been used"), "{said}");
    let twice = try_join(&group.node(0).grpc(), token, "node-5", &data);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(said.contains("already"), "{said}");
}

#[test]
fn the_leader_dies_in_the_middle_of_a_backup_and_of_a_restore() {
    let scratch = Scratch::new();
    let mut group = three(&scratch);
    let cli = group.cli().clone();
    let programs = major(15);
    let postgres = TestCluster::builder(&programs)
        .initdb("--data-checksums")
        .start();
    postgres.psql(ROLE);
    postgres.pgbench(&["-i", "-q", "-s", "30"]);
    let agent = Agent::enroll(group.node(1), &cli, scratch.path(), "db1");
    let repository = scratch.server_folder("repository");
    cli.apply(&documents(&repository.display().to_string(), &postgres));
    until("WAL to stream", LONG, || frontier(&cli));
    let ledger = Ledger::start(&format!("{} dbname=postgres", postgres.socket_conninfo()));

    let backup = start(&cli, &["backup", "run", "orders"]);
    in_phase(&cli, &backup, "copy");
    let leader = group.leader();
    group.node_mut(leader).kill();
    let ended = ended(&cli, &backup);
    assert_eq!(ended["state"], "succeeded", "{ended}");
    // None of our own deaths costs a job an attempt.
    assert_eq!(
        ended["attempts"].as_array().map(Vec::len),
        Some(1),
        "{ended}"
    );
    group.node_mut(leader).restart();

    ledger.advance(20);
    let entries = ledger.stop();
    let now = Timestamp::now();
    until("the frontier to pass", LONG, || {
        frontier(&cli).filter(|at| *at > now)
    });
    let dir = scratch.server_folder("servers").join("restored");
    let dir = dir.display().to_string();
    let restore = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &dir, "--start",
    ];
    let restore = start(&cli, &restore);
    in_phase(&cli, &restore, "copy");
    let leader = group.leader();
    group.node_mut(leader).kill();
    let ended = self::ended(&cli, &restore);
    assert_eq!(ended["state"], "succeeded", "{ended}");
    // The next leader moves it on, and looks at what came of it.
    until("the restore to be done", LONG, || {
        let shown = cli.json(["restore", "show", &restore]);
        (shown["state"] == "done").then_some(())
    });
    let port = ended["result"]["port"].as_u64().unwrap();
    let found = rows(&format!(
        "host={dir}/.holdfast port={port} user=postgres dbname=postgres"
    ));
    let last = entries.last().unwrap().id;
    assert_eq!(found, (1..=last).collect::<Vec<i64>>());
    stop_server(&programs, &dir);
    drop(agent);
}

fn documents(repository: &str, postgres: &TestCluster) -> String {
    format!(
        "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: main}}
spec: {{url: \"file://{repository}\"}}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: orders, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: db1, connection: \"{} user=holdfast\"}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: main
  wal: {{flushEvery: 500ms}}
",
        postgres.socket_conninfo().replace(" user=postgres", "")
    )
}

fn frontier(cli: &Cli) -> Option<Timestamp> {
    let exposure = cli.json(["exposure", "orders"]);
    let frontier = &exposure["items"][0]["repositories"][0]["frontier"];
    frontier.as_str()?.parse().ok()
}

fn start(cli: &Cli, arguments: &[&str]) -> String {
    let started = cli.json(arguments.iter().copied());
    started["job"].as_str().expect("a job").to_owned()
}

fn in_phase(cli: &Cli, job: &str, phase: &str) {
    until("the job to be under way", LONG, || {
        let shown = cli.json(["job", "show", job]);
        let state = shown["state"].as_str().unwrap_or_default();
        assert!(
            !["failed", "succeeded"].contains(&state),
            "too late: {shown}"
        );
        (shown["phase"] == phase).then_some(())
    });
}

fn ended(cli: &Cli, job: &str) -> Value {
    until("the job to end", LONG, || {
        let shown = cli.json(["job", "show", job]);
        let state = shown["state"].as_str().unwrap_or_default();
        ["succeeded", "failed", "cancelled", "superseded"]
            .contains(&state)
            .then_some(shown)
    })
}

fn stop_server(programs: &holdfast_pg::binaries::Programs, dir: &str) {
    let dir = std::path::Path::new(dir);
    let owner = holdfast_pg::binaries::RunAs::owner_of(dir).expect("the owner");
    let mut stop = programs.blocking_command("pg_ctl", owner);
    holdfast_pg::testkit::must_run(stop.args(["stop", "-w", "-m", "fast", "-D"]).arg(dir));
}
