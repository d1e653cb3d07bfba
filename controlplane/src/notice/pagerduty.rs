//! PagerDuty's Events API v2. What belongs together is one incident: the thread is its
//! key, and it is resolved when all of it is over.

use holdfast_types::Secret;
use holdfast_types::alarm::NoticeKind;
use serde_json::{Value, json};

use super::message::Message;

/// What PagerDuty takes.
const SUMMARY_MOST: usize = 1024;

pub(super) fn body(message: &Message, routing_key: &Secret) -> Value {
    let action = match (message.kind, message.remaining) {
        (NoticeKind::Resolved, 0) => "resolve",
        (NoticeKind::Acknowledged, 0) => "acknowledge",
        // Some of it is left: the incident goes on and is told what is not.
        _ => "trigger",
    };
    let mut event = json!({
        "routing_key": routing_key.expose(),
        "event_action": action,
        "dedup_key": message.thread,
    });
    if action != "trigger" {
        return event;
    }
    let summary: String = message.headline().chars().take(SUMMARY_MOST).collect();
    event["client"] = json!("Holdfast");
    event["payload"] = json!({
        "summary": summary,
        "source": "holdfast",
        "severity": message.severity,
        "timestamp": message.at,
        "component": message.fleet,
        "group": message.fleet,
        "class": message.rule,
        "custom_details": {
            "alarms": message.lines(),
            "rest": message.rest(),
            "advice": message.advice(),
            "key": message.key,
        },
    });
    event
}
