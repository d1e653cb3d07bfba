//! What is known of clusters and repositories, as promises are measured by it.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, ClusterSize, RestoredJob};
use holdfast_types::policy::{Declared, Measured, MeasuredCluster};
use holdfast_types::{JobPhase, Name};
use jiff::Timestamp;

use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec};

/// How many restores tell how fast they are: the newest.
const RESTORES: u64 = 20;

/// The facts that do not depend on a policy.
#[derive(Debug)]
pub(super) struct Facts {
    sizes: BTreeMap<Name, ClusterSize>,
    rates: Rates,
    regions: BTreeMap<Name, String>,
}

/// How fast restores were.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::app) struct Rates {
    pub(in crate::app) copy_bytes_per_second: Option<f64>,
    pub(in crate::app) replay_bytes_per_second: Option<f64>,
}

impl Facts {
    pub(super) async fn gather(view: &StateView) -> Result<Self> {
        let conn = view.connection();
        let regions = query::repository_regions(conn).await?.into_iter();
        Ok(Self {
            sizes: query::cluster_sizes(conn).await?,
            rates: rates(view).await?,
            regions: regions
                .filter_map(|(name, region)| Some((name, region?)))
                .collect(),
        })
    }

    /// What is known of these clusters.
    pub(super) fn of(&self, clusters: impl IntoIterator<Item = Name>) -> Measured {
        let cluster = |name: Name| {
            let size = self.sizes.get(&name);
            MeasuredCluster {
                database_bytes: size.map(|size| size.database_bytes),
                backup_seconds: size.map(|size| size.backup_seconds),
                wal_bytes_per_second: size.and_then(|size| size.wal_bytes_per_second),
                name,
            }
        };
        Measured {
            clusters: clusters.into_iter().map(cluster).collect(),
            copy_bytes_per_second: self.rates.copy_bytes_per_second,
            replay_bytes_per_second: self.rates.replay_bytes_per_second,
            regions: self.regions.clone(),
        }
    }

    /// A repository of documents that are not applied yet.
    pub(super) fn declare_region(&mut self, repository: Name, region: Option<String>) {
        match region {
            Some(region) => drop(self.regions.insert(repository, region)),
            None => drop(self.regions.remove(&repository)),
        }
    }
}

/// What is declared now.
pub(super) async fn declared(view: &StateView) -> Result<Declared> {
    let policies = query::policies(view.connection()).await?;
    Ok(Declared {
        policies: policies.into_iter().collect(),
        clusters: query::cluster_labels(view.connection()).await?,
    })
}

/// How fast the newest restores were, all of them together: a large one says
/// more than a small one, which mostly starts and stops.
pub(in crate::app) async fn rates(view: &StateView) -> Result<Rates> {
    let restored = query::restored_jobs(view.connection(), RESTORES).await?;
    Ok(rates_of(&restored))
}

fn rates_of(restored: &[RestoredJob]) -> Rates {
    let (mut copied, mut replayed) = (Sum::default(), Sum::default());
    for job in restored {
        // A restore of a dump copies no files; what cannot be read tells nothing.
        let Ok(JobSpec {
            work: WorkSpec::Restore { plan, .. },
            ..
        }) = JobSpec::read(&job.spec)
        else {
            continue;
        };
        // A delta copies what differs, and nobody says how much that was.
        if plan.reuse_bytes.is_none_or(|there| there == 0) {
            copied.add(plan.database_bytes, took(job, JobPhase::Copy));
        }
        let wal = plan.wal.to_lsn.bytes_since(plan.wal.from_lsn);
        replayed.add(wal, took(job, JobPhase::Replay));
    }
    Rates {
        copy_bytes_per_second: copied.rate(),
        replay_bytes_per_second: replayed.rate(),
    }
}

/// How long a phase took, in seconds: until the next one began.
fn took(job: &RestoredJob, phase: JobPhase) -> Option<f64> {
    let place = job.phases.iter().position(|(one, _)| *one == phase)?;
    let began = job.phases[place].1;
    let next: Option<Timestamp> = job.phases.get(place + 1).map(|(_, at)| *at);
    let ended = next.unwrap_or(job.finished_at);
    Some(ended.duration_since(began).as_secs_f64())
}

#[derive(Default)]
struct Sum {
    bytes: f64,
    seconds: f64,
}

impl Sum {
    #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
    fn add(&mut self, bytes: u64, seconds: Option<f64>) {
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
            self.bytes += bytes as f64;
            self.seconds += seconds;
        }
    }

    fn rate(&self) -> Option<f64> {
        (self.seconds > 0.0 && self.bytes > 0.0).then(|| self.bytes / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn restored(gib: u64, copy: i64, replay: i64) -> RestoredJob {
        let plan = json!({
            "cluster": "orders", "at": "latest", "lineage": "7301234567890123456-1",
            "backup": "bkp_00000000000000000000000000000001",
            "backupFinishedAt": "2026-02-03T02:00:00Z", "timeline": 1,
            "wal": {"fromLsn": "0/0", "toLsn": "0/40000000", "lastRecordLsn": "0/30000000",
                    "segments": 64},
            "recoversTo": "2026-02-03T02:41:07Z", "lastCommitAt": null, "stopBefore": null,
            "serverVersion": 150_000, "databaseBytes": gib << 30, "fetchBytes": 1,
            "estimatedSeconds": null, "problems": [], "warnings": [],
        });
        let request = json!({"cluster": "orders", "at": "latest", "agent": "db1", "dir": "/x"});
        let began: Timestamp = "2026-02-03T03:00:00Z".parse().unwrap();
        let after = |seconds: i64| began + jiff::SignedDuration::from_secs(seconds);
        RestoredJob {
            spec: json!({"restore": {"request": request, "plan": plan}}),
            finished_at: after(copy + replay),
            phases: vec![
                (JobPhase::Prepare, began),
                (JobPhase::Copy, began),
                (JobPhase::Replay, after(copy)),
            ],
        }
    }

    #[test]
    fn large_restores_say_more_than_small_ones() {
        const GIB: f64 = 1_073_741_824.0;
        let jobs = [restored(9, 90, 10), restored(1, 110, 30)];
        for job in &jobs {
            let read = JobSpec::read(&job.spec);
            assert!(read.is_ok(), "{read:?}");
        }
        let rates = rates_of(&jobs);
        assert_eq!(rates.copy_bytes_per_second, Some(10.0 * GIB / 200.0));
        assert_eq!(rates.replay_bytes_per_second, Some(2.0 * GIB / 40.0));
        assert_eq!(rates_of(&[]), Rates::default());
        // Over a directory that has it all, a terabyte takes no time.
        let mut delta = restored(1_024, 1, 10);
        delta.spec["restore"]["plan"]["reuseBytes"] = json!(1_u64 << 40);
        let rates = rates_of(&[delta]);
        assert_eq!(rates.copy_bytes_per_second, None);
        assert_eq!(rates.replay_bytes_per_second, Some(GIB / 10.0));
        let mut unreadable = restored(1, 1, 1);
        unreadable.spec = Value::Null;
        assert_eq!(rates_of(&[unreadable]), Rates::default());
    }
}
