//! From facts and rows to what a report says of a cluster. Only what was on record at
//! the moment as known at which it is asked for counts: what comes later changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_compliance::{
    CopyJudgement, Fact, Height, History, Judgement, Period, PeriodResult, Recorded, Told,
};
use holdfast_report::{
    Approval, Backups, Cluster, Control, Curve, Evidence, Exemption, Exposures, FailedBackup,
    Interval, Kept, Level, Promise, Proof, Recovery, Restore, Seconds, StateTime, Violation, Vote,
};
use holdfast_state::Vote as Consent;
use holdfast_state::query::{ApprovalView, BackupView, ExemptionView, RestoreView, VoteView};
use holdfast_types::{BackupId, BackupKind, Name, Span};
use jiff::Timestamp;

/// Which time is asked about, and what was known of it when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) period: Period,
    pub(crate) known: Timestamp,
}

impl Asked {
    /// Whether something is in the period and was known.
    pub(crate) fn covers(self, at: Timestamp) -> bool {
        self.period.from <= at && at < self.period.until && at <= self.known
    }
}

/// A curve has no more points than that.
const POINTS: u64 = 400;
/// How long they may be, in minutes.
const STEPS: [u64; 9] = [1, 5, 15, 60, 180, 360, 720, 1_440, 10_080];

/// How long a part of the curve is.
pub(crate) fn step(period: Period) -> Duration {
    let whole = period.until.duration_since(period.from).as_secs();
    let whole = u64::try_from(whole).unwrap_or_default();
    let fits = |minutes: &&u64| whole.div_ceil(**minutes * 60) <= POINTS;
    let minutes = STEPS.iter().find(fits).copied();
    let minutes = minutes.unwrap_or_else(|| whole.div_ceil(POINTS).div_ceil(60));
    Duration::from_secs(minutes * 60)
}

/// A cluster in the period, and its numbers as they are added up; `None` when it was
/// never declared before its end.
pub(crate) fn cluster(
    name: &Name,
    facts: &[Recorded],
    history: &History,
    failed: &[&BackupView],
    asked: Asked,
) -> Option<(Cluster, PeriodResult)> {
    let Asked { period, known } = asked;
    if !facts
        .iter()
        .any(|fact| fact.known <= known && fact.at < period.until)
    {
        return None;
    }
    let step = step(period);
    let Told {
        numbers,
        course,
        judged,
        controls,
        ..
    } = history.tell(period, step, known);
    let last = judged.as_ref();
    let controls = last.map(|_| controls);
    let found = Cluster {
        cluster: name.clone(),
        promise: last.and_then(|_| promise(facts, asked)),
        status: last.and_then(|last| last.status),
        kept: Kept::new(
            numbers.eligible.into(),
            numbers.exempt.into(),
            numbers.violated.into(),
            numbers.violated_exempt.into(),
        ),
        states: states(&numbers),
        exposure: exposures(&numbers),
        violations: numbers.violations.iter().map(violation).collect(),
        curve: curve(course, step),
        recovery: recovery(facts, last, asked),
        proof: last.map(proof).unwrap_or_default(),
        controls: controls.unwrap_or_default().iter().map(control).collect(),
        backups: backups(facts, failed, asked),
        failed_backups: failed.iter().filter_map(|one| failed_backup(one)).collect(),
    };
    Some((found, numbers))
}

fn seconds(span: Span) -> Seconds {
    span.get().into()
}

/// What was promised at the end of the period.
fn promise(facts: &[Recorded], asked: Asked) -> Option<Promise> {
    match &standing(facts, asked)?.fact {
        Fact::Promised(promise) => Some(Promise {
            policy: promise.policy.clone(),
            rpo_seconds: promise.rpo.map(seconds),
            rpo_scope: promise.scope,
            rto_seconds: promise.rto.map(seconds),
            window_seconds: promise.window.map(seconds),
        }),
        _ => None,
    }
}

fn standing(facts: &[Recorded], asked: Asked) -> Option<&Recorded> {
    let counts = |one: &&Recorded| {
        let about = matches!(
            one.fact,
            Fact::Promised(_) | Fact::Unpromised | Fact::Retired
        );
        about && one.known <= asked.known && one.at <= asked.period.until
    };
    // Of those since the same moment the later known counts.
    let facts = facts.iter().filter(counts);
    facts.max_by_key(|one| (one.at, one.known))
}

fn states(numbers: &PeriodResult) -> Vec<StateTime> {
    let states = numbers.states.iter().map(|(state, spent)| StateTime {
        state: *state,
        seconds: (*spent).into(),
    });
    let mut states: Vec<StateTime> = states.collect();
    states.sort_by_key(|one| one.state.map(|state| state.as_str()));
    states
}

fn level(height: Height) -> Level {
    match height {
        Height::Bounded(height) => Level::Bounded(height.into()),
        Height::Unbounded => Level::Unbounded,
    }
}

