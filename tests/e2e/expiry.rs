//! Expiry through the whole system: what a policy keeps no longer goes, what it
//! keeps restores, and nothing is deleted without a quorum (I-04, I-06).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::Addresses;
use holdfast_tests::fleet::{Fleet, LONG, ROLE};
use holdfast_tests::group::Group;
use holdfast_tests::ledger::{Entry, Ledger, rows};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

/// Condemned at once, and deleted soon after.
const SOON: &[(&str, &str)] = &[
    ("HOLDFAST_EXPIRY__EVERY", "1s"),
    ("HOLDFAST_EXPIRY__GRACE", "4s"),
];

/// Late enough to take a majority away before.
const LATER: &[(&str, &str)] = &[
    ("HOLDFAST_EXPIRY__EVERY", "1s"),
    ("HOLDFAST_EXPIRY__GRACE", "10s"),
];

pub(crate) const KEEP_TWO: &str = "  retention: {keep: {last: 2}}\n";

fn states(cli: &Cli) -> BTreeMap<String, String> {
    let listed = cli.json(["backup", "list", "orders"]);
    let items = listed["items"].as_array().unwrap().clone();
    let pair = |item: &Value| {
        let text = |field: &str| item[field].as_str().unwrap().to_owned();
        (text("id"), text("state"))
    };
    items.iter().map(pair).collect()
}

pub(crate) fn in_state(cli: &Cli, state: &str) -> BTreeSet<String> {
    let all = states(cli).into_iter();
    all.filter(|(_, found)| found == state)
        .map(|(id, _)| id)
        .collect()
}

/// What the dry run says of backups: those that are kept, and those that are not.
fn dry_run(cli: &Cli) -> [BTreeSet<String>; 2] {
    let planned = cli.json(["backup", "expiry", "orders"]);
    let backups = planned["repositories"][0]["backups"]
        .as_array()
        .unwrap()
        .clone();
    let of = |keep: bool| {
        let some = backups.iter().filter(|one| one["keep"] == keep);
        some.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    [of(true), of(false)]
}

fn id(done: &Value) -> String {
    done["backup"].as_str().unwrap().to_owned()
}

/// The files of a repository in a directory.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Objects that name this backup.
pub(crate) fn of_backup(folder: &Path, backup: &str) -> usize {
    let names = files(folder).into_iter();
    names
        .filter(|path| path.to_string_lossy().contains(backup))
        .count()
}

fn segments(folder: &Path) -> usize {
    let names = files(folder).into_iter();
    let is_segment = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.len() == 24 && path.to_string_lossy().contains("/wal/")
    };
    names.filter(is_segment).count()
}

