//! What end-to-end tests and the demo are made of: the real programs, a real
//! PostgreSQL, a real S3 server, and the ledger that says what must be there.
//!
//! Everything here starts real processes, ends them when it is dropped, and
//! panics with the whole story when something is not as a test needs it.

pub mod agent;
pub mod catalog;
pub mod cli;
pub mod control_plane;
pub mod fleet;
pub mod group;
pub mod ledger;
pub mod patroni;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod receiver;
pub mod rest;
pub mod scratch;
pub mod store;
pub mod until;
