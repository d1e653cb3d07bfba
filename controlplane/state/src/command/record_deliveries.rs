//! What came of trying to tell channels. A delivery is on record only after the channel
//! took it: a leader that dies in between sends again, and the receiver knows the repeat
//! by its key.

use holdfast_types::NoticeId;
use holdfast_types::alarm::DeliveryState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Count, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::notices;
use crate::{StateError, TaskName, row, schema};

/// What a channel says is read by people, not a file.
const ERROR_MAX: usize = 500;

/// Since the level at which there are notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordDeliveries {
    /// The attempts.
    pub attempts: Vec<DeliveryAttempt>,
}

/// An attempt to tell a channel something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryAttempt {
    /// What.
    pub notice: NoticeId,
    /// The how-manieth attempt it was, from 1: of two leaders one counts (I-14).
    pub number: u64,
    /// What came of it.
    pub outcome: DeliveryOutcome,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The channel took it.
    Sent,
    /// It did not.
    Failed {
        /// What it said; never a secret (I-10).
        error: String,
        /// When it is tried again; never again when it is not said.
        next_at: Option<Timestamp>,
    },
}

impl ReplicatedCommand for RecordDeliveries {
    /// How many counted.
    type Outcome = u64;
    const NAME: &'static str = "record_deliveries";

    fn target(&self) -> String {
        "notices".to_owned()
    }

    fn level(&self) -> u32 {
        schema::NOTICES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let mut counted = 0;
        for attempt in self.attempts {
            counted += u64::from(record(cx, attempt).await?);
        }
        // A channel that fails is itself something to tell, and so is its recovery.
        cx.activate(TaskName::Alarms);
        cx.activate(TaskName::Notices);
        Ok(counted)
    }
}

async fn record(cx: &ApplyContext<'_>, attempt: DeliveryAttempt) -> Result<bool, StateError> {
    let found = row::read::<notices::Entity>(cx.tx(), Text(attempt.notice)).await?;
    let pending = |row: &notices::Model| row.state.0 == DeliveryState::Pending;
    let Some(found) = found.filter(pending) else {
        return Ok(false);
    };
    let row = match attempt.outcome {
        DeliveryOutcome::Sent => notices::Model {
            state: Text(DeliveryState::Sent),
            attempts: Count(found.attempts.0.max(attempt.number)),
            next_at: None,
            error: None,
            done_at: Some(Moment(cx.now())),
            revision: cx.revision().into(),
            ..found
        },
        DeliveryOutcome::Failed { .. } if attempt.number != found.attempts.0 + 1 => {
            return Ok(false);
        }
        DeliveryOutcome::Failed { error, next_at } => notices::Model {
            state: Text(match next_at {
                Some(_) => DeliveryState::Pending,
                None => DeliveryState::Failed,
            }),
            attempts: Count(attempt.number),
            next_at: next_at.map(Moment),
            error: Some(error.chars().take(ERROR_MAX).collect()),
            done_at: next_at.is_none().then_some(Moment(cx.now())),
            revision: cx.revision().into(),
            ..found
        },
    };
    cx.put(row).await?;
    Ok(true)
}
