//! What drills showed: a row is written when a drill has ended, in the entry that ends
//! its job, and never changed after. A restore time comes from these rows and from
//! nothing else.

use holdfast_compliance::Drill;
use holdfast_types::drill::{DrillEvidence, DrillVerdict, ROW_COUNTS_MAX};
use holdfast_types::resource::Kind;
use holdfast_types::{DrillId, Failure, Span};
use jiff::Timestamp;

use crate::column::{Count, Json, Moment, Position, Text};
use crate::context::ApplyContext;
use crate::entity::{drills, job_attempts, jobs};
use crate::{StateError, facts, schedules};

/// Checks that are kept of one drill: those that a document may ask for, and the one
/// that every drill makes.
const CHECKS_MAX: usize = 101;
/// Phases that are kept of one drill; there are fewer words for them.
const PHASES_MAX: usize = 32;
/// The most characters of what a check saw, and why it failed, that are kept.
const TEXT_CHARS_MAX: usize = 1000;

/// How a drill ended.
pub(crate) struct Ended {
    pub(crate) verdict: DrillVerdict,
    /// Why it did not pass.
    pub(crate) cause: Option<Failure>,
    /// What its agent reported of it, if it came so far.
    pub(crate) evidence: Option<DrillEvidence>,
}

/// Writes what a drill showed. `attempt` is the last one at its job, which is as it was
/// before it ended.
pub(crate) async fn record(
    cx: &mut ApplyContext<'_>,
    job: &jobs::Model,
    attempt: &job_attempts::Model,
    ended: Ended,
) -> Result<(), StateError> {
    let id = drill_of(job);
    let started_at = attempt.started_at.unwrap_or(attempt.leased_at).0;
    let asked_at = asked_at(job);
    let queued = millis(asked_at, started_at);
    let evidence = ended.evidence.map(bounded);
    let known = evidence.as_ref();
    let fleet = cx.resource(Kind::Cluster, &job.cluster.0).await?;
    // Asked before the job is over: then the queue has forgotten it.
    let queue = schedules::queued(cx.tx(), job.id.0).await?;
    let time = |time: fn(&DrillEvidence) -> Option<Timestamp>| known.and_then(time).map(Moment);
    let rto = known.and_then(|known| known.ready_millis);
    let row = drills::Model {
        id: Text(id),
        job: job.id,
        cluster: job.cluster.clone(),
        fleet: fleet.and_then(|cluster| cluster.fleet),
        schedule: queue.map(|queued| queued.schedule),
        repository: job.repository.clone(),
        agent: attempt.agent_name.clone(),
        backup: known.and_then(|known| known.backup).map(Text),
        kind: known.map(|known| Text(known.kind)),
        target: known.map(|known| Text(known.target.clone())),
        target_at: time(|known| known.target_at),
        reached_at: time(|known| known.reached_at),
        reached_lsn: known.and_then(|known| known.reached_lsn).map(Position),
        asked_at: Moment(asked_at),
        started_at: Moment(started_at),
        finished_at: Moment(cx.now()),
        verdict: Text(ended.verdict),
        cause: ended.cause.map(Json),
        rto_ms: rto.map(|rto| Count(rto.saturating_add(queued))),
        rpo_ms: known.and_then(|known| known.rpo_millis).map(Count),
        queue_ms: Count(queued),
        evidence: evidence.map(Json),
        revision: cx.revision().into(),
    };
    if let Some(drill) = fact(&row) {
        facts::drilled(cx, &row.cluster.0, drill).await?;
    }
    cx.insert(row).await?;
    cx.changed("drills", id);
    Ok(())
}

/// What compliance is computed from; nothing of a drill that somebody ended.
pub(crate) fn fact(row: &drills::Model) -> Option<Drill> {
    let passed = match row.verdict.0 {
        DrillVerdict::Passed => true,
        DrillVerdict::Failed => false,
        DrillVerdict::Cancelled => return None,
    };
    Some(Drill {
        id: row.id.0,
        repository: row.repository.0.clone(),
        passed,
        rto: row.rto_ms.map(|millis| Span::from_millis(millis.0)),
        rpo: row.rpo_ms.map(|millis| Span::from_millis(millis.0)),
        reached: row.reached_at.map(|at| at.0),
    })
}

/// A job makes one drill, under the same number.
pub(crate) fn drill_of(job: &jobs::Model) -> DrillId {
    DrillId::from_uuid(job.id.0.uuid())
}

/// Since when somebody waits for it. What was due and spread over a while begins to
/// wait when its start has come; another attempt waits since the first.
fn asked_at(job: &jobs::Model) -> Timestamp {
    let start = job.not_before.filter(|_| job.attempts.0 <= 1);
    start.map_or(job.created_at.0, |start| start.0.max(job.created_at.0))
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    let span = to.duration_since(from).as_millis();
    u64::try_from(span).unwrap_or(0)
}

/// As much of it as is kept: an agent cannot fill the replicated state.
pub(crate) fn bounded(mut evidence: DrillEvidence) -> DrillEvidence {
    evidence.checks.truncate(CHECKS_MAX);
    evidence.phases.truncate(PHASES_MAX);
    for check in &mut evidence.checks {
        cut(&mut check.name);
        cut(&mut check.why);
        if let Some(seen) = &mut check.seen {
            cut(seen);
        }
    }
    while evidence.row_counts.len() > ROW_COUNTS_MAX {
        evidence.row_counts.pop_last();
    }
    evidence
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
    }
}
