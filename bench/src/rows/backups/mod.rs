//! Full and incremental backups and restores of a cluster of a few gigabytes,
//! beside pgBackRest and `pg_basebackup`.
//!
//! Ours run through an agent and a control plane, as they do everywhere; their
//! time is that of the command that waits for the job. Every way reads the same
//! files, which the page cache holds, and writes to the same file system, in
//! turns. pgBackRest bundles files, stores blocks incrementally and uses both
//! cores; its repository is clear, ours is sealed.

mod data;
mod engines;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use holdfast_pg::testkit::major;
use holdfast_tests::fleet::Fleet;
use holdfast_tests::store::Store;
use serde::Serialize;
use serde_json::json;

use self::engines::{Ours, Peer, base_backup};
use super::say;
use crate::machine::Machine;
use crate::pgbackrest;
use crate::report::{Measured, Target};
use crate::stats::{median, number, rounded};

/// Which level a policy uses that does not say.
const DEFAULT_LEVEL: i32 = 1;
/// What pgBackRest recommends.
const RECOMMENDED_LEVEL: i32 = 3;

/// Backups and restores.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How much the cluster holds, in GB
    #[arg(long, default_value_t = 5.0)]
    gigabytes: f64,
    /// How often each way does each thing
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Measures the rows `full`, `incremental` and `restore`.
pub async fn measure(options: &Options) -> Result<(Machine, Vec<(&'static str, Measured)>)> {
    let options = options.clone();
    tokio::task::spawn_blocking(move || run(&options)).await?
}

/// What one way cost, once.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    cpu: f64,
    bytes: u64,
}

/// What one way cost, in the median of the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Costs {
    seconds: f64,
    cpu_seconds: f64,
    stored_bytes: u64,
}

impl Costs {
    fn of(name: &str, costs: &[Cost]) -> Self {
        let middle = |of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
        let mut bytes: Vec<u64> = costs.iter().map(|cost| cost.bytes).collect();
        bytes.sort_unstable();
        let costs = Self {
            seconds: rounded(middle(|cost| cost.seconds)),
            cpu_seconds: rounded(middle(|cost| cost.cpu)),
            stored_bytes: bytes
                .get(bytes.len().saturating_sub(1) / 2)
                .copied()
                .unwrap_or_default(),
        };
        say(&format!(
            "{name}: {} s, {} CPU seconds, {} MB",
            costs.seconds,
            costs.cpu_seconds,
            costs.stored_bytes / 1_000_000
        ));
        costs
    }

    fn time_of(self, peer: Self) -> f64 {
        rounded(self.seconds / peer.seconds)
    }

    fn cpu_of(self, peer: Self) -> f64 {
        rounded(self.cpu_seconds / peer.cpu_seconds)
    }

    fn bytes_of(self, peer: Self) -> f64 {
        rounded(number(self.stored_bytes) / number(peer.stored_bytes))
    }
}

/// Times `work`, which says how much processor time it took and what it stored.
fn timed(work: impl FnOnce() -> Result<(f64, u64)>) -> Result<Cost> {
    // What one way has left for the disk to write is not the next one's.
    rustix::fs::sync();
    let began = Instant::now();
    let (cpu, bytes) = work()?;
    Ok(Cost {
        seconds: seconds(began.elapsed()),
        cpu,
        bytes,
    })
}

const fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn run(options: &Options) -> Result<(Machine, Vec<(&'static str, Measured)>)> {
    let fleet = Fleet::prepare(&major(15), Store::directory);
    let machine = Machine::here(fleet.scratch.path());
    fleet.postgres.psql("ALTER SYSTEM SET autovacuum = 'off'");
    fleet.postgres.psql("ALTER SYSTEM SET max_wal_size = '2GB'");
    fleet.postgres.reload();
    data::make(&fleet.postgres, options.gigabytes);
    let database = data::bytes(&fleet.postgres);
    say(&format!("the cluster holds {} MB", database / 1_000_000));
    let mut ours = Ours::protect(fleet)?;
    let common = json!({
        "clusterBytes": database,
        "rounds": options.rounds,
        "postgresql": 15,
        "pgbackrest": pgbackrest::version()?,
        "how": "medians of the rounds; the files are in the page cache; ours encrypts, \
                pgBackRest's repository is clear; pgBackRest: two processes, bundles, block \
                incremental, no check of its archive",
    });
    let (full, mut peer) = full(options, &mut ours, &common)?;
    let incremental = incremental(options, &mut ours, &mut peer, &common)?;
    let restore = restore(options, &mut ours, &peer, &common)?;
    let rows = vec![
        ("full", full),
        ("incremental", incremental),
        ("restore", restore),
    ];
    Ok((machine, rows))
}

fn full(
    options: &Options,
    ours: &mut Ours,
    common: &serde_json::Value,
) -> Result<(Measured, Peer)> {
    let mut costs: [Vec<Cost>; 5] = Default::default();
    let mut kept = None;
    for round in 0..options.rounds {
        // The last backups are those that incrementals are built on.
        for (slot, level) in [(0, RECOMMENDED_LEVEL), (1, DEFAULT_LEVEL)] {
            costs[slot].push(ours.full(level)?);
            let peer = Peer::prepare(ours.fleet(), &format!("{round}-{level}"), level)?;
            costs[slot + 2].push(peer.backup("full")?);
            // Room for the next.
            if let Some(old) = kept.replace(peer) {
                Peer::remove(old)?;
            }
        }
        costs[4].push(base_backup(ours.fleet())?);
    }
    let [ours_3, ours_1, peer_3, peer_1, base] = &costs;
    let ours_3 = Costs::of("full, zstd 3", ours_3);
    let ours_1 = Costs::of("full, zstd 1", ours_1);
    let peer_3 = Costs::of("pgbackrest full, zst 3", peer_3);
    let peer_1 = Costs::of("pgbackrest full, zst 1", peer_1);
    let base = Costs::of("pg_basebackup", base);
    let targets = vec![
        Target::at_most(
            "of pgBackRest's time at level 1",
            ours_1.time_of(peer_1),
            0.75,
        ),
        Target::at_most("of its CPU at level 1", ours_1.cpu_of(peer_1), 0.75),
        Target::at_most("of its bytes at level 1", ours_1.bytes_of(peer_1), 1.0),
        Target::at_most("of its time at level 3", ours_3.time_of(peer_3), 0.75),
        Target::at_most("of its CPU at level 3", ours_3.cpu_of(peer_3), 0.75),
        Target::at_most("of its bytes at level 3", ours_3.bytes_of(peer_3), 1.0),
        Target::at_most(
            "of its time, our default against its zst 3",
            ours_1.time_of(peer_3),
            0.5,
        ),
    ];
    let details = json!({
        "common": common, "zstd1": ours_1, "zstd3": ours_3,
        "pgbackrestZst1": peer_1, "pgbackrestZst3": peer_3, "pgBasebackup": base,
    });
    let peer = kept.context("a round")?;
    Ok((Measured { targets, details }, peer))
}

fn incremental(
    options: &Options,
    ours: &mut Ours,
    peer: &mut Peer,
    common: &serde_json::Value,
) -> Result<Measured> {
    let (mut our_costs, mut peer_costs) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        data::change(&ours.fleet().postgres, round);
        // In turns: who comes first finds the changed pages first.
        if round % 2 == 0 {
            our_costs.push(ours.incremental()?);
            peer_costs.push(peer.backup("incr")?);
        } else {
            peer_costs.push(peer.backup("incr")?);
            our_costs.push(ours.incremental()?);
        }
    }
    let our_costs = Costs::of("incremental", &our_costs);
    let peer_costs = Costs::of("pgbackrest incr", &peer_costs);
    let targets = vec![
        Target::at_most("of pgBackRest's time", our_costs.time_of(peer_costs), 0.5),
        Target::at_most("of its bytes", our_costs.bytes_of(peer_costs), 1.0),
    ];
    let details = json!({
        "common": common, "zstd1": our_costs, "pgbackrestZst1": peer_costs,
        "changed": "one row in about a hundredth of the pages of accounts and events",
    });
    Ok(Measured { targets, details })
}

fn restore(
    options: &Options,
    ours: &mut Ours,
    peer: &Peer,
    common: &serde_json::Value,
) -> Result<Measured> {
    let (mut our_costs, mut peer_costs) = (Vec::new(), Vec::new());
    let key = ours.key()?;
    for round in 0..options.rounds {
        our_costs.push(ours.restore(&key, round)?);
        peer_costs.push(peer.restore(ours.fleet(), round)?);
    }
    let our_costs = Costs::of("restore", &our_costs);
    let peer_costs = Costs::of("pgbackrest restore", &peer_costs);
    let targets = vec![Target::at_most(
        "of pgBackRest's time",
        our_costs.time_of(peer_costs),
        0.6,
    )];
    let details = json!({
        "common": common, "zstd1": our_costs, "pgbackrestZst1": peer_costs,
        "what": "the newest incremental into an empty directory, PostgreSQL not started",
    });
    Ok(Measured { targets, details })
}

/// Bytes of the files below a folder.
fn bytes_below(folder: &Path) -> Result<u64> {
    let mut all = 0;
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).context(folder.display().to_string()),
    };
    for entry in entries {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            all += bytes_below(&entry.path())?;
        } else if about.is_file() {
            all += about.len();
        }
    }
    Ok(all)
}
