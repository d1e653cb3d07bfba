//! A catalog of a million backups: pages of a search, and a new node that
//! needs all of it.
//!
//! The rows are written straight into the state of a node that is down: a
//! million commands would take an hour and change nothing of what is measured.
//! Nothing of it is in the log, so the other nodes can have it by a snapshot
//! only, which is what the row measures: commands enough to have one made and
//! the log before it dropped are run first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures_util::StreamExt;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::say;
use crate::fleet::{Layout, Nodes, agent_name, cluster_name, enrol};
use crate::machine::Machine;
use crate::process::resident_mib;
use crate::report::{Measured, Target};
use crate::rest::Rest;
use crate::stats::{Spread, rounded};

/// Clusters that share the backups.
const CLUSTERS: usize = 400;
/// A node makes a snapshot after 20,000 entries (controlplane/consensus).
const SNAPSHOT_EVERY: usize = 20_000;
/// Pages followed from the first of each search.
const PAGES: usize = 5;

/// A million backups.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 1_000_000)]
    backups: usize,
    /// How often each search is made
    #[arg(long, default_value_t = 20)]
    repeats: usize,
}

/// Measures the row, on nodes of its own.
pub async fn measure(below: Option<&PathBuf>, options: &Options) -> Result<(Machine, Measured)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("holdfast-bench-");
    let folder = match below {
        Some(below) => builder.tempdir_in(below)?,
        None => builder.tempdir()?,
    };
    let machine = Machine::here(folder.path());
    let path = folder.path().to_owned();
    let mut founder = tokio::task::spawn_blocking(move || ControlPlane::bootstrap(&path)).await?;
    let rest = Rest::at(vec![founder.rest()], &founder.admin_password()).await?;
    let layout = Layout::quiet(CLUSTERS);
    let nodes = Nodes(Arc::new(vec![founder.grpc()]));
    let names = (0..CLUSTERS).map(agent_name).collect();
    // A cluster names an agent that exists; none of them will connect.
    enrol(&nodes, &rest, names).await?;
    rest.apply(&layout.frame()).await?;
    rest.apply(&layout.clusters()).await?;
    commit(&rest, SNAPSHOT_EVERY).await?;
    let status = tokio::task::block_in_place(|| founder.process().stop());
    ensure!(status.success(), "the node ended with {status}");
    let began = Instant::now();
    tokio::task::block_in_place(|| seed(&founder.data().join("raft"), options.backups))?;
    say(&format!(
        "{} backups seeded in {:.1?}",
        options.backups,
        began.elapsed()
    ));
    tokio::task::block_in_place(|| founder.restart());
    // Another snapshot, which holds the backups.
    commit(&rest, SNAPSHOT_EVERY + 2_000).await?;
    let (nodes, joining) = join_two(founder, &folder).await?;
    let joined: Vec<String> = nodes.iter().map(ControlPlane::rest).collect();
    let rest = Rest::at(joined, &nodes[0].admin_password()).await?;
    let (measured, slowest) = searches(&rest, options, nodes.len()).await?;
    let memory = resident(nodes)?;
    let longest = rounded(joining.iter().copied().fold(0.0, f64::max));
    let targets = vec![
        Target::at_most("p99 of a page of a search, in ms", measured.p99_ms, 100.0),
        Target::at_most(
            "seconds until a new node has it all and votes",
            longest,
            30.0,
        ),
    ];
    let details = json!({
        "backups": options.backups,
        "clusters": CLUSTERS,
        "pages": measured,
        "slowestSearches": slowest,
        "secondsToJoin": joining,
        "residentMib": memory,
    });
    Ok((machine, Measured { targets, details }))
}

/// Commits so many commands that leave next to nothing behind.
async fn commit(rest: &Rest, commands: usize) -> Result<()> {
    let began = Instant::now();
    let made =
        futures_util::stream::iter(0..commands).map(|_| rest.write(0, Duration::from_secs(30)));
    let refused = made
        .buffer_unordered(128)
        .filter(|done| std::future::ready(!done));
    ensure!(refused.count().await == 0, "commands were not accepted");
    say(&format!(
        "{commands} commands committed in {:.1?}",
        began.elapsed()
    ));
    Ok(())
}

