//! What is told, before it takes the form of a channel.

use holdfast_state::query::NoticeView;
use holdfast_types::alarm::{AlarmRule, NoticeAlarm, NoticeKind, Severity};
use holdfast_types::{Name, NoticeId};
use jiff::Timestamp;

/// So many alarms are told one by one; the rest is counted.
pub(super) const SHOWN_MOST: usize = 20;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// By which the receiver knows a repeat.
    pub(super) key: NoticeId,
    /// By which he knows what belongs together.
    pub(super) thread: NoticeId,
    pub(super) channel: Name,
    pub(super) kind: NoticeKind,
    /// None of a test.
    pub(super) rule: Option<AlarmRule>,
    pub(super) fleet: Option<Name>,
    pub(super) severity: Severity,
    /// When it was to be told: of a repeat the same.
    pub(super) at: Timestamp,
    pub(super) alarms: Vec<NoticeAlarm>,
    pub(super) remaining: u64,
    /// Of a test, who wanted it.
    pub(super) tested_by: Option<String>,
}

impl Message {
    /// A notice.
    pub(crate) fn of(notice: &NoticeView) -> Self {
        let worst = notice.alarms.iter().map(|alarm| alarm.severity).max();
        Self {
            key: notice.id,
            thread: notice.thread,
            channel: notice.channel.clone(),
            kind: notice.kind,
            rule: Some(notice.rule),
            fleet: notice.fleet.clone(),
            severity: worst.unwrap_or_else(|| notice.rule.severity()),
            at: notice.created_at,
            alarms: notice.alarms.clone(),
            remaining: notice.remaining,
            tested_by: None,
        }
    }

    /// A message that only shows that messages arrive.
    pub(crate) fn test(channel: Name, key: NoticeId, at: Timestamp, by: &str) -> Self {
        Self {
            key,
            thread: key,
            channel,
            kind: NoticeKind::Test,
            rule: None,
            fleet: None,
            severity: Severity::Info,
            at,
            alarms: Vec::new(),
            remaining: 0,
            tested_by: Some(by.to_owned()),
        }
    }

    /// What it is about, for whoever sorts by it.
    pub(super) fn title(&self) -> &'static str {
        self.rule.map_or("test message", AlarmRule::title)
    }

    /// All in one line.
    pub(super) fn headline(&self) -> String {
        let word = match self.kind {
            NoticeKind::Opened => self.severity.as_str().to_uppercase(),
            NoticeKind::Acknowledged => "ACKNOWLEDGED".to_owned(),
            NoticeKind::Resolved => "RESOLVED".to_owned(),
            NoticeKind::Test => {
                return format!("TEST: Holdfast can tell the channel \"{}\"", self.channel);
            }
        };
        let what = match (self.alarms.as_slice(), &self.fleet) {
            ([only], _) => only.subject.clone(),
            (several, Some(fleet)) => format!("{} in the fleet {fleet}", several.len()),
            (several, None) => several.len().to_string(),
        };
        format!("{word}: {}: {what}", self.title())
    }

    /// A line for each alarm.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |alarm: &NoticeAlarm| {
            let mut line = alarm.detail.message.clone();
            if let Some(since) = alarm.detail.since {
                line.push_str(&format!(", since {since:.0}"));
            }
            if alarm.count > 1 {
                line.push_str(&format!(", {} times", alarm.count));
            }
            match (alarm.closed_at, &alarm.acknowledged_by) {
                (Some(closed), _) => line.push_str(&format!("; over since {closed:.0}")),
                (None, Some(by)) => line.push_str(&format!("; taken on by {by}")),
                (None, None) => {}
            }
            line
        };
        let mut lines: Vec<String> = self.alarms.iter().take(SHOWN_MOST).map(line).collect();
        if self.alarms.len() > SHOWN_MOST {
            lines.push(format!("and {} more", self.alarms.len() - SHOWN_MOST));
        }
        if let Some(by) = &self.tested_by {
            lines.push(format!("{by} asked for this message; nothing is wrong"));
        }
        lines
    }

    /// What there is to say of those that are left.
    pub(super) fn rest(&self) -> Option<String> {
        match (self.kind, self.remaining) {
            (NoticeKind::Resolved, 0) => Some("all of it is over".to_owned()),
            (NoticeKind::Resolved, left) => Some(format!("{left} more are still open")),
            (NoticeKind::Acknowledged, left) if left > 0 => {
                Some(format!("{left} more wait for somebody"))
            }
            _ => None,
        }
    }

    /// What to do about it, while it is open.
    pub(super) fn advice(&self) -> Option<&'static str> {
        let open = self.kind == NoticeKind::Opened;
        self.rule.filter(|_| open).map(AlarmRule::advice)
    }
}
