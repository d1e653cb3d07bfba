//! The agent on every database host.
//!
//! It dials out to the control plane, observes the instances on its host,
//! receives their WAL, takes backups and restores. It never needs the control
//! plane to go on with what it was given (I-08), nor to restore (I-09).

pub mod cli;
pub mod command;
pub mod command_error;
pub mod config;
mod discover;
pub mod doctor;
pub mod enroll;
pub mod facts;
pub mod failure;
pub mod file;
pub mod host;
pub mod identity;
pub mod job;
pub mod journal;
pub mod offline;
pub mod repo_command;
pub mod run;
pub mod session;
pub mod socket;
mod status;
pub mod telemetry;
pub mod wal;
pub mod work;
