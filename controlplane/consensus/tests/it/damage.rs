//! Damage is found and named; it is never passed over.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use holdfast_consensus::{FaultKind, Node, OpenError};
use rusqlite::Connection;

use crate::support::{bootstrap, config, set_many};

async fn damaged_node(dir: &Path, damage: &str) -> OpenError {
    let node = bootstrap(config(dir)).await;
    set_many(&node, "kept", 10).await;
    node.shutdown().await;
    let log = Connection::open(dir.join("raft/log.db")).unwrap();
    assert!(log.execute(damage, []).unwrap() > 0, "nothing was damaged");
    drop(log);
    match Node::open(config(dir)).await {
        Ok(_) => panic!("the damage went unnoticed"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_entry_stops_the_node_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let flip =
        "UPDATE entry SET body = CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB)
                WHERE position = 7";
    let error = damaged_node(dir.path(), flip).await;
    assert_eq!(error.code(), "node_log_damaged");
    assert!(error.to_string().contains("entry 7"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_entry_stops_the_node_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = damaged_node(dir.path(), "DELETE FROM entry WHERE position = 5").await;
    assert_eq!(error.code(), "node_log_damaged");
    assert!(error.to_string().contains("entry 5"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_of_the_log_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let error = damaged_node(dir.path(), "DELETE FROM entry WHERE position > 4").await;
    assert_eq!(error.code(), "node_log_damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_vote_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let flip = "UPDATE fact SET value = CAST(value || x'00' AS BLOB) WHERE name = 'vote'";
    let error = damaged_node(dir.path(), flip).await;
    assert_eq!(error.code(), "node_log_damaged");
    assert!(error.to_string().contains("\"vote\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_snapshot_stops_the_node_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    set_many(&node, "kept", 10).await;
    node.snapshot(Duration::from_secs(10)).await.unwrap();
    node.shutdown().await;
    let snapshot = fs::read_dir(dir.path().join("raft"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("snapshot-")
        })
        .unwrap();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&snapshot)
        .unwrap();
    let offset = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[!byte[0]], offset).unwrap();
    let Err(OpenError::Fault(fault)) = Node::open(config(dir.path())).await else {
        panic!("the damage went unnoticed");
    };
    assert_eq!(fault.kind(), FaultKind::SnapshotDamaged);
    assert_eq!(fault.path(), snapshot);
    // What its hint says works: the state itself is whole.
    fs::remove_file(&snapshot).unwrap();
    fs::remove_file(dir.path().join("raft/SNAPSHOT")).unwrap();
    Node::open(config(dir.path()))
        .await
        .unwrap()
        .shutdown()
        .await;
}

/// The state falls back, as after a power loss, to before what the log holds:
/// the snapshot and the log bring it forward.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_fell_back_is_brought_forward() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.log_keep = 0;
    let node = bootstrap(config.clone()).await;
    let empty = dir.path().join("empty.db");
    set_many(&node, "first", 1).await;
    let state = dir.path().join("raft/state-1.db");
    let copy = Connection::open(&state).unwrap();
    copy.execute("VACUUM INTO ?1", [empty.to_str().unwrap()])
        .unwrap();
    drop(copy);
    set_many(&node, "snapshot", 300).await;
    node.snapshot(Duration::from_secs(10)).await.unwrap();
    set_many(&node, "log", 20).await;
    let before = crate::support::dump_of(&node).await;
    node.shutdown().await;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", state.display()));
    }
    fs::rename(&empty, &state).unwrap();
    let node = Node::open(config).await.unwrap();
    assert_eq!(crate::support::dump_of(&node).await, before);
    assert!(
        node.status().purged.is_some(),
        "the log was not purged: the test proves little"
    );
    node.shutdown().await;
}

/// Storage that fails under a running node stops it, and its owner is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_log_stops_a_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    set_many(&node, "kept", 3).await;
    let log = Connection::open(dir.path().join("raft/log.db")).unwrap();
    log.execute_batch("DROP TABLE entry").unwrap();
    let error = crate::support::set(&node, "lost").await.unwrap_err();
    assert_eq!(error.code(), "node_log_unwritable", "{error:?}");
    assert!(!error.is_certain());
    let fault = node.failed().await;
    assert_eq!(fault.kind(), FaultKind::LogUnwritable);
    let error = node.read().await.unwrap_err();
    assert_eq!(error.code(), "node_log_unwritable", "{error:?}");
    node.shutdown().await;
}
