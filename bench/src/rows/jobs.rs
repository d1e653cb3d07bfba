//! Thousands of jobs due at the same moment, each to be leased to the agent of
//! its cluster.
//!
//! Without `--tight` the limits of repositories and fleets add up to just as
//! many as there are jobs: all can run, none more. With it they allow a small
//! part, and jobs end: then it is the limits that are looked at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{LONG, Stage, say};
use crate::fleet::{Behaviour, Fleet, Layout, Lease, REPOSITORIES};
use crate::process::Meter;
use crate::report::{Measured, Target};
use crate::stats::{number, rounded};

const FLEETS: usize = 10;
/// How long a backup takes when jobs are to end.
const TIGHT_BACKUP: Duration = Duration::from_secs(2);
/// Schedules need to be read, and agents to be quiet, before they are due.
const NOTICE: SignedDuration = SignedDuration::from_secs(20);

/// Thousands of jobs due at once.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many, each of a cluster and an agent of its own
    #[arg(long, default_value_t = 10_000)]
    jobs: usize,
    /// Limits that allow a tenth, and jobs that end
    #[arg(long)]
    tight: bool,
}

impl Options {
    /// The row's name.
    pub fn name(&self) -> &'static str {
        if self.tight { "jobs-tight" } else { "jobs" }
    }

    /// What repositories and fleets allow.
    fn limits(&self) -> (usize, usize) {
        let share = if self.tight { 10 } else { 1 };
        let of = |parts: usize| self.jobs.div_ceil(parts * share);
        (of(REPOSITORIES), of(FLEETS))
    }
}

/// A fleet that has its duties, and nothing to do.
async fn idle_fleet(stage: &mut Stage, options: &Options) -> Result<(Fleet, Layout)> {
    let jobs = options.jobs;
    let identities = stage.enrol(jobs).await?;
    let layout = Layout {
        fleets: FLEETS,
        ..Layout::quiet(jobs)
    };
    stage.declare(&layout).await?;
    let fleet = Fleet::start(&stage.nodes, identities, 250);
    fleet.behave(Behaviour {
        instances: false,
        backup: options.tight.then_some(TIGHT_BACKUP),
    });
    let ramp = fleet.all_connected(LONG).await?;
    say(&format!("{jobs} agents connected in {ramp:.1?}"));
    fleet
        .wait(LONG, "WAL duties for all", |tally| tally.duties() >= jobs)
        .await?;
    stage.level().await?;
    Ok((fleet, layout))
}

/// Measures the row.
pub async fn measure(stage: &mut Stage, options: &Options) -> Result<Measured> {
    let jobs = options.jobs;
    let (fleet, mut layout) = idle_fleet(stage, options).await?;
    let (per_repository, per_fleet) = options.limits();
    layout.limits = Some(json!({
        "jobsPerRepository": per_repository,
        "jobsPerFleet": per_fleet,
        "jobsPerHost": 1,
    }));
    let due = next_minute()?;
    layout.schedules =
        vec![json!({"name": "all", "kind": "full", "cron": cron(due), "timezone": "UTC"})];
    stage.rest.apply(&layout.policies()).await?;
    say(&format!("{jobs} jobs are due at {due}"));
    let (wait, due_at) = until(due);
    tokio::time::sleep(wait).await;
    let meter = Meter::start(&stage.processes())?;
    let began = fleet.wait(LONG, "the first lease", |tally| tally.leased_count() > 0);
    let first = began.await?;
    let all = fleet.wait(LONG * 2, "all leases", |tally| tally.leased_count() >= jobs);
    let waited = all.await;
    let used = meter.stop()?;
    waited?;
    if options.tight {
        let ended = |lease: &Lease| lease.ended.is_some();
        let done = fleet.wait(LONG, "the end of all", |tally| {
            tally.leases().iter().all(ended)
        });
        done.await?;
    }
    stage.level().await?;
    let leases = fleet.tally().leases();
    let last = leases
        .iter()
        .map(|lease| lease.at)
        .max()
        .context("leases")?;
    let seconds = rounded(last.duration_since(due_at).as_secs_f64());
    let excess = Excess::of(&leases, per_repository, per_fleet);
    let mut targets = vec![
        Target::at_most(
            "leases beyond a repository's limit",
            excess.repositories,
            0.0,
        ),
        Target::at_most("leases beyond a fleet's limit", excess.fleets, 0.0),
        Target::at_most("clusters backed up twice", excess.twice, 0.0),
    ];
    if !options.tight {
        let what = "seconds from due until the last agent had its job";
        targets.insert(0, Target::at_most(what, seconds, 10.0));
    }
    let details = json!({
        "jobs": jobs,
        "limits": {"jobsPerRepository": per_repository, "jobsPerFleet": per_fleet, "jobsPerHost": 1},
        "secondsFromDueToFirst": rounded(first.as_secs_f64()),
        "secondsFromDueToLast": seconds,
        "fleet": fleet.tally().describe(),
        "mostAtOnce": {"repository": excess.repository_most, "fleet": excess.fleet_most},
        "usage": used,
    });
    Ok(Measured { targets, details })
}

