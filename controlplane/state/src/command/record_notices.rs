//! Puts notices into the outbox, and notes on the alarms which channel is told of them:
//! one entry, so that nothing is told twice because a leader went away in between.
//!
//! What no longer fits (an alarm that closed meanwhile, a channel that was told by
//! another leader or is gone) is left out, and a notice of nothing is none.

use holdfast_types::alarm::{AlarmRule, DeliveryState, NoticeKind};
use holdfast_types::resource::Kind;
use holdfast_types::{AlarmId, Name, NoticeId};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::alarms::{Told, owed, snapshot};
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{alarms, notices};
use crate::{StateError, TaskName, row, schema};

/// Since the level at which there are notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordNotices {
    /// What is to be told.
    pub notices: Vec<NewNotice>,
}

/// What one channel is to be told, of one rule in one fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewNotice {
    /// Its id, by which the receiver knows a repeat.
    pub notice: NoticeId,
    /// Whom.
    pub channel: Name,
    /// What of the alarms.
    pub kind: NoticeKind,
    /// Their rule.
    pub rule: AlarmRule,
    /// Their fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Name>,
    /// The first notice of what this one goes on about; its own id when it is the first.
    pub thread: NoticeId,
    /// The alarms.
    pub alarms: Vec<AlarmId>,
    /// How many of the thread are still open, or not acknowledged.
    pub remaining: u64,
}

impl ReplicatedCommand for RecordNotices {
    /// How many there are to send.
    type Outcome = u64;
    const NAME: &'static str = "record_notices";

    fn target(&self) -> String {
        "notices".to_owned()
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let mut recorded = 0;
        for notice in self.notices {
            recorded += u64::from(record(cx, notice).await?);
        }
        if recorded > 0 {
            cx.activate(TaskName::Notices);
        }
        Ok(recorded)
    }
}

async fn record(cx: &mut ApplyContext<'_>, new: NewNotice) -> Result<bool, StateError> {
    let kind = Kind::NotificationChannel;
    let known = row::read::<notices::Entity>(cx.tx(), Text(new.notice)).await?;
    if known.is_some() || cx.resource(kind, &new.channel).await?.is_none() {
        return Ok(false);
    }
    let mut told = Vec::new();
    for alarm in &new.alarms {
        let Some(found) = row::read::<alarms::Entity>(cx.tx(), Text(*alarm)).await? else {
            continue;
        };
        let Some(now) = tell(&found, &new) else {
            continue;
        };
        told.push(snapshot(&found));
        let mut all = found.told.0.clone();
        all.insert(new.channel.clone(), now);
        cx.put(alarms::Model {
            owed: owed(found.closed_at.is_some(), &all),
            told: Json(all),
            revision: cx.revision().into(),
            ..found
        })
        .await?;
    }
    if told.is_empty() {
        return Ok(false);
    }
    cx.insert(notices::Model {
        id: Text(new.notice),
        channel: Text(new.channel),
        kind: Text(new.kind),
        rule: Text(new.rule),
        fleet: new.fleet.map(Text),
        thread: Text(new.thread),
        alarms: Json(told),
        remaining: Count(new.remaining),
        created_at: Moment(cx.now()),
        state: Text(DeliveryState::Pending),
        attempts: Count(0),
        next_at: Some(Moment(cx.now())),
        error: None,
        done_at: None,
        revision: cx.revision().into(),
    })
    .await?;
    Ok(true)
}

/// What the channel knows of an alarm once it is told this; `None` when it is told of
/// it no more.
fn tell(alarm: &alarms::Model, new: &NewNotice) -> Option<Told> {
    let known = alarm.told.0.get(&new.channel).copied();
    match (new.kind, known) {
        (NoticeKind::Opened, None) if alarm.closed_at.is_none() => Some(Told {
            thread: new.thread,
            acknowledged: false,
            resolved: false,
        }),
        (NoticeKind::Acknowledged, Some(known)) => {
            let news = alarm.acknowledged_at.is_some() && alarm.closed_at.is_none();
            (news && !known.acknowledged).then_some(Told {
                acknowledged: true,
                ..known
            })
        }
        (NoticeKind::Resolved, Some(known)) => {
            let news = alarm.closed_at.is_some() && !known.resolved;
            news.then_some(Told {
                resolved: true,
                ..known
            })
        }
        (NoticeKind::Opened, _)
        | (NoticeKind::Acknowledged | NoticeKind::Resolved, None)
        | (NoticeKind::Test, _) => None,
    }
}
