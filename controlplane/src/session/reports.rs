//! What agents report becomes commands.
//!
//! Reports of one agent are taken in order. A job's transitions are answered;
//! the answer is final either way, and a repeat is harmless (I-14).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_proto::v1::{self, control_message};
use holdfast_proto::{
    BackupStarted, JobEvent, JobOutcome, JobReport, JobSuccess, LineageWal, OfflineReport,
    WalReport,
};
use holdfast_state::command::{
    self as commands, AdvanceJob, BackupCommit, FinishJob, FrontierCheckpoint, RecordBackupStarted,
    RecordWal, RequeueJob, StartJob,
};
use holdfast_state::query::{self, AgentView};
use holdfast_state::{Cause, Principal, Refusal};
use holdfast_types::{
    AssignmentId, BackupId, DiscoveredInstance, Failure, Generation, InstanceFacts, JobId, Name,
    RequestId,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::discovered::FoundThere;
use super::instances::{OnRecord, SetsSent};
use super::wal::WalKey;
use super::{copies, identity, late, offline};
use crate::app::App;
use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec, backup_of};

/// How long after a failure that may pass a job is tried again, at first.
const RETRY_AFTER: Duration = Duration::from_secs(15);
/// And at most.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(600);
/// Between two tries to have a report committed.
const AGAIN: Duration = Duration::from_millis(500);

/// Something an agent said that may become a command.
#[derive(Debug)]
pub(super) enum Report {
    /// A job's transition.
    Job(JobReport),
    /// What it did on its own.
    Offline(OfflineReport),
    /// What a WAL duty has done; worth a log entry.
    Wal(WalKey, Box<WalReport>),
    /// What the copy in that repository holds of such a duty's WAL.
    Copy(WalKey, Name, Box<WalReport>),
    /// What it sees, and which servers there are, if it has looked around.
    Instances(Vec<InstanceFacts>, Option<Vec<DiscoveredInstance>>),
    /// A job whose process is gone.
    Interrupted(AssignmentId, Generation),
}

impl Report {
    pub(super) fn instances(report: &v1::InstanceReport) -> std::result::Result<Self, String> {
        let read = |json: &String| serde_json::from_str::<InstanceFacts>(json);
        let facts: std::result::Result<Vec<_>, _> = report.facts_json.iter().map(read).collect();
        let facts = facts.map_err(|error| format!("it broke the contract: facts_json: {error}"))?;
        // A newer agent may say more of a server than we know to read: that it has
        // found it is worth no broken session.
        let found = report.discovered_json.iter();
        let found = found.filter_map(|json| serde_json::from_str::<DiscoveredInstance>(json).ok());
        Ok(Self::Instances(
            facts,
            report.looked_around.then(|| found.collect()),
        ))
    }
}

/// Takes reports in, one after the other, until the session ends.
pub(super) async fn work(
    app: Arc<App>,
    agent: AgentView,
    (sender, close): (mpsc::Sender<v1::ControlMessage>, CancellationToken),
    mut queue: mpsc::Receiver<Report>,
    sets_sent: SetsSent,
) {
    let mut known = HeldJobs::default();
    let mut on_record = OnRecord::new(sets_sent);
    let mut found = FoundThere::default();
    while let Some(report) = queue.recv().await {
        let taken = match &report {
            Report::Job(_) | Report::Offline(_) => {
                take_transition(&app, &agent, &mut known, (&sender, &close), &report).await
            }
            Report::Wal(key, report) => take_wal(&app, &agent, key, report).await,
            Report::Copy(key, copy, report) => {
                copies::take(&app, &agent, (key, copy), report).await
            }
            Report::Instances(facts, discovered) => on_record
                .take(&app, &agent, facts)
                .await
                .and(found.take(&app, &agent, discovered.as_deref()).await),
            Report::Interrupted(assignment, generation) => {
                take_interrupted(&app, &agent, &mut known, *assignment, *generation).await
            }
        };
        if let Err(error) = taken {
            tracing::warn!(agent = %agent.name, "a report was not taken in: {error}");
        }
    }
}

pub(super) fn context(agent: &AgentView, traceparent: Option<String>) -> ProposeContext {
    let cause = Cause {
        principal: Principal::agent(&agent.name),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    };
    ProposeContext {
        traceparent,
        ..ProposeContext::caused_by(cause)
    }
}

