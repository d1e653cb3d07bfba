//! Real PostgreSQL servers for tests, in directories that vanish.
//!
//! Enabled by the feature `testkit`; production code never is. Functions
//! panic where a test cannot go on, with what the program said.

mod cluster;
mod programs;

pub use cluster::{Builder, TestCluster};
pub use programs::{all_majors, major, must_run};
