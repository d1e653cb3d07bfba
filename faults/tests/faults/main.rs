//! The short run of faults, and the tests of its tools.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod clock;
mod disk;
mod history;
mod restore;
mod short;
mod storage;