pub(crate) fn verified(fleet: &Fleet) -> Value {
    let key = fleet.scratch.path().join("verify.key");
    let text = key.display().to_string();
    if !key.exists() {
        let export = ["repository", "key", "export", "main", "--to-file", &text];
        let ran = fleet.cli.run(export);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let mut verify = Command::new(holdfast_tests::programs::program("holdfast-agent"));
    verify.args([
        "repo",
        "verify",
        "--repo",
        &fleet.store.url(),
        "--key-file",
        &text,
    ]);
    verify.args(["--deep", "-o", "json"]);
    for (name, value) in fleet.store.environment() {
        verify.env(name, value);
    }
    let output = verify.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Backups, and WAL behind each.
fn of_every_kind(fleet: &Fleet, ledger: &Ledger) -> Vec<String> {
    let mut taken = Vec::new();
    for kind in ["full", "full", "incremental", "full", "full"] {
        ledger.advance(10);
        let done = match kind {
            "incremental" => fleet.incremental(),
            _ => fleet.backup(),
        };
        fleet.postgres.psql("SELECT pg_switch_wal()");
        taken.push(id(&done));
    }
    taken
}

#[test]
fn what_is_not_kept_goes_and_what_is_kept_restores() {
    let fleet = Fleet::start_with(&major(18), Store::directory, SOON);
    fleet
        .postgres
        .psql("CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i");
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    let taken = of_every_kind(&fleet, &ledger);
    let folder = fleet.store.folder().to_owned();
    // Without `retention` nothing expires, and it says so.
    let planned = fleet.cli.json(["backup", "expiry", "orders"]);
    let because = planned["nothingBecause"].as_str().unwrap();
    assert!(because.contains("retention"), "{planned}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(in_state(&fleet.cli, "available").len(), 5);

    // One is held; the second is pinned, for the third was made against it.
    let held = fleet
        .cli
        .json(["backup", "hold", &taken[0], "--reason", "case 4711"]);
    assert_eq!(held["hold"]["reason"], "case 4711", "{held}");
    let refused = fleet.cli.refused(4, ["backup", "delete", &taken[0]]);
    assert_eq!(refused["code"], "backup_held", "{refused}");
    let refused = fleet.cli.refused(4, ["backup", "delete", &taken[1]]);
    assert_eq!(refused["code"], "backup_pinned", "{refused}");
    let before = segments(&folder);
    fleet
        .cli
        .apply(&format!("{}{KEEP_TWO}", fleet.cluster_yaml()));
    let set = |numbers: &[usize]| -> BTreeSet<String> {
        numbers
            .iter()
            .map(|number| taken[*number].clone())
            .collect()
    };
    until("the third to be deleted", LONG, || {
        (in_state(&fleet.cli, "deleted") == set(&[2])).then_some(())
    });
    assert_eq!(of_backup(&folder, &taken[2]), 0, "nothing of it is left");
    assert!(of_backup(&folder, &taken[0]) > 0 && of_backup(&folder, &taken[1]) > 0);
    let shown = fleet.cli.json(["backup", "show", &taken[2]]);
    assert_eq!(shown["condemned"]["cause"], "retention", "{shown}");
    assert_ne!(shown["condemned"]["deletedAt"], Value::Null, "{shown}");

    // The dry run is what happens once the hold is over.
    let planned = dry_run(&fleet.cli);
    assert_eq!(planned, [set(&[0, 1, 3, 4]), set(&[])]);
    let shown = fleet.cli.json(["backup", "release", &taken[0]]);
    assert_eq!(shown["hold"], Value::Null, "{shown}");
    until("the first to be deleted", LONG, || {
        (in_state(&fleet.cli, "deleted") == set(&[0, 2])).then_some(())
    });
    assert_eq!(dry_run(&fleet.cli), [set(&[1, 3, 4]), set(&[])]);
    assert_eq!(of_backup(&folder, &taken[0]), 0);
    until("its WAL to be deleted", LONG, || {
        (segments(&folder) < before).then_some(())
    });
    assert_eq!(verified(&fleet)["findings"], serde_json::json!([]));

    // By hand, and not the last.
    let gone = fleet.cli.json(["backup", "delete", &taken[3]]);
    assert_eq!(gone["state"], "condemned", "{gone}");
    assert_eq!(gone["condemned"]["cause"], "hand", "{gone}");
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    until("the fourth to be deleted", LONG, || {
        (in_state(&fleet.cli, "deleted") == set(&[0, 2, 3])).then_some(())
    });
    kept_restore(&fleet, &taken, &entries);
    assert_eq!(verified(&fleet)["findings"], serde_json::json!([]));
}

/// Every kept one restores, and from the oldest on every point; what is gone
/// cannot be asked for.
fn kept_restore(fleet: &Fleet, taken: &[String], entries: &[Entry]) {
    let all: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    let restored = fleet.restore("latest", "latest");
    assert_eq!(rows(&restored.connection()), all);
    restored.check_pages();
    for kept in [1, 4] {
        let restored = fleet.restore(&format!("backup:{}", taken[kept]), &format!("kept-{kept}"));
        assert_eq!(restored.psql("SELECT count(*) FROM filler"), "50000");
        let some = rows(&restored.connection());
        assert_eq!(some, all[..some.len()]);
        restored.check_pages();
    }
    let middle = &entries[entries.len() / 2];
    let at = format!("lsn:{}", middle.after);
    let restored = fleet.restore(&at, "middle");
    assert!(rows(&restored.connection()).contains(&middle.id));
    restored.check_pages();
    let gone = fleet.restore_dir("gone").display().to_string();
    let run = [
        "restore", "plan", "orders", "--agent", "db1", "--dir", &gone, "--at",
    ];
    let target = format!("backup:{}", taken[0]);
    let refused = fleet.cli.run(run.into_iter().chain([target.as_str()]));
    assert_ne!(refused.code, 0, "{}", refused.stdout);
}

/// What an attempt left is deleted once it is older than any attempt may be.
#[test]
fn what_a_killed_attempt_left_goes_when_it_is_old() {
    let mut fleet = Fleet::start_with(&major(18), Store::directory, SOON);
    fleet
        .postgres
        .psql("CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 400000) i");
    fleet.backup();
    let folder = fleet.store.folder().to_owned();
    let marks = |folder: &Path| {
        let all = files(folder).into_iter();
        all.filter(|path| path.to_string_lossy().contains("/marks/"))
            .count()
    };
    let known = marks(&folder);
    // As if an attempt had been killed long ago: packs that no mark names.
    let lineage = files(&folder)
        .into_iter()
        .find(|path| path.ends_with("lineage.json"))
        .and_then(|path| path.parent().map(Path::to_owned))
        .unwrap();
    let (old, young) = (
        "bkp_000000000000000000000000000000aa",
        "bkp_000000000000000000000000000000bb",
    );
    let pack = files(&lineage.join("packs")).remove(0);
    for (backup, age) in [(old, "40 days ago"), (young, "29 days ago")] {
        let left = lineage.join("packs").join(backup);
        std::fs::create_dir(&left).unwrap();
        std::fs::copy(&pack, left.join("0")).unwrap();
        let mut touch = Command::new("touch");
        let touched = touch
            .args(["-d", age])
            .arg(left.join("0"))
            .status()
            .unwrap();
        assert!(touched.success());
    }
    let findings = verified(&fleet)["findings"].clone();
    let named: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["object"].as_str().unwrap())
        .collect();
    assert_eq!(named.len(), 1, "{findings}");
    assert!(named[0].ends_with(&format!("packs/{old}/0")), "{findings}");
    // A new leader looks at once.
    fleet.control_plane.kill_and_restart();
    until("the orphan to be deleted", LONG, || {
        (of_backup(&folder, old) == 0).then_some(())
    });
    assert_eq!(
        of_backup(&folder, young),
        1,
        "it may be of a backup under way"
    );
    assert_eq!(marks(&folder), known);
    assert_eq!(verified(&fleet)["findings"], serde_json::json!([]));
    let restored = fleet.restore("latest", "latest");
    assert_eq!(restored.psql("SELECT count(*) FROM filler"), "400000");
}

/// Three nodes, an agent, and a cluster with four full backups.
struct Three {
    agent: Agent,
    group: Group,
    postgres: TestCluster,
    store: Store,
    scratch: Scratch,
}

fn three() -> Three {
    let scratch = Scratch::new();
    let store = Store::directory(&scratch);
    let programs = major(18);
    let postgres = TestCluster::builder(&programs)
        .initdb("--data-checksums")
        .start();
    postgres.psql(ROLE);
    let any = (0..3).map(|_| Addresses::any()).collect();
    let group = Group::found_with(scratch.path(), any, LATER);
    let bin_dir = Some(programs.directory());
    let agent = Agent::enroll_with(group.node(0), group.cli(), scratch.path(), "db1", bin_dir);
    store.apply(group.cli());
    let three = Three {
        agent,
        group,
        postgres,
        store,
        scratch,
    };
    three.group.cli().apply(&three.yaml());
    three
}

impl Three {
    fn yaml(&self) -> String {
        let connection = self
            .postgres
            .socket_conninfo()
            .replace(" user=postgres", "");
        format!(
            "apiVersion: holdfast/v1\nkind: Cluster\n\
             metadata: {{name: orders, labels: {{tier: gold}}}}\nspec:\n  instances:\n    \
             - {{agent: db1, connection: \"{connection} user=holdfast\"}}\n---\n\
             apiVersion: holdfast/v1\nkind: Policy\nmetadata: {{name: gold}}\nspec:\n  \
             selector: {{tier: gold}}\n  repository: main\n  wal: {{flushEvery: 500ms}}\n"
        )
    }

    fn back_up(&self) -> String {
        let run = ["backup", "run", "orders", "--wait", "--timeout", "2m"];
        let done = self.group.cli().json(run);
        assert_eq!(done["state"], "succeeded", "{done}");
        id(&done)
    }
}

/// I-04: without a quorum nothing is deleted, and killed again and again at any
/// moment the leaders bring it to its end.
#[test]
fn without_a_quorum_nothing_is_deleted_and_whoever_leads_goes_on() {
    let mut three = three();
    let filler = "CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 100000) i";
    until("WAL to stream", LONG, || {
        let exposure = three.group.cli().json(["exposure", "orders"]);
        let frontier = &exposure["items"][0]["repositories"][0]["frontier"];
        frontier.is_string().then_some(())
    });
    three.postgres.psql(filler);
    let taken: Vec<String> = (0..4).map(|_| three.back_up()).collect();
    let folder = three.store.folder().to_owned();
    three
        .group
        .cli()
        .apply(&format!("{}{KEEP_TWO}", three.yaml()));
    until("two to be condemned", LONG, || {
        (in_state(three.group.cli(), "condemned").len() == 2).then_some(())
    });
    // A majority is gone while the grace is not over yet.
    let leader = three.group.leader();
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    for index in &others {
        three.group.node_mut(*index).kill();
    }
    let of_first_two = |folder: &Path| of_backup(folder, &taken[0]) + of_backup(folder, &taken[1]);
    let there = of_first_two(&folder);
    assert!(there > 0);
    std::thread::sleep(Duration::from_secs(18));
    assert_eq!(of_first_two(&folder), there, "deleted without a quorum");
    for index in &others {
        three.group.node_mut(*index).begin_restart();
    }
    for index in &others {
        three.group.node_mut(*index).wait_ready();
    }
    // Whoever leads is killed, at another moment each time.
    let mut pause = 100;
    for _ in 0..4 {
        let leader = three.group.leader();
        std::thread::sleep(Duration::from_millis(pause));
        pause = pause * 2 + 130;
        three.group.node_mut(leader).kill();
        three.group.node_mut(leader).restart();
    }
    until("two to be deleted", 2 * LONG, || {
        (in_state(three.group.cli(), "deleted").len() == 2).then_some(())
    });
    assert_eq!(of_first_two(&folder), 0);
    let dir = three.scratch.server_folder("restored").join("kept");
    let path = dir.display().to_string();
    let target = format!("backup:{}", taken[2]);
    let run = [
        "restore", "run", "orders", "--at", &target, "--agent", "db1", "--dir", &path,
    ];
    let wait = ["--start", "--wait", "--timeout", "3m"];
    let done = three.group.cli().json(run.into_iter().chain(wait));
    assert_eq!(done["state"], "succeeded", "{done}");
    let programs = three.postgres.programs().clone();
    let restored = holdfast_tests::fleet::Restored::adopt(done["result"].clone(), dir, programs);
    assert_eq!(restored.psql("SELECT count(*) FROM filler"), "100000");
    restored.check_pages();
    drop(three.agent);
}
