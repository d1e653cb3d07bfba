//! Gives queued jobs to agents that can do them now.

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_consensus::ProposeContext;
use holdfast_state::command::{LeaseJob, LeaseJobs, Leased};
use holdfast_state::{Refusal, query, schema};
use holdfast_types::{AssignmentId, JobId};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use super::pins;
use super::queue::Queue;
use crate::app::App;
use crate::app::error::Result;

/// Jobs looked at in one activation.
const MOST: u64 = 20_000;
/// Leases in one entry: no more, so that what else is applied waits for tens
/// of milliseconds at most.
const TOGETHER: usize = 128;
/// Entries proposed at once: they share the writes of the log.
const AT_ONCE: usize = 4;
/// The same for a group whose entries lease one job each.
const AT_ONCE_SINGLE: usize = 512;

pub(super) struct Dispatch;

impl Task for Dispatch {
    const NAME: &'static str = "dispatch";
    const PERIOD: Duration = Duration::from_secs(2);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let now = Timestamp::now();
        let mut queued = query::queued_jobs(view.connection(), now, MOST).await?;
        if queued.is_empty() {
            return Ok(0);
        }
        let held = query::active_job_assignments(view.connection()).await?;
        let mut queue = Queue::load_for(&view, &held, queued.len()).await?;
        queued.sort_by_cached_key(|job| queue.rank(job));
        let mut leases = Vec::new();
        for job in queued {
            let Ok(agent) = queue.choose(app, &view, &job, now).await? else {
                continue;
            };
            queue.give(&job, agent);
            let lease = LeaseJob {
                job: job.id,
                agent,
                assignment: AssignmentId::from_uuid(Uuid::now_v7()),
            };
            leases.push((job, lease));
        }
        // Before anybody is told to build on it (I-06).
        pins::pin_for_leases(app, &view, &leases).await?;
        let leases: Vec<LeaseJob> = leases.into_iter().map(|(_, lease)| lease).collect();
        let level = schema::version(view.connection()).await?;
        if level < schema::MANY_LEASES {
            return give_singly(app, &leases).await;
        }
        give_together(app, &leases).await
    }
}

async fn give_together(app: &App, leases: &[LeaseJob]) -> Result<u64> {
    let mut leased = 0;
    for entries in leases.chunks(TOGETHER * AT_ONCE) {
        let proposed = entries.chunks(TOGETHER).map(|some| give_many(app, some));
        for given in join_all(proposed).await {
            leased += given?;
        }
    }
    Ok(leased)
}

async fn give_many(app: &App, leases: &[LeaseJob]) -> Result<u64> {
    let command = LeaseJobs {
        leases: leases.to_vec(),
    };
    let answer = app.node.propose(ProposeContext::internal(), command);
    let outcome = match answer.await? {
        Ok(outcome) => outcome,
        Err(refusal) => {
            tracing::info!("{} jobs were not given out: {refusal}", leases.len());
            return Ok(0);
        }
    };
    let mut leased = 0;
    for (lease, answer) in leases.iter().zip(outcome) {
        match answer {
            Leased::Given(_) => leased += 1,
            Leased::Refused(refusal) => not_given(lease.job, &refusal),
        }
    }
    Ok(leased)
}

async fn give_singly(app: &App, leases: &[LeaseJob]) -> Result<u64> {
    let mut leased = 0;
    for some in leases.chunks(AT_ONCE_SINGLE) {
        let proposed = some.iter().map(|lease| give(app, lease.clone()));
        for given in join_all(proposed).await {
            leased += u64::from(given?);
        }
    }
    Ok(leased)
}

async fn give(app: &App, lease: LeaseJob) -> Result<bool> {
    let job = lease.job;
    let answer = app.node.propose(ProposeContext::internal(), lease).await?;
    if let Err(refusal) = &answer {
        not_given(job, refusal);
    }
    Ok(answer.is_ok())
}

fn not_given(job: JobId, refusal: &Refusal) {
    tracing::info!(%job, "a job was not given out: {refusal}");
}
