//! The short run of faults, and the tests of its tools.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod clock;
mod disk;
mod history;
mod lasting;
mod late;
mod net;
mod records;
mod restore;
mod short;
mod storage;

use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_faults::run::Outcome;

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

/// Nothing was broken, and enough was done for that to mean something.
fn check(outcome: &Outcome) {
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
