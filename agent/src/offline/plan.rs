//! What becomes of a schedule's due times while the agent is on its own: the
//! planner is the leader's (`Timetable::decide_all`), so are its answers.

use holdfast_proto::{OfflineDecision, StandingOrders, StandingSchedule};
use holdfast_types::schedule::{
    Fate, InvalidSchedule, RunId, RunReason, RunState, Timetable, Unfinished, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use crate::journal::{Decided, Own, OwnRun, OwnState, Stretch};

/// A decision, and what it wants to end.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) decided: Decided,
    /// Runs that give way to a later one.
    pub(super) cancel: Vec<RunId>,
}

/// Decides on what came due by `now`; `None` when there is nothing to decide.
/// `busy` says whether the job of a run that the control plane gave is running.
pub(super) fn plan(
    orders: &StandingOrders,
    standing: &StandingSchedule,
    own: &Own,
    now: Timestamp,
    busy: impl Fn(&RunId) -> bool,
) -> Result<Option<Plan>, InvalidSchedule> {
    let schedule = &standing.schedule;
    let timetable = Timetable::new(&orders.cluster, schedule)?;
    let known = own.stretches.iter().find(|stretch| {
        stretch.cluster == orders.cluster
            && stretch.schedule == schedule.name
            && stretch.anchor == standing.anchor
    });
    let mut runs = Vec::new();
    let stretch = match known {
        Some(stretch) if !stretch.settled => stretch.clone(),
        settled => {
            // What was handed back may not have arrived yet.
            let after = settled.map_or(standing.decided_until, |settled| {
                settled.until.max(standing.decided_until)
            });
            // What the control plane had decided to run and not given to
            // anybody is the agent's to take.
            let waiting = standing.open.iter().filter(|open| !open.begun);
            runs.extend(waiting.map(|open| OwnRun {
                run: timetable.run(open.due),
                state: OwnState::Waiting,
                not_before: open.not_before,
                latest: open.latest,
                late: false,
                attempts: 0,
                attempts_max: schedule.retry_max().saturating_add(1),
            }));
            Stretch {
                cluster: orders.cluster.clone(),
                schedule: schedule.name.clone(),
                anchor: standing.anchor.clone(),
                from: after,
                until: after,
                settled: false,
            }
        }
    };
    let due = timetable.next_due(stretch.until);
    if due.is_none_or(|due| due.at > now) && runs.is_empty() {
        return Ok(None);
    }
    let before: Vec<OwnRun> = of_schedule(own, &stretch).chain(runs.clone()).collect();
    let unfinished = unfinished(&before, standing, &timetable, busy);
    let verdicts = timetable.decide_all(schedule.overlap(), (stretch.until, now), unfinished);
    let mut plan = Plan {
        decided: Decided {
            stretch: Stretch {
                until: now.max(stretch.until),
                ..stretch
            },
            runs,
            not: Vec::new(),
        },
        cancel: Vec::new(),
    };
    for verdict in verdicts {
        plan.take(&timetable, schedule.retry_max(), verdict, &before);
    }
    Ok(Some(plan))
}

fn of_schedule(own: &Own, stretch: &Stretch) -> impl Iterator<Item = OwnRun> {
    let same = |run: &&OwnRun| {
        *run.run.cluster() == stretch.cluster
            && *run.run.schedule() == stretch.schedule
            && run.state != OwnState::Ended
    };
    own.runs
        .iter()
        .filter(same)
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
}

/// What of the schedule is not over, as far as the agent can know.
fn unfinished(
    before: &[OwnRun],
    standing: &StandingSchedule,
    timetable: &Timetable,
    busy: impl Fn(&RunId) -> bool,
) -> Unfinished {
    let begun = |run: &&OwnRun| run.state == OwnState::Running || run.attempts > 0;
    let own = before.iter().filter(begun).map(|run| run.run.due());
    let given = standing.open.iter().filter(|open| open.begun);
    let given = given
        .map(|open| open.due)
        .filter(|due| busy(&timetable.run(*due)));
    Unfinished {
        running: own.chain(given).max(),
        waiting: before
            .iter()
            .filter(|run| !begun(run))
            .map(|run| run.run.due())
            .max(),
    }
}

