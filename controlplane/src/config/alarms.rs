//! `[alarms]`: what is waited for before an alarm is raised, told or closed.

use std::time::Duration;

use holdfast_types::Span;
use serde::{Deserialize, Serialize};

/// Alarms and what is told of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Alarms {
    /// How long is waited for more of the same, to tell all of it at once.
    pub group: Span,
    /// How long something must be over before its alarm closes.
    pub settle: Span,
    /// How long a run may be due before it is an alarm that nobody has begun it.
    pub run_overdue: Span,
    /// How long a cluster with a policy may be without a backup.
    pub first_backup: Span,
    /// How long a request for approval waits before it is told.
    pub approval_after: Span,
    /// What is left of an agent's certificate when it is told that it ends. Never more
    /// than a sixth of what it is good for: agents renew theirs at a third.
    pub certificate_left: Span,
    /// After what time a notice that was not taken is sent again the first time; each
    /// further wait is twice as long, up to 15 minutes.
    pub retry: Span,
    /// How long a notice is tried before it is given up.
    pub retry_for: Span,
    /// How long a channel may take to answer.
    pub timeout: Span,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            group: Span::from_secs(15),
            settle: Span::from_secs(15),
            run_overdue: Span::from_secs(3600),
            first_backup: Span::from_secs(24 * 3600),
            approval_after: Span::from_secs(60),
            certificate_left: Span::from_secs(14 * 24 * 3600),
            retry: Span::from_secs(5),
            retry_for: Span::from_secs(24 * 3600),
            timeout: Span::from_secs(10),
        }
    }
}

impl Alarms {
    pub(super) fn problem(&self) -> Option<String> {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        let within = |name: &str, span: Span, least: Span, most: u64| {
            let most = Span::from_secs(most);
            let fits = (least..=most).contains(&span);
            (!fits).then(|| format!("alarms.{name}: {span} is not within {least} to {most}"))
        };
        let none = Span::default();
        let blink = Span::from_millis(10);
        within("group", self.group, none, HOUR)
            .or_else(|| within("settle", self.settle, none, HOUR))
            .or_else(|| within("runOverdue", self.run_overdue, blink, 30 * DAY))
            .or_else(|| within("firstBackup", self.first_backup, none, 90 * DAY))
            .or_else(|| within("approvalAfter", self.approval_after, none, 30 * DAY))
            .or_else(|| within("certificateLeft", self.certificate_left, none, 365 * DAY))
            .or_else(|| within("retry", self.retry, blink, HOUR))
            .or_else(|| within("retryFor", self.retry_for, blink, 30 * DAY))
            .or_else(|| within("timeout", self.timeout, blink, 60))
    }

    /// The most that is waited between two attempts.
    pub const RETRY_MOST: Duration = Duration::from_secs(15 * 60);
}
