//! The repository on every kind of store: one program, so that its servers are started
//! once and the store's code is compiled once.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    missing_docs,
    reason = "tests"
)]

// First: its macro is used by all the others.
#[macro_use]
mod support;

mod backup;
mod copies;
mod expiry;
mod failures;
mod making;
mod state;
mod verify;
mod wal;
