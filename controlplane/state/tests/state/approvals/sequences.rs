//! However people vote.

use std::collections::BTreeSet;

use holdfast_state::command::VoteApproval;
use holdfast_state::{ApprovalState, Principal, query};
use holdfast_types::BackupState;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::{actions, approval_id, asking, backup_state, deleting, ready, user, yes};
use crate::harness::TestState;

/// Who does what to which request.
#[derive(Debug, Clone, Copy)]
struct Move {
    person: usize,
    request: u128,
    what: u8,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0usize..5, 1u128..3, 0u8..8);
    let one = one.prop_map(|(person, request, what)| Move {
        person,
        request,
        what,
    });
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However people vote, an act is done at most once, and never before as many
    /// distinct others as its policy says have consented.
    #[test]
    fn no_sequence_of_votes_does_anything_twice_or_alone(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build().unwrap();
        runtime.block_on(async {
            let mut state = ready().await;
            let mut consents: [BTreeSet<usize>; 3] = Default::default();
            for one in moves {
                let request = usize::try_from(one.request).unwrap();
                let person = ["ada", "bob", "eve", "kim", "ci"][one.person];
                let by = match person {
                    "ci" => Principal::token(person),
                    _ => user(person),
                };
                let before = executed(&state).await;
                match one.what {
                    0 | 1 => {
                        let request = asking(&state, one.request, deleting(one.request));
                        let _: Result<_, _> = state.by(user("ada"), request).await;
                        state.pass(SignedDuration::from_secs(1));
                    }
                    2 => {
                        let no = VoteApproval { approve: false, ..yes(one.request) };
                        let _: Result<_, _> = state.by(by, no).await;
                    }
                    3 => state.pass(SignedDuration::from_mins(5)),
                    _ => {
                        if state.by(by, yes(one.request)).await.is_ok() {
                            consents[request].insert(one.person);
                        }
                    }
                }
                let after = executed(&state).await;
                prop_assert!(after.len() <= before.len() + 1);
                for request in after.difference(&before) {
                    let others = &consents[usize::try_from(*request).unwrap()];
                    prop_assert!(others.len() >= 2 && others.iter().all(|one| (1..4).contains(one)));
                }
                // Nothing is condemned that no request did.
                for backup in [1, 2, 3] {
                    let gone = backup_state(&state, backup).await == BackupState::Condemned;
                    prop_assert_eq!(gone, after.contains(&backup));
                }
            }
            let acts = actions(&state).await;
            let acts = acts.iter().filter(|(action, outcome, _)| {
                action == "condemn_backups" && outcome == "accepted"
            });
            prop_assert_eq!(acts.count(), executed(&state).await.len());
            Ok(())
        })?;
    }
}

async fn executed(state: &TestState) -> BTreeSet<u128> {
    let mut done = BTreeSet::new();
    for request in [1, 2] {
        let found = query::approval(&state.conn, approval_id(request), state.now)
            .await
            .unwrap();
        if found.is_some_and(|found| found.state == ApprovalState::Executed) {
            done.insert(request);
        }
    }
    done
}
