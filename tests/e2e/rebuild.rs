//! Every node and every snapshot of the state are lost: what is left are the
//! repositories, their keys, and the catalog that is made of them.

use std::path::{Path, PathBuf};

use holdfast_pg::testkit::major;
use holdfast_tests::agent::Agent;
use holdfast_tests::catalog::{Row, table};
use holdfast_tests::control_plane::{Addresses, Rebuild};
use holdfast_tests::fleet::Fleet;
use holdfast_tests::ledger::{Ledger, assert_rows_up_to, rows};
use holdfast_tests::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
fn a_lost_catalog_is_made_anew_from_a_directory() {
    lose_and_rebuild(Fleet::start(&major(15), Store::directory), true);
}

#[test]
fn a_lost_catalog_is_made_anew_from_s3() {
    lose_and_rebuild(Fleet::start(&major(18), Store::s3), false);
}

fn items(fleet: &Fleet, arguments: &[&str]) -> Vec<Value> {
    let list = fleet.cli.json(arguments.iter().copied());
    list["items"].as_array().unwrap().clone()
}

/// What an operator keeps: the documents, the keys, the secrets.
pub(crate) fn kept(fleet: &Fleet) -> Rebuild {
    let folder = fleet.scratch.path();
    let key = folder.join("main.key");
    if !key.exists() {
        let file = key.display().to_string();
        let export = ["repository", "key", "export", "main", "--to-file", &file];
        fleet.cli.json(export);
    }
    let documents = folder.join("fleet.yaml");
    let all = format!("{}---\n{}", fleet.store.document(), fleet.cluster_yaml());
    std::fs::write(&documents, all).unwrap();
    let mut more = vec![format!("--key-file=main={}", key.display())];
    if let Some(credentials) = fleet.store.credentials() {
        let file = folder.join("s3.json");
        std::fs::write(&file, credentials).unwrap();
        more.push(format!("--secret=store={}", file.display()));
    }
    Rebuild { documents, more }
}

/// What the old catalog said, and what its rows were.
struct Before {
    backups: Vec<Value>,
    repository: Value,
    identifier: Value,
    window_start: Value,
    rows: Rows,
}

struct Rows {
    backups: Vec<Row>,
    places: Vec<Row>,
    identities: Vec<Row>,
    wal: Vec<Row>,
}

impl Rows {
    fn of(data: &Path) -> Self {
        Self {
            backups: table(data, "backups"),
            places: table(data, "backup_repositories"),
            identities: table(data, "repository_identities"),
            wal: table(data, "wal_ranges"),
        }
    }
}

fn lose_and_rebuild(mut fleet: Fleet, damage: bool) {
    let from = kept(&fleet);
    let connection = format!("{} dbname=postgres", fleet.postgres.socket_conninfo());
    let ledger = Ledger::start(&connection);
    ledger.advance(20);
    fleet.backup();
    ledger.advance(20);
    fleet.postgres.psql("SELECT pg_switch_wal()");
    // What it builds on, its mark says.
    fleet.incremental();
    ledger.advance(20);
    fleet.incremental();
    ledger.advance(20);
    let before_disaster = Timestamp::now();
    ledger.advance(5);
    fleet.wait_frontier(before_disaster);
    // A checkpoint of the WAL enters the log every few seconds at most.
    let before = lose(&mut fleet);
    // Nobody is there, and WAL still arrives (I-08).
    ledger.advance(20);
    fleet.agent.kill();
    if damage {
        refuses_what_is_wrong(&fleet, &from);
        refuses_what_is_damaged(&fleet, &from);
    }

    let made = fleet.control_plane.rebuild(&from);
    assert_eq!(made["findings"], json!([]), "{made}");
    assert_eq!(made["clusters"][0]["name"], "orders");
    assert_eq!(made["clusters"][0]["backups"], 3);
    assert_eq!(made["notApplied"], json!(["Cluster/orders", "Policy/gold"]));
    fleet.cli = fleet.control_plane.cli();
    says_the_same(&mut fleet, &before);
    is_continued(&mut fleet, &ledger, &before);

    let restored = fleet.restore(&before_disaster.to_string(), "before");
    let reached = restored.reached();
    let entries = ledger.entries();
    assert_rows_up_to(&entries, reached, &rows(&restored.connection()));
    drop(restored);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let restored = fleet.restore("latest", "after");
    let expected: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(rows(&restored.connection()), expected);
}

