//! A rolling upgrade: nodes that know less and nodes that know more.
//!
//! A node that is held at a level says and does what its release did: it
//! announces that level and lets nothing newer into the log. `make soak` does
//! the same with the programs of the previous wire format.

use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::fleet::LONG;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;

/// The level before relays and Patroni.
const BEFORE: (&str, &str) = ("HOLDFAST_NODE__FEATURE_LEVEL_MAX", "3");
const CLUSTER: &str = "apiVersion: holdfast/v1
kind: Cluster
metadata: {name: orders}
spec:
  instances: [{agent: db1, connection: \"host=/nowhere user=holdfast\"}]
";

fn level(cli: &Cli) -> u64 {
    let status = cli.json(["status"]);
    status["featureLevel"]["current"].as_u64().unwrap()
}

#[test]
fn what_the_oldest_node_does_not_know_waits_until_all_are_upgraded() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let founder = ControlPlane::bootstrap_with(folder, Addresses::any(), &[BEFORE]);
    let cli = founder.cli();
    let second = founder.join(&cli, folder, "node-2", Addresses::any());
    let third = founder.join(&cli, folder, "node-3", Addresses::any());
    let agent = Agent::enroll(&founder, &cli, folder, "db1");
    assert_eq!(level(&cli), 3);
    cli.apply(CLUSTER);

    let patroni = CLUSTER.replace("}]", ", patroni: \"http://127.0.0.1:8008\"}]");
    let file = folder.join("patroni.yaml");
    std::fs::write(&file, &patroni).unwrap();
    let apply = ["apply", "-f", file.to_str().unwrap()];

    let mut nodes = [founder, second, third];
    let urls: Vec<String> = nodes.iter().map(ControlPlane::rest).collect();
    let all = Cli::new(urls.join(","), &folder.join("cli.toml"));
    all.login("admin", &nodes[0].admin_password());
    for (index, node) in nodes.iter_mut().enumerate() {
        let refused = all.refused(4, apply);
        assert_eq!(refused["code"], "level_too_low", "{refused}");
        assert_eq!(level(&all), 3);
        // One after the other, as the how-to says; writes go on meanwhile.
        node.process().stop();
        node.upgrade(BEFORE.0);
        all.apply(&format!(
            "{{apiVersion: holdfast/v1, kind: Fleet, metadata: {{name: fleet-{index}}}, spec: {{}}}}"
        ));
        node.wait_ready();
    }
    until("the level to be raised", LONG, || {
        (level(&all) > 3).then_some(())
    });
    all.apply(&patroni);
    drop(agent);
}
