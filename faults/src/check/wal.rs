//! WAL: one holder in the end, no gap, and everything that was committed comes
//! back, however often the duty has moved.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_tests::fleet::Restored;
use holdfast_tests::ledger::{Entry, rows};
use holdfast_tests::programs::program;
use serde_json::Value as Json;

use super::expiry::expiry;
use crate::world::{AGENTS, CLUSTER, World};

/// PostgreSQL takes a receiver that has vanished to be there for a minute.
const DEADLINE: Duration = Duration::from_secs(90);
/// From where each receiver streams: the agent at the server uses the socket.
const STREAMS: &str = "SELECT coalesce(string_agg(coalesce(host(client_addr), 'socket'), ' '), '') \
                       FROM pg_stat_replication WHERE usename = 'holdfast'";
const SLOTS: &str = "SELECT coalesce(string_agg(slot_name || ' ' || active, ', '), '') \
                     FROM pg_replication_slots WHERE slot_name LIKE 'holdfast%'";
/// The one slot that there must be.
const SLOT: &str = "holdfast_orders true";

/// Checks it, with nothing wrong any more and `written` committed: what is
/// wrong, a line each.
pub fn wal(world: &World, written: &[Entry]) -> Vec<String> {
    let mut wrong: Vec<String> = one_holder(world).err().into_iter().collect();
    match world.wal() {
        Some(wal) if wal["gaps"] == Json::Array(Vec::new()) => {}
        found => wrong.push(format!("WAL was lost: {found:?}")),
    }
    wrong.extend(verified(world).err());
    wrong.extend(expiry(world, &world.folder("keys").join("main.key")));
    wrong.extend(restored(world, written).err());
    wrong
}

/// PostgreSQL sends WAL to one receiver: to the one that is on record.
fn one_holder(world: &World) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let (streams, slots) = (world.postgres.psql(STREAMS), world.postgres.psql(SLOTS));
        let receiver = world.receiver();
        let from = receiver.as_deref().map(|agent| {
            if agent == AGENTS[0] {
                "socket"
            } else {
                world.net.address(agent)
            }
        });
        if slots == SLOT && from.is_some_and(|from| streams == from) {
            return Ok(());
        }
        if started.elapsed() > DEADLINE {
            return Err(format!(
                "{receiver:?} has the duty; WAL goes to \"{streams}\" by \"{slots}\""
            ));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The repository itself says that nothing is missing or damaged.
fn verified(world: &World) -> Result<(), String> {
    let key = world.folder("keys").join("main.key");
    let file = key.display().to_string();
    if !key.exists() {
        let export = ["repository", "key", "export", "main", "--to-file", &file];
        let ran = world.nodes[0].cli(|cli| cli.run(export));
        if ran.code != 0 {
            return Err(format!("the repository's key: {}", ran.stderr));
        }
    }
    let mut verify = Command::new(program("holdfast-agent"));
    verify.args(["repo", "verify", "--deep", "--repo", &world.repository()]);
    verify.args(["--key-file", &file, "--cluster", CLUSTER]);
    let ran = verify.output().expect("holdfast-agent starts");
    if ran.status.success() {
        return Ok(());
    }
    let (said, why) = (ran.stdout, ran.stderr);
    Err(format!(
        "the repository is not whole: {}{}",
        String::from_utf8_lossy(&said),
        String::from_utf8_lossy(&why)
    ))
}

/// A restore has every row that was committed, and no other.
fn restored(world: &World, written: &[Entry]) -> Result<(), String> {
    let dir = world.server_folder("latest");
    let path = dir.display().to_string();
    let run = [
        "restore", "run", CLUSTER, "--at", "latest", "--agent", AGENTS[0], "--dir", &path,
    ];
    let wait = ["--start", "--wait", "--timeout", "2m", "-o", "json"];
    let ran = world.nodes[0].cli(|cli| cli.run(run.into_iter().chain(wait)));
    let done: Json = serde_json::from_str(&ran.stdout).unwrap_or_default();
    if done["state"] != "succeeded" {
        return Err(format!("no restore: {}{}", ran.stdout, ran.stderr));
    }
    compare(&dir, &done["result"], world, written)
}

fn compare(dir: &Path, result: &Json, world: &World, written: &[Entry]) -> Result<(), String> {
    let programs = world.postgres.programs().clone();
    let restored = Restored::adopt(result.clone(), dir.to_owned(), programs);
    let found = rows(&restored.connection());
    let last = written.last().map_or(0, |entry| entry.id);
    let expected: Vec<i64> = (1..=last).collect();
    if found == expected && last > 0 {
        return Ok(());
    }
    Err(format!(
        "{last} rows were committed, and restored were {} up to {:?}",
        found.len(),
        found.last()
    ))
}
