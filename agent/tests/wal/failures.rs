//! Bad days: each has a code, says what to do, confirms nothing, and passes.

use std::time::{Duration, Instant};

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::WalReport;
use holdfast_repo::RepositoryKey;
use holdfast_types::{Secret, Timeline};

use crate::support::{
    Place, Receiving, eventually, gaps, insert_position, kept_from, system_identifier, write,
};

async fn stop(receiving: Receiving) {
    receiving.duty.stop().await;
}

// I-07
// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_confirmed_while_the_repository_cannot_be_written() {
    let server = TestCluster::builder(&major(18)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    place.break_it();
    // The last confirmation may still be under way.
    write(&server, 1);
    let broken = |report: &WalReport| {
        report
            .trouble
            .as_ref()
            .is_some_and(|trouble| trouble.code.starts_with("repository_"))
    };
    receiving.until("trouble with the repository", broken).await;
    let (slot, frontier) = (kept_from(&server), receiving.report.borrow().frontier);
    // More than may wait in memory, so that receiving pauses too.
    write(&server, 60);
    assert_eq!(kept_from(&server), slot, "the slot stays");
    assert_eq!(
        receiving.report.borrow().frontier,
        frontier,
        "and so does the claim"
    );

    place.repair_it();
    let position = insert_position(&server);
    receiving
        .until("receiving without trouble", |report| {
            report.trouble.is_none()
        })
        .await;
    receiving.caught_up(&server).await;
    eventually("the confirmation", async || {
        kept_from(&server).unwrap() >= position
    })
    .await;
    assert_eq!(
        place
            .coverage(&server, Timeline::FIRST)
            .await
            .ranges()
            .len(),
        1
    );
    stop(receiving).await;
}

// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_ways_to_be_refused_have_codes_and_hints() {
    let server = TestCluster::builder(&major(15))
        .hba("host replication blocked 127.0.0.1/32 reject")
        .start();
    server.psql("CREATE ROLE blocked LOGIN REPLICATION PASSWORD 'x'");
    let place = Place::new();
    let work = place.work(&server);
    let expect = async |code: &str, work| {
        let mut receiving = place.start_with(work, Default::default());
        let report = receiving.trouble(code).await;
        assert!(!report.trouble.unwrap().hint.is_empty());
        assert_eq!(report.frontier, None);
        stop(receiving).await;
    };

    let mut wrong_password = work.clone();
    wrong_password.instance.connection = server.tcp_conninfo("postgres");
    wrong_password.instance.password = Some(Secret::new("wrong"));
    expect("pg_wrong_password", wrong_password).await;

    let mut blocked = work.clone();
    blocked.instance.connection = server.tcp_conninfo("blocked");
    blocked.instance.password = Some(Secret::new("x"));
    expect("pg_hba_refused", blocked).await;

    let mut nobody = work.clone();
    nobody.instance.connection = "host=/nowhere port=1 user=postgres".to_owned();
    expect("pg_unreachable", nobody).await;

    let mut nonsense = work.clone();
    nonsense.instance.connection = "host=".to_owned();
    expect("pg_connection_invalid", nonsense).await;

    let mut other = work.clone();
    other.instance.system_identifier = Some(system_identifier(&server) + 1);
    expect("foreign_system_identifier", other).await;
    assert_eq!(
        kept_from(&server),
        None,
        "no slot on a server that is not ours"
    );

    let mut no_store = work.clone();
    no_store.repository.url = "file:///proc/no-such-place/repository".to_owned();
    let mut receiving = place.start_with(no_store, Default::default());
    let report = receiving
        .until("trouble", |report| report.trouble.is_some())
        .await;
    assert!(report.trouble.unwrap().code.starts_with("repository_"));
    assert!(
        kept_from(&server).is_some(),
        "WAL is kept from the first moment"
    );
    stop(receiving).await;

    let mut receiving = place.start_with(work.clone(), Default::default());
    receiving.caught_up(&server).await;
    stop(receiving).await;
    let mut wrong_key = work;
    wrong_key.repository.key = RepositoryKey::generate().to_text();
    expect("wrong_repository_key", wrong_key).await;
}

/// Another duty holds the slot: it is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_in_use_holds_up_nobody() {
    let server = TestCluster::builder(&major(15)).start();
    let (first, second) = (Place::new(), Place::new());
    let mut holder = first.start(&server);
    holder.caught_up(&server).await;
    // On PostgreSQL 15 too, and from another process; more in `sharing.rs`.
    let mut other = second.start(&server);
    let report = other.caught_up(&server).await;
    assert_eq!(report.trouble, None);
    stop(holder).await;
    write(&server, 1);
    other.caught_up(&server).await;
    stop(other).await;
}

/// What cannot be stored does not keep the agent from ending, and is received
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_duty_that_cannot_store_still_ends_in_time() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    place.break_it();
    write(&server, 40);
    receiving
        .until("trouble", |report| report.trouble.is_some())
        .await;
    let started = Instant::now();
    stop(receiving).await;
    // The whole agent has ten seconds.
    assert!(started.elapsed() < Duration::from_secs(9));
    place.repair_it();
    let mut receiving = place.start(&server);
    let report = receiving.caught_up(&server).await;
    assert_eq!(gaps(&report), []);
    let stored = place.coverage(&server, Timeline::FIRST).await;
    assert_eq!(stored.ranges().len(), 1, "{stored:?}");
    stop(receiving).await;
}
