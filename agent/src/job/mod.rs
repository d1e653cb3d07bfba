//! The jobs an agent executes: a verb is a folder, a phase is a file.

pub mod backup;
mod conf;
mod context;
mod queue;
pub mod restore;

pub use context::{JobContext, JobState};
