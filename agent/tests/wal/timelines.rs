//! Promotions, and servers that do not continue what is stored.

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_types::{LsnRange, SegmentSize, Timeline, WalSegment};

use crate::support::{
    Place, compare_with_server, end, eventually, gaps, insert_position, system_identifier, write,
};

fn two() -> Timeline {
    Timeline::new(2).unwrap()
}

async fn follows_a_promotion(number: u32) {
    let primary = TestCluster::builder(&major(number))
        .setting("wal_keep_size", "1GB")
        .start();
    let standby = primary.standby(None);
    let place = Place::new();
    // On the standby, as the agent on its host would.
    let mut receiving = place.start(&standby);
    write(&primary, 3);
    let position = insert_position(&primary);
    let report = receiving
        .until("the primary's WAL", |report| {
            end(report, Timeline::FIRST).is_some_and(|end| end >= position)
        })
        .await;
    assert_eq!(report.frontier, None, "a standby claims nothing"); // I-13
    standby.promote();
    write(&standby, 20);
    let report = receiving.caught_up(&standby).await;
    assert!(end(&report, two()).is_some(), "{report:?}");
    receiving
        .until("a claim on the new timeline", |report| {
            report
                .frontier
                .is_some_and(|frontier| frontier.timeline == two())
        })
        .await;

    let wal = place.wal(&standby).await;
    let history = wal.history(two()).await.unwrap();
    let switch = history.switchpoint_of(Timeline::FIRST).unwrap();
    let old = place.coverage(&standby, Timeline::FIRST).await;
    let new = place.coverage(&standby, two()).await;
    assert!(
        old.covers(LsnRange::new(old.ranges()[0].from_lsn, switch).unwrap()),
        "{old:?}"
    );
    assert_eq!(new.ranges().len(), 1, "{new:?}");
    assert!(
        new.ranges()[0].from_lsn <= switch,
        "the new timeline has all of its first segment"
    );
    assert!(compare_with_server(&wal, &standby).await > 0);
    receiving.duty.stop().await;

    // Another process finds its place on the new timeline.
    standby.psql("CREATE TABLE afterwards ()");
    let mut receiving = place.start(&standby);
    let report = receiving.caught_up(&standby).await;
    assert_eq!((gaps(&report), report.trouble), (vec![], None));
    receiving.duty.stop().await;
}

// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_promotion_of_15_is_followed() {
    follows_a_promotion(15).await;
}

// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_promotion_of_18_is_followed() {
    follows_a_promotion(18).await;
}

/// A copy that left the history before what is stored must not be mixed in.
// Pitfall 15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_with_another_history_is_refused_and_leaves_no_trace() {
    let primary = TestCluster::builder(&major(15)).start();
    let copy = primary.standby(None);
    copy.promote();
    assert_eq!(system_identifier(&copy), system_identifier(&primary));
    primary.psql("CREATE TABLE not_in_the_copy ()");
    let place = Place::new();
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    receiving.duty.stop().await;

    let mut refused = place.start(&copy);
    let report = refused.trouble("lineage_diverged").await;
    assert!(report.trouble.unwrap().hint.contains("incarnation"));
    refused.duty.stop().await;
    assert_eq!(
        place.wal(&primary).await.timelines().await.unwrap(),
        [Timeline::FIRST]
    );

    // The right one goes on.
    primary.psql("CREATE TABLE more ()");
    let mut receiving = place.start(&primary);
    assert_eq!(receiving.caught_up(&primary).await.trouble, None);
    receiving.duty.stop().await;
}

/// The same name, other bytes: an incident, and nothing is overwritten.
// Pitfall 15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_bytes_at_the_same_place_stop_everything() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    receiving.duty.stop().await;
    let wal = place.wal(&server).await;
    let end = wal.list(Timeline::FIRST).await.unwrap().end().unwrap();
    write(&server, 1);
    // Other bytes first, the server's own behind them: whoever looks only at
    // the last ones sees nothing.
    let middle = end.checked_add(128).unwrap();
    let foreign = LsnRange::new(end, middle).unwrap();
    let own = LsnRange::new(middle, middle.checked_add(128).unwrap()).unwrap();
    let segment = WalSegment::containing(Timeline::FIRST, end, SegmentSize::DEFAULT);
    assert!(own.to_lsn <= segment.end());
    let file = server.data_dir().join("pg_wal").join(segment.to_string());
    let bytes = std::fs::read(file).unwrap();
    let at = usize::try_from(middle.bytes_since(segment.start())).unwrap();
    let own_bytes = bytes[at..at + 128].to_vec();
    wal.put_slice(Timeline::FIRST, foreign, vec![7; 128].into())
        .await
        .unwrap();
    wal.put_slice(Timeline::FIRST, own, own_bytes.into())
        .await
        .unwrap();
    let slot_before = crate::support::kept_from(&server);

    let mut stopped = place.start(&server);
    let report = stopped.trouble("wal_conflict").await;
    assert!(!report.trouble.unwrap().retryable);
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    assert_eq!(
        listed.end(),
        Some(own.to_lsn),
        "nothing was stored behind it"
    );
    assert_eq!(
        crate::support::kept_from(&server),
        slot_before,
        "and nothing confirmed"
    ); // I-07
    stopped.duty.stop().await;
}

/// A standby that has less than the repository waits for its primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_behind_the_repository_catches_up_first() {
    let primary = TestCluster::builder(&major(15)).start();
    let standby = primary.standby(None);
    eventually("the standby", async || {
        standby.psql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "1"
    })
    .await;
    standby.psql("ALTER SYSTEM SET primary_conninfo = ''");
    standby.reload();
    eventually("the cut", async || {
        standby.psql("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
    })
    .await;
    write(&primary, 1);
    let place = Place::new();
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    receiving.duty.stop().await;

    let mut waiting = place.start(&standby);
    waiting.trouble("standby_behind").await;
    standby.psql("ALTER SYSTEM RESET primary_conninfo");
    let conninfo = primary.socket_conninfo();
    standby.psql(&format!("ALTER SYSTEM SET primary_conninfo = '{conninfo}'"));
    standby.reload();
    primary.psql("CREATE TABLE more ()");
    let position = insert_position(&primary);
    waiting
        .until("the primary's WAL", |report| {
            report.trouble.is_none()
                && end(report, Timeline::FIRST).is_some_and(|end| end >= position)
        })
        .await;
    waiting.duty.stop().await;
}

/// Pitfall 18: whoever comes after two promotions stores the history of both, and one
/// that the server itself has lost is no end: timelines are listed, not guessed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_history_that_is_missing_is_no_end() {
    let primary = TestCluster::builder(&major(15)).start();
    let second = primary.standby(None);
    second.promote();
    let third = second.standby(None);
    third.promote();
    let three = Timeline::new(3).unwrap();
    for lost in [false, true] {
        if lost {
            let file = two().history_file();
            std::fs::remove_file(third.data_dir().join("pg_wal").join(file)).unwrap();
        }
        let place = Place::new();
        let mut receiving = place.start(&third);
        let report = receiving.caught_up(&third).await;
        assert_eq!(report.trouble, None);
        receiving.duty.stop().await;
        let wal = place.wal(&third).await;
        let older = wal.fetch_history(two()).await.unwrap();
        assert_eq!(older.is_none(), lost);
        let timelines = wal.timelines().await.unwrap();
        assert_eq!(timelines.last(), Some(&three), "{timelines:?}");
        let history = wal.history(three).await.unwrap();
        assert!(history.switchpoint_of(Timeline::FIRST).is_some());
        assert!(history.switchpoint_of(two()).is_some());
    }
}
