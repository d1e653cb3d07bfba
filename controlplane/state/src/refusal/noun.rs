//! What refusals are about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// An agent.
    Agent,
    /// An alarm.
    Alarm,
    /// An API token.
    ApiToken,
    /// A request for approval.
    Approval,
    /// An assignment.
    Assignment,
    /// A backup.
    Backup,
    /// A cluster.
    Cluster,
    /// A drill plan.
    DrillPlan,
    /// An exemption.
    Exemption,
    /// A fleet.
    Fleet,
    /// A PostgreSQL server that an agent found.
    Instance,
    /// A job.
    Job,
    /// A join token.
    JoinToken,
    /// A node of the control plane.
    Node,
    /// A node's join token.
    NodeToken,
    /// A channel of notices.
    NotificationChannel,
    /// A policy.
    Policy,
    /// A report.
    Report,
    /// A repository.
    Repository,
    /// A restore.
    Restore,
    /// A binding of a role.
    RoleBinding,
    /// A secret.
    Secret,
    /// A session.
    Session,
    /// A silence.
    Silence,
    /// A snapshot of the control plane's state.
    StateSnapshot,
    /// A user.
    User,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Alarm => "alarm",
            Self::ApiToken => "API token",
            Self::Approval => "request for approval",
            Self::Assignment => "assignment",
            Self::Backup => "backup",
            Self::Cluster => "cluster",
            Self::DrillPlan => "drill plan",
            Self::Exemption => "exemption",
            Self::Fleet => "fleet",
            Self::Instance => "instance",
            Self::Job => "job",
            Self::JoinToken => "join token",
            Self::Node => "node",
            Self::NodeToken => "node token",
            Self::NotificationChannel => "notification channel",
            Self::Policy => "policy",
            Self::Report => "report",
            Self::Repository => "repository",
            Self::Restore => "restore",
            Self::RoleBinding => "role binding",
            Self::Secret => "secret",
            Self::Session => "session",
            Self::Silence => "silence",
            Self::StateSnapshot => "state snapshot",
            Self::User => "user",
        })
    }
}
