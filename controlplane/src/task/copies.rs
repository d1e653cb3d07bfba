//! Orders the copies that policies want: of each available backup that is not in a
//! copy yet, the newest first, for one protects from then on and the older only
//! before. One job for each cluster and copy at a time.

use std::time::Duration;

use holdfast_consensus::StateView;
use holdfast_state::policy::effective;
use holdfast_state::query::{self, BackupView, JobFilter, JobView, PageRequest, ResourceFilter};
use holdfast_state::schema;
use holdfast_types::resource::{Kind, Policy};
use holdfast_types::{BackupId, JobKind, Name};
use jiff::Timestamp;

use super::driver::Task;
use crate::app::App;
use crate::app::copy;
use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec};

/// How long a copy that failed for good, or that somebody cancelled, is not ordered
/// again.
const AGAIN: Duration = Duration::from_secs(3600);

pub(super) struct Copies;

impl Task for Copies {
    const NAME: &'static str = "copies";
    const PERIOD: Duration = Duration::from_secs(10);

    async fn activate(&self, app: &App) -> Result<u64> {
        // Cheap where nobody wants copies, and no promise: what is done rests on
        // `view`.
        if schema::version(app.local().connection()).await? < schema::COPIES {
            return Ok(0);
        }
        let view = app.node.read().await?;
        let policies = query::policies(view.connection()).await?;
        if policies.iter().all(|(_, policy)| policy.copies.is_empty()) {
            return Ok(0);
        }
        let mut done = 0;
        let mut page = PageRequest::longest();
        let filter = ResourceFilter::default();
        loop {
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            for cluster in &found.items {
                let pairs = policies.iter().map(|(name, policy)| (name, policy));
                let Some((_, policy)) = effective(pairs, cluster.labels()) else {
                    continue;
                };
                if !policy.copies.is_empty() {
                    done += order(app, &view, cluster.name(), policy).await?;
                }
            }
            match found.next_cursor {
                None => return Ok(done),
                cursor => page.cursor = cursor,
            }
        }
    }
}

/// Orders what is wanted of one cluster.
async fn order(app: &App, view: &StateView, cluster: &Name, policy: &Policy) -> Result<u64> {
    let backups = query::available_backups(view.connection(), cluster).await?;
    let missing = |copy: &Name| {
        let (own, copy) = (policy.repository.clone(), copy.clone());
        let wanted = move |one: &&BackupView| {
            one.repositories.contains(&own) && !one.repositories.contains(&copy)
        };
        backups.iter().filter(wanted)
    };
    if policy
        .copies
        .iter()
        .all(|copy| missing(&copy.repository).next().is_none())
    {
        return Ok(0);
    }
    let filter = JobFilter {
        kind: Some(JobKind::Copy),
        cluster: Some(cluster.clone()),
        ..JobFilter::default()
    };
    // The newest: what failed longer ago is tried again anyway.
    let jobs = query::jobs(view.connection(), &filter, &PageRequest::longest()).await?;
    let mut done = 0;
    for copy in &policy.copies {
        let to = &copy.repository;
        let here = || jobs.items.iter().filter(|job| job.repository == *to);
        if here().any(|job| !job.state.is_terminal()) {
            continue;
        }
        let rests = |backup: BackupId| here().any(|job| rests(job, backup, Timestamp::now()));
        let Some(next) = missing(to).find(|one| !rests(one.id)) else {
            continue;
        };
        let job = copy::order(app, next, to).await?;
        tracing::info!(%job, backup = %next.id, %cluster, repository = %to, "a copy is ordered");
        done += 1;
    }
    Ok(done)
}

/// Whether a job says that copying this backup is to wait.
fn rests(job: &JobView, backup: BackupId, now: Timestamp) -> bool {
    let Some(finished) = job.finished_at else {
        return false;
    };
    let spec = JobSpec::read(&job.spec).map(|spec| spec.work);
    let same = matches!(spec, Ok(WorkSpec::Copy { backup: of, .. }) if of == backup);
    let waited = now.duration_since(finished);
    same && !waited.is_negative() && waited.unsigned_abs() < AGAIN
}
