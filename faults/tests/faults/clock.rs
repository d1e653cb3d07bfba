//! The clock that jumps.

use std::process::Command;

use holdfast_faults::clock::Clock;
use holdfast_faults::privilege;
use jiff::Timestamp;

#[test]
fn a_process_sees_the_shift_and_no_other() {
    if !privilege::ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path(), "one").unwrap();
    let seen = || {
        let mut date = Command::new("date");
        date.arg("+%s").envs(clock.environment());
        let said = date.output().unwrap().stdout;
        let seconds: i64 = String::from_utf8(said).unwrap().trim().parse().unwrap();
        seconds - Timestamp::now().as_second()
    };
    assert!((-2..=0).contains(&seen()));
    clock.shift(3600).unwrap();
    assert!((3598..=3600).contains(&seen()));
    clock.shift(-90).unwrap();
    assert!((-92..=-90).contains(&seen()));
}
