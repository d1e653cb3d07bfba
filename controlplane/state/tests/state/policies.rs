//! The history of policies: written with each change, and with nothing else.

use holdfast_state::command::{Change, DeleteResource, RaiseLevel, RecordBackup};
use holdfast_state::query::{self, PageRequest, PolicyRevision};
use holdfast_state::{revisions, schema};
use holdfast_types::Revision;
use holdfast_types::resource::{Document, Kind};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::fixture::{apply, cluster, committed, document, name, repository};
use crate::harness::{TestState, table};

/// A policy `gold` that promises this RPO.
fn gold(rpo: &str) -> Document {
    let spec = json!({"selector": {"tier": "gold"}, "repository": "eu",
        "objectives": {"rpo": rpo}});
    document("Policy", json!({"name": "gold"}), spec)
}

fn delete(called: &str) -> DeleteResource {
    DeleteResource {
        kind: Kind::Policy,
        name: name(called),
        expected: None,
    }
}

async fn with_history() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state
}

async fn history(state: &TestState) -> Vec<PolicyRevision> {
    let page = PageRequest::first(100);
    let found = query::policy_revisions(&state.conn, &name("gold"), &page).await;
    let found = found.unwrap().items.into_iter();
    found.map(|(revision, _)| revision).collect()
}

/// The RPO that each revision promised, the newest first.
fn promised(history: &[PolicyRevision]) -> Vec<Option<String>> {
    let rpo = |one: &PolicyRevision| {
        let document = one.document.as_ref()?.to_value();
        let rpo = &document["spec"]["objectives"]["rpo"];
        Some(rpo.as_str().unwrap_or("none").to_owned())
    };
    history.iter().map(rpo).collect()
}

#[tokio::test]
async fn each_change_of_a_policy_is_a_revision_and_nothing_else_is() {
    let mut state = with_history().await;
    let before = history(&state).await;
    assert_eq!(
        before.len(),
        1,
        "what was there when there came to be a history"
    );
    assert_eq!(before[0].changed_by, None);
    let applied = state.accept(apply([gold("30s")])).await;
    state.accept(apply([gold("30s")])).await;
    // Neither another document nor another policy is a change of this one.
    let others = [
        cluster("shop", "db1", json!({})),
        repository("us"),
        document(
            "Policy",
            json!({"name": "tin"}),
            json!({"selector": {"a": "b"}, "repository": "us"}),
        ),
    ];
    state.accept(apply(others)).await;
    state.accept(apply([gold("10s")])).await;
    let now = history(&state).await;
    let all: Vec<Option<String>> = ["10s", "30s", "none"]
        .map(|rpo| Some(rpo.to_owned()))
        .to_vec();
    assert_eq!(promised(&now), all);
    assert_eq!(now[1].revision, applied[0].revision);
    assert_eq!(
        now[0].changed_by.as_ref().unwrap().to_string(),
        "user:admin"
    );
    assert_eq!(now[0].changed_at, state.now);
    let current = query::resource(&state.conn, Kind::Policy, &name("gold")).await;
    assert_eq!(now[0].revision, current.unwrap().unwrap().revision);
    // A refusal is none.
    state.refuse(apply([gold("5s"), gold("6s")])).await;
    assert_eq!(history(&state).await.len(), 3);
}

#[tokio::test]
async fn a_deleted_policy_has_its_history_and_can_come_back() {
    let mut state = with_history().await;
    state.accept(apply([gold("30s")])).await;
    state.accept(delete("gold")).await;
    let gone = history(&state).await;
    assert_eq!(promised(&gone)[0], None);
    let one = query::policy_revision(&state.conn, &name("gold"), gone[1].revision).await;
    let said = one.unwrap().unwrap().document.unwrap();
    assert_eq!(said, gold("30s"));
    let back = state.accept(apply([said])).await;
    assert_eq!(back[0].change, Change::Created);
    assert_eq!(history(&state).await.len(), 4);
    let none = query::policy_revision(&state.conn, &name("gold"), Revision(1)).await;
    assert_eq!(none.unwrap(), None);
    let nobody = PageRequest::first(9);
    let nobody = query::policy_revisions(&state.conn, &name("nobody"), &nobody).await;
    assert!(nobody.unwrap().items.is_empty());
}

