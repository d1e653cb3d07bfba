//! The rows: one module per table, as `migration/` creates it.
//!
//! They stay inside this crate; what others see are the views of `query`.

// sea-orm's derive makes items `pub`; this private module keeps them inside.
#![expect(unreachable_pub, reason = "sea-orm's derive makes its items pub")]

pub(crate) mod agent_certificates;
pub(crate) mod agents;
pub(crate) mod api_tokens;
pub(crate) mod assignments;
pub(crate) mod audit;
pub(crate) mod backup_repositories;
pub(crate) mod backups;
pub(crate) mod exposure_facts;
pub(crate) mod findings;
pub(crate) mod frontiers;
pub(crate) mod idempotency;
pub(crate) mod instances;
pub(crate) mod job_attempts;
pub(crate) mod job_phases;
pub(crate) mod job_queue;
pub(crate) mod jobs;
pub(crate) mod join_tokens;
pub(crate) mod late_results;
pub(crate) mod leases;
pub(crate) mod meta;
pub(crate) mod node_tokens;
pub(crate) mod nodes;
pub(crate) mod offline_runs;
pub(crate) mod pki;
pub(crate) mod repository_identities;
pub(crate) mod repository_keys;
pub(crate) mod repository_scans;
pub(crate) mod resource_references;
pub(crate) mod resources;
pub(crate) mod runs;
pub(crate) mod schedule_marks;
pub(crate) mod secrets;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod spent_refreshes;
pub(crate) mod state_snapshots;
pub(crate) mod users;
pub(crate) mod wal_gaps;
pub(crate) mod wal_ranges;
pub(crate) mod wal_sources;
pub(crate) mod word;
