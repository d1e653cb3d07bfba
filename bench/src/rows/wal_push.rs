//! Segments that are ready, archived one call after the other as PostgreSQL's
//! archiver does it: `wal-push` through an agent and without one, beside
//! pgBackRest's `archive-push`, synchronous and asynchronous.
//!
//! Real segments of a real server, made by pgbench. Every way stores the same
//! ones, into a directory on the same file system, in turns. pgBackRest
//! compresses as we do (zstd, level 1) and does not encrypt; we do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::programs::program;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use serde_json::json;

use super::say;
use crate::machine::Machine;
use crate::pgbackrest::{self, PgBackRest, as_server};
use crate::report::{Measured, Target};
use crate::stats::{median, milliseconds, number, rounded};

/// What a segment holds, made by pgbench at this scale.
const SCALE: &str = "30";
/// Processes of pgBackRest's asynchronous push: one for each core here.
const PROCESSES: usize = 2;

/// Segments to archive.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 40)]
    segments: usize,
    /// How often each way stores them
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Measures the row, on a server and an agent of its own.
pub async fn measure(options: &Options) -> Result<(Machine, Measured)> {
    let options = options.clone();
    tokio::task::spawn_blocking(move || run(&options)).await?
}

/// A way to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Agent,
    Direct,
    PeerSynchronous,
    PeerAsynchronous,
}

impl Way {
    const ALL: [Self; 4] = [
        Self::Agent,
        Self::PeerSynchronous,
        Self::Direct,
        Self::PeerAsynchronous,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Agent => "wal-push through the agent",
            Self::Direct => "wal-push --direct",
            Self::PeerSynchronous => "pgbackrest archive-push",
            Self::PeerAsynchronous => "pgbackrest archive-push, asynchronous",
        }
    }
}

struct Bench {
    fleet: Fleet,
    /// The segments that are ready, in order.
    segments: Vec<String>,
}

fn run(options: &Options) -> Result<(Machine, Measured)> {
    let fleet = Fleet::prepare(&major(15), Store::directory);
    let machine = Machine::here(fleet.scratch.path());
    let bench = Bench::prepare(fleet, options.segments)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..options.rounds {
        for (way, times) in Way::ALL.into_iter().zip(&mut times) {
            let took = bench.archive(way, round)?;
            let each = milliseconds(took) / number(bench.segments.len() as u64);
            say(&format!(
                "round {round}: {}: {each:.1} ms a segment",
                way.name()
            ));
            times.push(each);
        }
    }
    let [agent, synchronous, direct, asynchronous] = times.map(median);
    let targets = vec![
        Target::at_least(
            "times pgBackRest's synchronous rate",
            rounded(synchronous / agent),
            3.0,
        ),
        Target::at_least(
            "times pgBackRest's asynchronous rate",
            rounded(asynchronous / agent),
            1.2,
        ),
    ];
    let details = json!({
        "how": "the archiver's loop: one command for each segment that is ready, in order, as \
                PostgreSQL's user through a shell; medians of the rounds, in ms a segment",
        "segments": bench.segments.len(),
        "segmentBytes": 16 << 20,
        "rounds": options.rounds,
        "compression": "zstd 1 for all; ours encrypts, pgBackRest's repository is clear",
        "agentMs": rounded(agent),
        "directMs": rounded(direct),
        "pgbackrestMs": rounded(synchronous),
        "pgbackrestAsyncMs": rounded(asynchronous),
        "directTimesSynchronous": rounded(synchronous / direct),
        "pgbackrest": pgbackrest::version()?,
    });
    Ok((machine, Measured { targets, details }))
}

impl Bench {
    /// A protected server with so many segments that are ready.
    fn prepare(fleet: Fleet, count: usize) -> Result<Self> {
        let data = fleet.agent.data();
        fs::set_permissions(data, fs::Permissions::from_mode(0o711))?;
        // wal-push, so that the duty finds it well, and never done.
        fleet.postgres.psql(
            "ALTER SYSTEM SET archive_mode = 'on'\n\
             ALTER SYSTEM SET archive_command = '/bin/false wal-push %p'\n\
             ALTER SYSTEM SET autovacuum = 'off'",
        );
        fleet.postgres.stop("fast");
        fleet.postgres.start_again();
        fleet.store.apply(&fleet.cli);
        let yaml = fleet.cluster_yaml();
        fleet
            .cli
            .apply(&yaml.replace("flushEvery: 500ms", "mode: archive, flushEvery: 500ms"));
        fleet.postgres.pgbench(&["-i", "-q", "-s", SCALE]);
        let mut bench = Self {
            fleet,
            segments: Vec::new(),
        };
        while bench.ready()?.len() < count {
            bench.fleet.postgres.pgbench(&["-c", "8", "-t", "1000"]);
            bench.fleet.postgres.psql("CHECKPOINT");
        }
        bench.segments = bench.ready()?;
        bench.segments.truncate(count);
        Ok(bench)
    }

