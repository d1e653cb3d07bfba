//! The usual days.

use std::time::Duration;

use holdfast_agent::wal::{MissingWal, prove, prove_within};
use holdfast_pg::testkit::{TestCluster, major};
use holdfast_types::{LsnRange, Span, Timeline};

use crate::support::{
    Place, compare_with_server, eventually, insert_position, kept_from, quorum, write,
};

async fn stores_what_the_server_wrote(number: u32, segment_size: &str) {
    let server = TestCluster::builder(&major(number))
        .initdb(segment_size)
        // So that all of it is there to compare with.
        .setting("wal_keep_size", "1GB")
        .start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    server.pgbench(&["-i", "-q", "-s", "2"]);
    server.pgbench(&["-c", "4", "-T", "3", "-n"]);
    write(&server, 48);
    server.psql("SELECT pg_switch_wal()");
    let report = receiving.caught_up(&server).await;
    assert_eq!(report.trouble, None);
    assert_eq!(crate::support::gaps(&report), []);

    let wal = place.wal(&server).await;
    let compared = compare_with_server(&wal, &server).await;
    assert!(compared >= 3, "only {compared} segments were compared");
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    assert_eq!(listed.coverage().ranges().len(), 1, "no hole: {listed:?}");
    let known = &report.wal.unwrap().timelines[0].coverage;
    assert!(
        listed.coverage().covers(known.ranges()[0]),
        "claimed and not there"
    );

    // I-04: slices that segments cover go only when there is a quorum.
    let covered = |listed: &holdfast_repo::TimelineWal| {
        listed
            .slices
            .iter()
            .filter(|slice| listed.segments.covers(**slice))
            .count()
    };
    assert!(covered(&listed) > 0, "no session, so nothing was deleted");
    quorum(&receiving.host);
    eventually("covered slices to go", async || {
        covered(&wal.list(Timeline::FIRST).await.unwrap()) == 0
    })
    .await;
    assert!(compare_with_server(&wal, &server).await >= compared);

    // The end leaves nothing behind that was received.
    server.psql("CREATE TABLE last_words ()");
    let position = insert_position(&server);
    receiving.caught_up(&server).await;
    receiving.duty.stop().await;
    let end = wal.list(Timeline::FIRST).await.unwrap().end().unwrap();
    assert!(end >= position, "{end} before {position}");
    assert!(
        kept_from(&server).unwrap() >= position,
        "and it was confirmed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_what_postgresql_15_wrote() {
    stores_what_the_server_wrote(15, "--wal-segsize=16").await;
}

// Pitfall 14
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_what_postgresql_18_wrote_in_small_segments() {
    stores_what_the_server_wrote(18, "--wal-segsize=1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idle_server_is_not_exposed() {
    let server = TestCluster::builder(&major(18)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    let mut last = None;
    for _ in 0..3 {
        let report = receiving
            .until("a later frontier", |report| {
                report
                    .frontier
                    .is_some_and(|frontier| Some(frontier.frontier.time) > last)
            })
            .await;
        last = report.frontier.map(|frontier| frontier.frontier.time);
    }
    // After a switch the insert position lies behind a bare page header.
    server.psql("CREATE TABLE something ()\nSELECT pg_switch_wal()");
    let switched = receiving.host.clock().now().unwrap();
    let report = receiving
        .until("a frontier after the switch", |report| {
            report
                .frontier
                .is_some_and(|frontier| frontier.frontier.time > switched)
        })
        .await;
    let claimed = report.frontier.unwrap();
    let needed = LsnRange::new("0/1000000".parse().unwrap(), claimed.frontier.lsn).unwrap();
    let stored = place.coverage(&server, claimed.timeline).await;
    assert_eq!(
        stored.contiguous_end(stored.ranges()[0].from_lsn),
        needed.to_lsn
    );
    receiving.duty.stop().await;
}

/// A frontier is a promise: what was committed before it is in the repository.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frontier_is_fresh_and_true_under_load() {
    let server = TestCluster::builder(&major(15)).start();
    server.pgbench(&["-i", "-q", "-s", "1"]);
    let place = Place::new();
    let mut work = place.work(&server);
    work.flush_every = Span::from_secs(1);
    let mut receiving = place.start_with(work, Default::default());
    receiving
        .until("a frontier", |report| report.frontier.is_some())
        .await;
    let load = std::thread::scope(|scope| {
        let load = scope.spawn(|| server.pgbench(&["-c", "4", "-R", "200", "-T", "8", "-n"]));
        let mut oldest = Duration::ZERO;
        while !load.is_finished() {
            let before = insert_position(&server);
            let asked = receiving.host.clock().now().unwrap();
            let report = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(
                    receiving.until("a frontier after our question", |report| {
                        report.frontier.is_some_and(|f| f.frontier.time >= asked)
                    }),
                )
            });
            let frontier = report.frontier.unwrap().frontier;
            assert!(
                frontier.lsn >= before,
                "{} claims less than {before}",
                frontier.lsn
            );
            let age = receiving.host.clock().now().unwrap().duration_since(asked);
            oldest = oldest.max(age.try_into().unwrap());
        }
        load.join().unwrap();
        oldest
    });
    // A new claim follows each question within a flush interval and the time
    // to store, with room for a busy machine.
    assert!(load < Duration::from_secs(4), "exposed for {load:?}");
    receiving.duty.stop().await;
}

// I-05
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wal_is_proved_in_the_repository_itself() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    let report = receiving.caught_up(&server).await;
    let from = report.wal.unwrap().timelines[0].coverage.ranges()[0].from_lsn;
    let lineage = place.lineage(&server).await;
    write(&server, 20);
    let to = insert_position(&server);
    let host = &receiving.host;
    let wal = prove(host, &lineage, Timeline::FIRST, from, to)
        .await
        .unwrap();
    assert!(
        wal.timelines[0]
            .coverage
            .covers(LsnRange::new(from, to).unwrap())
    );

    let far = to.checked_add(1 << 30).unwrap();
    let range = LsnRange::new(from, far).unwrap();
    let patience = Duration::from_secs(1);
    let missing = prove_within(host, &lineage, Timeline::FIRST, range, patience).await;
    let Err(MissingWal::Gaps { gaps, .. }) = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(gaps.last().unwrap().to_lsn, far);
    assert!(gaps[0].from_lsn >= to);
    receiving.duty.stop().await;
}

// I-15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_withdrawn_duty_takes_its_slot_with_it() {
    let server = TestCluster::builder(&major(15)).start();
    let mut receiving = Place::new().start(&server);
    receiving.caught_up(&server).await;
    assert!(kept_from(&server).is_some());
    receiving.duty.drop_slot().await.unwrap();
    assert_eq!(kept_from(&server), None);
}
