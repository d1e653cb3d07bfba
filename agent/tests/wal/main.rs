//! Receiving WAL from real servers into a real repository.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in their helpers"
)]

mod copying;
mod direct;
mod exits;
mod failover;
mod failures;
mod losses;
mod pushing;
mod receiving;
mod resuming;
mod sharing;
mod support;
mod timelines;
