//! Receiving WAL from real servers into a real repository.

mod exits;
mod failures;
mod losses;
mod receiving;
mod resuming;
mod support;
mod timelines;
