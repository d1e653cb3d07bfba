//! What decides about clusters now, kept in memory: as new as the database, whatever
//! was applied since somebody asked before.

use holdfast_compliance::Heard;
use holdfast_state::command::{RaiseLevel, RecordBackup};
use holdfast_state::{FactsInForce, schema};
use holdfast_types::{Compliance, Name};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::compliance::{noticed, received, stretches};
use crate::determinism::{block_on, steps, whole_log};
use crate::fixture::{committed, name, wal};
use crate::harness::{TestState, database};

fn asked() -> Vec<Name> {
    ["orders", "other", "nobody"].map(name).into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Asked again and again, it says what one says that has never been asked.
    #[test]
    fn what_is_kept_is_what_would_be_read(
        steps in steps(),
        asks in proptest::collection::vec(any::<bool>(), 130),
    ) {
        let entries = whole_log(&steps);
        block_on(async {
            let conn = database().await;
            let mut kept = FactsInForce::default();
            for ((index, bytes), asks) in (1..).zip(&entries).zip(asks.into_iter().cycle()) {
                let tx = sea_orm::TransactionTrait::begin(&conn).await.unwrap();
                holdfast_state::apply::apply_entry(&tx, index, bytes).await.unwrap();
                tx.commit().await.unwrap();
                if asks {
                    let found = kept.of(&conn, &asked()).await.unwrap();
                    let fresh = FactsInForce::default().of(&conn, &asked()).await.unwrap();
                    prop_assert_eq!(found, fresh, "after entry {}", index);
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

#[tokio::test]
async fn a_fact_and_a_claim_are_known_to_the_next_who_asks() {
    let (mut state, placed) = TestState::receiving().await;
    let mut kept = FactsInForce::default();
    let none = kept.of(&state.conn, &asked()).await.unwrap();
    assert!(none.is_empty(), "there are no facts yet");
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    let commit = committed(1, 1, &[(100, 200)]);
    state.accept(RecordBackup { commit }).await;
    let orders = name("orders");
    let before = kept.of(&state.conn, &asked()).await.unwrap();
    let lost = Heard {
        agent_lost: true,
        ..Heard::default()
    };
    let old = before[&orders].verdict(lost.clone(), state.now).unwrap();

    state.pass(SignedDuration::from_secs(100));
    let told = stretches(150, state.now, true);
    let claimed = told.last().unwrap().last;
    let report = received(placed, vec![wal(&[(100, 300)])], told);
    state.accept(report).await;
    let after = kept.of(&state.conn, &asked()).await.unwrap();
    let new = after[&orders].verdict(lost, state.now).unwrap();
    assert_eq!(new.frontier, Some(claimed.time));
    assert!(old.frontier < new.frontier, "{old:?}");
    // What nothing happened to is not read again.
    let (one, other) = (&after[&name("other")], &before[&name("other")]);
    assert!(std::sync::Arc::ptr_eq(one, other));
    // What is heard live counts, and not what is on record of silence.
    state.accept(noticed(0, state.now)).await;
    let silent = kept.of(&state.conn, &asked()).await.unwrap();
    let verdict = silent[&orders]
        .verdict(Heard::default(), state.now)
        .unwrap();
    assert_eq!(verdict.status, new.status);
    assert_ne!(verdict.status, Some(Compliance::Unprotected));
}