/// How high exposures were in a period, or in several taken together.
pub(crate) fn exposures(numbers: &PeriodResult) -> Option<Exposures> {
    let quantile = |thousandths| numbers.quantile(thousandths).map(level);
    Some(Exposures {
        highest: numbers.highest.map(level)?,
        p50: quantile(500)?,
        p95: quantile(950)?,
        p99: quantile(990)?,
    })
}

fn violation(found: &holdfast_compliance::Violation) -> Violation {
    let highest = found.highest.map_or(Height::Unbounded, Height::Bounded);
    Violation {
        started_at: found.started_at,
        ended_at: found.ended_at,
        rpo_seconds: seconds(found.rpo),
        rpo_scope: found.scope,
        cause: found.cause.to_string(),
        highest: level(highest),
        exempt_seconds: found.exempt.into(),
    }
}

fn curve(course: Vec<Option<Height>>, step: Duration) -> Option<Curve> {
    course.iter().any(Option::is_some).then(|| Curve {
        step_seconds: step.into(),
        highest: course.into_iter().map(|one| one.map(level)).collect(),
    })
}

fn recovery(facts: &[Recorded], judged: Option<&Judgement>, asked: Asked) -> Vec<Recovery> {
    let Some(judged) = judged else {
        return Vec::new();
    };
    let window = match standing(facts, asked).map(|one| &one.fact) {
        Some(Fact::Promised(promise)) => promise.window,
        _ => None,
    };
    // Without a promised window every hole is told.
    let since = window.map_or(Timestamp::MIN, |window| {
        let begins = jiff::SignedDuration::try_from(window.get()).unwrap_or_default();
        judged.at.checked_sub(begins).unwrap_or(Timestamp::MIN)
    });
    let place = |copy: &CopyJudgement| {
        let gaps = copy.window.gaps(since).into_iter();
        Recovery {
            repository: copy.repository.clone(),
            earliest: copy.window.earliest(),
            latest: copy.window.latest(),
            gaps: gaps.map(|(from, to)| Interval { from, to }).collect(),
        }
    };
    judged.copies.iter().map(place).collect()
}

fn proof(judged: &Judgement) -> Proof {
    let proof = &judged.proof;
    Proof {
        drilled_at: proof.drilled_at,
        achieved_rto_seconds: proof.achieved_rto.map(seconds),
        achieved_rpo_seconds: proof.achieved_rpo.map(seconds),
        not_proven: proof.not_proven.map(|why| why.code().to_owned()),
    }
}

fn control(found: &holdfast_compliance::ControlResult) -> Control {
    // Their words are those that they have everywhere else.
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let json = |value: Result<serde_json::Value, _>| word(value.unwrap_or_default());
    Control {
        control: json(serde_json::to_value(found.control)),
        outcome: json(serde_json::to_value(found.outcome)),
        reason: found.reason.clone(),
    }
}

/// One kind of backups while they are counted.
#[derive(Debug, Default)]
struct Counted {
    /// When each that became available was consistent.
    available: Vec<Timestamp>,
    failed: u64,
    gone: BTreeSet<BackupId>,
}

fn backups(facts: &[Recorded], failed: &[&BackupView], asked: Asked) -> Vec<Backups> {
    let mut kinds: BTreeMap<&'static str, Counted> = BTreeMap::new();
    let mut known: BTreeMap<BackupId, BackupKind> = BTreeMap::new();
    for one in facts.iter().filter(|one| one.known <= asked.known) {
        match &one.fact {
            // One that has copies is told of for each of them.
            Fact::BackupAvailable { backup, .. } => {
                let first = known.insert(backup.id, backup.kind).is_none();
                if first && asked.covers(backup.consistent_at) {
                    let counted = kinds.entry(backup.kind.as_str()).or_default();
                    counted.available.push(backup.consistent_at);
                }
            }
            Fact::BackupGone { backup, .. } if asked.covers(one.at) => {
                if let Some(kind) = known.get(backup) {
                    let counted = kinds.entry(kind.as_str()).or_default();
                    counted.gone.insert(*backup);
                }
            }
            _ => {}
        }
    }
    for one in failed {
        kinds.entry(one.kind.as_str()).or_default().failed += 1;
    }
    kinds
        .into_iter()
        .map(|(kind, counted)| of_kind(kind, counted))
        .collect()
}

fn of_kind(kind: &str, mut counted: Counted) -> Backups {
    counted.available.sort_unstable();
    let pauses = counted.available.windows(2).map(|pair| match pair {
        [one, next] => Duration::try_from(next.duration_since(*one)).unwrap_or_default(),
        _ => Duration::ZERO,
    });
    Backups {
        kind: kind.to_owned(),
        available: counted.available.len() as u64,
        failed: counted.failed,
        gone: counted.gone.len() as u64,
        first_at: counted.available.first().copied(),
        last_at: counted.available.last().copied(),
        longest_pause_seconds: pauses.max().map(Seconds::from),
    }
}

