//! The jobs an agent executes: a verb is a folder, a phase is a file.

pub mod backup;
mod client;
mod conf;
mod context;
pub mod copy;
pub mod drill;
pub mod dump;
mod queue;
pub mod restore;
pub mod restore_dump;
mod staging;
mod unfinished;

pub(crate) use backup::Stopped;
pub(crate) use conf::setting as conf_setting;
pub use context::{JobContext, JobState};
pub(crate) use staging::sweep;
