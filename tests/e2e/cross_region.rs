//! A region is gone: its agents, its servers and its repository. What was copied to
//! another restores there, and is protected again.

use std::path::{Path, PathBuf};

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::fleet::{LONG, ROLE, Restored};
use holdfast_tests::ledger::{Ledger, assert_rows_up_to, rows};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use holdfast_types::Lsn;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Two regions, each with a host and a repository; the cluster `orders` is in a, and
/// copied to b.
struct Regions {
    // In the order in which they must end.
    here: Agent,
    there: Agent,
    cli: Cli,
    _node: ControlPlane,
    postgres: TestCluster,
    scratch: Scratch,
}

fn policy(name: &str, tier: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: holdfast/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n\
         \x20 selector: {{tier: {tier}}}\n\x20 objectives: {{rpo: 30s}}\n\
         \x20 wal: {{flushEvery: 500ms}}\n{rest}"
    )
}

fn repository(scratch: &Scratch, name: &str, region: &str) -> String {
    let folder = folder(scratch, name);
    format!(
        "---\napiVersion: holdfast/v1\nkind: Repository\nmetadata: {{name: {name}}}\n\
         spec: {{url: \"file://{}\", region: {region}}}\n",
        folder.display()
    )
}

fn folder(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path().join(format!("repository-{name}"))
}

impl Regions {
    fn start() -> Self {
        let scratch = Scratch::new();
        let postgres = TestCluster::builder(&major(18))
            .initdb("--data-checksums")
            .start();
        postgres.psql(ROLE);
        let node = ControlPlane::bootstrap_with(scratch.path(), Addresses::any(), &[]);
        let cli = node.cli();
        let programs = major(18);
        let bin_dir = Some(programs.directory());
        let enroll = |name: &str, region: &str| {
            Agent::enroll_in(&node, &cli, scratch.path(), (name, region), bin_dir)
        };
        let (here, there) = (enroll("db-a", "a"), enroll("db-b", "b"));
        let regions = Self {
            here,
            there,
            cli,
            _node: node,
            postgres,
            scratch,
        };
        let connection = regions.postgres.socket_conninfo();
        let connection = connection.replace(" user=postgres", "");
        let cluster = format!(
            "---\napiVersion: holdfast/v1\nkind: Cluster\n\
             metadata: {{name: orders, labels: {{tier: gold}}}}\n\
             spec: {{instances: [{{agent: db-a, connection: \"{connection} user=holdfast\"}}]}}\n"
        );
        let documents = [
            repository(&regions.scratch, "main", "a"),
            repository(&regions.scratch, "away", "b"),
            cluster,
            policy(
                "gold",
                "gold",
                "  repository: main\n  copies: [{repository: away, within: 15m}]\n",
            ),
            policy("silver", "silver", "  repository: away\n"),
        ];
        regions.cli.apply(&documents.concat());
        regions
    }

    fn backup(&self, cluster: &str) {
        let wait = ["--wait", "--timeout", "2m"];
        let run = ["backup", "run", cluster];
        let done = self.cli.json(run.into_iter().chain(wait));
        assert_eq!(done["state"], "succeeded", "{done}");
    }

    /// How far the copy reaches.
    fn frontier(&self) -> Option<(Timestamp, Lsn)> {
        let exposure = self.cli.json(["exposure", "orders"]);
        let places = exposure["items"][0]["repositories"].as_array()?.clone();
        let away = places.iter().find(|one| one["name"] == "away")?;
        let time = away["frontier"].as_str()?.parse().ok()?;
        let lsn = away["frontierLsn"]
            .as_str()
            .and_then(|lsn| lsn.parse().ok());
        Some((time, lsn.unwrap_or(Lsn::new(0))))
    }

    fn lose_a(&mut self) {
        self.here.kill();
        self.postgres.stop("immediate");
        std::fs::remove_dir_all(folder(&self.scratch, "main")).expect("it is gone");
    }

    fn restore(&self, dir: &Path, more: &[&str]) -> (i32, Value) {
        let path = dir.display().to_string();
        let run = [
            "restore", "run", "orders", "--at", "latest", "--region", "b",
        ];
        let rest = [
            "--dir",
            &path,
            "--start",
            "--wait",
            "--timeout",
            "3m",
            "-o",
            "json",
        ];
        let ran = self.cli.run(run.iter().chain(&rest).chain(more));
        let body = serde_json::from_str(&ran.stdout);
        (ran.code, body.unwrap_or_else(|_| panic!("{}", ran.stderr)))
    }
}

#[test]
fn a_region_that_is_gone_altogether_is_restored_from_the_copy_in_another() {
    let mut regions = Regions::start();
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        regions.postgres.socket_conninfo()
    ));
    ledger.advance(10);
    regions.backup("orders");
    until("the backup to be copied", LONG, || {
        let listed = regions.cli.json(["backup", "list", "orders"]);
        let places = listed["items"][0]["repositories"].as_array()?.clone();
        let is_in = |name: &str| places.contains(&json!(name));
        (is_in("main") && is_in("away")).then_some(())
    });
    ledger.advance(10);
    let acknowledged = ledger.entries();
    let known = acknowledged.last().expect("an entry").at;
    let (copied, _) = until("the copy to reach as far", LONG, || {
        regions.frontier().filter(|(time, _)| *time > known)
    });
    // It goes on writing until there is nothing left of the region.
    regions.lose_a();
    let written = ledger.stop();

    let dir = regions.scratch.server_folder("restored").join("orders");
    let register = ["--register", "orders-b", "--label", "tier=silver"];
    let (code, done) = regions.restore(&dir, &register);
    assert_eq!((code, &done["state"]), (0, &json!("succeeded")), "{done}");
    let restored = Restored::adopt(done["result"].clone(), dir, major(18));
    let found = rows(&restored.connection());
    assert_rows_up_to(&written, restored.reached(), &found);
    let before = written.iter().filter(|entry| entry.at <= copied).count();
    assert!(found.len() >= before, "{} of {before} rows", found.len());

    let shown = regions
        .cli
        .json(["restore", "show", done["job"].as_str().unwrap()]);
    assert_eq!(shown["state"], "done", "{shown}");
    assert_eq!(shown["repository"], "away", "{shown}");
    assert_eq!(shown["agent"], "db-b", "{shown}");
    assert_eq!(shown["placement"][0]["chosen"], true, "{shown}");
    let history = shown["history"].as_array().unwrap().iter();
    let states: Vec<&str> = history
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    assert_eq!(states.first(), Some(&"planned"));
    assert_eq!(
        states[states.len() - 3..],
        ["validating", "handingOver", "done"]
    );
    assert!(
        shown["achievedRtoSeconds"].as_f64().unwrap() > 0.0,
        "{shown}"
    );
    let (predicted, achieved) = (
        shown["predictedDataLossSeconds"].as_f64().unwrap(),
        shown["achievedDataLossSeconds"].as_f64().unwrap(),
    );
    assert!(
        predicted > 0.0 && (predicted - achieved).abs() < 0.001,
        "{shown}"
    );

    // It is a cluster of its own, and its first backup is taken.
    let cluster = regions.cli.json(["get", "cluster", "orders-b"]);
    assert_eq!(cluster["metadata"]["labels"], json!({"tier": "silver"}));
    until("the first backup of the new cluster", LONG, || {
        let listed = regions.cli.json(["backup", "list", "orders-b"]);
        (listed["items"][0]["state"] == "available").then_some(())
    });
    let listed = regions.cli.json(["restore", "list", "--cluster", "orders"]);
    assert_eq!(listed["items"][0]["id"], shown["id"], "{listed}");
    drop(regions.there);
}
