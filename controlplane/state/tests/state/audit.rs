//! The audit log (I-11): every change somebody caused, chained, without
//! secrets (I-10).

use holdfast_state::audit::{ACCEPTED, verify};
use holdfast_state::command::{CreateUser, PruneExpired};
use holdfast_state::query::{self, AuditFilter, PageRequest};
use holdfast_state::{Entry, Principal};
use jiff::SignedDuration;
use sea_orm::ConnectionTrait;

use crate::fixture::{SECRET_WORD, bootstrap, name, password, user_id};
use crate::harness::{TestState, table};

fn user(number: u128, called: &str) -> CreateUser {
    CreateUser {
        user: user_id(number),
        name: name(called),
        password: password(),
    }
}

async fn five_rows() -> TestState {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    for (number, called) in [(2, "ann"), (3, "bob"), (4, "cid")] {
        state.pass(SignedDuration::from_secs(1));
        state.accept(user(number, called)).await;
    }
    state.refuse(user(5, "ann")).await;
    state
}

#[tokio::test]
async fn accepted_and_refused_commands_are_recorded_with_their_cause() {
    let state = five_rows().await;
    let all = query::audit(&state.conn, &AuditFilter::default(), &PageRequest::first(9)).await;
    let rows = all.unwrap().items;
    let outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["already_exists", ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED]
    );
    assert_eq!(rows[0].action, "create_user");
    assert_eq!(rows[0].target, "users/ann");
    assert_eq!(rows[0].principal, Principal::user("admin"));
    assert_eq!(rows[0].remote.as_deref(), Some("192.0.2.7"));
    assert_eq!((rows[4].seq, rows[4].index), (1, 1));
}

#[tokio::test]
async fn what_nobody_caused_is_not_in_the_audit_log() {
    let mut state = five_rows().await;
    let entry = Entry::new(state.now, PruneExpired {});
    state.apply_entry(&entry).await;
    assert_eq!(table(&state.dump().await, "audit").len(), 5);
}

#[tokio::test]
async fn rows_are_found_by_principal_action_target_and_time() {
    let state = five_rows().await;
    let count = async |filter: AuditFilter| {
        let rows = query::audit(&state.conn, &filter, &PageRequest::first(9)).await;
        rows.unwrap().items.len()
    };
    let none = AuditFilter::default();
    let by = |principal: &str| AuditFilter {
        principal: Some(principal.parse().unwrap()),
        ..none.clone()
    };
    assert_eq!(
        (count(by("user:admin")).await, count(by("token:ci")).await),
        (5, 0)
    );
    let action = |action: &str| AuditFilter {
        action: Some(action.to_owned()),
        ..none.clone()
    };
    assert_eq!(count(action("create_user")).await, 4);
    let target = |target: &str| AuditFilter {
        target: Some(target.to_owned()),
        ..none.clone()
    };
    assert_eq!(count(target("users/ann")).await, 2);
    let since = |seconds| AuditFilter {
        since: Some(state.now + SignedDuration::from_secs(seconds)),
        ..none.clone()
    };
    assert_eq!(
        (
            count(since(0)).await,
            count(since(-1)).await,
            count(since(1)).await
        ),
        (2, 3, 0)
    );
    let until = |seconds| AuditFilter {
        until: Some(state.now + SignedDuration::from_secs(seconds)),
        ..none.clone()
    };
    assert_eq!((count(until(0)).await, count(until(1)).await), (3, 5));
    let nanosecond = AuditFilter {
        since: Some(state.now + SignedDuration::from_nanos(1)),
        ..none.clone()
    };
    assert_eq!(count(nanosecond).await, 0);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_hole() {
    let state = five_rows().await;
    let mut request = PageRequest::first(2);
    let mut seen = Vec::new();
    loop {
        let page = query::audit(&state.conn, &AuditFilter::default(), &request)
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|row| row.seq));
        let Some(cursor) = page.next_cursor else {
            break;
        };
        request.cursor = Some(cursor);
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn an_untouched_chain_is_sound() {
    let state = five_rows().await;
    let verified = verify(&state.conn).await.unwrap();
    assert_eq!((verified.rows, &verified.broken), (5, &None));
    let rows = query::audit(&state.conn, &AuditFilter::default(), &PageRequest::first(1)).await;
    assert_eq!(verified.head, rows.unwrap().items[0].hash);
    let empty = TestState::new().await;
    assert_eq!(verify(&empty.conn).await.unwrap().rows, 0);
}

#[tokio::test]
async fn whatever_was_tampered_with_is_found_at_its_place() {
    let cases = [
        ("UPDATE audit SET target = 'users/eve' WHERE seq = 3", 3),
        ("UPDATE audit SET detail = '{}' WHERE seq = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE seq = 4", 4),
        ("UPDATE audit SET remote = NULL WHERE seq = 1", 1),
        ("UPDATE audit SET principal = 'user:eve' WHERE seq = 5", 5),
        ("UPDATE audit SET previous = zeroblob(32) WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 5", 5),
        ("DELETE FROM audit", 1),
        (
            "INSERT INTO audit SELECT 6, log_index, at, principal, request, remote, action, \
             target, detail, outcome, hash, hash FROM audit WHERE seq = 5",
            6,
        ),
    ];
    for (sql, expected) in cases {
        let state = five_rows().await;
        state.conn.execute_unprepared(sql).await.unwrap();
        let verified = verify(&state.conn).await.unwrap();
        let broken = verified
            .broken
            .unwrap_or_else(|| panic!("not found: {sql}"));
        assert_eq!(broken.seq, expected, "{sql}: {}", broken.problem);
    }
}

#[tokio::test]
async fn no_secret_is_in_any_row() {
    use base64::Engine;
    let mut state = TestState::new().await;
    for (_, command) in crate::example::examples() {
        let mut entry = state.entry(bootstrap());
        entry.command = command;
        state.apply_entry(&entry).await;
    }
    let dump = state.dump().await;
    let rows = table(&dump, "audit");
    assert!(rows.len() > 20);
    let sealed = base64::engine::general_purpose::STANDARD.encode(SECRET_WORD);
    let hex = hex::encode_upper(SECRET_WORD);
    // The examples do hold it, and the rows of secrets do too.
    assert!(dump.contains(&hex) && dump.contains(SECRET_WORD));
    for row in rows {
        for spelling in [SECRET_WORD, &sealed, &hex] {
            assert!(!row.contains(spelling), "{row}");
        }
    }
}
