//! Faults that last until somebody else takes over, in a world of their own
//! beside the short run.

use std::time::Duration;

use holdfast_faults::nemesis::{Away, Fault, Meanwhile, Step};
use holdfast_faults::privilege;
use holdfast_faults::run::{Options, run};

use crate::{check, seed};

// I-03, I-04, I-07, I-08
#[test]
fn who_is_gone_for_long_is_stood_in_for_and_nothing_is_lost() {
    if !privilege::ready() {
        return;
    }
    let seed = seed();
    let meanwhile = [Meanwhile::Kill, Meanwhile::PowerCut, Meanwhile::Nothing];
    let away = [Away::Paused, Away::Killed, Away::CutOff];
    let lasts = Duration::from_secs(1);
    let step = |fault| Step {
        faults: vec![fault],
        lasts,
    };
    let place = usize::try_from(seed % 3).unwrap();
    let outcome = run(&Options {
        seed,
        faults: 2,
        at_most: Duration::from_secs(100),
        first: vec![
            step(Fault::AllGone(meanwhile[place])),
            step(Fault::ReceiverGone(away[place])),
        ],
    });
    check(&outcome);
    // None of it holds in vain.
    assert!(outcome.work.alone > 0, "{:?}", outcome.work);
    assert!(outcome.moved == 1 && outcome.written > 100);
}
