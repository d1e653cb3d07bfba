//! Sees what is wrong, opens and closes alarms, and decides which channel is told.
//!
//! A leader that has just begun knows nobody yet: what rests on who is there neither
//! opens nor closes before a liveness period is over (I-13). What it remembers between
//! two looks (since when something is over) costs a later close when it is lost, and no
//! alarm.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{RecordNotices, SettleAlarms};
use holdfast_state::query::{self, PageRequest, ResourceFilter};
use holdfast_state::schema;
use holdfast_types::resource::{Kind, Labels, NotificationChannel};
use holdfast_types::{AlarmId, Name, NoticeId};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::plan::alarm::{Settling, Telling, observe, settle, tell};
use crate::session::LOST_AFTER;

/// How often is looked at least.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looking takes no more than one part in so many of the time.
const SHARE: u32 = 10;
/// How many alarms one entry opens or closes.
const AT_ONCE: usize = 500;

#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// The term in which this node leads, and since when.
    led: Option<(u64, Instant)>,
    /// When to look again.
    next: Option<Instant>,
    /// Since when what is open has not been seen.
    gone: BTreeMap<AlarmId, Timestamp>,
}

impl Alarms {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Alarms {
    const NAME: &'static str = "alarms";
    const PERIOD: Duration = Duration::from_secs(1);

    async fn activate(&self, app: &App) -> Result<u64> {
        if schema::version(app.local().connection()).await? < schema::NOTICES {
            return Ok(0);
        }
        let (knows_liveness, is_due) = self.begin(app.node.status().term);
        let view = app.node.read().await?;
        let mut done = 0;
        if is_due {
            let began = Instant::now();
            done += self.look(app, &view, knows_liveness).await?;
            let rest = (began.elapsed() * (SHARE - 1)).max(LOOK_EVERY);
            self.memory().next = Some(Instant::now() + rest);
        }
        Ok(done + notify(app).await?)
    }
}

impl Alarms {
    /// Whether it is known who is there, and whether it is time to look.
    fn begin(&self, term: u64) -> (bool, bool) {
        let mut memory = self.memory();
        let since = match memory.led {
            Some((known, since)) if known == term => since,
            _ => {
                let now = Instant::now();
                *memory = Memory {
                    led: Some((term, now)),
                    ..Memory::default()
                };
                now
            }
        };
        let is_due = memory.next.is_none_or(|next| next <= Instant::now());
        (since.elapsed() >= LOST_AFTER, is_due)
    }

    async fn look(&self, app: &App, view: &StateView, knows_liveness: bool) -> Result<u64> {
        let now = Timestamp::now();
        let facts = app.alarm_facts(view, now).await?;
        let known = query::unsettled_alarms(view.connection()).await?;
        let gone = std::mem::take(&mut self.memory().gone);
        let by = Settling {
            now,
            knows_liveness,
            settle: app.config.alarms.settle.get(),
        };
        let observed = observe(&facts, app.alarm_limits(), now);
        let id = || AlarmId::from_uuid(Uuid::now_v7());
        let mut settled = settle(observed, &known, &gone, by, id);
        self.memory().gone = std::mem::take(&mut settled.gone);
        let mut done = 0;
        while !settled.is_empty() {
            let some = |length: usize| length.min(AT_ONCE);
            let command = SettleAlarms {
                open: settled.open.drain(..some(settled.open.len())).collect(),
                repeat: settled.repeat.drain(..some(settled.repeat.len())).collect(),
                close: settled.close.drain(..some(settled.close.len())).collect(),
            };
            let outcome = app.propose_as(ProposeContext::internal(), command).await?;
            tracing::info!(
                opened = outcome.opened,
                repeated = outcome.repeated,
                closed = outcome.closed,
                "alarms have changed"
            );
            done += outcome.opened + outcome.repeated + outcome.closed;
        }
        Ok(done)
    }
}

/// Decides which channels are told of what is open or over, as it is by now.
async fn notify(app: &App) -> Result<u64> {
    let view = app.local();
    let alarms = query::unsettled_alarms(view.connection()).await?;
    if alarms.is_empty() {
        return Ok(0);
    }
    let channels = app.channels_of(&view).await?;
    if channels.is_empty() {
        return Ok(0);
    }
    let now = Timestamp::now();
    let silences = query::silences(view.connection(), now).await?;
    let labels = labels(&view, &channels).await?;
    let by = Telling {
        now,
        group: app.config.alarms.group.get(),
        alarms: &alarms,
        channels: &channels,
        silences: &silences,
        labels: &labels,
    };
    let notices = tell(&by, || NoticeId::from_uuid(Uuid::now_v7()));
    if notices.is_empty() {
        return Ok(0);
    }
    app.propose_as(ProposeContext::internal(), RecordNotices { notices })
        .await
}

/// The labels of all clusters, if any channel asks for some.
async fn labels(
    view: &StateView,
    channels: &BTreeMap<Name, NotificationChannel>,
) -> Result<BTreeMap<Name, Labels>> {
    let mut labels = BTreeMap::new();
    if channels.values().all(|channel| channel.selector.is_empty()) {
        return Ok(labels);
    }
    let mut page = PageRequest::longest();
    loop {
        let filter = ResourceFilter::default();
        let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
        for cluster in &found.items {
            labels.insert(cluster.name().clone(), cluster.labels().clone());
        }
        match found.next_cursor {
            None => return Ok(labels),
            cursor => page.cursor = cursor,
        }
    }
}
