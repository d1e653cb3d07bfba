//! Backups and restores of real PostgreSQL servers, without a control plane.
//!
//! The oracle is a ledger: a writer notes every commit that was acknowledged,
//! with its position and time; after a restore the rows must be exactly those
//! up to the target.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in their helpers"
)]

mod archives;
mod backup;
mod checked;
mod copies;
mod crash;
mod delta;
mod drills;
mod dumps;
mod faults;
mod fixture;
mod hexadecimal;
mod histories;
mod incremental;
mod landmarks;
mod layout;
mod ledger;
mod offline;
mod oracle;
mod refusals;
mod sources;
mod standby;
mod tablespaces;
mod tail;
mod waiting;