/// Notes what the catalog says, and loses it.
fn lose(fleet: &mut Fleet) -> Before {
    let backups = items(fleet, &["backup", "list", "orders"]);
    assert_eq!(backups.len(), 3);
    let repository = fleet.cli.json(["get", "repository", "main"]);
    let cluster = fleet.cli.json(["get", "cluster", "orders"]);
    let window_start = fleet.exposure()["windowStart"].clone();
    fleet.control_plane.kill();
    let rows = Rows::of(fleet.control_plane.data());
    std::fs::remove_dir_all(fleet.control_plane.data()).unwrap();
    Before {
        backups,
        repository,
        identifier: cluster["status"]["systemIdentifier"].clone(),
        window_start,
        rows,
    }
}

/// Field by field. What may differ is named here: the rest is equal.
fn says_the_same(fleet: &mut Fleet, before: &Before) {
    assert_eq!(items(fleet, &["backup", "list", "orders"]), before.backups);
    let repository = fleet.cli.json(["get", "repository", "main"]);
    for field in ["/kind", "/metadata", "/spec", "/status/repositoryId"] {
        let of = |whole: &Value| whole.pointer(field).cloned().expect(field);
        assert_eq!(of(&repository), of(&before.repository), "{field}");
    }
    // Nobody has declared it here: it has backups, and is asked for no more.
    let cluster = fleet.cli.json(["get", "cluster", "orders"]);
    assert!(before.identifier.is_string());
    assert_eq!(cluster["status"]["systemIdentifier"], before.identifier);
    assert_eq!(cluster["status"]["retired"], true);
    assert_eq!(cluster["spec"]["instances"], json!([]));
    let checked = fleet.cli.json(["repository", "check"]);
    assert_eq!(checked["items"], json!([]), "{checked}");
    let audit = items(fleet, &["audit", "list"]);
    let told = audit.iter().find(|row| row["action"] == "rebuild_catalog");
    let told = &told.expect("the rebuild is in the audit log")["detail"];
    assert_eq!(told["clusters"], json!(["orders"]));
    assert_eq!(told["repositories"][0]["name"], "main");

    fleet.control_plane.kill();
    let now = Rows::of(fleet.control_plane.data());
    // Who made an attempt, and when the catalog learned of it, no mark says;
    // revisions are places in the log.
    let without = |rows: &[Row], columns: &[&str]| {
        let mut rows = rows.to_vec();
        for row in &mut rows {
            for column in columns {
                assert!(row.remove(*column).is_some(), "{column}: {row:?}");
            }
        }
        rows.sort();
        rows
    };
    let same = |now: &[Row], before: &[Row], but: &[&str]| {
        assert!(!before.is_empty());
        assert_eq!(without(now, but), without(before, but));
    };
    let (old, but) = (&before.rows, ["recorded_at"]);
    same(&now.backups, &old.backups, &["attempt", "revision"]);
    same(&now.places, &old.places, &but);
    same(&now.identities, &old.identities, &but);
    // The agent went on alone: there may be more WAL than was known, not less.
    assert!(!old.wal.is_empty());
    for range in &old.wal {
        assert!(
            now.wal.iter().any(|one| covers(one, range)),
            "{range:?} in {:?}",
            now.wal
        );
    }
    fleet.control_plane.restart();
}

fn covers(one: &Row, other: &Row) -> bool {
    let same = ["cluster", "repository", "lineage", "timeline"];
    let at = |row: &Row, column: &str| row[column].parse::<i64>().unwrap();
    same.iter().all(|column| one[*column] == other[*column])
        && at(one, "from_lsn") <= at(other, "from_lsn")
        && at(one, "to_lsn") >= at(other, "to_lsn")
}

/// The agent enrols anew, its cluster is declared again, and goes on: the same
/// lineage, the same slot, no hole.
fn is_continued(fleet: &mut Fleet, ledger: &Ledger, before: &Before) {
    let lineages = lineages(fleet);
    let again = fleet.scratch.path().join("again");
    std::fs::create_dir(&again).unwrap();
    let bin_dir = fleet.postgres.programs().directory().to_owned();
    let (node, cli) = (&fleet.control_plane, &fleet.cli);
    fleet.agent = Agent::enroll_with(node, cli, &again, "db1", Some(&bin_dir));
    let declared = fleet.cli.apply(&fleet.cluster_yaml());
    assert!(declared.contains("cluster/orders configured"), "{declared}");
    ledger.advance(20);
    fleet.wait_frontier(Timestamp::now());
    let exposure = fleet.exposure();
    assert_eq!(exposure["repositories"][0]["gaps"], json!([]), "{exposure}");
    assert_eq!(exposure["status"], "COMPLIANT", "{exposure}");
    assert_eq!(exposure["windowStart"], before.window_start);
    fleet.backup();
    let backups = items(fleet, &["backup", "list", "orders"]);
    assert_eq!(backups.len(), 4);
    assert_eq!(backups[0]["lineage"], backups[3]["lineage"]);
    assert_eq!(lineages, self::lineages(fleet));
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'holdfast%'";
    assert_eq!(fleet.postgres.psql(slots).trim(), "1");
}