/// The first full minute that leaves time to prepare.
fn next_minute() -> Result<Timestamp> {
    let soonest = Timestamp::now().checked_add(NOTICE)?.as_second();
    Ok(Timestamp::from_second((soonest / 60 + 1) * 60)?)
}

/// A line that is due then, and not again for a year.
fn cron(due: Timestamp) -> String {
    let at = due.to_zoned(TimeZone::UTC);
    format!(
        "{} {} {} {} *",
        at.minute(),
        at.hour(),
        at.day(),
        at.month()
    )
}

fn until(due: Timestamp) -> (Duration, Instant) {
    let left = due.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    (left, Instant::now() + left)
}

/// How far limits were exceeded, as agents saw it: a job counts from when its
/// agent heard of it until its end was answered.
struct Excess {
    repositories: f64,
    fleets: f64,
    twice: f64,
    repository_most: usize,
    fleet_most: usize,
}

impl Excess {
    fn of(leases: &[Lease], per_repository: usize, per_fleet: usize) -> Self {
        let fleet = |lease: &Lease| {
            let digits = lease.cluster.rsplit('-').next().unwrap_or_default();
            let number: usize = digits.parse().unwrap_or_default();
            format!("fleet-{}", number % FLEETS)
        };
        let repository_most = most_at_once(leases, |lease| lease.repository.clone());
        let fleet_most = most_at_once(leases, fleet);
        let twice = most_at_once(leases, |lease| lease.cluster.clone());
        let beyond = |most: usize, limit: usize| {
            number(u64::try_from(most.saturating_sub(limit)).unwrap_or_default())
        };
        Self {
            repositories: beyond(repository_most, per_repository),
            fleets: beyond(fleet_most, per_fleet),
            twice: beyond(twice, 1),
            repository_most,
            fleet_most,
        }
    }
}

fn most_at_once(leases: &[Lease], group: impl Fn(&Lease) -> String) -> usize {
    let mut events: BTreeMap<String, Vec<(Instant, bool)>> = BTreeMap::new();
    for lease in leases {
        let of = events.entry(group(lease)).or_default();
        of.push((lease.at, true));
        of.extend(lease.ended.map(|ended| (ended, false)));
    }
    let most = events.into_values().map(|mut events| {
        events.sort_unstable();
        let (mut now, mut most) = (0usize, 0usize);
        for (_, begins) in events {
            now = if begins { now + 1 } else { now - 1 };
            most = most.max(now);
        }
        most
    });
    most.max().unwrap_or_default()
}

/// For people that look at a fleet: what there would be to schedule.
pub fn nightly() -> Vec<Value> {
    vec![json!({"name": "nightly", "kind": "full", "cron": "0 2 * * *", "jitter": "30m"})]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_counted() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let lease = |from: u64, to: Option<u64>| Lease {
            cluster: "cluster-00001".to_owned(),
            repository: "repository-0".to_owned(),
            at: at(from),
            ended: to.map(at),
        };
        let leases = [
            lease(0, Some(2)),
            lease(1, Some(3)),
            lease(2, None),
            lease(9, None),
        ];
        assert_eq!(most_at_once(&leases, |lease| lease.repository.clone()), 2);
        let excess = Excess::of(&leases, 1, 2);
        assert_eq!(
            (excess.repositories, excess.fleets, excess.twice),
            (1.0, 0.0, 1.0)
        );
    }
}
