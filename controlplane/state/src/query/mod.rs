//! Reads. They take a connection and give plain views. They are not generic
//! over connections: each would be compiled again by whoever calls it.
//!
//! Lists come in pages by key, so the last page of a million rows costs what
//! the first does; every filter has its index (`migration/`).

mod access;
mod agent;
mod alarm;
mod alarm_facts;
mod approval;
mod assignment;
mod audit;
mod backup;
mod compliance;
mod drill;
mod expiry;
mod inventory;
mod job;
mod late;
pub(crate) mod many;
mod node;
mod notice;
mod page;
pub(crate) mod past;
mod pin;
mod point;
mod policy;
mod report;
mod resource;
mod restore;
mod scan;
mod schedule;
mod scope;
mod silence;
mod state_snapshot;
mod status;
mod user;
mod wal;

pub use crate::alarms::Told;
pub use crate::entity::word::{CondemnCause, Deletion};
pub use access::{
    JoinTokenView, PkiView, RepositoryKey, SecretView, SigningKeyView, join_token, join_tokens,
    pki, repository_identity, repository_key, sealed_secret, secrets, signing_keys,
};
pub use agent::{
    AgentEntry, AgentView, InstanceView, agent, agent_by_fingerprint, agent_directory, agent_named,
    agent_names, agents, agents_that_see, facts_seen, instances_of_cluster,
};
pub use alarm::{
    AlarmFilter, AlarmState, AlarmView, alarm, alarm_counts, alarms, unsettled_alarms,
};
pub use alarm_facts::{FailedJob, MissedRun, WaitingRun, failed_jobs, missed_runs, waiting_runs};
pub use approval::{ApprovalFilter, ApprovalView, VoteView, approval, approvals};
pub use assignment::{
    AssignmentView, Work, active_duties, active_duties_of, active_job_assignments,
    assignments_of_agent, duties_of_cluster, wal_source, wal_sources, wal_sources_of,
};
pub use audit::{AuditFilter, audit};
pub use backup::{BackupFilter, BackupView, available_backups, backup, backups, backups_of_job};
pub use compliance::{
    ExemptionFilter, ExemptionView, exemption, exemptions, facts, history, keeps_facts, promise,
    promises, promises_of, signs_in_force, stretches,
};
pub use drill::{
    DrillFilter, DrillView, drill, drill_before, drill_plans, drills, newest_drills_of, plans_for,
};
pub use expiry::{
    CondemnedView, CondemnedWalView, HoldView, PinView, condemned_in, condemned_of,
    condemned_wal_of, due_deletions, due_wal, expiry_suspended_until, holds_of, is_deletion_due,
    log_time, pins_of,
};
pub use inventory::{DiscoveredView, IgnoredView, discovered, discovered_by};
pub use job::{
    AttemptView, JobDetail, JobFilter, JobView, PhaseView, job, job_detail, jobs, queued_jobs,
};
pub use late::{
    LateResultView, LeaseView, OfflineRunView, all_late_results, late_result_count, late_results,
    lease, offline_runs,
};
pub use node::{NodeState, NodeView, node_token_exists, nodes};
pub use notice::{ChannelHealth, NoticeView, channel_health, notices_of, pending_notices};
pub use page::{LIMIT_MAX, Page, PageRequest};
pub use past::{Past, PastText, pasts};
pub use pin::{ParentView, newest_parent, pinned_parent, pinned_until};
pub use point::{PointView, newest_lineages, points_of};
pub use policy::{
    ClusterSize, PolicyRevision, RestoredJob, cluster_labels, cluster_sizes, policy_revision,
    policy_revision_before, policy_revisions, repository_regions, restored_jobs,
};
pub use report::{
    Acknowledged, ClusterDeletion, ReportFilter, ReportKeyView, ReportView, acknowledgements,
    bare_restores_ended, deletions, failed_backups, report, report_keys, reports, restores_ended,
};
pub use resource::{
    ResourceFilter, ResourceView, cluster_names_at_agent, clusters_at_agents, effective_policy,
    fleets_seen, policies, resource, resources,
};
pub use restore::{
    RestoreFilter, RestoreView, planned_restore, restore, restores, restores_under_way,
};
pub use scan::{FindingKind, FindingView, ScanView, findings, scan, scans};
pub use schedule::{
    OpenRunView, QueuedRun, RunFilter, RunView, ScheduleBasis, job_queue, late_runs, open_runs_of,
    runs, schedule_basis, schedule_mark, schedule_marks, unfinished_runs,
};
pub use scope::{rights_of, sees_cluster};
pub use silence::{SilenceView, silence, silences};
pub use state_snapshot::{
    StateSnapshotSettings, StateSnapshotState, StateSnapshotView, group, state_snapshot,
    state_snapshot_settings, state_snapshots,
};
pub use status::{Counts, DeclaredMark, Progress, counts, counts_seen, declared_mark, progress};
pub(crate) use user::user_row_named;
pub use user::{
    ApiTokenView, SessionView, UserView, api_token, api_token_by_hash, api_token_named, api_tokens,
    session, session_by_refresh, sessions_of, user, user_named, users,
};
pub use wal::{
    ExposureFact, FrontierView, GapView, TimelineView, clusters_with_gaps, clusters_with_wal,
    exposure_facts, frontiers, frontiers_of, frontiers_of_clusters, wal_of_cluster,
    wal_of_clusters,
};
