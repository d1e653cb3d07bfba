//! Backups.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_agent::job::backup;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_proto::{BackupWork, JobOutcome, Work};
use holdfast_repo::VerifyOptions;
use holdfast_types::{BackupId, RestoreRequest};
use uuid::Uuid;

use super::child::dies_at;
use super::points;
use crate::fixture::{Fixture, context, succeeded};
use crate::ledger::{Ledger, assert_rows};

/// What a backup puts.
pub(super) const PUTS: &[&str] = &["put::pack::", "put::section::", "put::mark::"];
/// From here on the backup is there, whatever its process has said.
const COMMITTED: &[&str] = &["put::mark::after", "backup::commit::done"];

/// The backups that the repository lists.
pub(super) async fn listed(fixture: &Fixture) -> BTreeSet<BackupId> {
    let backups = fixture.lineage().await.list_backups().await.unwrap();
    assert!(backups.unreadable.is_empty());
    backups.available.iter().map(|one| one.id).collect()
}

/// Every backup that is listed can be read whole.
pub(super) async fn assert_whole(fixture: &Fixture) {
    let lineage = fixture.lineage().await;
    let options = VerifyOptions {
        deep: true,
        ..VerifyOptions::default()
    };
    let verified = lineage.repository().verify(&options, &Arc::default()).await;
    assert_eq!(verified.unwrap().findings, []);
}

/// The attempt after one: the control plane gives each an id of its own.
fn next_attempt(work: &BackupWork) -> BackupWork {
    BackupWork {
        backup: BackupId::from_uuid(Uuid::now_v7()),
        ..work.clone()
    }
}

// I-03, I-05
// Pitfall 1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_killed_anywhere_is_taken_once() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let duty = fixture.receive_wal();
    let mut noted = ledger.write().await;
    for point in points(&[&["backup::"][..], PUTS].concat()) {
        let before = listed(&fixture).await;
        let work = fixture.backup_work();
        dies_at(&fixture, point, Work::Backup(Box::new(work.clone()))).await;
        fixture.assert_no_backup_mode().await;
        let left: Vec<_> = listed(&fixture)
            .await
            .difference(&before)
            .copied()
            .collect();
        let is_committed = COMMITTED.contains(&point);
        let expected = if is_committed {
            vec![work.backup]
        } else {
            vec![]
        };
        assert_eq!(left, expected, "{point}: what counts as a backup");
        noted = ledger.write().await;
        let again = next_attempt(&work);
        let winner = match backup::run(again.clone(), context(), &fixture.host).await {
            JobOutcome::Succeeded(_) if !is_committed => again.backup,
            JobOutcome::Superseded(winner) if is_committed => winner,
            other => panic!("{point}: {other:?}"),
        };
        let won: Vec<_> = listed(&fixture)
            .await
            .difference(&before)
            .copied()
            .collect();
        assert_eq!(won, [winner], "{point}: one backup of a run");
    }
    fixture.assert_no_backup_mode().await;
    assert_whole(&fixture).await;
    // The last attempt that was killed had committed.
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    fixture.archive().await;
    let restored = fixture.restore(&request).await;
    assert_rows(&restored.connect().await, noted.id).await;
    duty.stop().await;
    // One slot, which was there before.
    let slots = fixture
        .cluster
        .psql("SELECT count(*) FROM pg_replication_slots");
    assert_eq!(slots, "1");
}

/// The same attempt again, as an agent does that was killed before it could say that
/// it had committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_had_committed_says_so() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let duty = fixture.receive_wal();
    let work = fixture.backup_work();
    dies_at(
        &fixture,
        "put::mark::after",
        Work::Backup(Box::new(work.clone())),
    )
    .await;
    let success = succeeded(backup::run(work.clone(), context(), &fixture.host).await);
    assert_eq!(success.backup.unwrap().id, work.backup);
    duty.stop().await;
}
