//! Which alarms open, count up and close, by what is wrong now and what was before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_state::command::{NewAlarm, RepeatedAlarm};
use holdfast_state::query::AlarmView;
use holdfast_types::AlarmId;
use holdfast_types::alarm::AlarmRule;
use jiff::Timestamp;

use super::{Observed, older};

/// By what it is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settling {
    pub(crate) now: Timestamp,
    /// Whether the leader has heard for long enough to know who is there. Before that
    /// nothing opens or closes by it (I-13).
    pub(crate) knows_liveness: bool,
    /// For how long something must be over before its alarm closes: what comes and goes
    /// is one alarm.
    pub(crate) settle: Duration,
}

/// What is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) open: Vec<NewAlarm>,
    pub(crate) repeat: Vec<RepeatedAlarm>,
    pub(crate) close: Vec<AlarmId>,
    /// Since when what is open has not been seen, for the next time.
    pub(crate) gone: BTreeMap<AlarmId, Timestamp>,
}

impl Settlement {
    /// Whether there is nothing to write down.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.repeat.is_empty() && self.close.is_empty()
    }
}

/// Decides. `known` holds alarms that are open; `gone` is what was decided last.
pub(crate) fn settle(
    observed: Vec<Observed>,
    known: &[AlarmView],
    gone: &BTreeMap<AlarmId, Timestamp>,
    by: Settling,
    mut id: impl FnMut() -> AlarmId,
) -> Settlement {
    let open = known.iter().filter(|alarm| alarm.closed_at.is_none());
    let open: BTreeMap<(AlarmRule, &str), &AlarmView> = open
        .map(|alarm| ((alarm.rule, alarm.subject.as_str()), alarm))
        .collect();
    let mut settlement = Settlement::default();
    let mut seen: BTreeSet<(AlarmRule, String)> = BTreeSet::new();
    for one in observed {
        let judged = by.knows_liveness || !one.rule.rests_on_liveness();
        let key = (one.rule, one.subject.as_str());
        let alarm = open.get(&key).copied();
        if !seen.insert((one.rule, one.subject.clone())) || !judged {
            continue;
        }
        match alarm {
            None if one.opens => settlement.open.push(NewAlarm {
                alarm: id(),
                rule: one.rule,
                severity: one.rule.severity(),
                subject: one.subject,
                fleet: one.fleet,
                cluster: one.cluster,
                mark: one.mark,
                detail: one.detail,
            }),
            Some(alarm) if one.opens && alarm.mark != one.mark => {
                settlement.repeat.push(RepeatedAlarm {
                    alarm: alarm.id,
                    severity: one.rule.severity(),
                    mark: one.mark,
                    detail: one.detail,
                });
            }
            None | Some(_) => {}
        }
    }
    for ((rule, subject), alarm) in open {
        let judged = by.knows_liveness || !rule.rests_on_liveness();
        if !judged || seen.contains(&(rule, subject.to_owned())) {
            continue;
        }
        let since = gone.get(&alarm.id).copied().unwrap_or(by.now);
        if older(since, by.now, by.settle) {
            settlement.close.push(alarm.id);
        } else {
            settlement.gone.insert(alarm.id, since);
        }
    }
    settlement
}
