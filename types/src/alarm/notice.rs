//! What is told of alarms: some of one rule in one fleet, at once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AlarmDetail, Severity};
use crate::backup::as_word;
use crate::{AlarmId, Name};

/// What a notice says of its alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum NoticeKind {
    /// They are open.
    Opened,
    /// Somebody has taken them on.
    Acknowledged,
    /// They are over.
    Resolved,
    /// Nothing is wrong: somebody tries the channel.
    Test,
}

as_word!(NoticeKind {
    Opened = "opened",
    Acknowledged = "acknowledged",
    Resolved = "resolved",
    Test = "test",
});

/// How far a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DeliveryState {
    /// It is to be sent, or sent again.
    Pending,
    /// The channel took it.
    Sent,
    /// It was given up.
    Failed,
}

as_word!(DeliveryState {
    Pending = "pending",
    Sent = "sent",
    Failed = "failed",
});

/// An alarm as it was when it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NoticeAlarm {
    /// Its id.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub id: AlarmId,
    /// What it is about, such as `clusters/orders`.
    pub subject: String,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub cluster: Option<Name>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub detail: AlarmDetail,
    /// How often it happened.
    pub count: u64,
    /// When it was noticed.
    pub opened_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Who has taken it on: `user:ada`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
}
