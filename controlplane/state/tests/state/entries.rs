//! Entries: order, time, versions, and requests that are repeated (I-14).

use holdfast_state::apply::apply_entry;
use holdfast_state::command::{CreateUser, PruneExpired};
use holdfast_state::{Entry, EntryError, Refusal, StateError, query, schema};
use jiff::SignedDuration;
use sea_orm::TransactionTrait;

use crate::fixture::{bootstrap, name, password, user_id};
use crate::harness::{TestState, keyed, table};

fn user(number: u128, called: &str) -> CreateUser {
    CreateUser {
        user: user_id(number),
        name: name(called),
        password: password(),
    }
}

#[tokio::test]
async fn an_entry_is_applied_once_and_in_order() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let bytes = state.entry(user(2, "ann")).encode();
    let tx = state.conn.begin().await.unwrap();
    let again = apply_entry(&tx, state.index, &bytes).await;
    assert!(matches!(
        again,
        Err(StateError::OutOfOrder {
            index: 1,
            applied: 1
        })
    ));
}

#[tokio::test]
async fn entries_of_the_future_stop_the_node() {
    let state = TestState::new().await;
    let mut bytes = state.entry(bootstrap()).encode();
    bytes[0] = 2;
    assert!(matches!(Entry::decode(&bytes), Err(EntryError::Version(2))));
    assert!(matches!(Entry::decode(&[]), Err(EntryError::Empty)));
    let unknown = b"\x01{\"at\":\"2026-02-03T02:41:07Z\",\"command\":{\"fly_away\":{}}}";
    assert!(matches!(Entry::decode(unknown), Err(EntryError::Json(_))));
    let tx = state.conn.begin().await.unwrap();
    let applied = apply_entry(&tx, 1, &bytes).await;
    assert!(matches!(applied, Err(StateError::Entry { index: 1, .. })));
}

#[tokio::test]
async fn time_never_runs_backwards() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let before = state.now;
    // A new leader whose clock is an hour behind.
    state.pass(SignedDuration::from_hours(-1));
    state.accept(user(2, "ann")).await;
    let ann = query::user_named(&state.conn, &name("ann")).await.unwrap();
    assert_eq!(ann.unwrap().created_at, before);
    let progress = query::progress(&state.conn).await.unwrap();
    assert_eq!((progress.index, progress.time), (2, before));
}

#[tokio::test]
async fn a_repeated_request_is_answered_and_not_done_again() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let entry = keyed(state.entry(user(2, "ann")), "k", b"create ann");
    let first = state.apply_entry(&entry).await;
    let before = state.dump().await;
    let second = state.apply_entry(&entry).await;
    assert_eq!(first, second);
    assert_eq!(second.outcome::<CreateUser>().unwrap().unwrap().0, 2);
    assert!(state.effects.is_empty());
    let after = state.dump().await;
    assert_eq!(table(&before, "audit"), table(&after, "audit"));
    assert_eq!(table(&before, "users"), table(&after, "users"));
}

#[tokio::test]
async fn a_refused_request_is_refused_again_without_being_judged_again() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let entry = keyed(state.entry(user(2, "admin")), "k", b"create admin");
    let first = state.apply_entry(&entry).await;
    assert_eq!(first, state.apply_entry(&entry).await);
    assert_eq!(first.refusal().unwrap().unwrap().code(), "already_exists");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused_and_recorded() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let entry = keyed(state.entry(user(2, "ann")), "k", b"create ann");
    state.apply_entry(&entry).await;
    let other = keyed(state.entry(user(3, "bob")), "k", b"create bob");
    let reply = state.apply_entry(&other).await;
    assert_eq!(reply.refusal().unwrap(), Some(Refusal::IdempotencyMismatch));
    assert!(
        query::user_named(&state.conn, &name("bob"))
            .await
            .unwrap()
            .is_none()
    );
    let dump = state.dump().await;
    let last = table(&dump, "audit").pop().unwrap();
    assert!(last.contains("outcome='idempotency_mismatch'"), "{last}");
}

#[tokio::test]
async fn keys_belong_to_their_principal_and_end_after_a_day() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let entry = keyed(state.entry(user(2, "ann")), "k", b"create ann");
    state.apply_entry(&entry).await;
    let mut other = keyed(state.entry(user(3, "bob")), "k", b"create bob");
    other.idempotency.as_mut().unwrap().principal = "token:ci".parse().unwrap();
    let reply = state.apply_entry(&other).await;
    assert_eq!(reply.refusal().unwrap(), None);

    state.pass(SignedDuration::from_hours(24));
    let late = keyed(state.entry(user(4, "cid")), "k", b"create cid");
    let reply = state.apply_entry(&late).await;
    assert_eq!(reply.refusal().unwrap(), None);
    let pruned = state.accept(PruneExpired {}).await;
    assert_eq!(pruned.replies, 1, "the key of the token, not the new one");
}

#[tokio::test]
async fn the_schema_names_its_version() {
    let state = TestState::new().await;
    let version = schema::version(&state.conn).await.unwrap();
    assert_eq!(version, schema::VERSION);
}
