//! Records what becomes of due times, and queues the jobs of those that run,
//! in one entry: there is no moment at which a run has a job that nobody knows
//! of, or is on record without its job (I-03).
//!
//! Each decision names the mark that it was taken from. A leader that was
//! deposed, or a proposal that is made twice, finds another mark and changes
//! nothing (I-14).

use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunId, RunReason, RunState, Unfinished};
use holdfast_types::{JobKind, JobState, Name, Span};
use jiff::Timestamp;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::advance_job::changed;
use super::create_job::{NewJob, queue};
use super::request_cancel::cancel;
use crate::column::{Count, Flag, Json, Moment, Rank, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{job_queue, jobs, runs, schedule_marks};
use crate::schedules::{self, OpenRun, open_runs, settle};
use crate::{StateError, TaskName, row, schema};

/// Since level 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRuns {
    /// The decisions, each on one schedule of one cluster.
    pub schedules: Vec<ScheduleDecision>,
}

/// What was decided on one schedule of one cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDecision {
    /// The cluster.
    pub cluster: Name,
    /// The schedule of its policy.
    pub schedule: Name,
    /// The mark it was decided from; `None` when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Mark>,
    /// The mark from now on; `None` forgets a schedule that is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Mark>,
    /// The runs that were not over when it was decided; `None` when it does
    /// not depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// What becomes of each due time, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<DueRun>,
}

/// Up to when the due times of a schedule are decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The times it was for, in their own words: another line or period is
    /// another schedule.
    pub anchor: String,
    /// Until then, inclusive.
    pub until: Timestamp,
}

/// What becomes of a due time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DueRun {
    /// When it was due.
    pub due: Timestamp,
    /// What becomes of it.
    pub decision: RunDecision,
}

/// What becomes of a due time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunDecision {
    /// It runs.
    Run(Box<RunJob>),
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

/// The job of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunJob {
    /// With which repository.
    pub repository: Name,
    /// What exactly. Holds no secret (I-10).
    pub spec: Value,
    /// How often it may be tried.
    pub attempts_max: u32,
    /// Not to be given out before this.
    pub not_before: Timestamp,
    /// Not to be given out first after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// Higher goes first.
    pub priority: i32,
    /// An attempt without progress for this long has failed.
    pub idle_timeout: Span,
    /// It makes up for a time at which nobody could serve it.
    pub late: bool,
    /// It takes the place of the earlier runs that are not over.
    pub replaces: bool,
    /// It rehearses a restore; without this it takes a backup. Since level 20.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// On which agent; the leader chooses when it is not said. Since level 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Name>,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// It is on record.
    Recorded,
    /// It was taken from a state that is no more: nothing changed, and it is
    /// to be decided again.
    Stale,
}

impl ReplicatedCommand for RecordRuns {
    /// What became of each decision, in order.
    type Outcome = Vec<Recorded>;
    const NAME: &'static str = "record_runs";

