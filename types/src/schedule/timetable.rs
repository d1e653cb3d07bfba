//! The due times of one schedule of one cluster, and when each may start.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::catch_up::MissedReason;
use super::timing::{InvalidSchedule, Recurrence, Timing};
use super::{DAY, RunId, spread};
use crate::Name;
use crate::resource::Schedule;

/// How many runs a preview shows at most.
pub const PREVIEW_MAX: usize = 1_000;

/// How far the next due time of any schedule can be away.
const HORIZON: i64 = 41 * 366 * DAY;

/// One schedule of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    cluster: Name,
    schedule: Name,
    pub(super) timing: Arc<Timing>,
}

/// A time at which a run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RunDue))]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// The wall-clock time that the schedule names, where a clock change leapt
    /// over it and the run is due right after the leap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub moved_from: Option<DateTime>,
}

/// When a run may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RunStart))]
pub struct Start {
    /// From then on: its jitter and any blackout are over.
    pub not_before: Timestamp,
    /// Until then; past that the run is missed. Without a window, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// The end of the blackout that holds it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackout_until: Option<Timestamp>,
}

/// Whether a run can start at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "placement")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RunPlacement))]
pub enum Placement {
    /// It can.
    Starts(Start),
    /// It will be missed, whatever happens.
    Missed {
        /// Why.
        reason: MissedReason,
    },
}

/// A run to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NextRun {
    /// Its identity.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub run: RunId,
    /// When it is due.
    #[serde(flatten)]
    pub due: Due,
    /// When it may start.
    #[serde(flatten)]
    pub placement: Placement,
}

impl Timetable {
    /// The timetable of a schedule for a cluster.
    pub fn new(cluster: &Name, schedule: &Schedule) -> Result<Self, InvalidSchedule> {
        let timing = Arc::new(Timing::of(schedule)?);
        Ok(Self::with_timing(cluster, &schedule.name, timing))
    }

    /// The same where the times are read already: one policy is for many
    /// clusters.
    pub fn with_timing(cluster: &Name, schedule: &Name, timing: Arc<Timing>) -> Self {
        Self {
            cluster: cluster.clone(),
            schedule: schedule.clone(),
            timing,
        }
    }

    /// The run that is due at `due`.
    pub fn run(&self, due: Timestamp) -> RunId {
        RunId::new(self.cluster.clone(), self.schedule.clone(), due)
    }

    /// What is due after `after` and not after `until`, in order. Ask for
    /// (a, b] and (b, c] and you have asked for (a, c].
    pub fn due_between(
        &self,
        after: Timestamp,
        until: Timestamp,
    ) -> Box<dyn Iterator<Item = Due> + Send + '_> {
        match &self.timing.recurrence {
            Recurrence::Cron(line) => Box::new(line.due_between(&self.timing.zone, after, until)),
            Recurrence::Every(period) => Box::new(self.grid(*period, after, until)),
        }
    }

    /// The first due time after `after`.
    pub fn next_due(&self, after: Timestamp) -> Option<Due> {
        let until = after.as_second().saturating_add(HORIZON);
        let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        self.due_between(after, until).next()
    }

    /// The next `count` runs after `now` ([`PREVIEW_MAX`] at most).
    pub fn next_runs(&self, now: Timestamp, count: usize) -> Vec<NextRun> {
        let until = now.as_second().saturating_add(HORIZON);
        let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        self.due_between(now, until)
            .take(count.min(PREVIEW_MAX))
            .map(|due| NextRun {
                run: self.run(due.at),
                due,
                placement: self.placement(due.at),
            })
            .collect()
    }

    /// When the run that is due at `due` may start. Depends on nothing else, so
    /// that whoever finds it due, however late, gives it the same times.
    pub fn placement(&self, due: Timestamp) -> Placement {
        let latest = self.timing.window.map(|window| later(due, window));
        let jitter = spread::jitter(&self.cluster, &self.schedule, due, self.timing.jitter);
        let spread = later(due, jitter);
        let Some(end) = self.blackout_until(spread) else {
            return Placement::Starts(Start {
                not_before: spread,
                latest,
                blackout_until: None,
            });
        };
        if let Some(latest) = latest
            && end > latest
        {
            let reason = MissedReason::Blackout { until: end, latest };
            return Placement::Missed { reason };
        }
        // What a blackout held up would start all at once when it ends: it is
        // spread again, unless that would cost the run its start.
        let again = later(end, jitter);
        let fits = latest.is_none_or(|latest| again <= latest);
        let not_before = if fits && self.blackout_until(again).is_none() {
            again
        } else {
            end
        };
        Placement::Starts(Start {
            not_before,
            latest,
            blackout_until: Some(end),
        })
    }

    /// When the blackout ends that `at` is in; `None` when nothing forbids a
    /// start. A run that waited for something else is held to it too.
    pub fn blackout_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.timing.blackouts.end(&self.timing.zone, at)
    }

    /// `every` counts from the epoch, shifted by a hash of what it is for: the
    /// same after a restart and on every host, and spread over a fleet.
    fn grid(
        &self,
        period: u64,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Due> + Send + use<> {
        let anchor = spread::anchor(&self.cluster, &self.schedule, period);
        let (anchor, period) = (seconds(anchor), seconds(period));
        let first = (after.as_second() - anchor).div_euclid(period) + 1;
        let until = until.as_second();
        (first..)
            .map(move |step| step * period + anchor)
            .take_while(move |at| *at <= until)
            .map_while(|at| Timestamp::from_second(at).ok())
            .map(|at| Due {
                at,
                moved_from: None,
            })
    }
}

impl Start {
    /// Whether it is too late to start.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.latest.is_some_and(|latest| now > latest)
    }
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn later(at: Timestamp, millis: u64) -> Timestamp {
    let span = jiff::SignedDuration::from_millis(seconds(millis));
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}
