//! Pins backups that incrementals may build on, before anything of them is
//! referred to (I-06).
//!
//! Each pin is judged by itself: one that is refused leaves nothing behind, and
//! the others stand. A pin is never shortened.

use holdfast_types::{BackupId, BackupKind, BackupState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{backups, pins};
use crate::pins::{PIN_MOST, PinHolder};
use crate::{Noun, Refusal, row, schema};

/// Since level 10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinBackups {
    /// The pins, in order.
    pub pins: Vec<Pin>,
}

/// One backup, kept for one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Who may build on it.
    pub holder: PinHolder,
    /// The backup.
    pub backup: BackupId,
    /// Until when.
    pub until: Timestamp,
}

/// What came of one of many pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinned {
    /// The backup is kept until then, or longer.
    Until(Timestamp),
    /// It is not, for this reason.
    Refused(Refusal),
}

impl ReplicatedCommand for PinBackups {
    /// What came of each pin, in order.
    type Outcome = Vec<Pinned>;
    const NAME: &'static str = "pin_backups";

    fn target(&self) -> String {
        match self.pins.as_slice() {
            [only] => format!("backups/{}", only.backup),
            _ => "backups".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"pins": self.pins})
    }

    fn level(&self) -> u32 {
        schema::PINS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<Pinned>, Stop> {
        let mut outcome = Vec::with_capacity(self.pins.len());
        for pin in self.pins {
            outcome.push(match give(cx, pin).await {
                Ok(until) => Pinned::Until(until),
                Err(Stop::Refused(refusal)) => Pinned::Refused(refusal),
                Err(failed @ Stop::Failed(_)) => return Err(failed),
            });
        }
        Ok(outcome)
    }
}

async fn give(cx: &mut ApplyContext<'_>, pin: Pin) -> Result<Timestamp, Stop> {
    let id = Text(pin.backup);
    let found = row::read::<backups::Entity>(cx.tx(), id).await?;
    let backup = found.ok_or_else(|| Refusal::not_found(Noun::Backup, pin.backup))?;
    refuse_unfit(&pin, &backup)?;
    let longest = cx.now().checked_add(PIN_MOST).unwrap_or(Timestamp::MAX);
    if pin.until <= cx.now() || pin.until > longest {
        let message = "a backup is pinned for a time to come, at most for 30 days";
        return Err(Refusal::invalid("pins.until", message).into());
    }
    let key = (Text(pin.holder.clone()), id);
    let known = row::read::<pins::Entity>(cx.tx(), key).await?;
    let before = known.map(|known| known.until.0);
    let until = before.map_or(pin.until, |before| before.max(pin.until));
    cx.put(pins::Model {
        holder: Text(pin.holder),
        backup: id,
        until: Moment(until),
        pinned_at: Moment(cx.now()),
        revision: cx.revision().into(),
    })
    .await?;
    cx.changed("backups", pin.backup);
    Ok(Moment::truncate(until))
}

/// Only what is restorable can be built on; what is condemned never comes back.
fn refuse_unfit(pin: &Pin, backup: &backups::Model) -> Result<(), Refusal> {
    if backup.state.0 != BackupState::Available {
        let message = format!("the backup is {}", backup.state.0);
        return Err(Refusal::invalid("pins.backup", message));
    }
    if backup.kind.0 == BackupKind::Logical {
        let message = "nothing builds on a dump";
        return Err(Refusal::invalid("pins.backup", message));
    }
    match &pin.holder {
        PinHolder::Cluster(name) if *name != backup.cluster.0 => {
            let message = "the backup is of another cluster";
            Err(Refusal::invalid("pins.holder", message))
        }
        PinHolder::Cluster(_) | PinHolder::Assignment(_) => Ok(()),
    }
}
