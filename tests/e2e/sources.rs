//! Where backups come from, through the whole system: a standby and its
//! promotion, tablespaces, a remote server whose WAL nobody else receives.

use std::path::{Path, PathBuf};

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::fleet::{Fleet, LONG, ROLE, Restored};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use serde_json::Value;

use crate::receivers::Site;

/// A line of instances, each with the agent on its host.
fn instances(all: &[(&str, &TestCluster)]) -> String {
    let one = |(agent, server): &(&str, &TestCluster)| {
        let local = server.socket_conninfo().replace(" user=postgres", "");
        format!("{{agent: {agent}, connection: \"{local} user=holdfast\"}}")
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn place(server: &TestCluster, name: &str) -> PathBuf {
    let path = server.root().join(name);
    std::fs::create_dir(&path).unwrap();
    let owner = server.run_as();
    std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    path
}

fn sees(site: &Site, agent: &str, role: &str) {
    until(&format!("{agent} to be seen as {role}"), LONG, || {
        let agents = site.cli.json(["agent", "list"]);
        let all = agents["items"].as_array()?;
        let one = all.iter().find(|one| one["name"] == agent)?;
        (one["instances"][0]["reachable"]["role"] == role).then_some(())
    });
}

fn show(site: &Site, job: &Value) -> Value {
    site.cli.json(["job", "show", job.as_str().unwrap()])
}

#[test]
fn a_backup_of_a_standby_restores_and_a_promotion_in_mid_copy_is_survived() {
    let programs = major(18);
    let primary = TestCluster::builder(&programs).start();
    primary.psql(ROLE);
    let standby = primary.standby(Some("standby"));
    let site = Site::start(programs.directory(), &["db1", "db2"]);
    site.protect(&instances(&[("db1", &primary), ("db2", &standby)]), "");
    site.receives("db1", "db1");
    sees(&site, "db2", "standby");
    primary.psql("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
    let run = ["backup", "run", "orders", "--from", "standby"];
    let wait = ["--wait", "--timeout", "3m"];
    let done = site.cli.json(run.into_iter().chain(wait));
    assert_eq!(done["result"]["from"], "standby", "{done}");
    assert_eq!(show(&site, &done["job"])["agent"], "db2");
    primary.psql("INSERT INTO t VALUES (1001)");
    site.receives("db1", "db1");
    let dir = primary.root().join("copy");
    let restored = site.cli.json([
        "restore",
        "run",
        "orders",
        "--at",
        "latest",
        "--agent",
        "db1",
        "--start",
        "--wait",
        "--dir",
        dir.to_str().unwrap(),
    ]);
    let copy = Restored::adopt(restored["result"].clone(), dir, programs.clone());
    assert_eq!(copy.psql("SELECT count(*), max(i) FROM t"), "1001|1001");
    copy.check_pages();

    // Zeros that take a while to read and no room.
    let ballast = standby.data_dir().join("ballast");
    let file = std::fs::File::create(&ballast).unwrap();
    file.set_len(64 << 30).unwrap();
    let owner = standby.run_as();
    std::os::unix::fs::chown(&ballast, Some(owner.uid()), Some(owner.gid())).unwrap();
    let run = ["backup", "run", "orders", "--from", "preferStandby"];
    let job = site.cli.json(run)["job"].clone();
    until("the copy to go on", LONG, || {
        (show(&site, &job)["phase"] == "copy").then_some(())
    });
    primary.stop("fast");
    standby.promote();
    std::fs::remove_file(&ballast).unwrap();
    let done = until("the retry to succeed", 3 * LONG, || {
        let shown = show(&site, &job);
        assert_ne!(shown["state"], "failed", "{shown}");
        (shown["state"] == "succeeded").then_some(shown)
    });
    let attempts = done["attempts"].as_array().unwrap();
    assert!(attempts.len() > 1, "{done}");
    assert_eq!(
        attempts[0]["error"]["code"], "promoted_during_backup",
        "{done}"
    );
    assert_eq!(done["result"]["from"], "primary", "{done}");
    drop(site);
}

#[test]
fn tablespaces_go_where_a_restore_is_told() {
    let fleet = Fleet::start(&major(15), Store::directory);
    let fast = place(&fleet.postgres, "fast");
    fleet.postgres.psql(&format!(
        "CREATE TABLESPACE fast LOCATION '{}'",
        fast.display()
    ));
    fleet
        .postgres
        .psql("CREATE TABLE t TABLESPACE fast AS SELECT i FROM generate_series(1, 5000) i");
    fleet.backup();
    fleet
        .postgres
        .psql("ALTER TABLE t SET TABLESPACE pg_default");
    fleet
        .postgres
        .psql("CREATE TABLE u TABLESPACE fast AS SELECT 7 AS i");
    let done = fleet.incremental();
    let at = format!("backup:{}", done["backup"].as_str().unwrap());
    let dir = fleet.restore_dir("copy");
    let ask = |command: &str, more: &[&str]| {
        let mut all = vec!["restore", command, "orders", "--at", &at, "--agent", "db1"];
        all.extend(["--dir", dir.to_str().unwrap()]);
        all.extend(more);
        fleet.cli.run(all.into_iter().chain(["-o", "json"]))
    };
    // Where it was, the original is.
    let refused = ask("run", &[]);
    assert!(
        refused.code == 4 && refused.stderr.contains("tablespace_not_empty"),
        "{}",
        refused.stderr
    );
    assert!(!dir.exists());
    let new = dir.with_file_name("copy-fast");
    let map = format!("{}={}", fast.display(), new.display());
    let planned = ask("plan", &["--tablespace-map", &map]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(planned["tablespaces"][0]["to"], new.to_str().unwrap());
    let ran = ask("run", &["--tablespace-map", &map, "--start", "--wait"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran: Value = serde_json::from_str(&ran.stdout).unwrap();
    let programs = fleet.postgres.programs().clone();
    let copy = Restored::adopt(ran["result"].clone(), dir.clone(), programs);
    assert_eq!(copy.psql("SELECT count(*) FROM t"), "5000");
    assert_eq!(copy.psql("SELECT i FROM u"), "7");
    let location =
        copy.psql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'");
    assert_eq!(Path::new(&location), new);
    copy.check_pages();
}

#[test]
fn a_remote_server_is_backed_up_with_its_own_wal() {
    let fleet = Fleet::start(&major(18), Store::directory);
    let yaml = fleet.cluster_yaml();
    let alone = yaml
        .replace("wal: {flushEvery: 500ms}", "wal: {mode: none}")
        .replace("rpo: 30s", "rpo: 1h")
        .replace("user=holdfast\"", "user=holdfast\", dataDirectory: remote");
    assert!(alone.contains("dataDirectory: remote"), "{alone}");
    fleet.cli.apply(&alone);
    until("the slot to be dropped", LONG, || {
        let query = "SELECT count(*) FROM pg_replication_slots";
        (fleet.postgres.psql(query) == "0").then_some(())
    });
    fleet
        .postgres
        .psql("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
    let done = fleet.backup();
    assert_eq!(done["state"], "succeeded", "{done}");
    let exposure = fleet.exposure();
    assert_eq!(exposure["status"], "COMPLIANT", "{exposure}");
    fleet.postgres.psql("INSERT INTO t VALUES (1001)");
    let dir = fleet.restore_dir("latest");
    let refused = fleet.cli.refused(
        4,
        [
            "restore",
            "run",
            "orders",
            "--at",
            "latest",
            "--agent",
            "db1",
            "--dir",
            dir.to_str().unwrap(),
        ],
    );
    assert_eq!(refused["code"], "target_needs_wal", "{refused}");
    let copy = fleet.restore("immediate", "copy");
    assert_eq!(copy.psql("SELECT count(*), max(i) FROM t"), "1000|1000");
    copy.check_pages();
    let slots = fleet
        .postgres
        .psql("SELECT count(*) FROM pg_replication_slots");
    assert_eq!(slots, "0");
}
