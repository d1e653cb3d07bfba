//! WAL that is gone, and bounds that are kept.

use holdfast_agent::wal::DutyOptions;
use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::WalWork;
use holdfast_types::resource::{MaxRetained, WhenFull};
use holdfast_types::{ByteSize, Timeline};

use crate::support::{Place, SLOT, eventually, gaps, kept_from, lose_wal, write};

// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_slot_is_a_recorded_gap() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    receiving.duty.stop().await;
    let stored = place.coverage(&server, Timeline::FIRST).await.ranges()[0];
    server.psql(&format!("SELECT pg_drop_replication_slot('{SLOT}')"));
    lose_wal(&server);

    let mut receiving = place.start(&server);
    let report = receiving
        .until("the gap", |report| !gaps(report).is_empty())
        .await;
    let gap = gaps(&report).remove(0);
    assert_eq!(
        gap.range.from_lsn, stored.to_lsn,
        "it begins where the last byte was stored"
    );
    assert!(gap.reason.contains("slot did not exist"), "{}", gap.reason);
    receiving.caught_up(&server).await;
    let coverage = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(coverage.ranges().len(), 2, "the hole shows: {coverage:?}");
    assert_eq!(
        coverage.ranges()[1].from_lsn,
        gap.range.to_lsn,
        "and ends where WAL begins again"
    );
    receiving.duty.stop().await;

    // Another process finds the hole again, and adds none.
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    let again = gaps(&receiving.report.borrow());
    assert_eq!(
        again.iter().map(|gap| gap.range).collect::<Vec<_>>(),
        [gap.range]
    );
    receiving.duty.stop().await;
}

/// Without the slot, but with the WAL still there, nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_dropped_under_the_stream_is_made_again() {
    let server = TestCluster::builder(&major(18)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    eventually("the slot to go", async || {
        server.psql(&format!(
            "SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots \
             WHERE slot_name = '{SLOT}'"
        ));
        let dropped = server.psql(&format!(
            "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots \
             WHERE slot_name = '{SLOT}' AND NOT active"
        ));
        dropped == "1"
    })
    .await;
    write(&server, 1);
    let report = receiving.caught_up(&server).await;
    assert_eq!(gaps(&report), []);
    assert!(kept_from(&server).is_some());
    assert_eq!(
        place
            .coverage(&server, Timeline::FIRST)
            .await
            .ranges()
            .len(),
        1
    );
    receiving.duty.stop().await;
}

// I-15
// Pitfall 21
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_database_is_not_filled_for_us() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let work = WalWork {
        max_retained: MaxRetained::Bytes(ByteSize::new(24 << 20)),
        ..place.work(&server)
    };
    let mut receiving = place.start_with(work, DutyOptions::default());
    receiving.caught_up(&server).await;
    place.break_it();
    write(&server, 40);
    let report = receiving.trouble("wal_retention_bound").await;
    assert!(
        report
            .trouble
            .unwrap()
            .message
            .contains(&(24 << 20).to_string())
    );
    eventually("the slot to go", async || kept_from(&server).is_none()).await;
    lose_wal(&server);
    lose_wal(&server);
    assert_eq!(
        kept_from(&server),
        None,
        "no slot while nothing can be stored"
    );

    place.repair_it();
    let report = receiving
        .until("the gap", |report| !gaps(report).is_empty())
        .await;
    let gap = gaps(&report).remove(0);
    assert!(gap.reason.contains("wal_retention_bound"), "{}", gap.reason);
    let report = receiving
        .until("receiving without trouble", |report| {
            report.trouble.is_none()
        })
        .await;
    assert!(report.wal.is_some());
    receiving.caught_up(&server).await;
    let coverage = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(coverage.ranges().len(), 2, "{coverage:?}");
    assert_eq!(coverage.ranges()[0].to_lsn, gap.range.from_lsn);
    receiving.duty.stop().await;
}

/// The opt-out: nothing is given up, and somebody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_shall_stay_stays_and_is_an_alarm() {
    let server = TestCluster::builder(&major(18)).start();
    let place = Place::new();
    let work = WalWork {
        max_retained: MaxRetained::Bytes(ByteSize::new(24 << 20)),
        when_full: WhenFull::Stall,
        ..place.work(&server)
    };
    let mut receiving = place.start_with(work, DutyOptions::default());
    receiving.caught_up(&server).await;
    place.break_it();
    write(&server, 40);
    let report = receiving.trouble("wal_retention_stalled").await;
    let trouble = report.trouble.unwrap();
    assert!(trouble.retryable, "{trouble:?}");
    assert!(trouble.hint.contains("whenFull"), "{trouble:?}");
    let kept = kept_from(&server).expect("the slot is there");
    lose_wal(&server);
    assert_eq!(kept_from(&server), Some(kept), "and keeps what it kept");

    place.repair_it();
    receiving.caught_up(&server).await;
    let report = receiving
        .until("the end of the alarm", |report| report.trouble.is_none())
        .await;
    assert_eq!(gaps(&report), []);
    let coverage = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(
        coverage.ranges().len(),
        1,
        "nothing is missing: {coverage:?}"
    );
    receiving.duty.stop().await;
}

/// PostgreSQL itself may give the slot up.
// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invalidated_slot_is_replaced_and_the_gap_told() {
    for number in [15, 18] {
        let server = TestCluster::builder(&major(number))
            .setting("max_slot_wal_keep_size", "1MB")
            .start();
        let place = Place::new();
        let mut receiving = place.start(&server);
        receiving.caught_up(&server).await;
        receiving.duty.stop().await;
        lose_wal(&server);
        let status =
            format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
        assert_eq!(server.psql(&status), "lost");

        let mut receiving = place.start(&server);
        let report = receiving
            .until("the gap", |report| !gaps(report).is_empty())
            .await;
        let reason = gaps(&report).remove(0).reason;
        assert!(reason.contains("invalidated"), "{reason}");
        receiving.caught_up(&server).await;
        assert!(kept_from(&server).is_some());
        receiving.duty.stop().await;
    }
}
