//! Committed commands per second, beside etcd.
//!
//! Holdfast: an agent reports that its job entered another phase and waits for
//! the answer, over its session with any node. That is one log entry, fsynced
//! by a majority, applied with the job's row, the phase's row and the audit
//! row. etcd: one put of as many bytes, through any member. Both over mutual
//! TLS, every client with a connection of its own, on the same file system, in
//! turns; the one that waits for its turn is idle.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use futures_util::future::try_join_all;
use holdfast_state::command::AdvanceJob;
use holdfast_state::{Cause, Entry, Principal};
use holdfast_types::{Generation, JobId, JobPhase, RequestId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{LONG, Stage, say};
use crate::etcd::{Client, Etcd};
use crate::fleet::{self, Fleet, Layout};
use crate::process::{Meter, Usage, disk_flushes};
use crate::report::{Measured, Target};
use crate::stats::{Spread, median, number, rounded};

/// Committed commands, beside etcd.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Clients at once
    #[arg(long, default_value_t = 256)]
    clients: usize,
    /// Seconds of each turn
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Turns of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave etcd out
    #[arg(long)]
    alone: bool,
}

/// One turn.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    per_second: f64,
    latency: Spread,
    /// Flush requests at the disk for each command; it counts everybody's.
    disk_flushes_per_command: Option<f64>,
    /// Its three processes.
    usage: Usage,
}

struct Holdfast<'a> {
    stage: &'a mut Stage,
    fleet: Fleet,
}

struct Peer {
    etcd: Etcd,
    clients: Vec<Arc<Mutex<Client>>>,
    value: Vec<u8>,
}

/// Measures the row.
pub async fn measure(stage: &mut Stage, options: &Options) -> Result<Measured> {
    let value = vec![b'x'; entry_bytes()];
    let folder = stage.folder().to_owned();
    let fleet = prepare(stage, options.clients).await?;
    let mut holdfast = Holdfast { stage, fleet };
    let mut peer = match options.alone {
        true => None,
        false => Some(Peer::start(&folder, options.clients, value).await?),
    };
    let during = Duration::from_secs(options.seconds);
    // Warm: caches, files that exist, plans that are made.
    holdfast.turn(options.clients, during / 4).await?;
    if let Some(peer) = &mut peer {
        peer.turn(options.clients, during / 4).await?;
    }
    let mut turns = [const { Vec::new() }; 4];
    for round in 0..options.rounds {
        for (at, clients) in [(0, options.clients), (1, 1)] {
            let ours = holdfast.turn(clients, during).await?;
            say(&format!(
                "round {round}, {clients} clients: holdfast {:.0}/s, p50 {} ms, p99 {} ms",
                ours.per_second, ours.latency.p50_ms, ours.latency.p99_ms
            ));
            turns[at].push(ours);
            if let Some(peer) = &mut peer {
                let theirs = peer.turn(clients, during).await?;
                say(&format!(
                    "round {round}, {clients} clients: etcd     {:.0}/s, p50 {} ms, p99 {} ms",
                    theirs.per_second, theirs.latency.p50_ms, theirs.latency.p99_ms
                ));
                turns[at + 2].push(theirs);
            }
        }
    }
    sheet(options, turns)
}

fn sheet(
    options: &Options,
    [many, one, their_many, their_one]: [Vec<Turn>; 4],
) -> Result<Measured> {
    let ratio = |ours: &[Turn], theirs: &[Turn]| {
        let pairs = ours.iter().zip(theirs);
        rounded(median(
            pairs
                .map(|(ours, theirs)| ours.per_second / theirs.per_second)
                .collect(),
        ))
    };
    let p50 = rounded(median(one.iter().map(|turn| turn.latency.p50_ms).collect()));
    let mut targets = vec![Target::at_most("p50 at one client, in ms", p50, 5.0)];
    if !options.alone {
        let what = format!(
            "commands per second at {} clients, against etcd",
            options.clients
        );
        targets.insert(0, Target::at_least(&what, ratio(&many, &their_many), 2.0));
    }
    let details = json!({
        "how": "a job's transition with its audit row, reported over an agent's session with any \
                node; etcd: a put of as many bytes through any member; mutual TLS, a connection \
                for each client, fsync on, defaults otherwise, in turns on one file system",
        "commandBytes": entry_bytes(),
        "etcd": (!options.alone).then(Etcd::version).transpose()?,
        "ratioAtOneClient": (!options.alone).then(|| ratio(&one, &their_one)),
        "holdfast": {"manyClients": many, "oneClient": one},
        "peer": {"manyClients": their_many, "oneClient": their_one},
    });
    Ok(Measured { targets, details })
}

