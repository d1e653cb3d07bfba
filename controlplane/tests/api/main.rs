//! The control plane from outside: REST and the agents' protocol against a
//! whole node in this process, with a real log, state and TLS.
#![expect(unreachable_pub, reason = "modules of one test binary")]
#![expect(
    clippy::unwrap_used,
    reason = "clippy spares only functions marked as tests"
)]

mod access;
mod agent;
mod approvals;
mod authz;
mod backups;
mod band;
mod browser;
mod compliance;
mod control;
mod copies;
mod coverage;
mod documents;
mod drills;
mod dumps;
mod duties;
mod enrol;
mod events;
mod expiry;
mod handing_over;
mod hooks;
mod idempotency;
mod inventory;
mod jobs;
mod node;
mod notices;
mod pins;
mod policies;
mod queue;
mod receivers;
mod rehearsals;
mod reports;
mod resources;
mod restart;
mod restores;
mod restoring;
mod schedules;
mod sources;
mod tls;
