//! Snapshots and the purge of the log, on one node.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_consensus::Node;
use sea_orm::Database;

use crate::support::{bootstrap, config, dump, dump_of, last_index, replay, set, set_many};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_log_and_a_snapshot_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    (config.snapshot_every, config.log_keep) = (100, 10);
    let node = bootstrap(config.clone()).await;
    // Purging happens in batches of some hundred.
    set_many(&node, "kept", 700).await;
    node.snapshot(PATIENCE).await.unwrap();
    set(&node, "tail").await.unwrap();
    let before = dump_of(&node).await;
    node.shutdown().await;
    let node = Node::open(config).await.unwrap();
    assert_eq!(dump_of(&node).await, before);
    assert!(node.status().purged.is_some_and(|purged| purged > 0));
    set(&node, "after").await.unwrap();
    node.shutdown().await;
    let log = dir.path().join("raft/log.db");
    assert!(last_index(&log) > 700);
}

/// A snapshot that is built while entries are applied holds exactly what the
/// log says up to the entry it names.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_during_apply_is_one_moment_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let node = node.clone();
            tokio::spawn(async move { set_many(&node, &format!("w{writer}"), 150).await })
        })
        .collect();
    let mut applied = node.applied();
    let log = dir.path().join("raft/log.db");
    let mut taken_while_writing = 0;
    for round in 1..=5 {
        applied
            .wait_for(|applied| *applied > round * 80)
            .await
            .unwrap();
        node.snapshot(PATIENCE).await.unwrap();
        let status = node.status();
        let index = status.snapshot.unwrap();
        taken_while_writing += u32::from(*applied.borrow() > index + 1);
        let url = format!(
            "sqlite://{}?mode=ro",
            snapshot_file(dir.path().join("raft")).display()
        );
        let snapshot = Database::connect(url).await.unwrap();
        assert_eq!(
            dump(&snapshot).await,
            replay(&log, index).await,
            "entry {index}"
        );
        snapshot.close().await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(taken_while_writing > 0, "nothing was applied meanwhile");
    let last = last_index(&log);
    assert_eq!(dump_of(&node).await, replay(&log, last).await);
    node.shutdown().await;
}

fn snapshot_file(dir: PathBuf) -> PathBuf {
    let pointer = std::fs::read(dir.join("SNAPSHOT")).unwrap();
    let pointer: serde_json::Value = serde_json::from_slice(&pointer).unwrap();
    dir.join(pointer["file"].as_str().unwrap())
}
