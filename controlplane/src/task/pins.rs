//! Keeps the parents of incrementals: pins them before anything is built on
//! them (I-06).
//!
//! An attempt gets its pin before the attempt itself, in an earlier log entry,
//! so whoever sees the assignment sees the pin. The standing orders of a
//! cluster have one as well, which is moved on here with its newest backup and
//! renewed in time: an agent that is cut off counts on it.

use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{LeaseJob, Pin, PinBackups, Pinned};
use holdfast_state::policy::effective;
use holdfast_state::query::{self, JobView, PageRequest, ParentView, ResourceFilter};
use holdfast_state::{PinHolder, schema};
use holdfast_types::resource::{Kind, Policy};
use holdfast_types::{BackupKind, Lineage, Name};
use jiff::{SignedDuration, Timestamp};

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec};
use crate::session::INCARNATION;

/// Pins in one log entry.
const TOGETHER: usize = 128;
/// What an agent says when it found the backup it built on damaged: its next
/// attempt builds on nothing.
const DAMAGED: &str = "parent_damaged";

/// Keeps what standing orders build on.
pub(super) struct Pins;

impl Task for Pins {
    const NAME: &'static str = "pins";
    const PERIOD: Duration = Duration::from_secs(30);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let policies = query::policies(view.connection()).await?;
        if !in_force(&view).await? || !policies.iter().any(|(_, policy)| orders(policy)) {
            return Ok(0);
        }
        let now = Timestamp::now();
        let (mut page, filter) = (PageRequest::longest(), ResourceFilter::default());
        let mut given = 0;
        loop {
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            let mut pins = Vec::new();
            for cluster in found.items {
                let pairs = policies.iter().map(|(name, policy)| (name, policy));
                let policy = effective(pairs, cluster.labels()).map(|(_, policy)| policy);
                if let Some(policy) = policy.filter(|policy| orders(policy)) {
                    pins.extend(standing(app, &view, cluster.name(), policy, now).await?);
                }
            }
            given += give(app, &pins).await?;
            match found.next_cursor {
                None => return Ok(given),
                cursor => page.cursor = cursor,
            }
        }
    }
}

/// Whether pins can be given yet.
pub(super) async fn in_force(view: &StateView) -> Result<bool> {
    Ok(schema::version(view.connection()).await? >= schema::PINS)
}

fn orders(policy: &Policy) -> bool {
    let incremental = |kind| kind == BackupKind::Incremental;
    policy.schedules.iter().any(|one| incremental(one.kind))
}

/// The pin that the standing orders of a cluster need now: on its newest
/// backup, and renewed when a seventh of its time is over.
async fn standing(
    app: &App,
    view: &StateView,
    cluster: &Name,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Pin>> {
    let Some(newest) = parent_for(app, view, cluster, &policy.repository).await? else {
        return Ok(None);
    };
    let holder = PinHolder::Cluster(cluster.clone());
    let pin_for = SignedDuration::try_from(app.config.jobs.pin_for.get()).unwrap_or_default();
    let held = query::pinned_parent(view.connection(), &holder).await?;
    let fresh = held.is_some_and(|held| {
        let left = held.until.map(|until| until.duration_since(now));
        held.backup == newest.backup && left.is_some_and(|left| left >= pin_for / 7 * 6)
    });
    Ok((!fresh).then(|| Pin {
        holder,
        backup: newest.backup,
        until: now.checked_add(pin_for).unwrap_or(now),
    }))
}

/// What an incremental of a cluster is made against.
async fn parent_for(
    app: &App,
    view: &StateView,
    cluster: &Name,
    repository: &Name,
) -> Result<Option<ParentView>> {
    let known = app.known_identifier(view, cluster).await?;
    let lineage = known.map(|system_identifier| Lineage {
        system_identifier,
        incarnation: INCARNATION,
    });
    let conn = view.connection();
    Ok(query::newest_parent(conn, cluster, repository, lineage).await?)
}

/// Pins what the incrementals among these jobs build on, each for the attempt
/// that is about to be given out. One without a pin copies everything.
pub(super) async fn pin_for_leases(
    app: &App,
    view: &StateView,
    jobs: &[(JobView, LeaseJob)],
) -> Result<()> {
    if !in_force(view).await? {
        return Ok(());
    }
    let pin_for = SignedDuration::try_from(app.config.jobs.pin_for.get()).unwrap_or_default();
    let until = Timestamp::now().checked_add(pin_for);
    let until = until.unwrap_or(Timestamp::MAX);
    let mut pins = Vec::new();
    for (job, lease) in jobs {
        if !is_incremental(job) || met_damage(view, job).await? {
            continue;
        }
        let parent = parent_for(app, view, &job.cluster, &job.repository).await?;
        pins.extend(parent.map(|parent| Pin {
            holder: PinHolder::Assignment(lease.assignment),
            backup: parent.backup,
            until,
        }));
    }
    give(app, &pins).await.map(drop)
}

fn is_incremental(job: &JobView) -> bool {
    let spec = JobSpec::read(&job.spec).map(|spec| spec.work);
    let kind = BackupKind::Incremental;
    matches!(spec, Ok(WorkSpec::Backup { kind: wanted, .. }) if wanted == kind)
}

/// Whether the last attempt found what it built on damaged.
async fn met_damage(view: &StateView, job: &JobView) -> Result<bool> {
    if job.attempts == 0 {
        return Ok(false);
    }
    let detail = query::job_detail(view.connection(), job.id).await?;
    let attempts = detail
        .map(|detail| detail.attempts_made)
        .unwrap_or_default();
    let failures = attempts.iter().filter_map(|one| one.failure.as_ref());
    Ok(failures.into_iter().any(|failure| failure.code == DAMAGED))
}

async fn give(app: &App, pins: &[Pin]) -> Result<u64> {
    let mut given = 0;
    for some in pins.chunks(TOGETHER) {
        let command = PinBackups {
            pins: some.to_vec(),
        };
        let answer = app.node.propose(ProposeContext::internal(), command);
        for (pin, pinned) in some.iter().zip(answer.await??) {
            match pinned {
                Pinned::Until(_) => given += 1,
                // It was lost or condemned meanwhile: the attempt goes without.
                Pinned::Refused(refusal) => {
                    tracing::info!(backup = %pin.backup, "a backup was not pinned: {refusal}");
                }
            }
        }
    }
    Ok(given)
}
