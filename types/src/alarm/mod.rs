//! Alarms: something that is wrong, for as long as it is, and what is told of it.
//!
//! An alarm has a key, its rule and its subject. While it is open, whatever happens
//! again counts up and opens nothing.

mod notice;
mod rule;
mod severity;

pub use notice::{DeliveryState, NoticeAlarm, NoticeKind};
pub use rule::AlarmRule;
pub use severity::Severity;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What there is to say of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AlarmDetail {
    /// What is wrong, with what; a sentence without its full stop.
    pub message: String,
    /// Why: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Since when, where that is known better than by when it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl AlarmDetail {
    /// One that says no more than this.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            message,
            cause: None,
            since: None,
        }
    }

    /// The same with a stable code.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same with the time since when.
    #[must_use]
    pub fn since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }
}