fn failed_backup(found: &BackupView) -> Option<FailedBackup> {
    let cause = found
        .failure
        .as_ref()
        .map_or("unknown", |failure| &failure.code);
    Some(FailedBackup {
        id: found.id.to_string(),
        kind: found.kind.to_string(),
        started_at: found.started_at,
        failed_at: found.finished_at?,
        cause: cause.to_owned(),
    })
}

/// A restore that ended, as it was known, with what people said to it.
pub(crate) fn restore(found: RestoreView, votes: &[VoteView], asked: Asked) -> Option<Restore> {
    let seconds = |millis: Option<u64>| millis.map(|millis| Duration::from_millis(millis).into());
    let said = votes.iter().filter(|vote| vote.at <= asked.known);
    let consented = said.filter(|vote| vote.vote == Consent::Approve);
    let request = &found.order.request;
    Some(Restore {
        id: found.id.to_string(),
        asked_at: found.created_at,
        finished_at: found.finished_at?,
        state: found.state.to_string(),
        at: Some(request.at.to_string()),
        agent: Some(request.agent.clone()),
        requested_by: found.requested_by.as_ref().map(ToString::to_string),
        evidence: Some(Evidence {
            repository: found.repository,
            dir: request.dir.clone(),
            plan_sha256: found.plan_hash.to_string(),
            approval: found.approval.map(|approval| approval.to_string()),
            approved_by: consented.map(|vote| vote.by.to_string()).collect(),
            begun_at: found.begun_at,
            restored_at: found.restored_at,
            predicted_loss_seconds: seconds(found.order.predicted_loss_millis()),
            achieved_loss_seconds: seconds(found.loss_millis),
            predicted_rto_seconds: seconds(found.order.predicted_rto_millis()),
            achieved_rto_seconds: seconds(found.rto_millis),
            checks_passed: found.checks.iter().filter(|check| check.passed).count() as u64,
            checks: found.checks.len() as u64,
        }),
        cluster: found.cluster,
        cause: found.failure.map(|failure| failure.code),
    })
}

/// An exemption that was in force in the period, as it was known.
pub(crate) fn exemption(found: &ExemptionView, asked: Asked) -> Option<Exemption> {
    let ended_at = found.ended_at.filter(|at| *at <= asked.known);
    let ends = ended_at.unwrap_or(found.until);
    let counts = found.granted_at <= asked.known
        && found.granted_at < asked.period.until
        && asked.period.from < ends;
    let approved: Vec<String> = found.approved_by.iter().map(ToString::to_string).collect();
    counts.then(|| Exemption {
        id: found.id.to_string(),
        cluster: found.cluster.clone(),
        from: found.granted_at,
        until: found.until,
        ended_at,
        reason: found.reason.clone(),
        approved_by: approved.join(", "),
    })
}

/// A request for consent that was open in the period, as it was known.
pub(crate) fn approval(found: &ApprovalView, asked: Asked) -> Option<Approval> {
    let over = found.decided_at.unwrap_or(found.expires_at);
    let opened = found.created_at <= asked.known && found.created_at < asked.period.until;
    if !opened || over < asked.period.from {
        return None;
    }
    let decided_at = found.decided_at.filter(|at| *at <= asked.known);
    let state = match decided_at {
        Some(_) => found.state.to_string(),
        None if found.expires_at <= asked.known => "expired".to_owned(),
        None => "pending".to_owned(),
    };
    let votes = found.votes.iter().filter(|vote| vote.at <= asked.known);
    let votes = votes.map(|vote| Vote {
        at: vote.at,
        by: vote.by.to_string(),
        vote: vote.vote.to_string(),
        note: vote.note.clone(),
    });
    Some(Approval {
        id: found.id.to_string(),
        asked_at: found.created_at,
        requested_by: found.requested_by.to_string(),
        action: found.action.clone(),
        subject: found.subject.clone(),
        reason: found.reason.clone(),
        needed: found.needed,
        state,
        decided_at,
        votes: votes.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_neither_too_few_points_nor_too_many() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let period = |seconds| Period {
            from: at(0),
            until: at(seconds),
        };
        let minutes = |seconds| step(period(seconds)).as_secs() / 60;
        assert_eq!(minutes(60), 1);
        assert_eq!(minutes(86_400), 5);
        assert_eq!(minutes(86_400 * 30), 180);
        assert_eq!(minutes(86_400 * 365), 1_440);
        for days in [1, 3, 7, 31, 92, 366, 4_000] {
            let whole = u64::try_from(days * 86_400).unwrap();
            let points = whole.div_ceil(step(period(days * 86_400)).as_secs());
            assert!((100..=POINTS).contains(&points), "{days}: {points}");
        }
    }
}
