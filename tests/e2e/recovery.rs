//! The control plane is lost as a whole, and comes back from a snapshot of its
//! own state.

use std::path::{Path, PathBuf};

use holdfast_pg::testkit::major;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, RestoreState};
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::Value;

#[test]
fn a_lost_control_plane_comes_back_from_a_directory() {
    lose_and_restore(Store::directory);
}

#[test]
fn a_lost_control_plane_comes_back_from_s3() {
    lose_and_restore(Store::s3);
}

/// What an operator keeps elsewhere: two small files.
struct Keys {
    repository: PathBuf,
    sealing: PathBuf,
}

fn keep_keys(fleet: &Fleet) -> Keys {
    let repository = fleet.scratch.path().join("main.key");
    let file = repository.display().to_string();
    fleet
        .cli
        .json(["repository", "key", "export", "main", "--to-file", &file]);
    let sealing = fleet.scratch.path().join("sealing.key");
    std::fs::copy(fleet.control_plane.data().join("sealing.key"), &sealing).unwrap();
    Keys {
        repository,
        sealing,
    }
}

fn snapshots(cli: &Cli) -> Vec<Value> {
    let list = cli.json(["snapshot", "list"]);
    list["items"].as_array().unwrap().clone()
}

fn items(cli: &Cli, arguments: &[&str]) -> Vec<Value> {
    let list = cli.json(arguments.iter().copied());
    list["items"].as_array().unwrap().clone()
}

