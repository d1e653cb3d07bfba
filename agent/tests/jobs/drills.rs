//! Drills of real servers: what passes, what fails and why, and that nothing of one is
//! left, whatever ended it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_agent::host::{Host, HostConfig, PostgresConfig};
use holdfast_agent::job::{JobContext, drill};
use holdfast_pg::testkit;
use holdfast_proto::{DrillWork, JobOutcome};
use holdfast_types::drill::{
    CheckKind, CheckResult, DrillBefore, DrillEvidence, DrillKind, DrillOrder, DrillVerdict,
    DumpToDrill,
};
use holdfast_types::{BackupKind, CommittedBackup, DumpOptions, JobId, JobPhase};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::{Fixture, context, name, succeeded};

impl Fixture {
    fn drill_work(&self, at: &str, checks: Value) -> DrillWork {
        DrillWork {
            job: JobId::from_uuid(Uuid::now_v7()),
            repository: self.access.clone(),
            order: DrillOrder {
                cluster: name(),
                at: at.parse().unwrap(),
                dump: None,
                asked_at: Timestamp::now(),
                database: None,
                checks: serde_json::from_value(checks).unwrap(),
                before: None,
            },
            frontier: None,
        }
    }

    async fn drill(&self, at: &str, checks: Value) -> DrillEvidence {
        self.drill_of(self.drill_work(at, checks)).await
    }

    async fn drill_of(&self, work: DrillWork) -> DrillEvidence {
        let evidence = evidence(drill::run(work, context(), &self.host).await);
        self.assert_no_drill_left();
        evidence
    }

    fn drills_dir(&self) -> PathBuf {
        self.host.data_dir().join("drills")
    }

    /// No file and no process of any drill.
    fn assert_no_drill_left(&self) {
        assert_eq!(left(&self.drills_dir()), Vec::<String>::new());
    }

    /// A table with some rows, a backup, and all WAL in the repository.
    async fn with_orders(major: u32) -> Self {
        let fixture = Self::new(&testkit::major(major)).await;
        for statement in [
            "CREATE TABLE orders AS SELECT i AS id, now() AS created_at, \
             md5(i::text) AS note FROM generate_series(1, 20000) i",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
        ] {
            fixture.session.execute(statement).await.unwrap();
        }
        fixture.archived_backup().await;
        fixture
            .session
            .execute("INSERT INTO orders SELECT 20001, now(), 'after the backup'")
            .await
            .unwrap();
        fixture.archive().await;
        fixture
    }
}

#[track_caller]
fn evidence(outcome: JobOutcome) -> DrillEvidence {
    serde_json::from_value(succeeded(outcome).result).unwrap()
}

/// What is in a directory, and the processes that work below it.
fn left(drills: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(drills).into_iter().flatten();
    let files = entries.map(|entry| entry.unwrap().path().display().to_string());
    files.chain(processes(drills)).collect()
}

fn processes(below: &Path) -> Vec<String> {
    let Ok(below) = below.canonicalize() else {
        return Vec::new();
    };
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let there = entries.filter_map(|entry| {
        let at = std::fs::read_link(entry.path().join("cwd")).ok()?;
        at.starts_with(&below)
            .then(|| format!("process {}", entry.file_name().to_string_lossy()))
    });
    there.collect()
}

