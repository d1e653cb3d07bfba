//! Why a command was refused. Every caller's mistake is one of these, with a
//! stable code, a message and a hint; `docs/errors/<code>.md` explains each.

use std::fmt;

use holdfast_types::access::Permission;
use holdfast_types::restoring::RestoreState;
use holdfast_types::{
    AlarmId, ApprovalId, BackupId, BackupState, Generation, JobId, JobState, LsnRange, Name,
    RepositoryId, RestoreId, Revision,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entity::word::ApprovalState;

mod hint;
mod noun;

pub use noun::Noun;

/// A replicated "no".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// There is a control plane already.
    #[error("the control plane is already bootstrapped")]
    AlreadyBootstrapped,
    /// It does not exist.
    #[error("there is no {what} \"{name}\"")]
    NotFound {
        /// What kind of thing.
        what: Noun,
        /// Its name or id.
        name: String,
    },
    /// It exists.
    #[error("the {what} \"{name}\" exists")]
    AlreadyExists {
        /// What kind of thing.
        what: Noun,
        /// Its name or id.
        name: String,
    },
    /// The caller had read an older state.
    #[error("the {what} \"{name}\" {}", revision(*current))]
    StaleRevision {
        /// What kind of thing.
        what: Noun,
        /// Its name.
        name: String,
        /// What it is at now; `None` when it does not exist.
        current: Option<Revision>,
    },
    /// The assignment has changed hands (I-04).
    #[error("the assignment has changed hands: it is at generation {current}")]
    StaleGeneration {
        /// The generation that counts.
        current: Generation,
    },
    /// A document names something that does not exist.
    #[error("{document}: {field} names the {what} \"{name}\", which does not exist")]
    DanglingReference {
        /// The document, as `Kind/name`.
        document: String,
        /// Path of the field.
        field: String,
        /// What it should name.
        what: Noun,
        /// What it names.
        name: String,
    },
    /// A field cannot be changed any more.
    #[error("{document}: {field} cannot be changed: {because}")]
    Immutable {
        /// The document, as `Kind/name`.
        document: String,
        /// Path of the field.
        field: String,
        /// Why not.
        because: String,
    },
    /// A field holds what is never valid.
    #[error("{field}: {message}")]
    Invalid {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// Two policies of one priority select the same cluster.
    #[error(
        "the policies \"{}\" and \"{}\" both select the cluster \"{cluster}\" with priority {priority}",
        policies[0],
        policies[1]
    )]
    PolicyClash {
        /// The policies.
        policies: [Name; 2],
        /// The cluster.
        cluster: Name,
        /// Their priority.
        priority: i32,
    },
    /// Others depend on it.
    #[error("the {what} \"{name}\" is in use by {}", by.join(", "))]
    InUse {
        /// What kind of thing.
        what: Noun,
        /// Its name.
        name: String,
        /// Some of those that depend on it, as `kind/name`.
        by: Vec<String>,
    },
    /// The last user cannot be deleted.
    #[error("the last user cannot be deleted")]
    LastUser,
    /// The token was never given out, or its secret is wrong.
    #[error("the token is not known")]
    TokenUnknown,
    /// The token's time is over.
    #[error("the token has expired")]
    TokenExpired,
    /// The token has enrolled an agent already.
    #[error("the token has been used")]
    TokenUsed,
    /// The token is for another region.
    #[error("the token is for region \"{token}\", the agent says \"{agent}\"")]
    RegionMismatch {
        /// The token's region.
        token: String,
        /// The agent's.
        agent: String,
    },
    /// An agent of this name is enrolled.
    #[error("an agent \"{name}\" is enrolled already")]
    AgentNameTaken {
        /// The name.
        name: Name,
    },
    /// The agent has been revoked.
    #[error("the agent \"{name}\" has been revoked")]
    AgentRevoked {
        /// Its name.
        name: Name,
    },
    /// The session is over, or never was.
    #[error("the session is over")]
    SessionUnknown,
    /// The job has ended for good (I-14).
    #[error("{job} has ended: it is {state}")]
    JobFinal {
        /// The job.
        job: JobId,
        /// How it ended.
        state: JobState,
    },
    /// The job is not in the state the command needs.
    #[error("{job} is {state}")]
    JobState {
        /// The job.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
    /// The job is for another agent.
    #[error("the job is for the agent \"{expected}\"")]
    WrongAgent {
        /// The agent it is for.
        expected: Name,
    },
    /// The cluster is retired: its backups stay, no new ones are taken.
    #[error("the cluster \"{cluster}\" is retired")]
    ClusterRetired {
        /// The cluster.
        cluster: Name,
    },
    /// The WAL that makes the backup restorable is not all there (I-05).
    #[error(
        "WAL of \"{cluster}\" is missing in \"{repository}\": {}",
        ranges(gaps)
    )]
    WalMissing {
        /// The cluster.
        cluster: Name,
        /// The repository.
        repository: Name,
        /// What is missing.
        gaps: Vec<LsnRange>,
    },
    /// The location holds another repository.
    #[error("\"{repository}\" should be {expected}, but its place holds {found}")]
    RepositoryMismatch {
        /// The repository.
        repository: Name,
        /// What the catalog knows.
        expected: RepositoryId,
        /// What was found.
        found: RepositoryId,
    },
    /// Not every node runs a program that knows this yet.
    #[error("the control plane is at feature level {current}, and this needs {needed}")]
    LevelTooLow {
        /// The level that it needs.
        needed: u32,
        /// The level there is.
        current: u32,
    },
    /// The last node cannot be removed.
    #[error("the last node cannot be removed")]
    LastNode,
    /// Somebody holds the backup (I-06).
    #[error("{backup} is held{}: {reason}", ending(*until))]
    BackupHeld {
        /// The backup.
        backup: BackupId,
        /// Why it is held.
        reason: String,
        /// Until when; without an end if there is none.
        until: Option<Timestamp>,
    },
    /// Incrementals may build on the backup (I-06).
    #[error("{backup} is pinned until {until:.0}: incrementals may build on it")]
    BackupPinned {
        /// The backup.
        backup: BackupId,
        /// Until when.
        until: Timestamp,
    },
    /// Nothing of its kind would be left.
    #[error("{backup} is the last {kind} that is available of \"{cluster}\" in \"{repository}\"")]
    LastBackup {
        /// The backup.
        backup: BackupId,
        /// `physical backup` or `dump`.
        kind: String,
        /// Of which cluster.
        cluster: Name,
        /// Where.
        repository: Name,
    },
    /// It cannot be deleted, held or built on as it is.
    #[error("{backup} is {state}")]
    BackupState {
        /// The backup.
        backup: BackupId,
        /// Where it is.
        state: BackupState,
    },
    /// It is to be deleted, or was, and never comes back (I-06).
    #[error("{backup} is condemned: what is left of it is deleted")]
    BackupCondemned {
        /// The backup.
        backup: BackupId,
    },
    /// Something kept needs the WAL (I-06).
    #[error("WAL from {} to {} is needed by {backup}", range.from_lsn, range.to_lsn)]
    WalNeeded {
        /// What is needed of it.
        range: LsnRange,
        /// By which backup.
        backup: BackupId,
    },
    /// Pins that were given are not known (ADR 15).
    #[error(
        "nothing is deleted before {until:.0}: the state was restored, and pins may be missing"
    )]
    ExpirySuspended {
        /// Until when.
        until: Timestamp,
    },
    /// What it rests on has changed since it was planned.
    #[error("{what} has changed since this was planned")]
    PlanStale {
        /// What.
        what: String,
    },
    /// Other people must consent to it first.
    #[error("{needed} other {} must consent to this: {because}", people(*needed))]
    ApprovalNeeded {
        /// How many.
        needed: u32,
        /// Why.
        because: String,
    },
    /// Nobody has to consent to it, or not any more.
    #[error("nobody has to consent to this as things are")]
    ApprovalNotNeeded,
    /// The request is decided.
    #[error("{approval} is {state}")]
    ApprovalState {
        /// The request.
        approval: ApprovalId,
        /// Where it is.
        state: ApprovalState,
    },
    /// The restore is not in the state the command needs.
    #[error("{restore} is {state}")]
    RestoreState {
        /// The restore.
        restore: RestoreId,
        /// Where it is.
        state: RestoreState,
    },
    /// The request is the voter's own.
    #[error("{approval} is your own request")]
    SelfApproval {
        /// The request.
        approval: ApprovalId,
    },
    /// The voter has voted.
    #[error("you have voted on {approval} already")]
    VotedAlready {
        /// The request.
        approval: ApprovalId,
    },
    /// A token, an agent or a node cannot consent.
    #[error("only a person who is logged in can consent")]
    NotAPerson,
    /// The voter was made, or given another password, after the request.
    #[error("\"{user}\" was created, or was given its password, after this was asked for")]
    VoterTooNew {
        /// The voter.
        user: Name,
    },
    /// Whoever asked is a user no more, or may not do it any more.
    #[error("who asked for {approval} is gone, or may not do it any more")]
    RequesterGone {
        /// The request.
        approval: ApprovalId,
    },
    /// Whoever acts has no role for it, as the bindings are when it is applied.
    #[error("this needs the permission {permission} for all that it is about")]
    Forbidden {
        /// Which.
        permission: Permission,
    },
    /// Nobody could give roles any more.
    #[error("nobody would be an administrator of everything any more")]
    LastAdministrator,
    /// The alarm is over.
    #[error("{alarm} is over")]
    AlarmClosed {
        /// The alarm.
        alarm: AlarmId,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
}