/// A page ends with a revision whose forerunner is on the next one.
#[tokio::test]
async fn a_revision_comes_with_the_one_before_it_on_every_page() {
    let mut state = with_history().await;
    for seconds in 1..=4 {
        state.accept(apply([gold(&format!("{seconds}s"))])).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit: 2, cursor };
        let page = query::policy_revisions(&state.conn, &name("gold"), &request).await;
        let page = page.unwrap();
        for (one, before) in page.items {
            let looked_up =
                query::policy_revision_before(&state.conn, &name("gold"), one.revision).await;
            assert_eq!(looked_up.unwrap(), before);
            seen.push(one);
        }
        match page.next_cursor {
            None => break,
            next => cursor = next,
        }
    }
    assert_eq!(seen, history(&state).await);
}

#[tokio::test]
async fn below_level_19_there_is_no_history() {
    let mut state = TestState::protecting().await;
    state.accept(RaiseLevel { level: 18 }).await;
    state.accept(apply([gold("30s")])).await;
    state.accept(delete("gold")).await;
    assert_eq!(history(&state).await, []);
    let one = query::policy_revision(&state.conn, &name("gold"), Revision(1)).await;
    assert_eq!(one.unwrap(), None);
    state.accept(RaiseLevel { level: 19 }).await;
    assert_eq!(history(&state).await, [], "what is gone has none");
}

/// A limit on everything: the newest stay.
#[tokio::test]
async fn the_oldest_revisions_go_when_there_are_too_many() {
    let mut state = with_history().await;
    // Straight into the database, at revisions before all that a log has: so many
    // entries would take minutes.
    let backend = state.conn.get_database_backend();
    for before in 1..=revisions::KEPT + 2 {
        let sql = "INSERT INTO policy_revisions VALUES ('gold', ?, NULL, NULL, 0)";
        let values = [(-i64::try_from(before).unwrap()).into()];
        let statement = Statement::from_sql_and_values(backend, sql, values);
        state.conn.execute_raw(statement).await.unwrap();
    }
    let applied = state.accept(apply([gold("30s")])).await;
    let dump = state.dump().await;
    let left = table(&dump, "policy_revisions").len() as u64;
    assert_eq!(left, revisions::KEPT);
    let newest = query::policy_revision(&state.conn, &name("gold"), applied[0].revision).await;
    assert!(newest.unwrap().is_some());
}

#[tokio::test]
async fn the_newest_physical_backup_tells_the_size_of_a_cluster() {
    let mut state = with_history().await;
    assert!(query::cluster_sizes(&state.conn).await.unwrap().is_empty());
    let at = |hours: i64| {
        let began: jiff::Timestamp = "2026-02-03T02:00:00Z".parse().unwrap();
        began + jiff::SignedDuration::from_hours(hours)
    };
    for (number, hours, bytes, stop) in [(1, 0, 5_000, 200), (2, 1, 7_000, 3_600_200)] {
        let mut commit = committed(number, number, &[(100, stop)]);
        commit.backup.stop_lsn = holdfast_types::Lsn::new(stop);
        commit.backup.started_at = at(hours);
        commit.backup.finished_at = at(hours) + jiff::SignedDuration::from_secs(90);
        commit.backup.database_bytes = bytes;
        state.accept(RecordBackup { commit }).await;
    }
    let sizes = query::cluster_sizes(&state.conn).await.unwrap();
    let orders = &sizes[&name("orders")];
    assert_eq!(orders.database_bytes, 7_000);
    assert_eq!(orders.backup_seconds, 90.0);
    assert_eq!(orders.wal_bytes_per_second, Some(1_000.0));
    assert_eq!(sizes.len(), 1);
    let labels = query::cluster_labels(&state.conn).await.unwrap();
    assert_eq!(json!(labels), json!({"orders": {"tier": "gold"}}));
    let regions = query::repository_regions(&state.conn).await.unwrap();
    assert_eq!(json!(regions), json!({"eu": Value::Null}));
    assert_eq!(query::restored_jobs(&state.conn, 9).await.unwrap(), []);
}
