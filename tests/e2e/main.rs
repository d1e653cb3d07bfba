//! End-to-end tests: the real programs, PostgreSQL 15 and 18, file and S3.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in their helpers"
)]

mod access;
mod approvals;
mod archive;
mod bad_days;
mod bad_input;
mod compliance;
mod copies;
mod cross_region;
mod debian;
mod drills;
mod dumps;
mod expiry;
mod failpoints;
mod first_light;
mod incremental;
mod killed_rebuild;
mod leases;
mod membership;
mod nodes;
mod notices;
mod outage;
mod partition;
mod policies;
mod rebuild;
mod receivers;
mod recovery;
mod reports;
mod restores;
mod retained;
mod sources;
mod upgrade;
