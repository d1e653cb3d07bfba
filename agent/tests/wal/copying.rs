//! Copies of WAL: shipped as it is stored, and never waited for.

use holdfast_agent::host::Host;
use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::{CopiedWal, ReportedFrontier, RepositoryAccess, WalReport};
use holdfast_repo::{Codec, RepositoryKey};
use holdfast_types::{Lsn, Timeline};

use crate::support::{
    Place, cluster, end, eventually, insert_position, kept_from, system_identifier, write,
};

fn copy(report: &WalReport) -> &CopiedWal {
    &report.copies[0]
}

fn copied_to(report: &WalReport) -> Option<Lsn> {
    let wal = copy(report).wal.as_ref()?;
    let newest = wal.timelines.last()?;
    Some(newest.coverage.ranges().last()?.to_lsn)
}

// I-07
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_that_is_away_holds_nothing_up_and_catches_up() {
    let server = TestCluster::builder(&major(18))
        .initdb("--wal-segsize=1")
        .start();
    let place = Place::new();
    let directory = place.directory().join("copy");
    let access = RepositoryAccess {
        name: "us".parse().unwrap(),
        url: format!("file://{}", directory.display()),
        key: RepositoryKey::generate().to_text(),
        ..place.access()
    };
    let mut work = place.work(&server);
    work.copies = vec![access.clone()];
    let mut receiving = place.start_with(work, Default::default());
    receiving.caught_up(&server).await;
    let alike = |report: &WalReport| {
        end(report, Timeline::FIRST).is_some()
            && end(report, Timeline::FIRST) == copied_to(report)
            && copy(report).trouble.is_none()
    };
    write(&server, 3);
    receiving.caught_up(&server).await;
    receiving.until("the copy to hold as much", alike).await;
    receiving
        .until("a frontier of the copy", |report| {
            copy(report).frontier.is_some()
        })
        .await;

    // Away, even for root.
    let (clusters, away) = (directory.join("clusters"), directory.join("away"));
    std::fs::rename(&clusters, &away).unwrap();
    std::fs::write(&clusters, "in the way").unwrap();
    write(&server, 40);
    let troubled = receiving
        .until("trouble with the copy", |report| {
            copy(report).trouble.is_some()
        })
        .await;
    let claimed = copy(&troubled).frontier;
    let position = insert_position(&server);
    let report = receiving.caught_up(&server).await;
    assert_eq!(report.trouble, None, "it is no trouble of the original");
    eventually("the confirmation", async || {
        kept_from(&server).unwrap() >= position
    })
    .await;
    let frontier = |report: &WalReport| copy(report).frontier;
    let time = |claim: Option<ReportedFrontier>| claim.map(|claim| claim.frontier.time);
    assert_eq!(
        frontier(&receiving.report.borrow()),
        claimed,
        "it claims no more"
    );

    std::fs::remove_file(&clusters).unwrap();
    std::fs::rename(&away, &clusters).unwrap();
    write(&server, 1);
    receiving.caught_up(&server).await;
    let report = receiving.until("the copy to catch up", alike).await;
    let held = &copy(&report).wal.as_ref().unwrap().timelines[0].coverage;
    assert_eq!(held.ranges().len(), 1, "without a hole");
    receiving
        .until("the frontier of the copy", |report| {
            time(frontier(report)) > time(claimed)
        })
        .await;

    // It opens with its own key, and holds what the original holds.
    let host = receiving.host.clone();
    receiving.duty.stop().await;
    let compared = compared(&place, &server, &host, &access).await;
    assert!(compared > 10);
}

/// Compares each full segment of the copy with the original's, as they are stored, and
/// counts them.
async fn compared(
    place: &Place,
    server: &TestCluster,
    host: &Host,
    access: &RepositoryAccess,
) -> usize {
    let original = place.wal(server).await;
    let lineage = holdfast_types::Lineage {
        system_identifier: system_identifier(server),
        incarnation: 1,
    };
    let repository = host.existing_repository(access).await.unwrap();
    let copied = repository.lineage(&cluster(), lineage).await.unwrap();
    let size = copied.facts().segment_size;
    let copied = copied.wal(Codec::DEFAULT);
    let segments = copied.list(Timeline::FIRST).await.unwrap().segments;
    let mut at = segments.ranges()[0].from_lsn;
    let mut compared = 0;
    while at < segments.ranges()[0].to_lsn {
        let segment = holdfast_types::WalSegment::containing(Timeline::FIRST, at, size);
        let (here, there) =
            tokio::join!(copied.read_sealed(segment), original.read_sealed(segment));
        assert_eq!(here.unwrap().unwrap(), there.unwrap().unwrap(), "{segment}");
        copied.fetch_segment(segment).await.unwrap();
        (at, compared) = (segment.end(), compared + 1);
    }
    compared
}
