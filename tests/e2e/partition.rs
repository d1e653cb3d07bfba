//! An agent that is cut off from the control plane, still reaches its
//! repository, and works on: the job is in other hands by then (I-04, I-14).

use std::path::Path;

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::fleet::{LONG, ROLE};
use holdfast_tests::proxy::{ADVERTISED, Proxy};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use serde_json::Value;

const SETTINGS: [(&str, &str); 2] = [
    ("HOLDFAST_JOBS__AGENT_GONE_AFTER", "15s"),
    ("HOLDFAST_LISTEN__ADVERTISE", ADVERTISED),
];

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// Two agents beside one server: each can take its backups, which take some seconds,
/// so that one can be cut off in the middle.
fn documents(postgres: &TestCluster) -> String {
    let connection = postgres.socket_conninfo().replace(" user=postgres", "");
    format!(
        "apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: orders, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: db1, connection: \"{connection} user=holdfast\"}}
    - {{agent: db2, connection: \"{connection} user=holdfast\"}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: main
  compression: {{codec: zstd, level: 15}}
  wal: {{flushEvery: 500ms}}
"
    )
}

fn show(cli: &Cli, job: &str) -> Value {
    cli.json(["job", "show", job])
}

fn is_over(job: &Value) -> bool {
    let over = ["succeeded", "failed", "cancelled", "superseded"];
    over.contains(&job["state"].as_str().unwrap())
}

#[test]
fn a_job_of_an_agent_that_is_cut_off_is_done_elsewhere_and_once() {
    let scratch = Scratch::new();
    let programs = major(15);
    let postgres = TestCluster::builder(&programs)
        .initdb("--data-checksums")
        .start();
    postgres.psql(ROLE);
    postgres.pgbench(&["-i", "-q", "-s", "30"]);
    let node = ControlPlane::bootstrap_with(scratch.path(), Addresses::any(), &SETTINGS);
    let _rest = Proxy::of(port(&node.rest()));
    let way = Proxy::of(port(&node.grpc()));
    let cli = node.cli();
    let bin_dir = Some(programs.directory());
    let enroll = |name| Agent::enroll_with(&node, &cli, scratch.path(), name, bin_dir);
    let mut agents = [enroll("db1"), enroll("db2")];
    let store = Store::directory(&scratch);
    store.apply(&cli);
    cli.apply(&documents(&postgres));
    until("WAL to stream", LONG, || {
        let exposure = cli.json(["exposure", "orders"]);
        exposure["items"][0]["repositories"][0]["frontier"]
            .is_string()
            .then_some(())
    });

    let job = cli.json(["backup", "run", "orders"])["job"].clone();
    let job = job.as_str().unwrap();
    let first = until("the backup to copy", LONG, || {
        let shown = show(&cli, job);
        (shown["phase"] == "copy").then_some(shown)
    });
    let holder = first["agent"].as_str().unwrap().to_owned();
    let cut = agents.iter_mut().find(|one| one.name() == holder).unwrap();
    way.shut_for(cut.process().id());
    assert!(!is_over(&show(&cli, job)), "too late: {first}");

    // It is taken back, and given to whoever is there, under a generation of
    // its own. Nobody waits for the first.
    let elsewhere = until("the job to be done elsewhere", 2 * LONG, || {
        let shown = show(&cli, job);
        let attempts = shown["attempts"].as_array()?.len();
        (attempts == 2 && is_over(&shown)).then_some(shown)
    });
    let [one, two] = elsewhere["attempts"].as_array().unwrap().as_slice() else {
        panic!("{elsewhere}")
    };
    assert_eq!(one["agent"], holder.as_str(), "{elsewhere}");
    assert_eq!(one["outcome"], "interrupted", "{elsewhere}");
    assert_eq!(one["error"]["code"], "agent_lost", "{elsewhere}");
    assert_ne!(two["agent"], holder.as_str(), "{elsewhere}");
    assert!(two["generation"].as_u64() > one["generation"].as_u64());
    let state = elsewhere["state"].as_str().unwrap();
    assert!(["succeeded", "superseded"].contains(&state), "{elsewhere}");
    assert_eq!(elsewhere["lateResults"].as_array().map(Vec::len), Some(0));

    way.open();
    let late = until("the late result", LONG, || {
        let shown = show(&cli, job);
        (shown["lateResults"].as_array()?.len() == 1).then_some(shown)
    });
    let result = &late["lateResults"][0];
    assert_eq!(result["agent"], holder.as_str(), "{late}");
    assert_eq!(result["refused"]["code"], "stale_generation", "{late}");
    // What has ended stays as it was.
    assert_eq!(late["state"], elsewhere["state"], "{late}");
    // All of them are listed, and counted.
    let listed = cli.json(["job", "list", "--late"]);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{listed}");
    assert_eq!(
        (&items[0]["job"], &items[0]["attempt"]),
        (&job.into(), &1.into())
    );

    assert_one_backup(&cli, store.folder());
}

/// I-03: one mark in the repository, one backup in the catalog.
fn assert_one_backup(cli: &Cli, repository: &Path) {
    let backups = cli.json(["backup", "list", "orders"]);
    let items = backups["items"].as_array().unwrap();
    let count = |state: &str| items.iter().filter(|one| one["state"] == state).count();
    assert_eq!((count("available"), count("running")), (1, 0), "{backups}");
    assert_eq!(marks(repository), 1);
    let checked = cli.json(["repository", "check", "main"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");
}

/// How many commit marks there are, whatever the lineage.
fn marks(repository: &Path) -> usize {
    let lineages = std::fs::read_dir(repository.join("clusters/orders")).unwrap();
    let marks = lineages.map(|lineage| lineage.unwrap().path().join("marks"));
    marks
        .filter_map(|marks| std::fs::read_dir(marks).ok())
        .map(Iterator::count)
        .sum()
}