fn lose_and_restore(store: fn(&Scratch) -> Store) {
    let mut fleet = Fleet::start(&major(15), store);
    let keys = keep_keys(&fleet);
    let password = fleet.control_plane.admin_password();
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    ledger.advance(20);
    let backup = fleet.backup();
    let taken = the_state_is_kept_safe(&fleet);

    // Since then the state does not know of this, and the repository does.
    fleet.backup();
    let before = items(&fleet.cli, &["backup", "list", "orders"]);
    ledger.advance(20);
    fleet.control_plane.kill();
    std::fs::remove_dir_all(fleet.control_plane.data()).unwrap();
    refuses_what_is_wrong(&fleet, &keys);
    ledger.advance(20);

    fleet.control_plane.restore_state(&from(&fleet, &keys));
    let cli = Cli::new(
        fleet.control_plane.rest(),
        &fleet.scratch.path().join("cli.toml"),
    );
    cli.login("admin", &password);
    fleet.cli = cli;
    is_what_it_was(&fleet, &backup, &taken);
    the_catalog_is_made_anew(&fleet, &before);
    agents_work_again(&fleet, &ledger);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let restored = fleet.restore("latest", "after");
    let expected: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(rows(&restored.connection()), expected);

    // The new group takes in nodes as usual, and they are of it.
    let joined =
        fleet
            .control_plane
            .join(&fleet.cli, fleet.scratch.path(), "cp3", Addresses::any());
    let group = |data: &Path| {
        let text = std::fs::read_to_string(data.join("node.toml")).unwrap();
        text.lines()
            .find(|line| line.starts_with("group"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(group(joined.data()), group(fleet.control_plane.data()));
}

/// Takes the first snapshots; the one that was asked for last is returned.
fn the_state_is_kept_safe(fleet: &Fleet) -> Value {
    let refused = fleet.cli.refused(4, ["snapshot"]);
    assert_eq!(refused["code"], "state_snapshots_off");
    assert!(fleet.cli.json(["status"])["stateSafety"].is_null());
    let schedule = [
        "snapshot",
        "schedule",
        "--repository",
        "main",
        "--every",
        "7d",
    ];
    fleet.cli.json(schedule);
    // The first is due at once; one that is asked for needs no turn.
    until("the first snapshot", LONG, || {
        let all = snapshots(&fleet.cli);
        let whole = all.iter().any(|one| one["state"] == "available");
        whole.then_some(())
    });
    let taken = fleet.cli.json(["snapshot"]);
    assert_eq!(taken["state"], "available", "{taken}");
    let safety = fleet.cli.json(["status"])["stateSafety"].clone();
    assert_eq!(safety["late"], false, "{safety}");
    assert!(safety["ageSeconds"].as_f64().unwrap() < 60.0, "{safety}");
    let deleted = fleet.cli.refused(4, ["delete", "repository", "main"]);
    assert_eq!(deleted["code"], "in_use");
    taken
}

fn from(fleet: &Fleet, keys: &Keys) -> RestoreState {
    RestoreState {
        url: fleet.store.url(),
        key_file: keys.repository.clone(),
        sealing_key_file: keys.sealing.clone(),
        environment: fleet.store.environment(),
        more: Vec::new(),
    }
}

/// Each is named, and nothing is made.
fn refuses_what_is_wrong(fleet: &Fleet, keys: &Keys) {
    let dir = fleet.scratch.path().join("refused");
    let whole = from(fleet, keys);
    let refused = |what: &RestoreState, code: i32, said: &str| {
        let ran = what.run(&dir, &Addresses::any());
        let text = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{text}");
        assert!(
            text.contains(said) && text.contains("hint: "),
            "{said}: {text}"
        );
        assert!(!dir.join("node.toml").exists());
        drop(std::fs::remove_dir_all(&dir));
    };
    // The two keys, taken for each other.
    let sealing = RestoreState {
        sealing_key_file: keys.repository.clone(),
        ..whole.clone()
    };
    refused(&sealing, 4, "wrong_sealing_key");
    let repository = RestoreState {
        key_file: keys.sealing.clone(),
        ..whole.clone()
    };
    refused(&repository, 4, "wrong_repository_key");
    let unknown = "snp_00000000000000000000000000000001".to_owned();
    let snapshot = RestoreState {
        more: vec!["--snapshot".to_owned(), unknown],
        ..whole.clone()
    };
    refused(&snapshot, 4, "state_snapshot_unknown");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("something"), "of somebody's").unwrap();
    refused(&whole, 4, "something");
    if let Store::Directory(folder) = &fleet.store {
        let newest = newest_part(folder);
        let good = std::fs::read(&newest).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(&newest, bad).unwrap();
        refused(&whole, 1, "repository_damaged");
        std::fs::write(&newest, good).unwrap();
    }
}

/// A part of the newest snapshot: ids begin with the time.
fn newest_part(repository: &Path) -> PathBuf {
    let last = |dir: PathBuf| {
        let mut found: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        found.pop().unwrap()
    };
    let control_plane = last(repository.join("control-plane"));
    last(last(last(control_plane.join("snapshots"))))
}

fn is_what_it_was(fleet: &Fleet, backup: &Value, taken: &Value) {
    let backups = items(&fleet.cli, &["backup", "list", "orders"]);
    let known = backups.iter().find(|one| one["id"] == backup["backup"]);
    assert_eq!(known.expect("the backup")["state"], "available");
    let nodes = items(&fleet.cli, &["node", "list"]);
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    assert_eq!(nodes[0]["name"], "node-2");
    let audit = items(&fleet.cli, &["audit", "list"]);
    let told = audit.iter().find(|row| row["action"] == "restore_state");
    let told = told.expect("the restore is in the audit log");
    assert_eq!(told["detail"]["snapshot"], taken["id"]);
    // It knows the snapshot it came from, and goes on taking them.
    let own = snapshots(&fleet.cli);
    let own = own.iter().find(|one| one["id"] == taken["id"]);
    assert_eq!(own.expect("the snapshot")["state"], "available");
    assert_eq!(fleet.cli.json(["snapshot"])["state"], "available");
}

fn agents_work_again(fleet: &Fleet, ledger: &Ledger) {
    until("the agent to come back", LONG, || {
        let agents = items(&fleet.cli, &["agent", "list"]);
        (agents[0]["state"] == "online").then_some(())
    });
    ledger.advance(20);
    fleet.wait_frontier(Timestamp::now());
    fleet.backup();
}

/// What was taken since the snapshot is in the repository alone, and comes
/// back from it, field by field.
fn the_catalog_is_made_anew(fleet: &Fleet, before: &[Value]) {
    assert_eq!(items(&fleet.cli, &["backup", "list", "orders"]).len(), 1);
    let checked = fleet.cli.json(["repository", "check"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");
    let after = items(&fleet.cli, &["backup", "list", "orders"]);
    assert_eq!(after, before);
}

fn finding(fleet: &Fleet) -> Value {
    let ran = fleet.cli.run(["repository", "check", "main", "-o", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = list["items"].as_array().unwrap().clone();
    assert_eq!(found.len(), 1, "{list}");
    found[0].clone()
}

/// I-05, I-13: what is missing counts no longer, what is unknown is shown, and
/// nothing of either is dropped.
#[test]
fn what_the_repository_and_the_catalog_do_not_share_is_shown() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let backup = fleet.backup()["backup"].as_str().unwrap().to_owned();
    fleet.wait_frontier(Timestamp::now());
    assert_eq!(fleet.exposure()["status"], "COMPLIANT");
    let checked = fleet.cli.json(["repository", "check", "main"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");

    let lineages = only(fleet.store.folder().join("clusters").join("orders"));
    let mark = only(lineages.join("marks"));
    let aside = fleet.scratch.path().join("mark");
    std::fs::rename(&mark, &aside).unwrap();
    let missing = finding(&fleet);
    assert_eq!(missing["kind"], "missing");
    assert_eq!(missing["subject"], format!("backups/{backup}").as_str());
    let state = |fleet: &Fleet| {
        let backups = items(&fleet.cli, &["backup", "list", "orders"]);
        let one = backups.iter().find(|one| one["id"] == backup.as_str());
        one.expect("its row stays")["state"].clone()
    };
    assert_eq!(state(&fleet), "failed");
    assert_eq!(fleet.exposure()["status"], "UNPROTECTED");
    // It is shown as long as it is so, since when it is so.
    let again = finding(&fleet);
    assert_eq!(again["firstSeen"], missing["firstSeen"]);
    std::fs::rename(&aside, &mark).unwrap();
    let checked = fleet.cli.json(["repository", "check", "main"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");
    assert_eq!(state(&fleet), "available");

    // One whose mark cannot be read is no backup, and is named.
    let bytes = std::fs::read(&mark).unwrap();
    std::fs::write(&mark, &bytes[..bytes.len() - 1]).unwrap();
    let damaged = fleet.cli.run(["repository", "check", "main", "-o", "json"]);
    assert_eq!(damaged.code, 1);
    assert!(damaged.stdout.contains("\"damaged\""), "{}", damaged.stdout);
    std::fs::write(&mark, &bytes).unwrap();
}

/// I-05, I-13: WAL that is gone is a gap, whatever its receiver remembers, and
/// what is found again closes it.
#[test]
fn wal_that_the_repository_lost_counts_no_longer() {
    let fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    fleet.postgres.psql("CREATE TABLE t AS SELECT 1 AS one");
    for _ in 0..3 {
        fleet
            .postgres
            .psql("INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    }
    fleet.wait_frontier(Timestamp::now());
    let checked = fleet.cli.json(["repository", "check", "main"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");

    let lineage = only(fleet.store.folder().join("clusters").join("orders"));
    let segments = || {
        let listed = std::fs::read_dir(lineage.join("wal/00000001")).unwrap();
        let mut segments: Vec<PathBuf> = listed
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().len() == 24)
            .collect();
        segments.sort();
        segments
    };
    let before = segments();
    let gone = before[before.len() - 2].clone();
    let aside = fleet.scratch.path().join("segment");
    std::fs::rename(&gone, &aside).unwrap();
    let missing = finding(&fleet);
    assert_eq!(missing["kind"], "missing", "{missing}");
    let name = lineage.file_name().unwrap().to_str().unwrap();
    let subject = format!("wal/orders/{name}/00000001");
    assert_eq!(missing["subject"], subject.as_str());
    let gaps = || fleet.exposure()["repositories"][0]["gaps"].clone();
    assert_eq!(gaps().as_array().unwrap().len(), 1, "{}", gaps());
    // Its receiver goes on, and reports all that it has ever stored.
    fleet
        .postgres
        .psql("INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    until("more WAL to be stored", LONG, || {
        (segments().last() > before.last()).then_some(())
    });
    let again = finding(&fleet);
    assert_eq!(again["firstSeen"], missing["firstSeen"]);
    assert_eq!(gaps().as_array().unwrap().len(), 1, "{}", gaps());

    std::fs::rename(&aside, &gone).unwrap();
    let checked = fleet.cli.json(["repository", "check", "main"]);
    assert_eq!(checked["items"].as_array().unwrap().len(), 0, "{checked}");
    assert_eq!(gaps().as_array().unwrap().len(), 0, "{}", gaps());
    fleet.wait_frontier(Timestamp::now());
}

fn only(dir: PathBuf) -> PathBuf {
    let mut found = std::fs::read_dir(&dir).unwrap();
    let one = found.next().unwrap().unwrap().path();
    assert!(found.next().is_none(), "{} holds one thing", dir.display());
    one
}

#[test]
fn old_snapshots_are_deleted_and_a_missing_one_is_shown() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let schedule = [
        "snapshot",
        "schedule",
        "--repository",
        "main",
        "--every",
        "7d",
        "--keep",
        "2",
    ];
    fleet.cli.json(schedule);
    let ids: Vec<String> = (0..4)
        .map(|_| {
            fleet.cli.json(["snapshot"])["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let marks = || {
        let root = fleet.store.folder().join("control-plane");
        let own = std::fs::read_dir(root).unwrap().next().unwrap().unwrap();
        let marks = std::fs::read_dir(own.path().join("marks")).unwrap();
        let mut marks: Vec<PathBuf> = marks.map(|mark| mark.unwrap().path()).collect();
        marks.sort();
        marks
    };
    until("two to be left", LONG, || {
        let rows = snapshots(&fleet.cli);
        (rows.len() == 2 && marks().len() == 2).then_some(())
    });
    let left: Vec<String> = snapshots(&fleet.cli)
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(left, [ids[3].clone(), ids[2].clone()]);
    // I-11: who condemned which of them.
    let condemned = ["audit", "list", "--action", "condemn_state_snapshots"];
    let told = items(&fleet.cli, &condemned);
    let gone = |id: &String| {
        let row = told.iter().find(|row| {
            let ids = row["detail"]["snapshots"].as_array().unwrap();
            ids.iter().any(|one| one == id.as_str())
        });
        row.is_some_and(|row| row["principal"] == "node:node-1")
    };
    assert!(ids[..2].iter().all(gone), "{told:?}");
    // Somebody deletes one behind our back: the next look finds out.
    std::fs::remove_file(&marks()[1]).unwrap();
    fleet.cli.json(["snapshot"]);
    until("it to be shown", LONG, || {
        let rows = snapshots(&fleet.cli);
        let lost = rows.iter().find(|one| one["id"] == ids[3].as_str())?;
        (lost["error"]["code"] == "repository_object_missing").then_some(())
    });
}
