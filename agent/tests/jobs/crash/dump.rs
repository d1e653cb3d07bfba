//! Dumps, and databases that are made of them.

use holdfast_agent::job::{backup, restore_dump};
use holdfast_pg::testkit;
use holdfast_proto::{BackupWork, DumpRestoreWork, JobOutcome, Work};
use holdfast_types::{
    BackupId, BackupKind, CommittedBackup, DumpFormat, DumpOptions, DumpRestoreRequest, JobId,
};
use uuid::Uuid;

use super::backup::{assert_whole, listed};
use super::child::dies_at;
use super::points;
use crate::fixture::{Fixture, context, failure, name, succeeded};

const FILL: &str = "\
    CREATE TABLE item AS SELECT i AS id, md5(i::text) AS hash FROM generate_series(1, 5000) i\n\
    CREATE INDEX ON item (id)";
const DIGEST: &str = "SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM item i";
/// From here on the database is there.
const PUBLISHED: &str = "restore_dump::commit::done";

async fn with_shop() -> Fixture {
    let fixture = Fixture::new(&testkit::major(18)).await;
    fixture.cluster.psql("CREATE DATABASE shop");
    fixture.cluster.psql_in("shop", FILL);
    fixture
}

fn dump_work(fixture: &Fixture) -> BackupWork {
    // A directory: what is staged on the host is left by the process that dies.
    let options = DumpOptions {
        databases: vec!["shop".to_owned()],
        format: DumpFormat::Directory,
        ..DumpOptions::default()
    };
    BackupWork {
        kind: BackupKind::Logical,
        dump: Some(options),
        ..fixture.backup_work()
    }
}

fn restore_work(fixture: &Fixture, dump: &CommittedBackup, into: &str) -> DumpRestoreWork {
    DumpRestoreWork {
        job: JobId::from_uuid(Uuid::now_v7()),
        repository: fixture.access.clone(),
        backup: dump.id,
        lineage: dump.lineage,
        instance: fixture.instance(),
        request: DumpRestoreRequest {
            cluster: name(),
            backup: Some(dump.id),
            database: "shop".to_owned(),
            into: into.to_owned(),
            to_cluster: None,
            jobs: 1,
            owner: None,
            no_privileges: false,
        },
    }
}

// I-03, I-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_is_killed_anywhere_is_taken_once() {
    let fixture = with_shop().await;
    let mut newest = None;
    for point in points(&["dump::"]) {
        let before = listed(&fixture).await;
        let work = dump_work(&fixture);
        dies_at(&fixture, point, Work::Backup(Box::new(work.clone()))).await;
        let is_committed = point == "dump::commit::done";
        let left = listed(&fixture).await.difference(&before).count();
        assert_eq!(left, usize::from(is_committed), "{point}");
        let again = BackupWork {
            backup: BackupId::from_uuid(Uuid::now_v7()),
            ..work.clone()
        };
        match backup::run(again, context(), &fixture.host).await {
            JobOutcome::Succeeded(success) if !is_committed => newest = success.backup,
            JobOutcome::Superseded(winner) if is_committed => assert_eq!(winner, work.backup),
            other => panic!("{point}: {other:?}"),
        }
        assert_eq!(
            listed(&fixture).await.difference(&before).count(),
            1,
            "{point}"
        );
    }
    assert_whole(&fixture).await;
    let work = restore_work(&fixture, &newest.unwrap(), "back");
    succeeded(restore_dump::run(work, context(), &fixture.host).await);
    let ask = |database: &str| fixture.cluster.psql_in(database, DIGEST);
    assert_eq!(ask("back"), ask("shop"));
    // Of what the killed ones had staged on the host, nothing is left.
    let staged = super::child::objects(&fixture.host.data_dir().join("dumps"));
    assert!(staged.is_empty(), "{staged:?}");
}

// I-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_half_made_is_never_seen_and_does_not_stay() {
    let fixture = with_shop().await;
    let work = dump_work(&fixture);
    let dump = succeeded(backup::run(work, context(), &fixture.host).await);
    let dump = dump.backup.unwrap();
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database \
                     WHERE datname NOT IN ('postgres', 'template0', 'template1', 'shop')";
    for (number, point) in points(&["restore_dump::"]).into_iter().enumerate() {
        let into = format!("back{number}");
        let work = restore_work(&fixture, &dump, &into);
        dies_at(&fixture, point, Work::RestoreDump(Box::new(work.clone()))).await;
        let seen = fixture.cluster.psql(databases);
        let is_there = seen.split(' ').any(|name| name == into);
        assert_eq!(is_there, point == PUBLISHED, "{point}: {seen}");
        // A restore is not tried again by itself: a person orders another.
        let again = restore_work(&fixture, &dump, &into);
        let outcome = restore_dump::run(again, context(), &fixture.host).await;
        if is_there {
            assert_eq!(failure(outcome).code, "database_not_empty");
        } else {
            succeeded(outcome);
        }
        let ask = |database: &str| fixture.cluster.psql_in(database, DIGEST);
        assert_eq!(ask(&into), ask("shop"), "{point}");
        fixture.cluster.psql(&format!("DROP DATABASE {into}"));
        assert_eq!(
            fixture.cluster.psql(databases),
            "",
            "{point}: nothing stays"
        );
    }
}
