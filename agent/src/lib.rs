//! The agent on every database host.
//!
//! It dials out to the control plane, observes the instances on its host,
//! receives their WAL, takes backups and restores. It never needs the control
//! plane to go on with what it was given (I-08), nor to restore (I-09).

pub mod failure;
pub mod host;
pub mod job;
pub mod socket;
