//! Many leases in one entry: what each of them is alone, in the same order.

use std::collections::BTreeSet;

use holdfast_state::command::{
    LeaseJob, LeaseJobs, Leased, RequestCancel, RequeueJob, RevokeAgent,
};
use holdfast_state::{Noun, Refusal};
use holdfast_types::{Failure, Generation, JobState};
use proptest::prelude::*;

use crate::determinism::block_on;
use crate::fixture::{agent_id, assignment_id, backup_job, job_id, lease, name};
use crate::harness::{TestState, without_bookkeeping};
use crate::schedules::{queued, run_id, run_job};

/// Jobs in every state that a lease may find: of a run, asked for, wanting
/// another agent, over, in an agent's hands, and waiting for a second attempt.
async fn waiting(revoked: bool) -> TestState {
    let mut state = queued(run_job()).await;
    for number in 1..=5 {
        let mut job = backup_job(number);
        job.agent = (number == 2).then(|| name("db2"));
        state.accept(job).await;
    }
    state.accept(RequestCancel { job: job_id(3) }).await;
    state.accept(lease(4, 1, 40)).await;
    let given = state.accept(lease(5, 2, 50)).await;
    state
        .accept(RequeueJob {
            job: job_id(5),
            generation: given.generation,
            reason: Failure::transient("agent_lost", "lost", "look"),
            not_before: None,
            log: Vec::new(),
        })
        .await;
    if revoked {
        state.accept(RevokeAgent { name: name("db2") }).await;
    }
    state
}

fn leases() -> impl Strategy<Value = Vec<LeaseJob>> {
    let one = (0u128..8, 1u128..4, 1u128..12);
    let one = one.prop_map(|(job, agent, assignment)| LeaseJob {
        job: match job {
            0 => run_id(1).job_id(),
            number => job_id(number),
        },
        agent: agent_id(agent),
        assignment: assignment_id(assignment),
    });
    proptest::collection::vec(one, 0..12)
}

/// A dump without what tells in which entry a row was written.
fn rows(dump: &str) -> String {
    let word = |word: &str| !word.starts_with("revision=");
    let line = |line: &str| -> String {
        let words: Vec<&str> = line.split(' ').filter(|one| word(one)).collect();
        words.join(" ")
    };
    let lines: Vec<String> = without_bookkeeping(dump).lines().map(line).collect();
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn many_leases_in_one_entry_are_what_each_is_alone(leases in leases(), revoked: bool) {
        block_on(async {
            let (mut one, mut other) = (waiting(revoked).await, waiting(revoked).await);
            let together = one.accept(LeaseJobs { leases: leases.clone() }).await;
            let woken = one.effects.clone();

            let (mut singly, mut woken_singly) = (Vec::new(), BTreeSet::new());
            for lease in leases {
                singly.push(match other.apply(lease).await {
                    Ok(given) => Leased::Given(given),
                    Err(refusal) => Leased::Refused(refusal),
                });
                woken_singly.extend(other.effects.clone());
            }
            prop_assert_eq!(together, singly);
            prop_assert_eq!(woken, woken_singly);
            prop_assert_eq!(rows(&one.dump().await), rows(&other.dump().await));
            Ok::<(), TestCaseError>(())
        })?;
    }
}

#[tokio::test]
async fn one_that_is_refused_does_not_hold_up_the_others() {
    let mut state = waiting(false).await;
    let leases = vec![
        lease(1, 1, 1),
        // The same job again, and one that is not known.
        lease(1, 1, 2),
        lease(9, 1, 3),
        // The assignment is the first one's.
        lease(5, 1, 1),
        lease(2, 2, 4),
        lease(5, 1, 5),
    ];
    let came = state.accept(LeaseJobs { leases }).await;
    let given = |generation, attempt| {
        Leased::Given(holdfast_state::command::Lease {
            generation: Generation(generation),
            attempt,
        })
    };
    let job = job_id(1);
    let leased = JobState::Leased;
    let expected = [
        given(1, 1),
        Leased::Refused(Refusal::JobState { job, state: leased }),
        Leased::Refused(Refusal::NotFound {
            what: Noun::Job,
            name: job_id(9).to_string(),
        }),
        Leased::Refused(Refusal::AlreadyExists {
            what: Noun::Assignment,
            name: assignment_id(1).to_string(),
        }),
        given(1, 1),
        // Taking it back was a generation of its own.
        given(3, 2),
    ];
    assert_eq!(came, expected);
    assert!(state.woke(&agent_id(1).to_string()) && state.woke(&agent_id(2).to_string()));
}

#[tokio::test]
async fn below_level_8_many_leases_are_refused() {
    let mut state = TestState::protecting().await;
    state.accept(backup_job(1)).await;
    let leases = vec![lease(1, 1, 1)];
    let refusal = state.refuse(LeaseJobs { leases }).await;
    let (needed, current) = (8, 1);
    assert_eq!(refusal, Refusal::LevelTooLow { needed, current });
}