fn check<'a>(evidence: &'a DrillEvidence, name: &str) -> &'a CheckResult {
    let mut checks = evidence.checks.iter();
    let found = checks.find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check {name} in {:?}", evidence.checks))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_passes_on_15() {
    passes(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_passes_on_18() {
    passes(18).await;
}

async fn passes(major: u32) {
    let fixture = Fixture::with_orders(major).await;
    let checks = json!([
        {"sql": "select count(*) from orders", "expect": "= 20001"},
        {"sql": "select max(created_at) from orders", "expect": "within 10m of target"},
        {"sql": "select note from orders where id = 20001", "expect": "matches /^after/"},
        {"amcheck": true},
        {"checksums": true},
        {"rowCounts": "drift <= 5%"},
    ]);
    let evidence = fixture.drill("latest", checks).await;
    assert_eq!(evidence.verdict, DrillVerdict::Passed, "{evidence:#?}");
    assert_eq!(evidence.cause, None);
    assert_eq!(evidence.kind, DrillKind::Physical);
    assert_eq!(evidence.checks.len(), 7);
    assert_eq!(evidence.checks[0].kind, CheckKind::Reached);
    assert!(evidence.checks.iter().all(|check| check.passed));
    assert_eq!(evidence.row_counts["postgres.public.orders"], 20_001);
    // The time it took is that of its phases, the checks aside.
    let ready = evidence.ready_millis.unwrap();
    let phase = |wanted: JobPhase| {
        let mut phases = evidence.phases.iter();
        phases.find(|one| one.phase == wanted).unwrap().milliseconds
    };
    let (copy, checked) = (phase(JobPhase::Copy), phase(JobPhase::Check));
    let all: u64 = evidence.phases.iter().map(|one| one.milliseconds).sum();
    assert!(copy <= ready && ready <= all, "{copy} {ready} {all}");
    assert!(ready <= all - checked + 2_000, "{ready} {all} {checked}");
    assert!(evidence.rpo_millis.unwrap() < 600_000);
    assert!(evidence.reached_at.is_some() && evidence.backup.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_that_fail_are_told_with_what_they_saw() {
    let fixture = Fixture::with_orders(15).await;
    let checks = json!([
        {"name": "many", "sql": "select count(*) from orders", "expect": "> 1000000"},
        {"name": "broken", "sql": "select * from nothing", "expect": "= 1"},
        {"name": "writes", "sql": "delete from orders returning 1", "expect": "= 1"},
        {"name": "program", "sql": "copy orders to program 'true'", "expect": "= 1"},
        {"name": "fine", "sql": "select 1", "expect": "= 1"},
        {"name": "elsewhere", "sql": "select 1", "expect": "= 1", "database": "nowhere"},
    ]);
    let evidence = fixture.drill("latest", checks).await;
    assert_eq!(evidence.verdict, DrillVerdict::Failed);
    let cause = evidence.cause.clone().unwrap();
    assert_eq!(cause.code, "drill_check_failed");
    assert!(cause.message.starts_with("5 of 7 checks failed"), "{cause}");
    let many = check(&evidence, "many");
    assert_eq!((many.passed, many.seen.as_deref()), (false, Some("20001")));
    let why = |name: &str| check(&evidence, name).why.clone();
    assert!(
        why("broken").contains("does not exist"),
        "{}",
        why("broken")
    );
    assert!(why("writes").contains("read-only"), "{}", why("writes"));
    // Who writes a policy gets no shell on the host.
    assert!(why("program").contains("(42501)"), "{}", why("program"));
    assert!(check(&evidence, "fine").passed);
    assert!(!check(&evidence, "elsewhere").passed);
    // The restore itself worked, and took what it took.
    assert!(evidence.ready_millis.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupted_repository_fails_the_next_drill_with_its_cause() {
    let fixture = Fixture::with_orders(15).await;
    let before = fixture.drill("latest", json!([])).await;
    assert_eq!(before.verdict, DrillVerdict::Passed, "{before:#?}");
    let packs = packs(&fixture.cluster.root().join("repo"));
    assert!(!packs.is_empty());
    for pack in &packs {
        let mut bytes = std::fs::read(pack).unwrap();
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 64] {
            *byte ^= 0xff;
        }
        std::fs::write(pack, bytes).unwrap();
    }
    let evidence = fixture.drill("latest", json!([])).await;
    assert_eq!(evidence.verdict, DrillVerdict::Failed);
    let cause = evidence.cause.clone().unwrap();
    assert_eq!(cause.code, "repository_damaged", "{cause}");
    assert_eq!(evidence.ready_millis, None);
    assert_eq!(evidence.checks, []);
    assert!(evidence.backup.is_some(), "what it was to restore is known");
}

fn packs(below: &Path) -> Vec<PathBuf> {
    let mut packs = Vec::new();
    let mut pending = vec![below.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.components().any(|part| part.as_os_str() == "packs") {
                packs.push(path);
            }
        }
    }
    packs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_of_nothing_is_a_drill_that_failed() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.lineage().await;
    let evidence = fixture.drill("latest", json!([])).await;
    assert_eq!(evidence.verdict, DrillVerdict::Failed);
    let cause = evidence.cause.unwrap();
    assert_eq!(cause.code, "no_backup", "{cause}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_answers_are_compared_with_the_drill_before() {
    let fixture = Fixture::with_orders(15).await;
    let checks = json!([
        {"name": "orders", "sql": "select count(*) from orders", "expect": "drift <= 10%"},
        {"rowCounts": "drift <= 10%"},
    ]);
    let first = fixture.drill("latest", checks.clone()).await;
    assert_eq!(first.verdict, DrillVerdict::Passed, "{first:#?}");
    fixture
        .session
        .execute("DELETE FROM orders WHERE id % 2 = 0")
        .await
        .unwrap();
    fixture.archive().await;
    let mut work = fixture.drill_work("latest", checks);
    work.order.before = Some(DrillBefore::of(first));
    let second = fixture.drill_of(work).await;
    assert_eq!(second.verdict, DrillVerdict::Failed);
    assert!(!check(&second, "orders").passed);
    let rows = check(&second, "rowCounts");
    assert!(
        !rows.passed && rows.why.contains("public.orders"),
        "{}",
        rows.why
    );
}

/// A copy that acts on its own would take from the original what is meant for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_speaks_to_nobody() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for statement in [
        "CREATE EXTENSION postgres_fdw".to_owned(),
        format!(
            "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw \
             OPTIONS (host '127.0.0.1', port '{port}', dbname 'x')"
        ),
        "CREATE USER MAPPING FOR PUBLIC SERVER other OPTIONS (user 'x', password 'x')".to_owned(),
        "CREATE FOREIGN TABLE away (i int) SERVER other".to_owned(),
        "CREATE EXTENSION dblink".to_owned(),
        format!(
            "CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 port={port} dbname=x' \
             PUBLICATION p WITH (connect = false)"
        ),
        "ALTER SUBSCRIPTION theirs SET (slot_name = 'theirs')".to_owned(),
    ] {
        fixture.session.execute(&statement).await.unwrap();
    }
    // The original is told to keep still; the copy is not.
    fixture
        .session
        .execute("ALTER SYSTEM SET max_logical_replication_workers = 0")
        .await
        .unwrap();
    fixture
        .session
        .execute("ALTER SUBSCRIPTION theirs ENABLE")
        .await
        .unwrap();
    fixture.archived_backup().await;
    fixture.archive().await;
    // What the original itself asked for meanwhile.
    while listener.accept().is_ok() {}
    fixture
        .session
        .execute("ALTER SUBSCRIPTION theirs DISABLE")
        .await
        .unwrap();
    while listener.accept().is_ok() {}
    let link = format!(
        "select * from dblink('host=127.0.0.1 port={port} dbname=x user=x password=x', 'select 1') \
         as t(i int)"
    );
    let checks = json!([
        {"name": "foreign", "sql": "select count(*) from away", "expect": "= 1"},
        {"name": "dblink", "sql": link, "expect": "= 1"},
        {"name": "archives", "sql": "show archive_mode", "expect": "= off"},
        {"name": "listens", "sql": "show listen_addresses", "expect": "matches /^$/"},
        {"name": "workers",
         "sql": "select count(*) from pg_stat_activity where backend_type like 'logical replication%'",
         "expect": "= 0"},
    ]);
    let evidence = fixture.drill("latest", checks).await;
    for name in ["foreign", "dblink"] {
        assert!(!check(&evidence, name).passed, "{name} reached out");
    }
    for name in ["archives", "listens", "workers"] {
        let check = check(&evidence, name);
        assert!(check.passed, "{check:?}");
    }
    let reached = listener.accept();
    assert!(reached.is_err(), "somebody was asked: {reached:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tablespaces_get_places_of_their_own() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let place = fixture.directory("fast");
    for statement in [
        format!("CREATE TABLESPACE fast LOCATION '{}'", place.display()),
        "CREATE TABLE t TABLESPACE fast AS SELECT generate_series(1, 1000) AS i".to_owned(),
    ] {
        fixture.session.execute(&statement).await.unwrap();
    }
    fixture.archived_backup().await;
    fixture.archive().await;
    let before = std::fs::read_dir(&place).unwrap().count();
    let checks = json!([{"sql": "select count(*) from t", "expect": "= 1000"}]);
    let evidence = fixture.drill("latest", checks).await;
    assert_eq!(evidence.verdict, DrillVerdict::Passed, "{evidence:#?}");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_restored_into_a_new_server_on_15() {
    dump(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_restored_into_a_new_server_on_18() {
    dump(18).await;
}

async fn dump(major: u32) {
    let fixture = Fixture::new(&testkit::major(major)).await;
    let place = fixture.directory("fast");
    for statement in [
        "CREATE ROLE keeper LOGIN PASSWORD 'open sesame'".to_owned(),
        format!("CREATE TABLESPACE fast LOCATION '{}'", place.display()),
        "CREATE DATABASE shop OWNER keeper".to_owned(),
    ] {
        fixture.session.execute(&statement).await.unwrap();
    }
    fixture.cluster.psql_in(
        "shop",
        "CREATE TABLE item TABLESPACE fast AS SELECT i, md5(i::text) AS h \
         FROM generate_series(1, 5000) i\n\
         ALTER TABLE item OWNER TO keeper",
    );
    let before = std::fs::read_dir(&place).unwrap().count();
    let work = holdfast_proto::BackupWork {
        kind: BackupKind::Logical,
        dump: Some(DumpOptions::default()),
        ..fixture.backup_work()
    };
    let taken = holdfast_agent::job::backup::run(work, context(), &fixture.host).await;
    let dump: CommittedBackup = *succeeded(taken).backup.unwrap();
    let checks = json!([
        {"sql": "select count(*) from item", "expect": "= 5000"},
        {"name": "owner", "sql": "select tableowner from pg_tables where tablename = 'item'",
         "expect": "= keeper"},
        {"amcheck": true},
        {"checksums": true},
    ]);
    let mut work = fixture.drill_work(&format!("backup:{}", dump.id), checks);
    work.order.dump = Some(DumpToDrill {
        backup: dump.id,
        lineage: dump.lineage,
    });
    let evidence = fixture.drill_of(work).await;
    assert_eq!(evidence.verdict, DrillVerdict::Passed, "{evidence:#?}");
    assert_eq!(evidence.kind, DrillKind::Logical);
    assert_eq!(evidence.backup, Some(dump.id));
    assert_eq!(evidence.checks.len(), 5);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), before, "I-12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_is_cancelled_leaves_nothing() {
    let fixture = Fixture::with_orders(15).await;
    for phase in [JobPhase::Copy, JobPhase::Replay, JobPhase::Check] {
        let cancel = CancellationToken::new();
        let cx = JobContext::new(cancel.clone());
        let slow = json!([{"sql": "select pg_sleep(600)", "expect": "= 1"}]);
        let run = drill::run(
            fixture.drill_work("latest", slow),
            cx.clone(),
            &fixture.host,
        );
        let ending = async {
            let mut changes = cx.subscribe();
            while cx.state().phase != Some(phase) {
                changes.changed().await.unwrap();
            }
            cancel.cancel();
            std::future::pending::<JobOutcome>().await
        };
        let outcome = tokio::select! {
            outcome = ending => outcome,
            outcome = run => outcome,
        };
        assert!(
            matches!(outcome, JobOutcome::Cancelled),
            "{phase}: {outcome:?}"
        );
        fixture.assert_no_drill_left();
    }
}

/// What the process of a test that is killed needs.
const HELPER: &str = "HOLDFAST_TEST_DRILL";

/// The process that is killed: not a test of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_drills() {
    let Some(text) = std::env::var_os(HELPER) else {
        return;
    };
    let given: Value = serde_json::from_str(text.to_str().unwrap()).unwrap();
    let work: DrillWork = serde_json::from_value(given["work"].clone()).unwrap();
    let path = |field: &str| PathBuf::from(given[field].as_str().unwrap());
    let config = HostConfig {
        postgres: PostgresConfig {
            bin_dirs: vec![path("bin")],
        },
        ..HostConfig::default()
    };
    let host = Host::with_executable(path("data"), config, path("executable"));
    let cx = context();
    let mut changes = cx.subscribe();
    let run = drill::run(work, cx.clone(), &host);
    tokio::pin!(run);
    loop {
        tokio::select! {
            outcome = &mut run => panic!("it ended: {outcome:?}"),
            Ok(()) = changes.changed() => {
                if let Some(phase) = cx.state().phase {
                    std::fs::write(path("phase"), phase.to_string()).unwrap();
                }
            }
        }
    }
}

fn start_process(fixture: &Fixture, phase_file: &Path) -> Child {
    let slow = json!([{"sql": "select pg_sleep(600)", "expect": "= 1"}]);
    let given = json!({
        "work": fixture.drill_work("latest", slow),
        "bin": fixture.cluster.programs().directory(),
        "data": fixture.host.data_dir(),
        "executable": fixture.host.executable(),
        "phase": phase_file,
    });
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "drills::a_process_that_drills", "--nocapture"]);
    command.env(HELPER, given.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_agent_is_killed_is_taken_away_by_the_next() {
    let fixture = Fixture::with_orders(15).await;
    for phase in ["copy", "verify", "replay", "check"] {
        let phase_file = fixture.cluster.root().join(format!("phase-{phase}"));
        let mut process = start_process(&fixture, &phase_file);
        // Its next phase may have come before we looked: then it is killed there.
        let order = [
            "prepare", "copy", "wal", "verify", "replay", "promote", "check",
        ];
        let place = |word: &str| order.iter().position(|one| *one == word);
        wait_until(|| {
            let now = std::fs::read_to_string(&phase_file).unwrap_or_default();
            place(&now) >= place(phase)
        })
        .await;
        process.kill().unwrap();
        process.wait().unwrap();
        assert_ne!(left(&fixture.drills_dir()), Vec::<String>::new(), "{phase}");
        if phase == "check" {
            let there = processes(&fixture.drills_dir());
            assert!(!there.is_empty(), "a server outlives its agent");
        }
        drill::sweep(fixture.host.data_dir());
        let drills = fixture.drills_dir();
        wait_until(|| left(&drills).is_empty()).await;
    }
    // And the next drill is as good as any.
    let evidence = fixture.drill("latest", json!([])).await;
    assert_eq!(evidence.verdict, DrillVerdict::Passed, "{evidence:#?}");
}

/// What another process does can only be looked at.
async fn wait_until(mut there: impl FnMut() -> bool) {
    for _ in 0..2_400 {
        if there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come within two minutes");
}
