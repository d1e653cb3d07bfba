//! Killed at every failpoint, and run again (repo/src/failpoint.rs).
//!
//! What is killed is a process of its own that runs the agent's code on real servers,
//! see [`child`]. The points of a verb are taken from the list of all of them, so that
//! a new one is tried by being listed; one that is never reached fails its test.

mod backup;
mod child;
mod copy;
mod dump;
mod restore;
mod wal;

use holdfast_repo::failpoint::POINTS;

/// Verbs that are tried here, and `expire`, which `tests/e2e/failpoints.rs` tries.
const VERBS: &[&str] = &[
    "backup",
    "dump",
    "restore",
    "restore_dump",
    "copy",
    "receive",
    "push",
    "put",
    "expire",
];

/// The points whose names begin so.
fn points(prefixes: &[&str]) -> Vec<&'static str> {
    let begins = |point: &&str| prefixes.iter().any(|prefix| point.starts_with(prefix));
    let points: Vec<&str> = POINTS.iter().copied().filter(begins).collect();
    assert!(!points.is_empty());
    points
}

#[test]
fn every_point_is_tried_by_somebody() {
    for point in POINTS {
        let verb = point.split("::").next().unwrap();
        assert!(VERBS.contains(&verb), "nobody tries {point}");
    }
    // By name, because they are of several verbs.
    let tried = points(&[backup::PUTS, &[wal::PUTS][..]].concat());
    assert_eq!(tried, points(&["put::"]), "nobody tries the others");
}
