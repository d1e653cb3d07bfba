//! Copies that stay standbys: of the repository, and of the primary itself.

use holdfast_types::{RestoreRequest, TargetAction};

use crate::fixture::{Fixture, Restored, failure};
use crate::ledger::assert_rows;
use crate::tail::{code, prepared};

fn standby(fixture: &Fixture, set: &[(&str, &str)]) -> RestoreRequest {
    let mut request = RestoreRequest {
        start: true,
        action: TargetAction::Standby,
        ..fixture.request("latest")
    };
    for (name, value) in set {
        request.set.insert((*name).to_owned(), (*value).to_owned());
    }
    request
}

/// Waits until so many rows are in the copy, which must be in recovery.
async fn shows(copy: &Restored, last: i64) {
    let session = copy.connect().await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let row = session
            .row(
                "SELECT coalesce(max(id), 0)::int8, pg_is_in_recovery() FROM ledger",
                &[],
            )
            .await
            .unwrap();
        let (newest, in_recovery): (i64, bool) = (row.get(0), row.get(1));
        assert!(in_recovery, "it was promoted");
        if newest >= last {
            return assert_rows(&session, last).await;
        }
        let log = copy.dir().join(".holdfast/server.log");
        assert!(
            tokio::time::Instant::now() < end,
            "row {newest} of {last}: {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_replays_what_comes_into_the_repository() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        fixture.archived_backup().await;
        let before = ledger.write_many(3).await.pop().unwrap();
        fixture.archive().await;
        let copy = fixture.restore(&standby(&fixture, &[])).await;
        shows(&copy, before.id).await;

        // What was written after the plan, and the restore.
        let after = ledger.write_many(3).await.pop().unwrap();
        fixture.archive().await;
        shows(&copy, after.id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_streams_from_the_primary_it_is_told_to_follow() {
    let (fixture, mut ledger) = prepared(18).await;
    fixture.archived_backup().await;
    ledger.write_many(3).await;
    fixture.archive().await;
    let primary = fixture.cluster.socket_conninfo();
    let copy = fixture
        .restore(&standby(&fixture, &[("primary_conninfo", &primary)]))
        .await;
    // Nobody puts this into the repository.
    let after = ledger.write_many(3).await.pop().unwrap();
    shows(&copy, after.id).await;
    let count = "SELECT count(*)::int8 FROM pg_stat_replication";
    let row = fixture.session.row(count, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

// Pitfall 29
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_somebody_else_starts_stays_a_standby() {
    let (fixture, mut ledger) = prepared(15).await;
    fixture.archived_backup().await;
    let before = ledger.write_many(3).await.pop().unwrap();
    fixture.archive().await;
    let request = RestoreRequest {
        start: false,
        ..standby(&fixture, &[])
    };
    let copy = fixture.restore(&request).await;
    let port = holdfast_pg::testkit::free_port();
    assert!(copy.start_plainly(port), "it starts");
    let session = crate::fixture::connect(copy.dir().parent().unwrap(), port).await;
    let row = session
        .row("SELECT pg_is_in_recovery(), max(id)::int8 FROM ledger", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, before.id));
    copy.stop("fast");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_nowhere_and_takes_no_password() {
    let (fixture, mut ledger) = prepared(18).await;
    fixture.archived_backup().await;
    let noted = ledger.write().await;
    fixture.archive().await;
    let request = RestoreRequest {
        at: format!("lsn:{}", noted.lsn).parse().unwrap(),
        ..standby(&fixture, &[])
    };
    assert_eq!(code(fixture.plan(&request).await), "standby_needs_latest");

    let secret = [("primary_conninfo", "host=db1 password=open")];
    let request = standby(&fixture, &secret);
    let plan = fixture.plan(&request).await.unwrap();
    let problem = plan.problems.first().expect("it is refused");
    assert_eq!(problem.code, "setting_reserved");
    assert!(!problem.message.contains("open"), "{problem}");
    let outcome = fixture.execute(&request, plan).await;
    assert_eq!(failure(outcome).code, "setting_reserved");
    assert!(!std::path::Path::new(&request.dir).exists());
}
