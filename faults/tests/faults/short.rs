//! The short run: every kind of fault that is over in a moment once, in an order
//! of its own each time.

use std::time::Duration;

use holdfast_faults::nemesis::{Fault, Step};
use holdfast_faults::privilege;
use holdfast_faults::run::{Options, run};

use crate::{check, seed};

#[test]
fn what_was_promised_is_kept_under_faults() {
    if !privilege::ready() {
        return;
    }
    let all_at_once = Step {
        faults: vec![Fault::PowerCutAll],
        lasts: Duration::from_millis(500),
    };
    let outcome = run(&Options {
        seed: seed(),
        // All kinds, and for long enough that two of the backups that are due every half
        // minute are done, so that the first expires.
        faults: 30,
        at_most: Duration::from_secs(100),
        first: vec![all_at_once],
    });
    check(&outcome);
    // I-06 holds, and not because nothing was deleted.
    let deleted = outcome.work.backups.get("deleted");
    assert!(deleted.is_some(), "nothing expired: {:?}", outcome.work);
}
