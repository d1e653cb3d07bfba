//! Dumps of real servers: what is taken comes back, what fails is no backup,
//! and nothing is left on a disk or in a server.

use std::path::Path;
use std::time::Duration;

use holdfast_agent::host::{Host, HostConfig};
use holdfast_agent::job::{JobContext, backup, restore_dump};
use holdfast_pg::ConnectionInfo;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_proto::{BackupWork, DumpRestoreWork, InstanceAccess, JobOutcome, JobSuccess};
use holdfast_types::{
    BackupKind, CommittedBackup, DumpFormat, DumpOptions, DumpRestoreRequest, Failure, JobId,
    JobPhase, Secret,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::{Fixture, context, failure, name, succeeded};

/// Pitfall 14: what breaks scripts is a name all the same.
const ODD: &str = r"a b'=[#]\ü/..";

/// What a dump must bring back: rows, large objects, owners, grants, sequences.
const SHOP: &str = "\
    CREATE TABLE customer (id serial PRIMARY KEY, name text, data jsonb)\n\
    INSERT INTO customer (name, data) SELECT 'c' || i, jsonb_build_object('n', i, 't', repeat('x', 200)) \
        FROM generate_series(1, 5000) i\n\
    CREATE TABLE item AS SELECT i AS id, md5(i::text) AS hash FROM generate_series(1, 20000) i\n\
    CREATE VIEW seen AS SELECT count(*) FROM customer\n\
    SELECT lo_from_bytea(4711, decode(repeat('00ff', 40000), 'hex'))\n\
    ALTER TABLE customer OWNER TO shopkeeper\n\
    GRANT SELECT ON item TO shopkeeper";

/// One line that says what is in a database.
const DIGEST: &str = "\
    SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customer c) || ' ' || \
           (SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM item i) || ' ' || \
           (SELECT md5(lo_get(4711))) || ' ' || (SELECT nextval('customer_id_seq')) || ' ' || \
           (SELECT string_agg(tableowner || coalesce(' ' || has_table_privilege('shopkeeper', \
                tablename::text, 'SELECT')::text, ''), ',' ORDER BY tablename) FROM pg_tables \
             WHERE schemaname = 'public')";

impl Fixture {
    /// A server with two databases and a role.
    async fn with_shops(major: u32) -> Self {
        let fixture = Self::new(&testkit::major(major)).await;
        fixture
            .cluster
            .psql("CREATE ROLE shopkeeper LOGIN PASSWORD 'open sesame'");
        fixture
            .cluster
            .psql("CREATE DATABASE shop OWNER shopkeeper");
        fixture.cluster.psql_in("shop", SHOP);
        fixture.cluster.psql(&format!("CREATE DATABASE \"{ODD}\""));
        let session = fixture.connect_to(ODD).await;
        let filled = "CREATE TABLE odd AS SELECT generate_series(1, 100) AS n";
        session.execute(filled).await.unwrap();
        fixture
    }

    async fn connect_to(&self, database: &str) -> Session {
        let info = self.cluster.local().with_database(database);
        Session::connect(&info).await.unwrap()
    }

    async fn one(&self, database: &str, query: &str) -> String {
        let session = self.connect_to(database).await;
        let row = session.row(&format!("SELECT ({query})::text"), &[]).await;
        row.unwrap().get(0)
    }

    fn dump_work(&self, options: DumpOptions) -> BackupWork {
        BackupWork {
            kind: BackupKind::Logical,
            dump: Some(options),
            ..self.backup_work()
        }
    }

    async fn dump(&self, options: DumpOptions) -> JobSuccess {
        succeeded(backup::run(self.dump_work(options), context(), &self.host).await)
    }

    fn restore_dump_work(&self, dump: &CommittedBackup, from: &str, into: &str) -> DumpRestoreWork {
        DumpRestoreWork {
            job: JobId::from_uuid(Uuid::now_v7()),
            repository: self.access.clone(),
            backup: dump.id,
            lineage: dump.lineage,
            instance: self.instance(),
            request: DumpRestoreRequest {
                cluster: name(),
                backup: Some(dump.id),
                database: from.to_owned(),
                into: into.to_owned(),
                to_cluster: None,
                jobs: 1,
                owner: None,
                no_privileges: false,
            },
        }
    }

    async fn restore_dump(&self, work: DumpRestoreWork) -> JobOutcome {
        restore_dump::run(work, context(), &self.host).await
    }

    /// Nothing is left on this host, and nobody dumps or restores.
    async fn assert_nothing_left(&self) {
        let staging = self.host.data_dir().join("dumps");
        let mut left = Vec::new();
        for process in std::fs::read_dir(&staging).into_iter().flatten() {
            let process = process.unwrap().path();
            left.extend(
                std::fs::read_dir(process)
                    .unwrap()
                    .map(|one| one.unwrap().path()),
            );
        }
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
        let query = "SELECT string_agg(query, ';') FROM pg_stat_activity \
                      WHERE pid <> pg_backend_pid() AND backend_xmin IS NOT NULL \
                        AND (application_name = 'holdfast' OR application_name ~ 'pg_(dump|restore)')";
        for _ in 0..100 {
            if self.cluster.psql(query).is_empty() {
                let made = "SELECT string_agg(datname, ',') FROM pg_database \
                             WHERE datname ~ '^holdfast_'";
                assert_eq!(self.cluster.psql(made), "");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still there: {}", self.cluster.psql(query));
    }
}

fn committed(success: &JobSuccess) -> CommittedBackup {
    (**success.backup.as_ref().expect("it is committed")).clone()
}

fn directory(jobs: u32) -> DumpOptions {
    DumpOptions {
        format: DumpFormat::Directory,
        jobs,
        ..DumpOptions::default()
    }
}

fn only(database: &str) -> DumpOptions {
    DumpOptions {
        databases: vec![database.to_owned()],
        ..DumpOptions::default()
    }
}

// Pitfall 14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_dump_comes_back_on_15() {
    comes_back(15, DumpOptions::default(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_dump_comes_back_in_parallel_on_18() {
    comes_back(18, DumpOptions::default(), 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_dump_comes_back_in_parallel_on_15() {
    comes_back(15, directory(3), 2).await;
}

// Pitfall 14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_dump_comes_back_on_18() {
    comes_back(18, directory(2), 1).await;
}

async fn comes_back(major: u32, options: DumpOptions, jobs: u32) {
    let fixture = Fixture::with_shops(major).await;
    let before = Timestamp::now();
    let success = fixture.dump(options).await;
    let dump = committed(&success);
    assert_eq!(dump.kind, BackupKind::Logical);
    assert_eq!(success.result["globals"], true, "{}", success.result);
    // Its time is that of its earliest snapshot, not that of its end.
    assert!(
        dump.finished_at >= before && dump.finished_at >= dump.started_at,
        "{dump:?}"
    );
    let databases = success.result["databases"].as_array().unwrap();
    let snapshots: Vec<Timestamp> = databases
        .iter()
        .map(|one| one["snapshotAt"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(snapshots.iter().min(), Some(&dump.finished_at));
    let names: Vec<_> = databases
        .iter()
        .map(|one| one["database"].as_str().unwrap())
        .collect();
    assert_eq!(names, [ODD, "postgres", "shop"], "templates are not dumped");
    assert!(
        databases.iter().all(|one| one["objects"].is_u64()),
        "{databases:?}"
    );
    fixture.assert_nothing_left().await;

    // It needs no WAL (I-05), and the repository is whole.
    let repository = fixture.host.repository(&fixture.access).await.unwrap();
    let options = holdfast_repo::VerifyOptions {
        deep: true,
        ..holdfast_repo::VerifyOptions::default()
    };
    let report = repository
        .verify(&options, &std::sync::Arc::default())
        .await
        .unwrap();
    assert_eq!(report.findings, [], "{report:?}");

    fixture
        .cluster
        .psql_in("shop", "UPDATE customer SET name = 'spoiled'");
    let mut work = fixture.restore_dump_work(&dump, "shop", "shop_before");
    work.request.jobs = jobs;
    let result = succeeded(fixture.restore_dump(work).await).result;
    assert_eq!(result["into"], "shop_before", "{result}");
    fixture
        .cluster
        .psql_in("shop", "UPDATE customer SET name = 'c' || id");
    let digest = fixture.one("shop_before", DIGEST).await;
    assert_eq!(digest, fixture.one("shop", DIGEST).await);
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop_before'";
    assert_eq!(fixture.cluster.psql(owner), "shopkeeper");

    let work = fixture.restore_dump_work(&dump, ODD, "plain");
    succeeded(fixture.restore_dump(work).await);
    assert_eq!(fixture.one("plain", "SELECT sum(n) FROM odd").await, "5050");
    fixture.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_overwrites_nothing_and_leaves_nothing_half_done() {
    let fixture = Fixture::with_shops(15).await;
    let dump = committed(&fixture.dump(only("shop")).await);
    let refused = async |work: DumpRestoreWork| failure(fixture.restore_dump(work).await);

    // I-12: what holds anything stays as it is.
    fixture.cluster.psql("CREATE DATABASE taken");
    for content in [
        "CREATE TABLE t ()",
        "CREATE SCHEMA s",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT lo_create(1)",
        "CREATE EXTENSION pg_trgm",
    ] {
        fixture
            .cluster
            .psql("DROP DATABASE taken\nCREATE DATABASE taken");
        fixture.cluster.psql_in("taken", content);
        let work = fixture.restore_dump_work(&dump, "shop", "taken");
        assert_eq!(refused(work).await.code, "database_not_empty", "{content}");
    }
    // One that is there and holds nothing is filled.
    fixture.cluster.psql("CREATE DATABASE empty");
    let work = fixture.restore_dump_work(&dump, "shop", "empty");
    succeeded(fixture.restore_dump(work).await);
    assert_eq!(
        fixture.one("empty", "SELECT count(*) FROM item").await,
        "20000"
    );

    let work = fixture.restore_dump_work(&dump, "bakery", "new");
    let missing = refused(work).await;
    assert!(
        missing.code == "database_not_in_dump" && missing.message.contains("shop"),
        "{missing}"
    );
    let mut work = fixture.restore_dump_work(&dump, "shop", "new");
    work.request.owner = Some("nobody".to_owned());
    assert_eq!(refused(work).await.code, "role_missing");
    let full = fixture.archived_backup().await;
    let work = fixture.restore_dump_work(&committed(&full), "shop", "new");
    assert_eq!(refused(work).await.code, "not_a_dump");

    // A role of the dump is gone: it fails in the middle, and nothing is left.
    for database in ["shop", "empty"] {
        fixture.cluster.psql_in(
            database,
            "REASSIGN OWNED BY shopkeeper TO postgres\nDROP OWNED BY shopkeeper",
        );
    }
    fixture.cluster.psql("DROP ROLE shopkeeper");
    let work = fixture.restore_dump_work(&dump, "shop", "new");
    let failed = refused(work).await;
    assert_eq!(failed.code, "dump_restore_failed");
    assert!(
        failed.message.contains("shopkeeper") && failed.message.contains("nothing of it is left"),
        "{failed}"
    );
    assert!(failed.hint.contains("globals.sql"), "{failed}");
    fixture.assert_nothing_left().await;
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'new'";
    assert_eq!(fixture.cluster.psql(there), "0");

    // With an owner for everything it works.
    fixture.cluster.psql("CREATE ROLE heir");
    let mut work = fixture.restore_dump_work(&dump, "shop", "new");
    work.request.owner = Some("heir".to_owned());
    work.request.no_privileges = true;
    succeeded(fixture.restore_dump(work).await);
    let owners =
        "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(fixture.one("new", owners).await, "heir");
}

/// Waits until pg_dump waits for a lock that `holder` has.
async fn until_it_waits(fixture: &Fixture) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                  AND backend_type = 'client backend'";
    for _ in 0..600 {
        if fixture.cluster.psql(query) != "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("pg_dump does not wait for the lock");
}

impl Fixture {
    /// A role with a password, and how it connects.
    fn role(&self, name: &str, password: &str, more: &str) -> InstanceAccess {
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' {more}");
        self.cluster.psql(&create);
        self.cluster.psql(&format!("GRANT pg_monitor TO {name}"));
        InstanceAccess {
            connection: self.cluster.tcp_conninfo(name),
            password: Some(Secret::new(password)),
            ..self.instance()
        }
    }

    /// The failure of a dump that leaves nothing and is no backup (I-05).
    async fn failed_dump(&self, work: BackupWork, cx: &JobContext) -> Failure {
        let failure = failure(backup::run(work, cx.clone(), &self.host).await);
        self.assert_nothing_left().await;
        assert_eq!(self.backups().await, 0, "{failure}");
        failure
    }
}

/// In both formats.
fn shop_in_each_format() -> [DumpOptions; 2] {
    let staged = DumpOptions {
        databases: vec!["shop".to_owned()],
        ..directory(2)
    };
    [only("shop"), staged]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_what_may_not_be_read_is_no_backup() {
    let fixture = Fixture::with_shops(15).await;
    let weak = fixture.role("weak", "wordofweak", "");
    for options in shop_in_each_format() {
        let work = BackupWork {
            instance: weak.clone(),
            ..fixture.dump_work(options)
        };
        let cx = context();
        let denied = fixture.failed_dump(work, &cx).await;
        assert_eq!(
            (denied.code.as_str(), denied.retryable),
            ("dump_failed", false)
        );
        assert!(denied.message.contains("permission denied"), "{denied}");
        assert!(denied.hint.contains("pg_read_all_data"), "{denied}");
        let log = cx.state().log;
        assert!(
            log.iter().any(|line| line.contains("permission denied")),
            "{log:?}"
        );
        // I-10
        assert!(!format!("{denied:?} {log:?}").contains("wordofweak"));
    }
    let missing = fixture.dump_work(only("bakery"));
    let missing = fixture.failed_dump(missing, &context()).await;
    assert_eq!(missing.code, "database_missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_is_cut_off_is_no_backup_and_may_be_tried_again() {
    let fixture = Fixture::with_shops(15).await;
    let strong = fixture.role("strong", "wordofstrong", "SUPERUSER");
    for options in shop_in_each_format() {
        let holder = fixture.connect_to("shop").await;
        let lock = "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE";
        holder.execute(lock).await.unwrap();
        let work = BackupWork {
            instance: strong.clone(),
            ..fixture.dump_work(options)
        };
        let cut = async {
            until_it_waits(&fixture).await;
            // I-10: everybody on the host can read these.
            let lines = command_lines();
            assert!(!lines.contains("wordofstrong"), "{lines}");
            fixture.cluster.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'",
            );
        };
        let cx = context();
        let (failure, ()) = tokio::join!(fixture.failed_dump(work, &cx), cut);
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            ("dump_failed", true),
            "{failure}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_read_passwords_of_roles_leaves_them_out() {
    let fixture = Fixture::with_shops(15).await;
    let weak = fixture.role("weak", "wordofweak", "");
    fixture.cluster.psql("CREATE DATABASE weakling OWNER weak");
    let cx = context();
    let work = BackupWork {
        instance: weak.clone(),
        ..fixture.dump_work(only("weakling"))
    };
    succeeded(backup::run(work, cx.clone(), &fixture.host).await);
    let log = cx.state().log;
    assert!(
        log.iter().any(|line| line.contains("without them")),
        "{log:?}"
    );
    // With the right to read everything, definitions alone come back alone.
    fixture.cluster.psql("GRANT pg_read_all_data TO weak");
    let options = DumpOptions {
        schema_only: true,
        ..only("shop")
    };
    let work = BackupWork {
        instance: weak,
        ..fixture.dump_work(options)
    };
    let dump = succeeded(backup::run(work, context(), &fixture.host).await);
    let work = fixture.restore_dump_work(&committed(&dump), "shop", "shell");
    succeeded(fixture.restore_dump(work).await);
    let rows = fixture.one("shell", "SELECT count(*) FROM item").await;
    assert_eq!(rows, "0");
}

/// The command line of everything that runs.
fn command_lines() -> String {
    let mut all = String::new();
    for process in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains("pg_dump") {
            all.push_str(&line);
            all.push('\n');
        }
    }
    assert!(!all.is_empty(), "no pg_dump runs");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_is_ended_in_any_phase_leaves_nothing_behind() {
    let fixture = Fixture::with_shops(15).await;
    for options in [DumpOptions::default(), directory(2)] {
        for phase in [
            JobPhase::Prepare,
            JobPhase::Start,
            JobPhase::Copy,
            JobPhase::Verify,
        ] {
            let cancel = CancellationToken::new();
            let cx = JobContext::new(cancel.clone());
            let work = fixture.dump_work(options.clone());
            let run = backup::run(work, cx.clone(), &fixture.host);
            let ending = async {
                let mut changes = cx.subscribe();
                while cx.state().phase != Some(phase) {
                    changes.changed().await.unwrap();
                }
                cancel.cancel();
                std::future::pending::<JobOutcome>().await
            };
            let outcome = tokio::select! {
                biased;
                outcome = ending => outcome,
                outcome = run => outcome,
            };
            assert_eq!(outcome, JobOutcome::Cancelled, "in {phase}");
            fixture.assert_nothing_left().await;
            assert_eq!(fixture.backups().await, 0, "after {phase}");
        }
    }
    // A job whose task is gone: its programs end all the same.
    let holder = fixture.connect_to("shop").await;
    holder
        .execute("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    for options in [DumpOptions::default(), directory(3)] {
        let (work, host) = (fixture.dump_work(options), fixture.host.clone());
        let run = tokio::spawn(async move { backup::run(work, context(), &host).await });
        until_it_waits(&fixture).await;
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        fixture.assert_nothing_left().await;
    }
    holder.execute("ROLLBACK").await.unwrap();
    fixture.dump(DumpOptions::default()).await;
    assert_eq!(fixture.backups().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_one_dump() {
    let fixture = Fixture::with_shops(18).await;
    let work = fixture.dump_work(only("shop"));
    let first = committed(&succeeded(
        backup::run(work.clone(), context(), &fixture.host).await,
    ));
    // I-03: the same attempt again finds what it committed, another yields.
    let again = succeeded(backup::run(work.clone(), context(), &fixture.host).await);
    assert_eq!(committed(&again), first);
    let other = BackupWork {
        backup: holdfast_types::BackupId::from_uuid(Uuid::now_v7()),
        ..work
    };
    let outcome = backup::run(other, context(), &fixture.host).await;
    assert_eq!(outcome, JobOutcome::Superseded(first.id));
    assert_eq!(fixture.backups().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_client_is_never_taken() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    // This host has the programs of 15 where everybody looks, and those of 18
    // where only the configuration leads.
    let data = fixture.cluster.root().join("elsewhere");
    std::fs::create_dir(&data).unwrap();
    let host = Host::with_executable(data, HostConfig::default(), Path::new("/nowhere"));
    let work = fixture.dump_work(DumpOptions::default());
    let refused: Failure = failure(backup::run(work, context(), &host).await);
    assert_eq!(refused.code, "pg_client_not_found", "{refused}");
    assert!(refused.message.contains("only 15"), "{refused}");
    assert_eq!(fixture.backups().await, 0);
}

#[test]
fn a_connection_string_keeps_the_database_apart() {
    let info = ConnectionInfo::parse("host=/run/pg user=u dbname=x", None).unwrap();
    let odd = info.with_database(ODD).conninfo();
    let back = ConnectionInfo::parse(&odd, None).unwrap();
    assert_eq!(back.database(), ODD);
}
