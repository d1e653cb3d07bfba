//! What commands about alarms share.

use std::collections::BTreeMap;

use holdfast_types::alarm::{DeliveryState, NoticeAlarm};
use holdfast_types::resource::Kind;
use holdfast_types::{Name, NoticeId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::column::{Flag, Json, Moment, Text};
use crate::command::{AppliedDocument, Change};
use crate::context::ApplyContext;
use crate::entity::{alarms, notices};
use crate::{StateError, TaskName, schema};

/// What a channel was told of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Told {
    /// The first notice of the thread in which that was.
    pub thread: NoticeId,
    /// Whether it was told that somebody has taken it on.
    pub acknowledged: bool,
    /// Whether it was told that it is over.
    pub resolved: bool,
}

/// Whether a channel has still to hear that a closed alarm is over.
pub(crate) fn owed(closed: bool, told: &BTreeMap<Name, Told>) -> Flag {
    Flag(closed && told.values().any(|told| !told.resolved))
}

/// It as it is told.
pub(crate) fn snapshot(row: &alarms::Model) -> NoticeAlarm {
    NoticeAlarm {
        id: row.id.0,
        subject: row.subject.clone(),
        cluster: row.cluster.clone().map(|cluster| cluster.0),
        severity: row.severity.0,
        detail: row.detail.0.clone(),
        count: row.count.0,
        opened_at: row.opened_at.0,
        closed_at: row.closed_at.map(|at| at.0),
        acknowledged_by: row.acknowledged_by.as_ref().map(|by| by.0.to_string()),
    }
}

/// Alarms that are open, or that somebody has still to hear the end of.
pub(crate) async fn unsettled(cx: &ApplyContext<'_>) -> Result<Vec<alarms::Model>, StateError> {
    use alarms::{Column, Entity};
    let open = Condition::any()
        .add(Column::ClosedAt.is_null())
        .add(Column::Owed.eq(Flag(true)));
    let found = Entity::find().filter(open).order_by_asc(Column::Id);
    Ok(found.all(cx.tx()).await?)
}

/// What a channel has not taken yet is sent at once.
async fn retry_now(cx: &mut ApplyContext<'_>, channel: &Name) -> Result<(), StateError> {
    if !cx.has_level(schema::NOTICES).await? {
        return Ok(());
    }
    let sql = "UPDATE notices SET next_at = ?, revision = ? WHERE channel = ? AND state = ?";
    let values = [
        Moment(cx.now()).into(),
        crate::column::Count::from(cx.revision()).into(),
        Text(channel.clone()).into(),
        Text(DeliveryState::Pending).into(),
    ];
    cx.execute(sql, values).await?;
    cx.activate(TaskName::Alarms);
    cx.activate(TaskName::Notices);
    Ok(())
}

/// What a channel did not take before it was changed is sent at once by what it is now.
pub(crate) async fn touch_channels(
    cx: &mut ApplyContext<'_>,
    outcome: &[AppliedDocument],
) -> Result<(), StateError> {
    for applied in outcome {
        if applied.kind == Kind::NotificationChannel && applied.change != Change::Unchanged {
            retry_now(cx, &applied.name).await?;
        }
    }
    Ok(())
}

/// A channel is there no more: it is told nothing more, and another one of its name is
/// told of what is open as if of new.
pub(crate) async fn forget_channel(
    cx: &mut ApplyContext<'_>,
    channel: &Name,
) -> Result<(), StateError> {
    for alarm in unsettled(cx).await? {
        let mut told = alarm.told.0.clone();
        if told.remove(channel).is_some() {
            cx.put(alarms::Model {
                owed: owed(alarm.closed_at.is_some(), &told),
                told: Json(told),
                revision: cx.revision().into(),
                ..alarm
            })
            .await?;
        }
    }
    let pending = notices::Entity::find()
        .filter(notices::Column::Channel.eq(channel.as_str()))
        .filter(notices::Column::State.eq(Text(DeliveryState::Pending)))
        .order_by_asc(notices::Column::Id)
        .all(cx.tx())
        .await?;
    for notice in pending {
        cx.put(notices::Model {
            state: Text(DeliveryState::Failed),
            error: Some("the channel was deleted".to_owned()),
            next_at: None,
            done_at: Some(Moment(cx.now())),
            revision: cx.revision().into(),
            ..notice
        })
        .await?;
    }
    cx.activate(TaskName::Alarms);
    Ok(())
}