impl Plan {
    fn take(&mut self, timetable: &Timetable, retries: u32, verdict: Verdict, before: &[OwnRun]) {
        let due = verdict.due;
        match verdict.fate {
            Fate::Run {
                start,
                late,
                replaces,
            } => {
                self.decided.runs.push(OwnRun {
                    run: timetable.run(due),
                    state: OwnState::Waiting,
                    not_before: start.not_before,
                    latest: start.latest,
                    late,
                    attempts: 0,
                    attempts_max: retries.saturating_add(1),
                });
                if replaces {
                    self.replace(before, due);
                }
            }
            Fate::Not { state, reason } => self.decided.not.push(not(due, state, reason)),
            Fate::Missed { last, count } => self.decided.not.push(OfflineDecision {
                due,
                last,
                count,
                state: RunState::Missed,
                reason: RunReason::TooMany,
            }),
        }
    }

    /// A later run takes the place of those that are not over.
    fn replace(&mut self, before: &[OwnRun], into: Timestamp) {
        for run in before {
            if run.state == OwnState::Running || run.attempts > 0 {
                self.cancel.push(run.run.clone());
                continue;
            }
            let reason = RunReason::Coalesced { into };
            let due = run.run.due();
            self.decided.runs.retain(|kept| kept.run != run.run);
            self.decided.not.push(not(due, RunState::Coalesced, reason));
        }
    }
}

/// A due time that does not run.
pub(super) fn not(due: Timestamp, state: RunState, reason: RunReason) -> OfflineDecision {
    OfflineDecision {
        due,
        last: due,
        count: 1,
        state,
        reason,
    }
}

