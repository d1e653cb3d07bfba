//! Copies in another repository.

use holdfast_agent::job::copy;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_proto::{CopyWork, RepositoryAccess, Work};
use holdfast_types::{JobId, RestoreRequest, Secret};
use uuid::Uuid;

use super::backup::{assert_whole, listed};
use super::child::dies_at;
use super::points;
use crate::fixture::{Fixture, context, name, succeeded};
use crate::ledger::{Ledger, assert_rows};

// I-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_killed_anywhere_counts_when_it_is_whole() {
    let mut fixture = Fixture::new(&testkit::major(18)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let backup = fixture.archived_backup().await.backup.unwrap();
    let noted = ledger.write().await;
    fixture.archive().await;
    let from = fixture.access.clone();
    for (number, point) in points(&["copy::"]).into_iter().enumerate() {
        let place = fixture.cluster.root().join(format!("copy-{number}"));
        let to = RepositoryAccess {
            name: format!("copy-{number}").parse().unwrap(),
            url: format!("file://{}", place.display()),
            key: Secret::new("c0".repeat(32)),
            ..from.clone()
        };
        let work = CopyWork {
            job: JobId::from_uuid(Uuid::now_v7()),
            cluster: name(),
            backup: backup.id,
            lineage: backup.lineage,
            from: from.clone(),
            to: to.clone(),
        };
        dies_at(&fixture, point, Work::Copy(Box::new(work.clone()))).await;
        fixture.access = to;
        let is_there = listed(&fixture).await.contains(&backup.id);
        let is_marked = ["copy::commit::done", "copy::wal::done"].contains(&point);
        assert_eq!(is_there, is_marked, "{point}: what counts as a copy");
        assert_whole(&fixture).await;
        succeeded(copy::run(work, context(), &fixture.host).await);
        assert_eq!(listed(&fixture).await, [backup.id].into(), "{point}");
        assert_whole(&fixture).await;
    }
    // The last copy is what the fixture has now; the original is gone.
    std::fs::remove_dir_all(fixture.cluster.root().join("repo")).unwrap();
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let restored = fixture.restore(&request).await;
    assert_rows(&restored.connect().await, noted.id).await;
}
