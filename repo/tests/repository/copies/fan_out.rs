//! What a backup puts is offered to copies as it comes, and holds nothing up.

use std::time::Duration;

use super::*;
use crate::support::fill;

/// Takes a full backup that is offered to one copy, once that is `opened`.
async fn offered(
    fixture: &Fixture,
    opened: impl Future<Output = Result<LineageCopy>> + Send + 'static,
) -> FinishedBackup {
    let begun = fixture.lineage.begin_backup(backup_id(1), SMALL).await;
    let writer = begun.unwrap();
    writer.fan_out(FanOut::to([opened]));
    fill(writer, &files(1)).await.unwrap()
}

async fn commit(finished: &FinishedBackup) -> Backup {
    let facts = commit_facts("run-1", "0/300028", "0/400100");
    finished.commit(facts).await.unwrap()
}

/// Once everything that was offered is in the copy, or left behind.
async fn settled(finished: &FinishedBackup, offered: u64) -> KeptUp {
    let settled = async {
        loop {
            let kept_up = finished.kept_up().remove(0);
            if kept_up.objects + kept_up.left_behind == offered {
                return kept_up;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(30), settled).await;
    settled.expect("all that was offered is accounted for")
}

/// The packs of the backup. The last sections of its manifest, which are all of a
/// small one, are left to the job.
async fn put(fixture: &Fixture) -> u64 {
    let names = fixture.place.raw_list().await;
    let packs = names.iter().filter(|name| name.contains("/packs/"));
    packs.count() as u64
}

async fn with_wal() -> Fixture {
    let fixture = Fixture::new(Place::file()).await;
    fixture.put_wal("0/300000", "0/500000").await;
    fixture
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backup_puts_is_in_the_copy_before_its_job() {
    let fixture = with_wal().await;
    let copy_place = Elsewhere::new(Place::s3()).await;
    let to = copy_place.open().await;
    let lineage = begin(&fixture, &to).await.unwrap();
    let finished = offered(&fixture, async { Ok(lineage) }).await;
    let kept_up = settled(&finished, put(&fixture).await).await;
    assert!(kept_up.objects > 0, "{kept_up:?}");
    assert_eq!(kept_up.failed, None);
    assert_eq!(
        copy_place.backups().await,
        [],
        "nothing counts before its mark"
    );
    let backup = commit(&finished).await;
    assert_eq!(copy_place.backups().await, [], "not even then");

    let job = begin(&fixture, &to).await.unwrap();
    assert!(!job.copy_backup(&backup).await.unwrap().was_there);
    assert_eq!(
        job.progress().copied_bytes(),
        job.progress().total_bytes() - kept_up.bytes,
        "what is there is not sent again"
    );
    check_restored(&copy_place.lineage().await, &backup, &files(1))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_does_not_answer_holds_nothing_up() {
    let fixture = with_wal().await;
    let finished = offered(&fixture, std::future::pending()).await;
    let backup = commit(&finished).await;
    let kept_up = finished.kept_up().remove(0);
    assert_eq!(kept_up.objects, 0);
    // One waits for it; more is not held in memory.
    assert_eq!(kept_up.left_behind + 1, put(&fixture).await);
    let copy_place = Elsewhere::new(Place::file()).await;
    copy(&fixture, &copy_place.open().await, &backup)
        .await
        .unwrap();
    check_restored(&copy_place.lineage().await, &backup, &files(1))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_fails_no_backup() {
    let fixture = with_wal().await;
    let copy_place = Elsewhere::new(Place::file()).await;
    let full = copy_place.behind(|store| store.refuse = "/packs/").await;
    let lineage = begin(&fixture, &full).await.unwrap();
    let finished = offered(&fixture, async { Ok(lineage) }).await;
    let kept_up = settled(&finished, put(&fixture).await).await;
    assert!(kept_up.failed.is_some(), "{kept_up:?}");
    let backup = commit(&finished).await;
    let again = begin(&fixture, &copy_place.open().await).await.unwrap();
    again.copy_backup(&backup).await.unwrap();
    check_restored(&copy_place.lineage().await, &backup, &files(1))
        .await
        .unwrap();

    // One that cannot even be opened.
    let fixture = with_wal().await;
    let cannot = async { Err(Error::Unfinished("it is away")) };
    let finished = offered(&fixture, cannot).await;
    commit(&finished).await;
    let kept_up = finished.kept_up().remove(0);
    assert_eq!(kept_up.objects, 0);
    assert!(kept_up.failed.unwrap().contains("it is away"));
}