/// The lineages in a directory; of a bucket the catalog tells enough.
fn lineages(fleet: &Fleet) -> Vec<PathBuf> {
    let Store::Directory(folder) = &fleet.store else {
        return Vec::new();
    };
    let listed = std::fs::read_dir(folder.join("clusters/orders")).unwrap();
    listed.map(|entry| entry.unwrap().path()).collect()
}

/// Runs it into a folder of its own, which stays as empty as it was.
fn refused(fleet: &Fleet, from: &Rebuild, code: i32, said: &str) {
    let dir = fleet.scratch.path().join("refused");
    let ran = from.run(&dir, &Addresses::any());
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(code), "{text}");
    assert!(
        text.contains(said) && text.contains("hint: "),
        "{said}: {text}"
    );
    let left = std::fs::read_dir(&dir).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0, "{said} left something behind");
}

fn refuses_what_is_wrong(fleet: &Fleet, from: &Rebuild) {
    let folder = fleet.scratch.path();
    let with = |documents: &str, more: &[String]| {
        let file = folder.join("wrong.yaml");
        std::fs::write(&file, documents).unwrap();
        Rebuild {
            documents: file,
            more: more.to_vec(),
        }
    };
    let document = fleet.store.document();
    let wrong = folder.join("wrong.key");
    std::fs::write(&wrong, format!("{}\n", "0".repeat(64))).unwrap();
    let wrong = [format!("--key-file=main={}", wrong.display())];
    refused(fleet, &with(&document, &wrong), 4, "wrong_repository_key");
    refused(fleet, &with(&document, &[]), 4, "rebuild_input_missing");
    let cluster = fleet.cluster_yaml();
    refused(fleet, &with(&cluster, &[]), 4, "no_repository_given");
    refused(fleet, &with("kind: [", &[]), 4, "invalid_yaml");
    let nowhere = document.replace("/repository", "/nothing-here");
    refused(
        fleet,
        &with(&nowhere, &from.more),
        1,
        "repository_not_on_node",
    );
    // The same directory by another way.
    let link = folder.join("same");
    std::os::unix::fs::symlink(fleet.store.folder(), &link).unwrap();
    let second = document
        .replace("name: main", "name: other")
        .replace("/repository", "/same");
    let mut more = from.more.clone();
    more.push(from.more[0].replace("main=", "other="));
    let both = with(&format!("{document}---\n{second}"), &more);
    refused(fleet, &both, 4, "repository_given_twice");

    let dir = folder.join("somebodys");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("something"), "of somebody's").unwrap();
    let ran = from.run(&dir, &Addresses::any());
    assert_eq!(ran.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("node_directory_not_empty"));
    assert!(dir.join("something").exists());
}

/// What cannot be read is named, and left out only if that is asked for.
fn refuses_what_is_damaged(fleet: &Fleet, from: &Rebuild) {
    let lineage = lineages(fleet).pop().unwrap();
    let mut marks: Vec<PathBuf> = std::fs::read_dir(lineage.join("marks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let mark = marks.pop().unwrap();
    let good = std::fs::read(&mark).unwrap();
    std::fs::write(&mark, &good[..good.len() - 1]).unwrap();
    refused(fleet, from, 4, "rebuild_incomplete");
    let partial = Rebuild {
        more: from
            .more
            .iter()
            .cloned()
            .chain(["--partial".to_owned()])
            .collect(),
        ..from.clone()
    };
    let dir = fleet.scratch.path().join("partial");
    let ran = partial.run(&dir, &Addresses::any());
    assert_eq!(ran.status.code(), Some(5), "{ran:?}");
    let made: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(made["repositories"][0]["backups"], 2);
    assert_eq!(made["findings"][0]["kind"], "damaged");
    let name = mark.file_name().unwrap().to_str().unwrap();
    assert!(
        made["findings"][0]["subject"]
            .as_str()
            .unwrap()
            .ends_with(name)
    );
    assert_eq!(table(&dir, "findings").len(), 1);
    std::fs::write(&mark, good).unwrap();

    // A whole lineage that cannot be read hides nothing in silence either.
    let document = lineage.join("lineage.json");
    let good = std::fs::read(&document).unwrap();
    std::fs::remove_file(&document).unwrap();
    refused(fleet, from, 4, "lineage.json");
    std::fs::write(&document, good).unwrap();

    // WAL that backups need is gone: they are not restorable, and named.
    let wal = lineage.join("wal");
    let aside = fleet.scratch.path().join("wal-aside");
    std::fs::rename(&wal, &aside).unwrap();
    refused(fleet, from, 4, "rebuild_incomplete");
    std::fs::rename(&aside, &wal).unwrap();
}
