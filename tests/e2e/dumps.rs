//! Logical dumps through the whole system: asked for and scheduled, restored
//! into a running server, as plain files without a control plane, and through
//! an agent that is killed (I-03, I-05, I-09, I-12).

use std::path::Path;
use std::process::Command;

use holdfast_pg::testkit::{TestCluster, give_to_server_user, major, must_run};
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::programs::program;
use holdfast_tests::rest;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use serde_json::{Value, json};

const SHOP: &str = "\
    CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS code FROM generate_series(1, 30000) i\n\
    CREATE INDEX ON orders (code)\n\
    ALTER TABLE orders OWNER TO shopkeeper\n\
    SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex'))\n\
    GRANT SELECT ON LARGE OBJECT 4711 TO holdfast";
const DIGEST: &str = "SELECT md5(string_agg(o::text, ',' ORDER BY id)) || ' ' || md5(lo_get(4711)) \
                      FROM orders o";

/// A fleet whose server has two databases, and whose role may dump and restore.
fn shops(number: u32) -> Fleet {
    let fleet = Fleet::start(&major(number), Store::directory);
    fleet.postgres.psql(
        "CREATE ROLE shopkeeper LOGIN PASSWORD 'open sesame'\n\
         GRANT pg_read_all_data TO holdfast\n\
         ALTER ROLE holdfast CREATEDB\n\
         CREATE DATABASE shop OWNER shopkeeper\n\
         CREATE DATABASE crm",
    );
    fleet.postgres.psql_in("shop", SHOP);
    fleet.postgres.psql_in(
        "crm",
        "CREATE TABLE people AS SELECT generate_series(1, 10) AS id",
    );
    fleet
}

/// How a job ended that was waited for, well or not.
fn ended(fleet: &Fleet, command: &[&str], more: &[&str]) -> Value {
    let wait = ["--wait", "--timeout", "2m", "-o", "json"];
    let ran = fleet.cli.run(command.iter().chain(more).chain(&wait));
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
}

fn dump(fleet: &Fleet, more: &[&str]) -> Value {
    ended(
        fleet,
        &["backup", "run", "orders", "--kind", "logical"],
        more,
    )
}

fn dumps(fleet: &Fleet, state: &str) -> Vec<Value> {
    let path = format!("backups?cluster=orders&kind=logical&state={state}");
    until("the dumps", LONG, || {
        rest::items(&fleet.control_plane, &path)
    })
}

fn restore(fleet: &Fleet, more: &[&str]) -> Value {
    ended(fleet, &["restore", "dump", "orders"], more)
}

#[test]
fn a_dump_comes_back_under_another_name_and_as_plain_files() {
    let fleet = shops(15);
    let before = Timestamp::now();
    let done = dump(&fleet, &["--format", "directory", "--jobs", "2"]);
    assert_eq!(done["state"], "succeeded", "{done}");
    let listed = dumps(&fleet, "available");
    assert_eq!(listed.len(), 1);
    let one = &listed[0];
    assert_eq!(
        (&one["id"], &one["kind"]),
        (&done["backup"], &json!("logical"))
    );
    let consistent: Timestamp = one["finishedAt"].as_str().unwrap().parse().unwrap();
    assert!(consistent > before, "{one}");
    assert_eq!(done["result"]["consistentAt"], one["finishedAt"], "{done}");
    // It is no point that WAL leads on from: nothing is protected by it here.
    assert_eq!(
        fleet.exposure()["status"],
        "UNPROTECTED",
        "{}",
        fleet.exposure()
    );

    let digest = fleet.postgres.psql_in("shop", DIGEST);
    let deleted = Timestamp::now();
    fleet
        .postgres
        .psql_in("shop", "DELETE FROM orders WHERE id % 2 = 0");
    let given = ["--owner", "holdfast", "--no-privileges", "--jobs", "2"];
    let into = |name| [&["--database", "shop", "--into", name][..], &given].concat();
    let restored = restore(&fleet, &into("shop_before"));
    assert_eq!(restored["state"], "succeeded", "{restored}");
    // That of its own snapshot; the dump's is the earliest of all its databases.
    let own = restored["result"]["consistentAt"].as_str().unwrap();
    let own: Timestamp = own.parse().unwrap();
    assert!(own >= consistent && own < deleted, "{restored}");
    assert_eq!(fleet.postgres.psql_in("shop_before", DIGEST), digest);
    // I-12: not over what is there.
    let again = restore(&fleet, &into("shop"));
    assert_eq!(again["error"]["code"], "database_not_empty", "{again}");
    assert_eq!(
        fleet
            .postgres
            .psql_in("shop", "SELECT count(*) FROM orders"),
        "15000"
    );
    let full = fleet.backup();
    let id = full["backup"].as_str().unwrap();
    let arguments = [&into("x")[..], &["--backup", id]].concat();
    let ran = fleet
        .cli
        .run(["restore", "dump", "orders"].iter().chain(&arguments));
    assert!(
        ran.code == 4 && ran.stderr.contains("no dump"),
        "{}",
        ran.stderr
    );

    plain_files(&fleet, done["backup"].as_str().unwrap(), &digest);
}

