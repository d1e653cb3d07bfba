//! All databases are equal (I-02): equal ordered dumps at the same applied index.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, Database};

use crate::world::{FaultyNode, World};

/// How long it may take until all nodes are seen at the same index.
const DEADLINE: Duration = Duration::from_secs(60);
/// Rows that hold what a node has applied last.
const APPLIED: &str = "'raft_applied'";

/// Compares the databases of all nodes: what differs, if anything does, and how
/// many rows were compared.
///
/// # Panics
/// When a database cannot be read.
pub fn databases(world: &mut World) -> Result<usize, String> {
    let started = Instant::now();
    let folder = world.folder("dumps");
    loop {
        // Stopped, nobody writes while the files are copied.
        world.nodes.iter_mut().for_each(|node| node.host.pause());
        for node in &world.nodes {
            copy(node, &folder.join(node.host.name()));
        }
        world.nodes.iter_mut().for_each(|node| node.host.resume());
        let dumps: Vec<String> = world
            .nodes
            .iter()
            .map(|node| dump(&folder.join(node.host.name())))
            .collect();
        let applied = |dump: &String| {
            let line = dump.lines().find(|line| line.contains(APPLIED));
            line.expect("a database says what it has applied")
                .to_owned()
        };
        if dumps.iter().all(|dump| applied(dump) == applied(&dumps[0])) {
            return compare(&dumps);
        }
        if started.elapsed() > DEADLINE {
            let all: Vec<String> = dumps.iter().map(applied).collect();
            return Err(format!("the nodes do not come to the same index: {all:?}"));
        }
    }
}

fn compare(dumps: &[String]) -> Result<usize, String> {
    for (number, other) in dumps.iter().enumerate().skip(1) {
        if let Some((mine, theirs)) = dumps[0]
            .lines()
            .zip(other.lines())
            .find(|(mine, theirs)| mine != theirs)
        {
            return Err(format!(
                "nodes 1 and {} differ: {mine} | {theirs}",
                number + 1
            ));
        }
        if other.len() != dumps[0].len() {
            return Err(format!("nodes 1 and {}: one has more rows", number + 1));
        }
    }
    Ok(dumps[0].lines().count())
}

/// Copies the database that is in use. It must not be opened where it is: it
/// would be mapped by the process that serves the disk.
fn copy(node: &FaultyNode, to: &Path) {
    let raft = node.data().join("raft");
    let current = fs::read_to_string(raft.join("CURRENT")).expect("CURRENT");
    fs::create_dir_all(to).expect("a folder");
    for suffix in ["", "-wal"] {
        let (from, to) = (
            raft.join(format!("{}{suffix}", current.trim())),
            to.join(format!("state.db{suffix}")),
        );
        drop(fs::remove_file(&to));
        if from.exists() {
            fs::copy(&from, &to).expect("a copy");
        }
    }
    drop(fs::remove_file(to.join("state.db-shm")));
}

fn dump(folder: &Path) -> String {
    let url = format!("sqlite://{}?mode=rwc", folder.join("state.db").display());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let database = Database::connect(options).await.expect("a database");
        let mut text = Vec::new();
        let dumped = holdfast_state::dump::ordered_dump(&database, &mut text).await;
        dumped.expect("a dump");
        database.close().await.expect("closed");
        String::from_utf8_lossy(&text).into_owned()
    })
}
