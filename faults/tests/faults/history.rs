//! That the check can fail.

use holdfast_faults::load::{Call, Operation, Outcome, violations};

fn call(operation: Operation, outcome: Outcome, began: u64, ended: u64) -> Call {
    let key = "key".to_owned();
    Call {
        key,
        operation,
        outcome,
        began,
        ended,
    }
}

use Operation::{CompareAndSet, Read, Write};
use Outcome::{Done, NotDone, Unknown};

#[test]
fn a_register_may_say_this() {
    let calls = [
        call(Read(None), Done, 0, 1),
        call(Write(1), Done, 2, 3),
        call(CompareAndSet(Some(1), 2), Done, 4, 5),
        call(Write(3), Unknown, 6, 7),
        call(Read(Some(2)), Done, 8, 9),
        // The unknown one came late.
        call(Read(Some(3)), Done, 10, 11),
        call(Write(4), Unknown, 12, 13),
        call(Write(5), NotDone, 14, 15),
        call(Read(Some(3)), Done, 16, 17),
    ];
    assert_eq!(violations(&calls), [""; 0]);
}

#[test]
fn what_no_register_says_is_found() {
    let lost = [call(Write(1), Done, 0, 1), call(Read(None), Done, 2, 3)];
    let stale = [
        call(Write(1), Done, 0, 1),
        call(Write(2), Done, 2, 3),
        call(Read(Some(1)), Done, 4, 5),
    ];
    let revived = [
        call(Write(1), Done, 0, 1),
        call(Write(2), Unknown, 2, 3),
        call(Read(Some(2)), Done, 4, 5),
        call(Read(Some(1)), Done, 6, 7),
    ];
    let denied = [
        call(Write(1), NotDone, 0, 1),
        call(Read(Some(1)), Done, 2, 3),
    ];
    let both = [
        call(Write(1), Done, 0, 1),
        call(CompareAndSet(Some(1), 2), Done, 2, 5),
        call(CompareAndSet(Some(1), 3), Done, 3, 4),
    ];
    for calls in [&lost[..], &stale, &revived, &denied, &both] {
        assert_eq!(violations(calls).len(), 1, "{calls:?}");
    }
}