/// The whole second that `time` is in: due times and marks are whole seconds.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    let fraction = SignedDuration::from_nanos(i64::from(time.subsec_nanosecond()));
    time.checked_sub(fraction).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_proto::{InstanceAccess, OpenRun, RepositoryAccess};
    use holdfast_types::Secret;
    use holdfast_types::resource::Compression;
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-02-03T{text}Z").parse().unwrap()
    }

    fn orders(fields: Value, open: Vec<OpenRun>) -> StandingOrders {
        let mut schedule = json!({"name": "often", "kind": "full", "cron": "* * * * *"});
        for (field, value) in fields.as_object().unwrap() {
            schedule[field] = value.clone();
        }
        StandingOrders {
            cluster: "orders".parse().unwrap(),
            repository: RepositoryAccess {
                name: "eu".parse().unwrap(),
                url: "file:///b".to_owned(),
                region: None,
                endpoint: None,
                credentials: BTreeMap::new(),
                key: Secret::new("00".repeat(32)),
                bandwidth: None,
            },
            instance: InstanceAccess {
                connection: "host=/run/postgresql".to_owned(),
                password: None,
                data_directory: None,
                system_identifier: None,
            },
            compression: Compression::DEFAULT,
            incarnation: 1,
            parent: None,
            own_wal: false,
            schedules: vec![StandingSchedule {
                schedule: serde_json::from_value(schedule).unwrap(),
                anchor: "minutely".to_owned(),
                decided_until: at("10:00:00"),
                open,
            }],
        }
    }

    fn decide(orders: &StandingOrders, own: &Own, now: &str) -> Option<Plan> {
        plan(orders, &orders.schedules[0], own, at(now), |_| false).unwrap()
    }

    fn dues(plan: &Plan) -> (Vec<String>, Vec<String>) {
        let clock = |due: Timestamp| due.strftime("%H:%M").to_string();
        let runs = plan.decided.runs.iter().map(|run| clock(run.run.due()));
        let not = plan.decided.not.iter();
        let not = not.map(|one| format!("{} {}", clock(one.due), one.state));
        (runs.collect(), not.collect())
    }

    fn own(state: OwnState, due: &str, attempts: u32) -> Own {
        let run = RunId::new("orders".parse().unwrap(), "often".parse().unwrap(), at(due));
        Own {
            stretches: vec![Stretch {
                cluster: "orders".parse().unwrap(),
                schedule: "often".parse().unwrap(),
                anchor: "minutely".to_owned(),
                from: at("10:00:00"),
                until: at("10:05:00"),
                settled: false,
            }],
            runs: vec![OwnRun {
                run,
                state,
                not_before: at(due),
                latest: None,
                late: false,
                attempts,
                attempts_max: 4,
            }],
        }
    }

    #[test]
    fn it_begins_where_the_control_plane_stopped_and_goes_on_where_it_was() {
        let orders = orders(json!({}), vec![]);
        assert!(decide(&orders, &Own::default(), "10:00:59").is_none());
        let first = decide(&orders, &Own::default(), "10:02:30").unwrap();
        let (runs, not) = dues(&first);
        assert_eq!(
            (runs, not),
            (vec!["10:02".to_owned()], vec!["10:01 coalesced".to_owned()])
        );
        assert_eq!(first.decided.stretch.from, at("10:00:00"));
        assert_eq!(first.decided.stretch.until, at("10:02:30"));

        let over = own(OwnState::Ended, "10:05:00", 1);
        assert!(decide(&orders, &over, "10:05:30").is_none());
        let next = decide(&orders, &over, "10:06:00").unwrap();
        assert_eq!(dues(&next).0, ["10:06"]);
        assert_eq!(next.decided.stretch.from, at("10:00:00"));
    }

    #[test]
    fn what_was_handed_back_is_not_decided_again() {
        let orders = orders(json!({}), vec![]);
        let mut back = own(OwnState::Ended, "10:05:00", 1);
        back.stretches[0].settled = true;
        assert!(decide(&orders, &back, "10:05:30").is_none());
        let next = decide(&orders, &back, "10:06:00").unwrap();
        assert_eq!(dues(&next), (vec!["10:06".to_owned()], vec![]));
        assert_eq!(next.decided.stretch.from, at("10:05:00"));
        assert!(!next.decided.stretch.settled);
    }

    #[test]
    fn what_waited_for_an_agent_is_taken_and_what_was_given_is_not() {
        let open = |due, begun| OpenRun {
            due: at(due),
            begun,
            not_before: at(due),
            latest: Some(at("11:00:00")),
        };
        let waits = orders(
            json!({}),
            vec![open("09:58:00", true), open("09:59:00", false)],
        );
        let plan = decide(&waits, &Own::default(), "10:00:10").unwrap();
        assert_eq!(dues(&plan), (vec!["09:59".to_owned()], vec![]));
        assert_eq!(plan.decided.runs[0].latest, Some(at("11:00:00")));
    }

    #[test]
    fn runs_that_are_not_over_have_their_say() {
        let skip = orders(json!({}), vec![]);
        let running = own(OwnState::Running, "10:05:00", 1);
        let plan = decide(&skip, &running, "10:06:00").unwrap();
        assert_eq!(dues(&plan), (vec![], vec!["10:06 skipped".to_owned()]));

        let cancel = orders(json!({"overlap": "cancelRunning"}), vec![]);
        let plan = decide(&cancel, &running, "10:06:00").unwrap();
        assert_eq!(dues(&plan).0, ["10:06"]);
        assert_eq!(plan.cancel, [running.runs[0].run.clone()]);
        let waiting = own(OwnState::Waiting, "10:05:00", 0);
        let plan = decide(&cancel, &waiting, "10:06:00").unwrap();
        assert_eq!(
            dues(&plan),
            (vec!["10:06".to_owned()], vec!["10:05 coalesced".to_owned()])
        );
        assert!(plan.cancel.is_empty());
    }
}