impl Refusal {
    pub(crate) fn not_found(what: Noun, name: impl fmt::Display) -> Self {
        let name = name.to_string();
        Self::NotFound { what, name }
    }

    pub(crate) fn already_exists(what: Noun, name: impl fmt::Display) -> Self {
        let name = name.to_string();
        Self::AlreadyExists { what, name }
    }

    /// Something is not as it must be.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self::Invalid { field, message }
    }

    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyBootstrapped => "already_bootstrapped",
            Self::NotFound { .. } => "not_found",
            Self::AlreadyExists { .. } => "already_exists",
            Self::StaleRevision { .. } => "stale_revision",
            Self::StaleGeneration { .. } => "stale_generation",
            Self::DanglingReference { .. } => "dangling_reference",
            Self::Immutable { .. } => "immutable",
            Self::Invalid { .. } => "invalid",
            Self::PolicyClash { .. } => "policy_clash",
            Self::InUse { .. } => "in_use",
            Self::LastUser => "last_user",
            Self::TokenUnknown => "token_unknown",
            Self::TokenExpired => "token_expired",
            Self::TokenUsed => "token_used",
            Self::RegionMismatch { .. } => "region_mismatch",
            Self::AgentNameTaken { .. } => "agent_name_taken",
            Self::AgentRevoked { .. } => "agent_revoked",
            Self::SessionUnknown => "session_unknown",
            Self::JobFinal { .. } => "job_final",
            Self::JobState { .. } => "job_state",
            Self::WrongAgent { .. } => "wrong_agent",
            Self::ClusterRetired { .. } => "cluster_retired",
            Self::WalMissing { .. } => "wal_missing",
            Self::RepositoryMismatch { .. } => "repository_mismatch",
            Self::LevelTooLow { .. } => "level_too_low",
            Self::LastNode => "last_node",
            Self::BackupHeld { .. } => "backup_held",
            Self::BackupPinned { .. } => "backup_pinned",
            Self::LastBackup { .. } => "last_backup",
            Self::BackupState { .. } => "backup_state",
            Self::BackupCondemned { .. } => "backup_condemned",
            Self::WalNeeded { .. } => "wal_needed",
            Self::ExpirySuspended { .. } => "expiry_suspended",
            Self::PlanStale { .. } => "plan_stale",
            Self::ApprovalNeeded { .. } => "approval_needed",
            Self::ApprovalNotNeeded => "approval_not_needed",
            Self::ApprovalState { .. } => "approval_state",
            Self::RestoreState { .. } => "restore_state",
            Self::SelfApproval { .. } => "self_approval",
            Self::VotedAlready { .. } => "voted_already",
            Self::NotAPerson => "not_a_person",
            Self::VoterTooNew { .. } => "voter_too_new",
            Self::RequesterGone { .. } => "requester_gone",
            Self::Forbidden { .. } => "forbidden",
            Self::LastAdministrator => "last_administrator",
            Self::AlarmClosed { .. } => "alarm_closed",
            Self::IdempotencyMismatch => "idempotency_mismatch",
        }
    }

    /// The field of the caller's document at fault, where there is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::DanglingReference { field, .. }
            | Self::Immutable { field, .. }
            | Self::Invalid { field, .. } => Some(field),
            Self::AlreadyBootstrapped
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::StaleRevision { .. }
            | Self::StaleGeneration { .. }
            | Self::PolicyClash { .. }
            | Self::InUse { .. }
            | Self::LastUser
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenUsed
            | Self::RegionMismatch { .. }
            | Self::AgentNameTaken { .. }
            | Self::AgentRevoked { .. }
            | Self::SessionUnknown
            | Self::JobFinal { .. }
            | Self::JobState { .. }
            | Self::WrongAgent { .. }
            | Self::ClusterRetired { .. }
            | Self::WalMissing { .. }
            | Self::RepositoryMismatch { .. }
            | Self::LevelTooLow { .. }
            | Self::LastNode
            | Self::BackupHeld { .. }
            | Self::BackupPinned { .. }
            | Self::LastBackup { .. }
            | Self::BackupState { .. }
            | Self::BackupCondemned { .. }
            | Self::WalNeeded { .. }
            | Self::ExpirySuspended { .. }
            | Self::PlanStale { .. }
            | Self::ApprovalNeeded { .. }
            | Self::ApprovalNotNeeded
            | Self::ApprovalState { .. }
            | Self::RestoreState { .. }
            | Self::SelfApproval { .. }
            | Self::VotedAlready { .. }
            | Self::NotAPerson
            | Self::VoterTooNew { .. }
            | Self::RequesterGone { .. }
            | Self::Forbidden { .. }
            | Self::LastAdministrator
            | Self::AlarmClosed { .. }
            | Self::IdempotencyMismatch => None,
        }
    }
}

fn revision(current: Option<Revision>) -> String {
    match current {
        Some(current) => format!("has changed: it is at revision {current}"),
        None => "does not exist any more".to_owned(),
    }
}

const fn people(count: u32) -> &'static str {
    if count == 1 { "person" } else { "people" }
}

fn ending(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| format!(" until {until:.0}"))
}

fn ranges(ranges: &[LsnRange]) -> String {
    let text = |range: &LsnRange| format!("{} to {}", range.from_lsn, range.to_lsn);
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}
