//! The short run: every kind of fault once, in an order of its own each time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_faults::nemesis::{Fault, Step};
use holdfast_faults::privilege;
use holdfast_faults::run::{Options, run};

/// `HOLDFAST_FAULTS_SEED` has a run again.
fn seed() -> u64 {
    let given = std::env::var("HOLDFAST_FAULTS_SEED").ok();
    given.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            since.as_secs()
        },
        |text| text.parse().expect("HOLDFAST_FAULTS_SEED is a number"),
    )
}

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
        faults: 20,
        at_most: Duration::from_secs(100),
        first: vec![all_at_once],
    });
    eprintln!("{outcome:#?}");
    assert!(
        outcome.violations.is_empty(),
        "seed {}: {:#?}",
        outcome.seed,
        outcome.violations
    );
    assert!(
        outcome.served.done > 100,
        "clients were hardly served: {:?}",
        outcome.served
    );
    assert!(outcome.rows > 100 && outcome.calls > 100);
}