/// Two nodes join, one after the other; how long each took.
async fn join_two(
    founder: ControlPlane,
    folder: &TempDir,
) -> Result<(Vec<ControlPlane>, Vec<f64>)> {
    let path = folder.path().to_owned();
    let joined = tokio::task::spawn_blocking(move || {
        let cli = founder.cli();
        let mut times = Vec::new();
        let mut nodes = Vec::new();
        for number in 2..=3 {
            let began = Instant::now();
            let node = founder.join(&cli, &path, &format!("node-{number}"), Addresses::any());
            times.push(rounded(began.elapsed().as_secs_f64()));
            nodes.push(node);
        }
        nodes.insert(0, founder);
        (nodes, times)
    });
    joined
        .await
        .context("a node did not come to vote within 30 s")
}

/// Reads pages of several searches through every node.
async fn searches(rest: &Rest, options: &Options, nodes: usize) -> Result<(Spread, Vec<Value>)> {
    let cluster = cluster_name(7);
    let filters = [
        String::new(),
        format!("cluster={cluster}"),
        format!("cluster={cluster}&state=available"),
        format!("cluster={cluster}&kind=incremental"),
        "state=failed".to_owned(),
        "kind=logical".to_owned(),
        "repository=repository-2".to_owned(),
        "repository=repository-2&state=available&kind=full".to_owned(),
        "state=condemned&kind=logical".to_owned(),
    ];
    let mut all = Vec::new();
    let mut by_search = Vec::new();
    for filter in &filters {
        let mut times = Vec::new();
        for repeat in 0..options.repeats {
            times.extend(pages(rest, repeat % nodes, filter).await?);
        }
        all.extend(times.iter().copied());
        by_search.push((filter, Spread::of(times)));
    }
    by_search.sort_by(|(_, one), (_, other)| other.p99_ms.total_cmp(&one.p99_ms));
    let slowest = by_search.into_iter().take(3);
    let slowest = slowest.map(|(filter, spread)| json!({"search": filter, "pages": spread}));
    Ok((Spread::of(all), slowest.collect()))
}

async fn pages(rest: &Rest, node: usize, filter: &str) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let path = format!("/api/v1/backups?limit=100&{filter}{cursor}");
        let (time, page) = rest.time(node, &path).await?;
        times.push(time);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(times)
}

fn resident(mut nodes: Vec<ControlPlane>) -> Result<Vec<u64>> {
    let processes = nodes.iter_mut().map(|node| node.process().id());
    processes.map(resident_mib).collect()
}

/// Writes backups into the state of a node that is down, three years of them.
fn seed(raft: &Path, backups: usize) -> Result<()> {
    let current = std::fs::read_to_string(raft.join("CURRENT"))?;
    let mut state = Connection::open(raft.join(current.trim_end()))?;
    let transaction = state.transaction()?;
    let count = i64::try_from(backups)?;
    let clusters = i64::try_from(CLUSTERS)?;
    let now = jiff::Timestamp::now().as_microsecond();
    transaction.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1),
              made AS (SELECT i, i % ?2 AS c, ?3 - (?1 - i) * 94000000 AS began FROM n)
         INSERT INTO backups
         SELECT printf('bkp_%032x', i + 1), printf('job_%032x', i + 1), 1,
                printf('cluster-%05d', c), printf('repository-%d', c % 4),
                CASE i % 7 WHEN 0 THEN 'full' WHEN 1 THEN 'logical' ELSE 'incremental' END,
                NULL,
                CASE i % 50 WHEN 0 THEN 'failed' WHEN 1 THEN 'condemned' ELSE 'available' END,
                printf('%d-1', 7300000000000000000 + c), 1, 16777216 + i * 4096,
                16777216 + i * 4096 + 1024, began, began + 60000000, 42949672960, 4294967296,
                150018, NULL, 1
         FROM made",
        params![count, clusters, now],
    )?;
    transaction.execute(
        "INSERT INTO backup_repositories
         SELECT id, repository, kind, state, started_at, finished_at FROM backups",
        [],
    )?;
    transaction.commit()?;
    // As the node would have it at its start.
    state.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
    Ok(())
}
