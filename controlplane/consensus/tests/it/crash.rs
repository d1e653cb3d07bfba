//! kill -9 at random points: every acknowledged command is there afterwards
//! (I-01), and the state is what the log says (I-02).
//!
//! The seed is printed; `HOLDFAST_SEED` repeats it, `HOLDFAST_CRASHES` sets
//! how often the process is killed.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_consensus::{Node, NodeConfig};

use crate::support::{bootstrap, config, dump_of, last_index, replay, set};

const DIRECTORY: &str = "HOLDFAST_CRASH_DIRECTORY";
const SNAPSHOTS: &str = "HOLDFAST_CRASH_SNAPSHOTS";
const ROUND: &str = "HOLDFAST_CRASH_ROUND";
const WRITERS: usize = 8;

struct Seed(u64);

impl Seed {
    fn new() -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let given = env::var("HOLDFAST_SEED").ok();
        let seed = given.map_or_else(
            || u64::from(clock().subsec_nanos()) << 20 | clock().as_secs() & 0xf_ffff,
            |seed| seed.parse().unwrap(),
        );
        println!("HOLDFAST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn crashes() -> u64 {
    env::var("HOLDFAST_CRASHES").map_or(6, |count| count.parse().unwrap())
}

fn with_snapshots(config: &mut NodeConfig) {
    (config.snapshot_every, config.log_keep) = (60, 5);
}

/// The child: writes and says what was acknowledged, until it is killed.
async fn write_until_killed(dir: PathBuf) {
    let mut config = config(&dir);
    if env::var_os(SNAPSHOTS).is_some() {
        with_snapshots(&mut config);
    }
    let round = env::var(ROUND).unwrap();
    let node = Node::open(config).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let (node, round) = (node.clone(), round.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let name = format!("r{round}-w{writer}-{number}");
                set(&node, &name).await.unwrap();
                // One write call, so that a line is whole or not there.
                let line = format!("ack {name}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

fn spawn(test: &str, dir: &Path, round: u64, snapshots: bool) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(DIRECTORY, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped());
    if snapshots {
        command.env(SNAPSHOTS, "1");
    }
    command.spawn().unwrap()
}

/// Lets a child write, kills it after a random number of acknowledgements, and
/// returns all that it had acknowledged.
fn kill_while_writing(mut child: Child, seed: &mut Seed) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let enough = 1 + seed.below(300);
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness prints too, and does not end its lines.
        let Some((_, name)) = line.split_once("ack ") else {
            continue;
        };
        acknowledged.push(name.to_owned());
        if !killed && acknowledged.len() as u64 >= enough {
            // What is in the pipe was acknowledged as well: read on.
            child.kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(killed, "the writer ended by itself: {status}");
    acknowledged
}

async fn crash_repeatedly(test: &str, snapshots: bool) {
    if let Some(dir) = env::var_os(DIRECTORY) {
        return write_until_killed(dir.into()).await;
    }
    let mut seed = Seed::new();
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    if snapshots {
        with_snapshots(&mut config);
    }
    bootstrap(config.clone()).await.shutdown().await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..crashes() {
        let child = spawn(test, dir.path(), round, snapshots);
        acknowledged.extend(kill_while_writing(child, &mut seed));
        let node = Node::open(config.clone()).await.unwrap();
        let dump = dump_of(&node).await;
        for name in &acknowledged {
            // I-01
            assert!(dump.contains(&format!("name='{name}'")), "{name} is lost");
        }
        node.shutdown().await;
        if !snapshots {
            // I-02
            let log = dir.path().join("raft/log.db");
            assert_eq!(replay(&log, last_index(&log)).await, dump);
        }
        println!(
            "killed {} times, {} acknowledged",
            round + 1,
            acknowledged.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commands_survive_kill_9() {
    crash_repeatedly("crash::acknowledged_commands_survive_kill_9", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commands_survive_kill_9_amid_snapshots_and_purges() {
    let test = "crash::acknowledged_commands_survive_kill_9_amid_snapshots_and_purges";
    crash_repeatedly(test, true).await;
}