/// Without a control plane and with nothing but PostgreSQL's own programs
/// (I-09).
fn plain_files(fleet: &Fleet, backup: &str, digest: &str) {
    let key = fleet.scratch.path().join("main.key");
    let export = ["repository", "key", "export", "main"];
    let exported = fleet.cli.run(export);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    std::fs::write(&key, exported.stdout).unwrap();
    let other = TestCluster::builder(fleet.postgres.programs()).start();
    let dir = other.root().join("dump");
    let at = format!("backup:{backup}");
    let mut extract = Command::new(program("holdfast-agent"));
    extract.args([
        "repo",
        "restore",
        "--repo",
        &fleet.store.url(),
        "--key-file",
    ]);
    extract
        .arg(&key)
        .args(["--cluster", "orders", "--at", &at, "--dir"])
        .arg(&dir);
    let said = must_run(&mut extract);
    assert!(
        said.contains("databases/shop.dir") && said.contains("globals.sql"),
        "{said}"
    );
    // Not twice into the same directory (I-12).
    let twice = extract.output().unwrap();
    assert_eq!(
        twice.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&twice.stderr)
    );

    give(&dir);
    let mut psql = other.program("psql");
    psql.args(["-XAtq", "-d", &other.socket_conninfo(), "-f"])
        .arg(dir.join("globals.sql"));
    let made = psql.output().unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut plain = other.program("pg_restore");
    let server = format!("{} dbname=postgres", other.socket_conninfo());
    plain.args(["--create", "--exit-on-error", "--jobs=2", "-d", &server]);
    must_run(plain.arg(dir.join("databases/shop.dir")));
    assert_eq!(other.psql_in("shop", DIGEST), digest);
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'";
    assert_eq!(other.psql_in("shop", owner), "shopkeeper");
}

/// The server's programs run as another user when we are root.
fn give(dir: &Path) {
    give_to_server_user(dir);
    for below in [dir.join("databases"), dir.join("databases/shop.dir")] {
        give_to_server_user(&below);
        for file in std::fs::read_dir(&below).unwrap() {
            give_to_server_user(&file.unwrap().path());
        }
    }
    give_to_server_user(&dir.join("globals.sql"));
}

