//! Sends what channels are to be told, each channel on its own: one that is slow or away
//! holds up no other.
//!
//! A delivery is recorded after the channel took it. A leader that ends in between has
//! its successor send again, under the same key: at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_consensus::ProposeContext;
use holdfast_state::command::{DeliveryAttempt, DeliveryOutcome, RecordDeliveries};
use holdfast_state::query::{self, NoticeView};
use holdfast_state::{Digest, schema};
use holdfast_types::{Name, NoticeId};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};

use crate::app::App;
use crate::app::error::Result;
use crate::config::Alarms;
use crate::notice::Message;

const EVERY: Duration = Duration::from_secs(1);
/// How many a channel is told in a row before it is looked what else there is.
const AT_ONCE: usize = 20;

/// Sends until the app ends.
pub(super) async fn run(app: Arc<App>, wake: Arc<Notify>) {
    let mut sending = JoinSet::new();
    let mut busy: BTreeMap<Id, Name> = BTreeMap::new();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = wake.notified() => {},
            () = tokio::time::sleep(EVERY) => {},
            Some(ended) = sending.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                };
                busy.remove(&id);
            },
        }
        if !app.node.is_leader() {
            continue;
        }
        let due = match due(&app, Timestamp::now()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!("what is to be told cannot be read: {error}");
                continue;
            }
        };
        for (channel, notices) in due {
            if busy.values().any(|name| *name == channel) {
                continue;
            }
            let (app, name) = (app.clone(), channel.clone());
            let task = sending.spawn(async move { deliver(&app, &name, notices).await });
            busy.insert(task.id(), channel);
        }
    }
}

/// What each channel is to be told now. Of a thread the earlier goes first: what is over
/// is not told before what was wrong.
async fn due(app: &App, now: Timestamp) -> Result<BTreeMap<Name, Vec<NoticeView>>> {
    let view = app.local();
    if schema::version(view.connection()).await? < schema::NOTICES {
        return Ok(BTreeMap::new());
    }
    let pending = query::pending_notices(view.connection()).await?;
    let due = pending.into_iter().map(|(channel, notices)| {
        let mut threads = BTreeSet::new();
        let first = notices
            .into_iter()
            .filter(|notice| threads.insert(notice.thread));
        let due = first.filter(|notice| notice.next_at.is_none_or(|at| at <= now));
        (channel, due.take(AT_ONCE).collect::<Vec<_>>())
    });
    Ok(due.filter(|(_, notices)| !notices.is_empty()).collect())
}

async fn deliver(app: &App, channel: &Name, notices: Vec<NoticeView>) {
    for notice in notices {
        match tell(app, channel, &notice).await {
            Ok(true) => {}
            // It is asked again when the wait is over.
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%channel, notice = %notice.id, "what came of a notice is not on record, it may be sent again: {error}");
                return;
            }
        }
    }
}

/// Tells one, writes down what came of it, and says whether the channel took it.
async fn tell(app: &App, name: &Name, notice: &NoticeView) -> Result<bool> {
    // Proves that this node still leads: one that was deposed tells nobody (I-14).
    let view = app.node.read().await?;
    let channels = app.channels_of(&view).await?;
    let Some(channel) = channels.get(name) else {
        return Ok(false);
    };
    let said = match app.open_channel(&view, channel).await? {
        Ok(open) => {
            let within = app.config.alarms.timeout.get();
            open.send(&Message::of(notice), within).await
        }
        Err(unusable) => Err(unusable),
    };
    let number = notice.attempts + 1;
    let outcome = match &said {
        Ok(said) => {
            tracing::info!(channel = %name, notice = %notice.id, "a channel was told: {said}");
            DeliveryOutcome::Sent
        }
        Err(error) => {
            let now = Timestamp::now();
            let next_at = again(
                &app.config.alarms,
                (notice.id, number),
                notice.created_at,
                now,
            );
            tracing::warn!(channel = %name, notice = %notice.id, number, "a channel was not told: {error}");
            DeliveryOutcome::Failed {
                error: error.clone(),
                next_at,
            }
        }
    };
    let attempts = vec![DeliveryAttempt {
        notice: notice.id,
        number,
        outcome,
    }];
    app.propose_as(ProposeContext::internal(), RecordDeliveries { attempts })
        .await?;
    Ok(said.is_ok())
}

/// When it is tried again; `None` when it was tried for long enough. Waits double, and
/// many that failed at once do not all come back at once.
fn again(
    alarms: &Alarms,
    (notice, number): (NoticeId, u64),
    created_at: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let doublings = u32::try_from(number.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(20);
    let wait = alarms
        .retry
        .get()
        .saturating_mul(1 << doublings)
        .min(Alarms::RETRY_MOST);
    let digest = Digest::of(format!("{notice} {number}").as_bytes());
    let part = u32::from(digest.as_bytes()[0]);
    let wait = wait + wait * part / 1024;
    let next = now.checked_add(SignedDuration::try_from(wait).ok()?).ok()?;
    let end = SignedDuration::try_from(alarms.retry_for.get()).ok()?;
    (next <= created_at.checked_add(end).ok()?).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let alarms = Alarms::default();
        let start: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
        let notice = NoticeId::from_uuid(uuid::Uuid::from_u128(7));
        let wait = |number: u64, now: Timestamp| {
            again(&alarms, (notice, number), start, now).map(|at| at.duration_since(now))
        };
        let mut before = SignedDuration::ZERO;
        for number in 1..=7 {
            let next = wait(number, start).unwrap();
            assert!(next > before, "{number}: {next}");
            before = next;
        }
        let most = SignedDuration::try_from(Alarms::RETRY_MOST).unwrap();
        let capped = wait(60, start).unwrap();
        assert!(capped >= most && capped <= most * 5 / 4, "{capped}");
        assert_eq!(wait(3, start), wait(3, start));
        let late = start + SignedDuration::from_hours(24);
        assert_eq!(wait(3, late), None);
    }
}