/// Takes in what is answered by its sequence.
async fn take_transition(
    app: &App,
    agent: &AgentView,
    known: &mut HeldJobs,
    (sender, close): (&mpsc::Sender<v1::ControlMessage>, &CancellationToken),
    report: &Report,
) -> Result<()> {
    let sequence = match report {
        Report::Job(report) => report.sequence,
        Report::Offline(report) => report.sequence,
        Report::Wal(..) | Report::Copy(..) | Report::Instances(..) | Report::Interrupted(..) => {
            return Ok(());
        }
    };
    // Without a quorum nothing can be taken in: the agent keeps its report, and
    // so do we while its session lasts.
    let answer = loop {
        let decided = match report {
            Report::Offline(report) => offline::take(app, agent, report).await,
            Report::Job(report) => decide(app, agent, known, report).await,
            Report::Wal(..)
            | Report::Copy(..)
            | Report::Instances(..)
            | Report::Interrupted(..) => {
                return Ok(());
            }
        };
        match decided {
            Err(error) if error.retryable() && !close.is_cancelled() => {
                tracing::debug!(agent = %agent.name, "a report has to wait: {error}");
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
            Ok(answer) => break answer,
        }
    };
    let (refused_code, refused_message) = match answer {
        Ok(()) => (String::new(), String::new()),
        Err(refusal) => (refusal.code().to_owned(), refusal.to_string()),
    };
    let answer = v1::ReportAnswer {
        sequence,
        refused_code,
        refused_message,
    };
    let message = Some(control_message::Message::Report(answer));
    // An agent that went away reports again.
    let _ = sender.send(v1::ControlMessage { message }).await;
    Ok(())
}

pub(super) type Verdict = std::result::Result<(), Refusal>;

async fn decide(
    app: &App,
    agent: &AgentView,
    known: &mut HeldJobs,
    report: &JobReport,
) -> Result<Verdict> {
    let current = report.generation.next();
    let Some(held) = known.find(app, agent, report).await? else {
        // Taken back, or ended. A backup that is in the repository all the
        // same is known to the catalog even so: the repository is the truth.
        late::take(app, agent, report).await?;
        return Ok(Err(Refusal::StaleGeneration { current }));
    };
    let mut verdict = transition(app, agent, &held, report).await?;
    if let Err(
        Refusal::StaleGeneration { .. } | Refusal::JobFinal { .. } | Refusal::JobState { .. },
    ) = &verdict
    {
        // Taken back, or ended, since it was looked up.
        late::take(app, agent, report).await?;
    }
    if let Err(Refusal::JobState { .. }) = &verdict {
        // It waits for another attempt.
        verdict = Err(Refusal::StaleGeneration { current });
    }
    if verdict.is_err() || matches!(report.event, JobEvent::Finished { .. }) {
        known.forget(report);
    }
    Ok(verdict)
}

async fn transition(
    app: &App,
    agent: &AgentView,
    held: &HeldJob,
    report: &JobReport,
) -> Result<Verdict> {
    let cx = context(agent, held.traceparent.clone());
    let (job, generation) = (held.job, held.generation);
    match &report.event {
        JobEvent::Started => propose(app, cx, StartJob { job, generation }).await,
        JobEvent::Phase(phase) => {
            let phase = *phase;
            let command = AdvanceJob {
                job,
                generation,
                phase,
            };
            propose(app, cx, command).await
        }
        JobEvent::BackupStarted { phase, backup } => {
            let phase = *phase;
            let command = AdvanceJob {
                job,
                generation,
                phase,
            };
            match propose(app, cx.clone(), command).await? {
                Ok(()) => begin_backup(app, cx, held, backup).await,
                refused => Ok(refused),
            }
        }
        JobEvent::Finished { outcome, log } => {
            let ended = finish(app, cx, held, outcome, log.clone()).await?;
            app.progress.forget(report.assignment);
            Ok(ended)
        }
    }
}

/// The jobs that an agent reported of in this session.
///
/// What a generation is of never changes, so it is looked up once. Whether it
/// still counts is not kept: applying asks for that each time (I-04).
#[derive(Debug, Default)]
struct HeldJobs(BTreeMap<(AssignmentId, Generation), HeldJob>);

impl HeldJobs {
    async fn find(
        &mut self,
        app: &App,
        agent: &AgentView,
        report: &JobReport,
    ) -> Result<Option<HeldJob>> {
        let key = (report.assignment, report.generation);
        if let Some(known) = self.0.get(&key) {
            return Ok(Some(known.clone()));
        }
        let found = job_of(app, agent, report).await?;
        if let Some(found) = &found {
            self.0.insert(key, found.clone());
        }
        Ok(found)
    }

    fn forget(&mut self, report: &JobReport) {
        self.0.remove(&(report.assignment, report.generation));
    }
}

/// A job that is in the hands of the agent that reports of it.
#[derive(Debug, Clone)]
pub(super) struct HeldJob {
    pub(super) job: JobId,
    pub(super) assignment: AssignmentId,
    pub(super) generation: Generation,
    pub(super) repository: Name,
    pub(super) traceparent: Option<String>,
    /// Of a copy: which cluster, and which backup.
    pub(super) copies: Option<(Name, BackupId)>,
}

/// The job of a report, when the reporting agent holds it under the report's
/// generation (I-04).
///
/// What this node has applied is enough to say yes: a generation is given out
/// once, and applying asks again. Only a no needs the newest state.
async fn job_of(app: &App, agent: &AgentView, report: &JobReport) -> Result<Option<HeldJob>> {
    match job_in(&app.look_up(), agent, report).await? {
        Some(held) => Ok(Some(held)),
        None => job_in(&app.node.read().await?, agent, report).await,
    }
}

async fn job_in(
    view: &StateView,
    agent: &AgentView,
    report: &JobReport,
) -> Result<Option<HeldJob>> {
    let assignments = query::assignments_of_agent(view.connection(), agent.id).await?;
    let held = assignments.into_iter().find(|assignment| {
        assignment.id == report.assignment && assignment.generation == report.generation
    });
    let Some(query::Work::Job(job)) = held.map(|held| held.work) else {
        return Ok(None);
    };
    let spec = JobSpec::read(&job.spec)?;
    Ok(Some(HeldJob {
        job: job.id,
        assignment: report.assignment,
        generation: report.generation,
        repository: job.repository,
        traceparent: spec.traceparent,
        copies: match spec.work {
            WorkSpec::Copy { backup, .. } => Some((job.cluster, backup)),
            _ => None,
        },
    }))
}

/// The catalog shows a backup from the moment that PostgreSQL is in backup
/// mode for it.
async fn begin_backup(
    app: &App,
    cx: ProposeContext,
    held: &HeldJob,
    started: &BackupStarted,
) -> Result<Verdict> {
    let (job, generation) = (held.job, held.generation);
    let key = (held.assignment, generation);
    let lease = query::lease(app.look_up().connection(), key.0, key.1).await?;
    let named = lease.and_then(|lease| lease.backup);
    if started.backup != named.unwrap_or_else(|| backup_of(job, generation)) {
        let message = "it is not the backup that this attempt was to make";
        return Ok(Err(Refusal::invalid("backup.backupId", message)));
    }
    let command = RecordBackupStarted {
        job,
        generation,
        backup: started.backup,
        kind: started.kind,
        parent: started.parent,
        lineage: started.lineage,
        timeline: started.timeline,
        start_lsn: started.start_lsn,
        started_at: started.started_at,
    };
    propose(app, cx, command).await
}

async fn finish(
    app: &App,
    cx: ProposeContext,
    held: &HeldJob,
    outcome: &JobOutcome,
    log: Vec<String>,
) -> Result<Verdict> {
    let (job, generation) = (held.job, held.generation);
    let ended = match outcome {
        JobOutcome::Succeeded(success) => commands::JobOutcome::Succeeded {
            result: success.result.clone(),
            backup: commit_of(success).map(Box::new),
        },
        JobOutcome::Superseded(winner) => commands::JobOutcome::Superseded { winner: *winner },
        JobOutcome::Cancelled => commands::JobOutcome::Cancelled,
        JobOutcome::Interrupted(failure) => {
            return requeue(app, cx, (job, generation), failure.clone(), log, None).await;
        }
        JobOutcome::Failed(failure) if failure.retryable => {
            let after = retry_after(app, job).await?;
            let key = (job, generation);
            return requeue(app, cx, key, failure.clone(), log, Some(after)).await;
        }
        JobOutcome::Failed(failure) => commands::JobOutcome::Failed(failure.clone()),
    };
    let command = FinishJob {
        job,
        generation,
        outcome: ended,
        log: log.clone(),
    };
    let mut verdict = same_repository(app, &cx, &held.repository, outcome).await?;
    if verdict.is_ok() {
        verdict = copies::record(app, &cx, held, outcome).await?;
    }
    if verdict.is_ok() {
        verdict = propose(app, cx.clone(), command).await?;
    }
    match &verdict {
        Ok(()) | Err(Refusal::StaleGeneration { .. } | Refusal::JobFinal { .. }) => Ok(verdict),
        Err(refusal) => {
            // What it claims does not hold (I-05): the job has failed, and must
            // not hang as running because its end was refused.
            let failure = Failure::permanent(refusal.code(), refusal.to_string(), refusal.hint());
            let command = FinishJob {
                job,
                generation,
                outcome: commands::JobOutcome::Failed(failure),
                log,
            };
            propose(app, cx, command).await?.ok();
            Ok(verdict)
        }
    }
}

/// A backup counts only in the repository that the catalog means by the name.
pub(super) async fn same_repository(
    app: &App,
    cx: &ProposeContext,
    repository: &Name,
    outcome: &JobOutcome,
) -> Result<Verdict> {
    let JobOutcome::Succeeded(success) = outcome else {
        return Ok(Ok(()));
    };
    let view = app.node.read().await?;
    identity::settle(app, &view, cx, repository, success.repository).await
}

/// How long a job waits for its next attempt: longer each time.
async fn retry_after(app: &App, job: JobId) -> Result<Duration> {
    let view = app.look_up();
    let tried = query::job(view.connection(), job).await?;
    let tried = tried.map_or(1, |job| job.attempts);
    let doublings = u32::try_from(tried.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(16);
    Ok(RETRY_AFTER
        .saturating_mul(1 << doublings)
        .min(RETRY_AFTER_MOST))
}

async fn requeue(
    app: &App,
    cx: ProposeContext,
    (job, generation): (JobId, Generation),
    reason: Failure,
    log: Vec<String>,
    after: Option<Duration>,
) -> Result<Verdict> {
    let command = RequeueJob {
        job,
        generation,
        reason,
        not_before: after.and_then(|after| Timestamp::now().checked_add(after).ok()),
        log,
    };
    propose(app, cx, command).await
}

pub(super) fn commit_of(success: &JobSuccess) -> Option<BackupCommit> {
    let backup = *success.backup.clone()?;
    let wal = success
        .wal
        .as_ref()
        .filter(|wal| wal.lineage == backup.lineage);
    Some(BackupCommit {
        backup,
        wal: wal.map(timelines).unwrap_or_default(),
    })
}

pub(super) fn timelines(wal: &LineageWal) -> Vec<commands::TimelineWal> {
    let timelines = wal.timelines.iter().map(|timeline| commands::TimelineWal {
        timeline: timeline.timeline,
        ranges: timeline.coverage.ranges().to_vec(),
        gaps: timeline
            .gaps
            .iter()
            .map(|gap| commands::WalGap {
                range: gap.range,
                reason: gap.reason.clone(),
            })
            .collect(),
    });
    timelines.collect()
}

async fn take_interrupted(
    app: &App,
    agent: &AgentView,
    known: &mut HeldJobs,
    assignment: AssignmentId,
    generation: Generation,
) -> Result<()> {
    let failure = Failure::transient(
        "interrupted",
        format!("the agent \"{}\" was restarted in the middle", agent.name),
        "nothing is to be done: the job is tried again as often as it may be",
    );
    let outcome = JobOutcome::Interrupted(failure);
    let report = JobReport {
        sequence: 0,
        assignment,
        generation,
        event: JobEvent::Finished {
            outcome: Box::new(outcome),
            log: app.progress.lines(assignment, generation),
        },
    };
    if let Err(refusal) = decide(app, agent, known, &report).await? {
        // Its journal brought the outcome in the meantime.
        tracing::debug!(agent = %agent.name, "a job was not interrupted after all: {refusal}");
    }
    Ok(())
}

async fn take_wal(app: &App, agent: &AgentView, key: &WalKey, report: &WalReport) -> Result<()> {
    let Some(wal) = &report.wal else {
        return Ok(());
    };
    let (cx, view) = (context(agent, None), app.look_up());
    if let Err(refusal) = identity::settle(app, &view, &cx, &key.1, report.repository).await? {
        // From its next report on, this shows as the duty's trouble.
        tracing::warn!(cluster = %key.0, "WAL was not recorded: {refusal}");
        return Ok(());
    }
    let told = app.wal.stretches(key);
    let kept = query::keeps_facts(view.connection()).await?;
    let command = RecordWal {
        stretches: told.iter().filter(|_| kept).cloned().collect(),
        assignment: report.assignment,
        generation: report.generation,
        cluster: key.0.clone(),
        repository: key.1.clone(),
        lineage: wal.lineage,
        timelines: timelines(wal),
        frontier: checkpoint(report),
    };
    // Facts of a duty, not a change by a principal: no audit row each.
    match app
        .node
        .propose(ProposeContext::internal(), command)
        .await?
    {
        Ok(_) => app.wal.recorded(key, report, &told),
        Err(refusal) => tracing::warn!(cluster = %key.0, "WAL was not recorded: {refusal}"),
    }
    Ok(())
}

/// The frontier of a report, to be recorded.
pub(super) fn checkpoint(report: &WalReport) -> Option<FrontierCheckpoint> {
    report.frontier.map(|reported| FrontierCheckpoint {
        timeline: reported.timeline,
        frontier: reported.frontier,
    })
}

pub(super) async fn propose<C: holdfast_state::ReplicatedCommand>(
    app: &App,
    cx: ProposeContext,
    command: C,
) -> Result<Verdict> {
    Ok(app.node.propose(cx, command).await?.map(|_| ()))
}