#[test]
fn a_schedule_takes_dumps_and_one_that_may_not_read_is_no_backup() {
    let fleet = shops(18);
    fleet.postgres.psql("REVOKE pg_read_all_data FROM holdfast");
    let only = ["--database", "shop", "--no-globals"];
    let denied = dump(&fleet, &only);
    assert_eq!(
        (&denied["state"], &denied["error"]["code"]),
        (&json!("failed"), &json!("dump_failed"))
    );
    let hint = denied["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("pg_read_all_data"), "{denied}");
    assert_eq!(dumps(&fleet, "available"), Vec::<Value>::new()); // I-05
    assert_eq!(dumps(&fleet, "failed").len(), 1);

    fleet.postgres.psql("GRANT pg_read_all_data TO holdfast");
    let yaml = fleet.cluster_yaml();
    let schedule = "{name: often, kind: logical, every: 1m, databases: [crm], schemaOnly: false}";
    fleet
        .cli
        .apply(&format!("{yaml}  schedules:\n    - {schedule}\n"));
    let taken = until("a scheduled dump", 2 * LONG, || {
        dumps(&fleet, "available").pop()
    });
    let path = format!("jobs/{}", taken["job"].as_str().unwrap());
    let job = rest::get(&fleet.control_plane, &path).unwrap();
    assert!(
        job["run"].as_str().unwrap().starts_with("orders.often."),
        "{job}"
    );
    let databases = job["result"]["databases"].as_array().unwrap();
    assert_eq!(
        (databases.len(), &databases[0]["database"]),
        (1, &json!("crm")),
        "{job}"
    );
}

#[test]
fn an_agent_that_is_killed_in_a_dump_takes_it_again_and_leaves_nothing() {
    let mut fleet = shops(15);
    let holder = "host_lock";
    let mut psql = fleet.postgres.program("psql");
    psql.args([
        "-XAtq",
        "-d",
        &format!(
            "{} dbname=shop application_name={holder}",
            fleet.postgres.socket_conninfo()
        ),
    ]);
    psql.args([
        "-c",
        "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)",
    ]);
    let mut locked = psql.spawn().unwrap();
    let run = [
        "backup",
        "run",
        "orders",
        "--kind",
        "logical",
        "--format",
        "directory",
    ];
    let started = fleet.cli.json(run.into_iter().chain(["--jobs", "2"]));
    let job = started["job"].as_str().unwrap().to_owned();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until("pg_dump to wait for the lock", LONG, || {
        (fleet.postgres.psql(waiting) != "0").then_some(())
    });
    fleet.agent.kill();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{holder}'"
    );
    fleet.postgres.psql(&end);
    let _ = locked.wait();
    fleet.agent.restart();
    let ended = until("the job to end", 2 * LONG, || {
        let job = rest::get(&fleet.control_plane, &format!("jobs/{job}"))?;
        let over = ["succeeded", "failed"].contains(&job["state"].as_str()?);
        over.then_some(job)
    });
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(ended["attempts"].as_array().unwrap().len() > 1, "{ended}");
    // I-03: one dump of the run.
    assert_eq!(dumps(&fleet, "available").len(), 1);
    let staging = fleet.agent.data().join("dumps");
    let left: Vec<_> = std::fs::read_dir(staging)
        .unwrap()
        .flat_map(|process| std::fs::read_dir(process.unwrap().path()).unwrap())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_cluster_is_protected_by_dumps_alone() {
    let fleet = shops(18);
    let yaml = fleet.cluster_yaml();
    let alone = yaml.replace("wal: {flushEvery: 500ms}", "wal: {mode: none}");
    fleet.cli.apply(&alone.replace("rpo: 30s", "rpo: 1h"));
    // No WAL is kept for anybody (I-15).
    until("the slot to be dropped", LONG, || {
        let slots = fleet
            .postgres
            .psql("SELECT count(*) FROM pg_replication_slots");
        (slots == "0").then_some(())
    });
    let ran = fleet.cli.run(["backup", "run", "orders"]);
    assert!(
        ran.code == 4 && ran.stderr.contains("wal.mode: none"),
        "{}",
        ran.stderr
    );
    let done = dump(&fleet, &["--database", "shop"]);
    assert_eq!(done["state"], "succeeded", "{done}");
    let exposure = fleet.exposure();
    assert_eq!(exposure["status"], "COMPLIANT", "{exposure}");
    assert_eq!(
        exposure["frontier"], done["result"]["consistentAt"],
        "{exposure}"
    );
}
