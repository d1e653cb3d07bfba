//! Targets that are a record of the log: transactions and named restore points.

use holdfast_types::RestoreRequest;

use crate::fixture::{Fixture, Restored};
use crate::ledger::{Ledger, Noted, assert_rows};
use crate::tail::{code, prepared, started};

/// A row, and the transaction that wrote it.
async fn write(fixture: &Fixture, ledger: &mut Ledger) -> (Noted, String) {
    let noted = ledger.write().await;
    let query = "SELECT xmin::text FROM ledger WHERE id = $1";
    let row = fixture.session.row(query, &[&noted.id]).await.unwrap();
    (noted, row.get(0))
}

async fn point(fixture: &Fixture, name: &str) {
    let query = "SELECT pg_create_restore_point($1)::text";
    fixture.session.row(query, &[&name]).await.unwrap();
}

async fn before(fixture: &Fixture, at: &str) -> Restored {
    let request = RestoreRequest {
        start: true,
        exclusive: true,
        ..fixture.request(at)
    };
    fixture.restore(&request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_restored_to_and_left_out() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        fixture.archived_backup().await;
        ledger.write_many(3).await;
        let (meant, xid) = write(&fixture, &mut ledger).await;
        ledger.write_many(3).await;
        fixture.archive().await;

        let copy = started(&fixture, &format!("xid:{xid}")).await;
        assert_rows(&copy.connect().await, meant.id).await;
        assert_eq!(copy.result.last_xid.unwrap().to_string(), xid);
        drop(copy);
        let copy = before(&fixture, &format!("xid:{xid}")).await;
        assert_rows(&copy.connect().await, meant.id - 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_point_is_found_from_whatever_backup_leads_to_it() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        let first = fixture.archived_backup().await.backup.unwrap();
        let last = ledger.write_many(3).await.pop().unwrap();
        point(&fixture, "before drop").await;
        let later = ledger.write_many(3).await.pop().unwrap();
        let second = fixture.archived_backup().await.backup.unwrap();
        ledger.write().await;
        point(&fixture, "again").await;
        ledger.write().await;
        fixture.archive().await;

        let copy = started(&fixture, "name:before drop").await;
        assert_eq!(copy.plan.backup, first.id);
        assert_rows(&copy.connect().await, last.id).await;
        drop(copy);
        let copy = started(&fixture, "name:again").await;
        assert_eq!(copy.plan.backup, second.id);
        assert_rows(&copy.connect().await, later.id + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_given_twice_is_refused_and_both_places_are_told() {
    let (fixture, mut ledger) = prepared(18).await;
    fixture.archived_backup().await;
    point(&fixture, "twice").await;
    let between = ledger.write().await;
    // From the newer backup alone it would be there once.
    fixture.archived_backup().await;
    point(&fixture, "twice").await;
    ledger.write().await;
    fixture.archive().await;

    let refused = fixture.plan(&fixture.request("name:twice")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, "target_ambiguous");
    let places: Vec<_> = refused.message.split("made at").collect();
    assert_eq!(places.len(), 3, "{refused}");
    // What it tells can be given instead.
    let first = refused.message.split(": ").nth(1).unwrap();
    let first = first.split(' ').next().unwrap();
    let plan = fixture
        .plan(&fixture.request(&format!("lsn:{first}")))
        .await;
    assert!(plan.unwrap().wal.to_lsn <= between.lsn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_became_decides() {
    let (fixture, mut ledger) = prepared(18).await;
    fixture.archived_backup().await;
    let rows = ledger.write_many(2).await.pop().unwrap();
    fixture
        .session
        .execute(
            "BEGIN; CREATE TABLE gone (); SAVEPOINT s; INSERT INTO gone DEFAULT VALUES; RELEASE s",
        )
        .await
        .unwrap();
    let query = "SELECT pg_current_xact_id()::text, xmin::text FROM gone";
    let row = fixture.session.row(query, &[]).await.unwrap();
    let (undone, inner): (String, String) = (row.get(0), row.get(1));
    fixture.session.execute("ROLLBACK").await.unwrap();
    ledger.write().await;
    fixture.archive().await;

    // PostgreSQL stops there too; who asked for it is told.
    let copy = started(&fixture, &format!("xid:{undone}")).await;
    assert!(
        copy.plan
            .warnings
            .iter()
            .any(|it| it.contains("rolled back")),
        "{:?}",
        copy.plan.warnings
    );
    assert_rows(&copy.connect().await, rows.id).await;
    for without_end in [inner, "4000000000".to_owned()] {
        let refused = fixture
            .plan(&fixture.request(&format!("xid:{without_end}")))
            .await;
        assert_eq!(code(refused), "target_not_found", "{without_end}");
    }
}
