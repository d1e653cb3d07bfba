//! Faults that last until somebody else takes over, in a world of their own
//! beside the short run.

use std::time::Duration;

use holdfast_faults::nemesis::{Fault, Meanwhile, Step};
use holdfast_faults::privilege;
use holdfast_faults::run::{Options, run};

use crate::{check, seed};

// I-03, I-08
#[test]
fn due_times_without_a_node_are_served_by_the_agent_and_are_on_record() {
    if !privilege::ready() {
        return;
    }
    let seed = seed();
    let meanwhile = [Meanwhile::Kill, Meanwhile::PowerCut, Meanwhile::Nothing];
    let all_gone = Fault::AllGone(meanwhile[usize::try_from(seed % 3).unwrap()]);
    let outcome = run(&Options {
        seed,
        faults: 1,
        at_most: Duration::from_secs(100),
        first: vec![Step {
            faults: vec![all_gone],
            lasts: Duration::from_secs(1),
        }],
    });
    check(&outcome);
    assert!(outcome.work.alone > 0, "{:?}", outcome.work);
}