    fn target(&self) -> String {
        match self.schedules.as_slice() {
            [only] => format!("clusters/{}", only.cluster),
            _ => "schedules".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        let runs: usize = self.schedules.iter().map(|one| one.runs.len()).sum();
        json!({"schedules": self.schedules.len(), "runs": runs})
    }

    fn level(&self) -> u32 {
        let mut runs = self.schedules.iter().flat_map(|one| &one.runs);
        let drills = runs.any(|run| match &run.decision {
            RunDecision::Run(job) => job.drill || job.agent.is_some(),
            RunDecision::Not { .. } | RunDecision::Missed { .. } => false,
        });
        if drills {
            schema::DRILLS
        } else {
            schedules::LEVEL
        }
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<Recorded>, Stop> {
        let mut outcome = Vec::with_capacity(self.schedules.len());
        for decision in self.schedules {
            outcome.push(record(cx, decision).await?);
        }
        Ok(outcome)
    }
}

async fn record(cx: &mut ApplyContext<'_>, decision: ScheduleDecision) -> Result<Recorded, Stop> {
    let open = open_runs(cx.tx(), &decision.cluster, &decision.schedule).await?;
    if !still_holds(cx, &decision, &open).await? {
        return Ok(Recorded::Stale);
    }
    let ScheduleDecision {
        cluster, schedule, ..
    } = decision;
    for run in decision.runs {
        let id = RunId::new(cluster.clone(), schedule.clone(), run.due);
        record_run(cx, id, run.decision, &open).await?;
    }
    let key = (Text(cluster.clone()), Text(schedule.clone()));
    match decision.to {
        Some(mark) => {
            cx.put(schedule_marks::Model {
                cluster: key.0,
                schedule: key.1,
                anchor: mark.anchor,
                until: Moment(mark.until),
                revision: cx.revision().into(),
            })
            .await?;
        }
        None => {
            schedule_marks::Entity::delete_by_id(key)
                .exec(cx.tx())
                .await?;
        }
    }
    Ok(Recorded::Recorded)
}

/// Whether what it was decided by is still so.
async fn still_holds(
    cx: &ApplyContext<'_>,
    decision: &ScheduleDecision,
    open: &[OpenRun],
) -> Result<bool, StateError> {
    let key = (
        Text(decision.cluster.clone()),
        Text(decision.schedule.clone()),
    );
    let mark = row::read::<schedule_marks::Entity>(cx.tx(), key)
        .await?
        .map(|row| Mark {
            anchor: row.anchor,
            until: row.until.0,
        });
    if mark != decision.from {
        return Ok(false);
    }
    let seen = decision.unfinished;
    if seen.is_some_and(|seen| seen != schedules::unfinished(open)) {
        return Ok(false);
    }
    let jobs = decision.runs.iter().filter_map(|run| match &run.decision {
        RunDecision::Run(job) => Some(job),
        RunDecision::Not { .. } | RunDecision::Missed { .. } => None,
    });
    // Without reading their documents: that is most of what asking would cost.
    let cluster = "SELECT 1 FROM resources WHERE kind = ? AND name = ? AND retired_at IS NULL";
    let repository = "SELECT 1 FROM resources WHERE kind = ? AND name = ?";
    let named = |kind: Kind, name: &Name| [Text(kind).into(), Text(name.clone()).into()];
    for job in jobs {
        let cluster = cx.exists(cluster, named(Kind::Cluster, &decision.cluster));
        let repository = cx.exists(repository, named(Kind::Repository, &job.repository));
        if !cluster.await? || !repository.await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn record_run(
    cx: &mut ApplyContext<'_>,
    id: RunId,
    decision: RunDecision,
    open: &[OpenRun],
) -> Result<(), Stop> {
    let known = row::read::<runs::Entity>(cx.tx(), Text(id.clone()));
    if known.await?.is_some() {
        // A schedule that was taken away and brought back: what is on record
        // of a due time stays (I-03).
        return Ok(());
    }
    let mut row = blank(cx, &id);
    let mut replaces = false;
    match decision {
        RunDecision::Run(job) => {
            (row.late, replaces) = (Flag(job.late), job.replaces);
            row.job = Some(Text(id.job_id()));
            if !queue_job(cx, &id, *job).await? {
                // Another node of an earlier life had it run already.
                row.state = Text(RunState::Ran);
            }
        }
        RunDecision::Not { state, reason } => {
            row.state = Text(state);
            row.reason = Some(Json(reason));
        }
        RunDecision::Missed { last, count } => {
            (row.last, row.count) = (Moment(last), Count(count));
            row.state = Text(RunState::Missed);
            row.reason = Some(Json(RunReason::TooMany));
        }
    }
    cx.insert(row).await?;
    if replaces {
        for earlier in open {
            replace(cx, earlier, id.due()).await?;
        }
    }
    cx.changed("runs", &id);
    Ok(())
}

/// Queues the job of a run; `false` when there is one, for its id is the run's
/// and no run has two.
async fn queue_job(cx: &mut ApplyContext<'_>, run: &RunId, job: RunJob) -> Result<bool, Stop> {
    let id = run.job_id();
    let known = row::read::<jobs::Entity>(cx.tx(), Text(id)).await?;
    if known.is_some() {
        return Ok(false);
    }
    let new = NewJob {
        job: id,
        kind: if job.drill {
            JobKind::Drill
        } else {
            JobKind::Backup
        },
        cluster: run.cluster().clone(),
        repository: job.repository,
        agent: job.agent,
        spec: job.spec,
        attempts_max: job.attempts_max.max(1),
        not_before: Some(job.not_before),
    };
    queue(cx, new).await?;
    cx.insert(job_queue::Model {
        job: Text(id),
        run: Text(run.clone()),
        cluster: Text(run.cluster().clone()),
        schedule: Text(run.schedule().clone()),
        due: Moment(run.due()),
        priority: Rank(job.priority),
        latest: job.latest.map(Moment),
        idle_timeout_ms: Count(job.idle_timeout.millis()),
    })
    .await?;
    cx.activate(TaskName::Dispatch);
    Ok(true)
}

/// A later run takes the place of this one: it is cancelled, and coalesced
/// when no agent was ever given it.
async fn replace(
    cx: &mut ApplyContext<'_>,
    earlier: &OpenRun,
    into: Timestamp,
) -> Result<(), Stop> {
    let found = row::read::<jobs::Entity>(cx.tx(), earlier.job.id).await?;
    let Some(job) = found.filter(|job| !job.state.0.is_terminal()) else {
        return Ok(());
    };
    if earlier.has_begun() {
        cancel(cx, job).await?;
        return Ok(());
    }
    let reason = Some(RunReason::Coalesced { into });
    settle(cx, &earlier.queued.run.0, RunState::Coalesced, reason).await?;
    changed(
        cx,
        jobs::Model {
            state: Text(JobState::Cancelled),
            finished_at: Some(Moment(cx.now())),
            cancel_requested: Flag(true),
            ..job
        },
    )
    .await
}

/// A due time of which nothing is decided yet.
pub(super) fn blank(cx: &ApplyContext<'_>, id: &RunId) -> runs::Model {
    runs::Model {
        id: Text(id.clone()),
        cluster: Text(id.cluster().clone()),
        schedule: Text(id.schedule().clone()),
        due: Moment(id.due()),
        last: Moment(id.due()),
        count: Count(1),
        state: Text(RunState::Due),
        late: Flag(false),
        reason: None,
        job: None,
        decided_at: Moment(cx.now()),
        revision: cx.revision().into(),
    }
}
