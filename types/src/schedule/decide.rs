//! What becomes of the due times of one schedule of one cluster, those that
//! are not over considered: one decision for the whole stretch, the same
//! whether the leader takes it or an agent that is on its own (I-03, I-08).
//!
//! [`Timetable::catch_up`] says what each due time would do alone; here the
//! runs that are not over have their say, once: runs of one stretch are no
//! overlap of each other.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::catch_up::{CatchUpPlan, Outcome};
use super::overlap::{OverlapAction, Unfinished};
use super::record::{RunReason, RunState};
use super::timetable::{Start, Timetable};
use crate::resource::Overlap;

/// What becomes of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// When it was due.
    pub due: Timestamp,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Run {
        /// When it may start.
        start: Start,
        /// It makes up for a time at which nobody could serve it.
        late: bool,
        /// It takes the place of the earlier runs that are not over.
        replaces: bool,
    },
    /// It does not.
    Not {
        /// `missed`, `skipped` or `coalesced`.
        state: RunState,
        /// Why.
        reason: RunReason,
    },
    /// It and those up to another were missed, and are counted.
    Missed {
        /// The last of them.
        last: Timestamp,
        /// How many they are.
        count: u64,
    },
}

impl Timetable {
    /// Decides on everything that came due after `after` and not after `now`.
    pub fn decide_all(
        &self,
        overlap: Overlap,
        (after, now): (Timestamp, Timestamp),
        unfinished: Unfinished,
    ) -> Vec<Verdict> {
        let CatchUpPlan { missed, decisions } = self.catch_up(after, now);
        // From the oldest on: the first that replaces leaves nothing to replace.
        let mut left = unfinished;
        let mut refused: BTreeMap<Timestamp, (RunState, RunReason)> = BTreeMap::new();
        let mut verdicts = Vec::with_capacity(decisions.len() + 1);
        for decision in decisions {
            let due = decision.due.at;
            let not = |state, reason| Fate::Not { state, reason };
            let fate = match decision.outcome {
                Outcome::Run { start, late } => {
                    let run = |replaces| Fate::Run {
                        start,
                        late,
                        replaces,
                    };
                    match overlap.decide(left) {
                        OverlapAction::Start | OverlapAction::Queue { .. } => run(false),
                        OverlapAction::Replace { .. } => {
                            left = Unfinished::default();
                            run(true)
                        }
                        OverlapAction::Skip { reason } => {
                            refused.insert(due, (RunState::Skipped, reason.into()));
                            not(RunState::Skipped, reason.into())
                        }
                        OverlapAction::Coalesce { into } => {
                            let reason = RunReason::Coalesced { into };
                            refused.insert(due, (RunState::Coalesced, reason));
                            not(RunState::Coalesced, reason)
                        }
                    }
                }
                Outcome::Missed { reason } => not(RunState::Missed, reason.into()),
                Outcome::Skipped { reason } => not(RunState::Skipped, reason.into()),
                Outcome::Coalesced { into } => {
                    not(RunState::Coalesced, RunReason::Coalesced { into })
                }
            };
            verdicts.push(Verdict { due, fate });
        }
        follow_refused(&mut verdicts, &refused);
        if let Some(range) = missed {
            let (due, last, count) = (range.from, range.to, range.count);
            let fate = Fate::Missed { last, count };
            verdicts.insert(0, Verdict { due, fate });
        }
        verdicts
    }
}

/// What was to be done by a run that does not run either shares its fate: no
/// record points to work that nobody does.
fn follow_refused(verdicts: &mut [Verdict], refused: &BTreeMap<Timestamp, (RunState, RunReason)>) {
    for verdict in verdicts {
        if let Fate::Not {
            state,
            reason: reason @ RunReason::Coalesced { .. },
        } = &mut verdict.fate
            && let RunReason::Coalesced { into } = *reason
            && let Some(fate) = refused.get(&into)
        {
            (*state, *reason) = *fate;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resource::Schedule;

    fn schedule(fields: Value) -> Schedule {
        let mut all = json!({"name": "often", "kind": "full", "cron": "* * * * *"});
        for (field, value) in fields.as_object().unwrap() {
            all[field] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-02-03T{text}Z").parse().unwrap()
    }

    fn decided(schedule: &Schedule, until: &str, unfinished: Unfinished) -> Vec<String> {
        let timetable = Timetable::new(&"orders".parse().unwrap(), schedule).unwrap();
        let stretch = (at("10:00:00"), at(until));
        let verdicts = timetable.decide_all(schedule.overlap(), stretch, unfinished);
        let tell = |verdict: &Verdict| match verdict.fate {
            Fate::Run { replaces: true, .. } => "replaces".to_owned(),
            Fate::Run { .. } => "runs".to_owned(),
            Fate::Not { state, .. } => state.to_string(),
            Fate::Missed { count, .. } => format!("{count} missed"),
        };
        verdicts.iter().map(tell).collect()
    }

    fn running() -> Unfinished {
        Unfinished {
            running: Some(at("09:59:00")),
            waiting: None,
        }
    }

    #[test]
    fn every_due_time_is_decided_and_the_latest_runs() {
        let plain = schedule(json!({}));
        let none = Unfinished::default();
        assert_eq!(decided(&plain, "10:01:00", none), ["runs"]);
        assert_eq!(
            decided(&plain, "10:03:30", none),
            ["coalesced", "coalesced", "runs"]
        );
    }

    #[test]
    fn what_a_skipped_run_was_to_do_is_skipped_with_it() {
        let plain = schedule(json!({}));
        assert_eq!(
            decided(&plain, "10:03:30", running()),
            ["skipped", "skipped", "skipped"]
        );
    }

    #[test]
    fn runs_of_one_stretch_are_no_overlap_of_each_other() {
        let all = |overlap: &str| {
            let all = schedule(json!({"catchUp": "all", "overlap": overlap}));
            decided(&all, "10:02:00", running())
        };
        assert_eq!(all("queueOne"), ["runs", "runs"]);
        assert_eq!(all("cancelRunning"), ["replaces", "runs"]);
    }
}
