//! The agent against real parts: a control plane's side of the contract over
//! mutual TLS, real PostgreSQL servers, its own process killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alone;
mod command_line;
mod control;
mod doctor;
mod duties;
mod enroll;
mod facts;
mod jobs;
mod journal;
mod rig;
mod session;
mod socket;
