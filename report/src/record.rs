//! What people and schedules did: the lists of a report.

use holdfast_types::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::number::Seconds;

/// An excuse from an objective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exemption {
    /// Its id.
    pub id: String,
    /// Of which cluster.
    pub cluster: Name,
    /// Since when.
    pub from: Timestamp,
    /// When it was to end.
    pub until: Timestamp,
    /// When somebody ended it before that.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who consented.
    pub approved_by: String,
}

/// A restore that was rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drill {
    /// Its id.
    pub id: String,
    /// Of which cluster.
    pub cluster: Name,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How it ended.
    pub verdict: String,
    /// To which point.
    pub at: Option<String>,
    /// From which repository.
    pub repository: Name,
    /// On whose host.
    pub agent: Name,
    /// From the request to an answer of PostgreSQL.
    pub achieved_rto_seconds: Option<Seconds>,
    /// What would have been lost.
    pub achieved_rpo_seconds: Option<Seconds>,
    /// How many checks passed.
    pub checks_passed: u64,
    /// How many there were.
    pub checks: u64,
    /// Why it did not pass: a stable code.
    pub cause: Option<String>,
}

/// A restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restore {
    /// Its id.
    pub id: String,
    /// Of which cluster.
    pub cluster: Name,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How it ended.
    pub state: String,
    /// To which point.
    pub at: Option<String>,
    /// On whose host.
    pub agent: Option<Name>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// Why it failed: a stable code.
    pub cause: Option<String>,
    /// What was planned, and what came of it; none of restores from before there were
    /// plans that somebody consents to. Since version 2.
    #[serde(default)]
    pub evidence: Option<Evidence>,
}

/// What was planned of a restore, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// From which repository, the last one that was tried.
    pub repository: Name,
    /// The directory that was made.
    pub dir: String,
    /// SHA-256 of the plan that was executed, hexadecimal.
    pub plan_sha256: String,
    /// The request for consent.
    pub approval: Option<String>,
    /// Who consented.
    pub approved_by: Vec<String>,
    /// When it was begun.
    pub begun_at: Option<Timestamp>,
    /// When its data was there.
    pub restored_at: Option<Timestamp>,
    /// What was going to be missing of what was asked for.
    pub predicted_loss_seconds: Option<Seconds>,
    /// What was.
    pub achieved_loss_seconds: Option<Seconds>,
    /// How long it was going to take.
    pub predicted_rto_seconds: Option<Seconds>,
    /// How long it took.
    pub achieved_rto_seconds: Option<Seconds>,
    /// How many checks passed.
    pub checks_passed: u64,
    /// How many there were.
    pub checks: u64,
}

/// Somebody took an alarm on, as the audit log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Its place in the audit log.
    pub audit_seq: u64,
    /// The alarm's id.
    pub alarm: String,
    /// Of which cluster.
    pub cluster: Name,
    /// The alarm's rule.
    pub rule: String,
    /// What the alarm was about.
    pub subject: String,
    /// When the alarm opened.
    pub opened_at: Timestamp,
    /// Who.
    pub by: String,
    /// What there was to say to it.
    pub note: Option<String>,
}

/// A decision to delete, as the audit log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    /// When.
    pub at: Timestamp,
    /// Its place in the audit log.
    pub audit_seq: u64,
    /// Of which cluster.
    pub cluster: Option<Name>,
    /// By what command.
    pub action: String,
    /// What.
    pub subject: String,
    /// Who: a user, a token, or the control plane itself as a policy says.
    pub by: String,
}

/// A request for the consent of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Who asked.
    pub requested_by: String,
    /// The command that was held.
    pub action: String,
    /// What it acts on.
    pub subject: String,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// How many others had to consent.
    pub needed: u64,
    /// What had come of it by then.
    pub state: String,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Who said what, in the order of time.
    pub votes: Vec<Vote>,
}

/// What one person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vote {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// `approve` or `reject`.
    pub vote: String,
    /// What there was to say to it.
    pub note: Option<String>,
}
