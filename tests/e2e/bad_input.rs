//! Bad input: each gets a clear message, changes nothing, and the next try
//! with good input succeeds.

use std::fs;

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::fleet::{Fleet, LONG, ROLE};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Waits until the exposure of `orders` names this cause.
fn wait_cause(fleet: &Fleet, code: &str) -> Value {
    until(&format!("the cause {code}"), LONG, || {
        let exposure = fleet.exposure();
        exposure["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains(code))
            .then_some(exposure)
    })
}

/// A backup that must fail, with its error.
fn failed_backup(fleet: &Fleet) -> Value {
    let ran = fleet.cli.run([
        "backup",
        "run",
        "orders",
        "--wait",
        "--timeout",
        "2m",
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let done: Value = serde_json::from_str(&ran.stdout).expect("a result");
    assert_eq!(done["state"], "failed", "{done}");
    let error = done["error"].clone();
    assert!(
        error["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{error}"
    );
    error
}

#[test]
fn a_wrong_password_is_named_and_can_be_mended() {
    let fleet = Fleet::prepare(&major(15), Store::directory);
    fleet.store.apply(&fleet.cli);
    let secret = |value: &str| {
        let ran = fleet
            .cli
            .run_with_input(["secret", "set", "db", "--from-file", "-"], value);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    secret("not it");
    let tcp = fleet.postgres.tcp_conninfo("holdfast");
    let socket = fleet
        .postgres
        .socket_conninfo()
        .replace(" user=postgres", " user=holdfast");
    let yaml = fleet.cluster_yaml().replace(&socket, &tcp);
    let yaml = yaml.replace("user=holdfast\"}", "user=holdfast\", passwordSecret: db}");
    assert!(yaml.contains("passwordSecret"), "{yaml}");
    fleet.cli.apply(&yaml);
    wait_cause(&fleet, "pg_wrong_password");
    assert_eq!(failed_backup(&fleet)["code"], "pg_wrong_password");
    let logs = fleet.agent.log() + &fleet.control_plane.log();
    assert!(!logs.contains("not it"), "the password is in a log");
    secret("backup");
    fleet.wait_frontier(Timestamp::UNIX_EPOCH);
    fleet.backup();
}

#[test]
fn another_postgresql_is_refused() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    let stranger = TestCluster::builder(&major(15)).start();
    stranger.psql(ROLE);
    let ours = fleet.cluster_yaml();
    // The original is gone: what answers now is another cluster.
    fleet.postgres = stranger;
    let theirs = fleet.cluster_yaml();
    assert_ne!(ours, theirs);
    fleet.cli.apply(&theirs);
    wait_cause(&fleet, "foreign_system_identifier");
    // Refused before a job is made: nothing of it may enter the old lineage.
    let error = fleet.cli.refused(4, ["backup", "run", "orders"]);
    assert_eq!(error["code"], "foreign_system_identifier", "{error}");
}

#[test]
fn a_repository_that_cannot_be_used_is_told_from_one_that_is_gone() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    // Another repository where ours was: the host came up with a volume mounted
    // at the wrong place.
    fleet.agent.kill();
    let folder = fleet.store.folder();
    let away = folder.with_extension("away");
    fs::rename(folder, &away).expect("move the repository away");
    let key = fleet.scratch.path().join("other.key");
    let init = offline(&fleet, &["init"], &key.display().to_string());
    assert_eq!(init.0, 0, "{}", init.1);
    fleet.agent.restart();
    fleet.agent.wait_ready();
    let folder = fleet.store.folder();
    let exposure = until("trouble with the other repository", LONG, || {
        let exposure = fleet.exposure();
        let cause = exposure["cause"].as_str().unwrap_or_default();
        ["other_repository", "wrong_repository_key"]
            .contains(&cause)
            .then_some(exposure)
    });
    assert_ne!(exposure["status"], "COMPLIANT", "{exposure}");
    fs::remove_dir_all(folder).expect("remove the other one");
    // A file where the folder was: nothing can be reached below it.
    fs::write(folder, "not a folder").expect("a file in its place");
    let exposure = until("trouble with the repository", LONG, || {
        let exposure = fleet.exposure();
        exposure["cause"]
            .as_str()
            .is_some_and(|it| it.contains("repository_"))
            .then_some(exposure)
    });
    assert_ne!(exposure["status"], "COMPLIANT", "{exposure}");
    fs::remove_file(folder).expect("remove the file");
    fs::rename(&away, folder).expect("bring the repository back");
    fleet.wait_frontier(Timestamp::now());
    fleet.backup();
}

/// Runs an offline command of the agent on the fleet's repository.
fn offline(fleet: &Fleet, arguments: &[&str], key: &str) -> (i32, String) {
    let program = holdfast_tests::programs::program("holdfast-agent");
    let mut command = std::process::Command::new(program);
    command
        .arg("repo")
        .args(arguments)
        .args(["--repo", &fleet.store.url(), "--key-file", key]);
    let output = command
        .arg("-o")
        .arg("json")
        .output()
        .expect("holdfast-agent starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code().unwrap_or(-1),
        said + &String::from_utf8_lossy(&output.stdout),
    )
}

#[test]
fn a_wrong_key_opens_nothing() {
    let fleet = Fleet::start(&major(15), Store::directory);
    fleet.backup();
    let wrong = fleet.scratch.path().join("wrong.key");
    fs::write(&wrong, format!("{}\n", "0123456789abcdef".repeat(4))).expect("a key file");
    let (code, said) = offline(&fleet, &["list"], &wrong.display().to_string());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("wrong_repository_key"), "{said}");
    let right = fleet.scratch.path().join("right.key").display().to_string();
    let ran = fleet
        .cli
        .run(["repository", "key", "export", "main", "--to-file", &right]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (code, said) = offline(&fleet, &["list"], &right);
    assert_eq!(code, 0, "{said}");
    let (code, said) = offline(&fleet, &["verify"], &right);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn impossible_targets_are_refused_and_nothing_is_written() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let before = Timestamp::now();
    fleet.backup();
    fleet.wait_frontier(Timestamp::now());
    let refused = |at: &str, dir: &str| {
        let run = [
            "restore", "run", "orders", "--at", at, "--agent", "db1", "--dir", dir,
        ];
        fleet.cli.refused(4, run.into_iter().chain(["--wait"]))
    };
    let dir = fleet.restore_dir("refused");
    let path = dir.display().to_string();
    let yesterday = (before - SignedDuration::from_hours(24)).to_string();
    assert_eq!(
        refused(&yesterday, &path)["code"],
        "target_before_first_backup"
    );
    let tomorrow = (before + SignedDuration::from_hours(24)).to_string();
    assert_eq!(refused(&tomorrow, &path)["code"], "target_after_frontier");
    assert_eq!(refused("lsn:FF/0", &path)["code"], "target_after_frontier");
    assert_eq!(
        refused("lsn:0/1000000", &path)["code"],
        "target_before_first_backup"
    );
    assert!(!dir.exists(), "a refused restore wrote {path}");
    let taken = fleet.scratch.server_folder("taken");
    fs::write(taken.join("precious"), "data").expect("a file");
    let error = refused("latest", &taken.display().to_string());
    assert_eq!(error["code"], "dir_not_empty", "{error}");
    assert_eq!(
        fs::read_to_string(taken.join("precious")).expect("still there"),
        "data"
    );
    assert_eq!(fs::read_dir(&taken).expect("a folder").count(), 1);
    let plan = [
        "restore", "plan", "orders", "--at", &tomorrow, "--agent", "db1", "--dir", &path,
    ];
    assert_eq!(fleet.cli.run(plan).code, 4);
    let unknown = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db9", "--dir", &path,
    ];
    assert_eq!(fleet.cli.run(unknown).code, 3);
    fleet.restore("latest", "accepted");
}