/// As many agents as clients, each with a job in its hands.
async fn prepare(stage: &Stage, clients: usize) -> Result<Fleet> {
    let identities = stage.enrol(clients).await?;
    stage.declare(&Layout::quiet(clients)).await?;
    let fleet = Fleet::start(&stage.nodes, identities, 500);
    fleet.all_connected(LONG).await?;
    let asked = (0..clients).map(|number| {
        let rest = stage.rest.clone();
        async move {
            let path = format!("/api/v1/clusters/{}/backups", fleet::cluster_name(number));
            rest.post(&path, &json!({"kind": "full"})).await
        }
    });
    try_join_all(asked).await?;
    fleet
        .wait(LONG, "jobs for all", |tally| {
            tally.leased_count() >= clients
        })
        .await?;
    Ok(fleet)
}

impl Holdfast<'_> {
    async fn turn(&mut self, clients: usize, during: Duration) -> Result<Turn> {
        let tally = self.fleet.tally();
        tally.take_times();
        let refused = tally.refused();
        let folder = self.stage.folder().to_owned();
        let processes = self.stage.processes();
        let turn = turn(&folder, &processes, async {
            self.fleet.drive(clients);
            tokio::time::sleep(during).await;
            self.fleet.drive(0);
            Ok(self.fleet.tally().take_times())
        })
        .await?;
        let tally = self.fleet.tally();
        ensure!(
            tally.refused() == refused,
            "reports were refused: {}",
            tally.describe()
        );
        Ok(turn)
    }
}

impl Peer {
    async fn start(folder: &Path, clients: usize, value: Vec<u8>) -> Result<Self> {
        let etcd = Etcd::start(folder).await?;
        let mut all = Vec::new();
        for number in 0..clients {
            all.push(Arc::new(Mutex::new(etcd.client(number).await?)));
        }
        Ok(Self {
            etcd,
            clients: all,
            value,
        })
    }

    async fn turn(&mut self, clients: usize, during: Duration) -> Result<Turn> {
        let folder = std::env::temp_dir();
        let processes = self.etcd.processes();
        turn(&folder, &processes, async {
            let end = Instant::now() + during;
            let some = self.clients.iter().take(clients).enumerate();
            let running = some.map(|(number, client)| {
                let (client, value) = (client.clone(), self.value.clone());
                tokio::spawn(async move {
                    let key = format!("jobs/{number:05}");
                    let mut client = client.lock().await;
                    let mut times = Vec::new();
                    while Instant::now() < end {
                        let began = Instant::now();
                        client.put(key.as_bytes(), &value).await?;
                        times.push(began.elapsed());
                    }
                    anyhow::Ok(times)
                })
            });
            let mut times = Vec::new();
            for client in try_join_all(running).await? {
                times.extend(client?);
            }
            Ok(times)
        })
        .await
    }
}

/// Measures around `work`, which gives the time of every command.
async fn turn(
    folder: &Path,
    processes: &[u32],
    work: impl Future<Output = Result<Vec<Duration>>>,
) -> Result<Turn> {
    let meter = Meter::start(processes)?;
    let flushes = disk_flushes(folder);
    let began = Instant::now();
    let times = work.await?;
    let seconds = began.elapsed().as_secs_f64();
    let flushes = disk_flushes(folder).zip(flushes);
    let commands = number(u64::try_from(times.len())?);
    ensure!(commands > 0.0, "nothing was committed");
    Ok(Turn {
        per_second: rounded(commands / seconds),
        latency: Spread::of(times),
        disk_flushes_per_command: flushes
            .map(|(after, before)| rounded(number(after - before) / commands)),
        usage: meter.stop()?,
    })
}

/// How long the log entry of a transition is.
fn entry_bytes() -> usize {
    let cause = Cause {
        principal: Principal::agent(fleet::agent_name(0)),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    };
    let command = AdvanceJob {
        job: JobId::from_uuid(Uuid::now_v7()),
        generation: Generation(1),
        phase: JobPhase::Copy,
    };
    let mut entry = Entry::new(Timestamp::now(), command);
    entry.cause = Some(cause);
    entry.traceparent = Some(format!("00-{:032x}-{:016x}-01", 1, 1));
    entry.encode().len()
}
