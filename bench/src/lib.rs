//! Benchmarks of the control plane beside their peers, and fleets of simulated
//! agents. Nothing of the product depends on this crate.
//!
//! - What is compared runs in the same run, on the same file system, in turns:
//!   machines are noisy, and a ratio says more than a time.
//! - Simulated agents speak the real protocol over real sockets, each over a
//!   connection of its own with a certificate of its own; only their
//!   PostgreSQL is made up.
//! - A row writes one JSON file with what was measured, on which machine, of
//!   which commit, and whether the target of DESIGN section 9 was met.

pub mod etcd;
pub mod fleet;
pub mod machine;
pub mod pgbackrest;
pub mod process;
pub mod report;
pub mod rest;
pub mod rows;
pub mod show;
pub mod stats;
