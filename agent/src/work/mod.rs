//! Doing what the control plane assigns.
//!
//! The [`Executor`] compares what is assigned with what runs: it starts what
//! is new, ends what is provably no longer wanted, and leaves the rest alone. It records
//! every transition in the journal before anybody hears of it, keeps standing
//! duties over restarts (I-08), and runs no job twice under one generation
//! (I-14). What a job or a duty does is behind [`Runner`].

mod duties;
mod executor;
mod job;
mod jobs;
mod runner;
mod slots;
mod unwanted;

pub use duties::DutyReports;
pub use executor::Executor;
pub use jobs::RunningJob;
pub use runner::{LocalRunner, Runner, SlotKeeping, WalDuty};