    fn pg_wal(&self) -> PathBuf {
        self.fleet.postgres.data_dir().join("pg_wal")
    }

    fn ready(&self) -> Result<Vec<String>> {
        let mut ready = Vec::new();
        for entry in fs::read_dir(self.pg_wal().join("archive_status"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ready.extend(
                name.strip_suffix(".ready")
                    .filter(|name| name.len() == 24)
                    .map(str::to_owned),
            );
        }
        ready.sort();
        Ok(ready)
    }

    /// Archives every segment one way, into a repository that holds none.
    fn archive(&self, way: Way, round: usize) -> Result<Duration> {
        let command = match way {
            Way::Agent => self.through_agent()?,
            Way::Direct => self.direct(round)?,
            Way::PeerSynchronous | Way::PeerAsynchronous => self.peer(way, round)?,
        };
        // What one way has left for the disk to write is not the next one's.
        rustix::fs::sync();
        let began = Instant::now();
        for segment in &self.segments {
            let command = command.replace("%p", &format!("pg_wal/{segment}"));
            let output = self.as_server(&command).output()?;
            ensure!(
                output.status.success(),
                "{command}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(began.elapsed())
    }

    fn as_server(&self, command: &str) -> Command {
        as_server(&self.fleet.postgres.data_dir(), command)
    }

    fn through_agent(&self) -> Result<String> {
        let Store::Directory(repository) = &self.fleet.store else {
            unreachable!("it is a directory");
        };
        forget_segments(&repository.join("clusters"))?;
        let agent = program("holdfast-agent").display().to_string();
        let data = self.fleet.agent.data().display().to_string();
        let command = format!("{agent} wal-push %p --data {data}");
        // Until the agent knows whose WAL it is.
        let first = self.segments.first().context("a segment")?;
        let probe = command.replace("%p", &format!("pg_wal/{first}"));
        until("the agent", LONG, || {
            let done = self.as_server(&probe).status().ok()?;
            done.success().then_some(())
        });
        // It stores ahead: that is part of what is measured.
        until("the agent to be idle", LONG, || {
            let before = self.fleet.agent.data().join("spool");
            let notes = count(&before);
            std::thread::sleep(Duration::from_secs(1));
            (count(&before) == notes).then_some(())
        });
        forget_segments(&repository.join("clusters"))?;
        let spool = self.fleet.agent.data().join("spool");
        if spool.exists() {
            fs::remove_dir_all(spool)?;
        }
        Ok(command)
    }

    fn direct(&self, round: usize) -> Result<String> {
        let root = self.fleet.scratch.server_folder(&format!("direct-{round}"));
        let agent = program("holdfast-agent").display().to_string();
        let (repository, key) = (root.join("repository"), root.join("key"));
        let to = format!(
            "--repo file://{} --key-file {}",
            repository.display(),
            key.display()
        );
        let made = self
            .as_server(&format!("{agent} repo init {to}"))
            .output()?;
        ensure!(
            made.status.success(),
            "repo init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let spool = root.join("spool").display().to_string();
        Ok(format!(
            "{agent} wal-push %p --direct --cluster orders --spool {spool} {to}"
        ))
    }

    fn peer(&self, way: Way, round: usize) -> Result<String> {
        let asynchronous = way == Way::PeerAsynchronous;
        let name = format!("peer-{round}-{asynchronous}");
        let root = self.fleet.scratch.server_folder(&name);
        let settings = format!(
            "compress-type=zst\ncompress-level=1\narchive-async={apart}\n\
             process-max={processes}\narchive-push-queue-max=100GiB\n",
            apart = if asynchronous { "y" } else { "n" },
            processes = if asynchronous { PROCESSES } else { 1 },
        );
        let peer = PgBackRest::prepare(&root, &self.fleet.postgres, &settings)?;
        Ok(peer.command("archive-push %p"))
    }
}

/// Removes every segment below a folder: a repository that holds none yet.
fn forget_segments(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget_segments(&entry.path())?;
        } else if entry.file_name().len() == 24 {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Files below a folder.
fn count(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let below = entries.flatten().map(|entry| match entry.path() {
        path if path.is_dir() => count(&path),
        _ => 1,
    });
    below.sum()
}
