//! Real PostgreSQL servers for tests, in directories that vanish.
//!
//! Enabled by the feature `testkit`; production code never is. Functions
//! panic where a test cannot go on, with what the program said.

mod cluster;
mod port;
mod programs;

pub use cluster::{Builder, TestCluster};
pub use port::free_port;
pub use programs::{all_majors, give_to_server_user, major, must_run, reachable, server_user};
