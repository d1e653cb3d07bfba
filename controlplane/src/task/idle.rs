//! Takes jobs back that get no further, by missing progress and never by age:
//! one that copies for three days is well, one that hangs is not.
//!
//! A backup is tried again. A restore has one attempt and has failed then:
//! nothing begins again over a directory that is half made (I-12).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::ProposeContext;
use holdfast_state::command::RequeueJob;
use holdfast_state::query::{self, Work};
use holdfast_types::{AssignmentId, Failure, Generation, JobKind, JobPhase, Span};

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::session::Progress;

/// Without a schedule that says otherwise.
const IDLE: Span = Span::from_secs(15 * 60);

/// Since when each job in an agent's hands has been watched without a break.
/// While its agent is away nobody knows how far it is, and the time does not
/// count: that is `lost-jobs`' matter.
#[derive(Debug, Default)]
pub(super) struct IdleJobs(Mutex<BTreeMap<Key, Instant>>);

type Key = (AssignmentId, Generation);

impl Task for IdleJobs {
    const NAME: &'static str = "idle-jobs";
    const PERIOD: Duration = Duration::from_secs(5);
    const JUDGES_LIVENESS: bool = true;

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let held = query::active_job_assignments(view.connection()).await?;
        let runs = query::job_queue(view.connection()).await?;
        let there = held.iter().map(|one| {
            let online = app.sessions.is_online(one.agent);
            ((one.id, one.generation), online)
        });
        let watched = self.watch(there, Instant::now());
        let mut taken = 0;
        for assignment in &held {
            let Work::Job(job) = &assignment.work else {
                continue;
            };
            let key = (assignment.id, assignment.generation);
            if !can_be_judged(job.kind, app.progress.progress(key.0, key.1).as_ref()) {
                continue;
            }
            let patience = match job.kind {
                JobKind::Backup => runs.get(&job.id).map_or(IDLE, |run| run.idle_timeout),
                JobKind::Restore | JobKind::Drill => app.config.jobs.restore_idle_timeout,
                JobKind::Copy => IDLE,
            };
            let since = watched.get(&key).map(Instant::elapsed).unwrap_or_default();
            let told = app.progress.idle_for(key.0, key.1);
            let Some(idle) = too_long(since, told, patience) else {
                continue;
            };
            let reason = no_progress(job.kind, idle, patience);
            let command = RequeueJob {
                job: job.id,
                generation: assignment.generation,
                reason,
                not_before: None,
                log: app.progress.lines(key.0, key.1),
            };
            let context = ProposeContext::internal();
            match app.node.propose(context, command).await? {
                Ok(_) => {
                    tracing::warn!(job = %job.id, "a job that got no further was taken back");
                    taken += 1;
                }
                Err(refusal) => {
                    tracing::debug!(job = %job.id, "an idle job was not taken back: {refusal}");
                }
            }
        }
        Ok(taken)
    }
}

impl IdleJobs {
    /// Since when each of them is watched, given whether its agent is there.
    fn watch(
        &self,
        held: impl Iterator<Item = (Key, bool)>,
        now: Instant,
    ) -> BTreeMap<Key, Instant> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |(key, online): (Key, bool)| {
            let since = watched.get(&key).copied().filter(|_| online);
            (key, since.unwrap_or(now))
        };
        let next: BTreeMap<_, _> = held.map(since).collect();
        watched.clone_from(&next);
        next
    }
}

/// Whether the bytes of a job say that it works. A restore that verifies or
/// replays has told some once it can: agents of earlier releases tell none
/// then, and a promotion has an end of its own, which its agent sees to.
fn can_be_judged(kind: JobKind, told: Option<&Progress>) -> bool {
    match (kind, told.map(|told| (told.phase, told.bytes_done))) {
        (JobKind::Backup | JobKind::Copy, _) | (JobKind::Restore | JobKind::Drill, None) => true,
        (JobKind::Restore | JobKind::Drill, Some((JobPhase::Verify | JobPhase::Replay, bytes))) => {
            bytes > 0
        }
        // What is checked moves no bytes.
        (JobKind::Restore | JobKind::Drill, Some((phase, _))) => {
            !matches!(phase, JobPhase::Promote | JobPhase::Check)
        }
    }
}

fn no_progress(kind: JobKind, idle: Duration, patience: Span) -> Failure {
    let message = format!(
        "the job has made no progress for {} s, and its idle timeout is {patience}",
        idle.as_secs()
    );
    let hint = match kind {
        JobKind::Backup | JobKind::Copy | JobKind::Drill => {
            "see the job's log for what it was doing; it is tried again as often as it may be"
        }
        JobKind::Restore => {
            "see the job's log for what it was doing and whether its repository answers; then \
             restore into another directory, for this one is not whole"
        }
    };
    Failure::transient("no_progress", message, hint)
}

/// For how long a job has made no progress, when that is too long. What it
/// told is good only for as long as it could tell.
fn too_long(watched: Duration, told: Option<Duration>, patience: Span) -> Option<Duration> {
    let idle = told.map_or(watched, |told| told.min(watched));
    (idle > patience.get()).then_some(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn age_is_no_reason_and_missing_progress_is() {
        let patience = Span::from_secs(60);
        let days = MINUTE * 5_000;
        assert_eq!(too_long(days, Some(MINUTE / 2), patience), None);
        assert_eq!(too_long(days, Some(MINUTE * 2), patience), Some(MINUTE * 2));
        // One that never told anything counts from when it was first seen.
        assert_eq!(too_long(MINUTE / 2, None, patience), None);
        assert_eq!(too_long(MINUTE * 3, None, patience), Some(MINUTE * 3));
        // Its agent was away: it could not have told.
        assert_eq!(too_long(MINUTE / 2, Some(days), patience), None);
    }

    #[test]
    fn a_restore_is_judged_where_its_bytes_say_something() {
        let told = |phase, bytes_done| Progress {
            phase,
            bytes_done,
            bytes_total: None,
            rate: None,
            remaining_seconds: None,
        };
        let judged = |phase, bytes| can_be_judged(JobKind::Restore, Some(&told(phase, bytes)));
        assert!(can_be_judged(JobKind::Restore, None));
        for phase in [JobPhase::Prepare, JobPhase::Copy, JobPhase::Wal] {
            assert!(judged(phase, 0), "{phase}");
        }
        for phase in [JobPhase::Verify, JobPhase::Replay] {
            assert_eq!(
                (judged(phase, 0), judged(phase, 1)),
                (false, true),
                "{phase}"
            );
        }
        assert!(!judged(JobPhase::Promote, 1));
        let waits = told(JobPhase::Start, 0);
        assert!(can_be_judged(JobKind::Backup, Some(&waits)));
    }

    #[test]
    fn time_counts_while_the_agent_is_there_and_for_one_generation() {
        let jobs = IdleJobs::default();
        let id = AssignmentId::from_uuid(uuid::Uuid::from_u128(1));
        let key = |generation| (id, Generation(generation));
        let start = Instant::now();
        let seen = |generation, online, minutes: u32| {
            let now = start + MINUTE * minutes;
            let held = [(key(generation), online)].into_iter();
            let since = jobs.watch(held, now)[&key(generation)];
            now.duration_since(since)
        };
        assert_eq!(seen(1, true, 0), Duration::ZERO);
        assert_eq!(seen(1, true, 2), MINUTE * 2);
        assert_eq!(seen(1, false, 3), Duration::ZERO);
        assert_eq!(seen(1, true, 4), MINUTE);
        assert_eq!(seen(2, true, 5), Duration::ZERO);
    }
}
