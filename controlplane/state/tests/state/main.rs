//! Tests of the replicated state, through its public face: entries go in,
//! replies, effects, views and dumps come out.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod access;
mod agents;
mod alarms;
mod approvals;
mod audit;
mod backups;
mod compliance;
mod copies;
mod determinism;
mod documents;
mod drills;
mod entries;
mod example;
mod exemptions;
mod expiry;
mod fixture;
mod harness;
mod in_force;
mod inventory;
mod jobs;
mod leases;
mod lists;
mod must_hold;
mod nodes;
mod offline;
mod pins;
mod policies;
mod rebuilds;
mod refusals;
mod reports;
mod restores;
mod scans;
mod schedules;
mod state_snapshots;
mod wal;
mod wire;
mod writer;
