//! When runs are due, when they may start, and what becomes of those that
//! nobody served: the planner that the leader and an offline agent share.
//!
//! Pure: what it says follows from the schedule, the cluster's name and the
//! times it is given, so that two who ask the same get the same, on every host
//! and after every restart (I-03, I-08). It never says whether a run *has*
//! happened: that is in the replicated state or in the agent's journal.
//!
//! `docs/how-to/schedules.md` is its specification for people.

mod blackout;
mod catch_up;
mod cron;
mod decide;
mod overlap;
mod record;
mod run;
mod spread;
mod timetable;
mod timing;
mod zone;

pub use catch_up::{
    CatchUpPlan, DUE_TIMES_MAX, Decision, MissedRange, MissedReason, ON_TIME, Outcome, SkipReason,
};
pub use decide::{Fate, Verdict};
pub use overlap::{OverlapAction, Unfinished};
pub use record::{RunReason, RunState};
pub use run::{Attempt, InvalidRunId, RunId};
pub use spread::take_over_jitter;
pub use timetable::{Due, NextRun, PREVIEW_MAX, Placement, Start, Timetable};
pub use timing::{InvalidSchedule, Timing};
pub use zone::{time_zone, tzdb_version};

const DAY: i64 = 86_400;
