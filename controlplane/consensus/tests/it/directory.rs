//! A node's directory: prepared once, used by one process, found again.

use std::fs;

use holdfast_consensus::{
    Member, Node, NodeConfig, NodeId, Notice, OpenError, ProposeError, ReadError,
};

use crate::support::{bootstrap, config, dump_of, full_dump, set, set_many};

async fn refused(config: NodeConfig) -> OpenError {
    match Node::open(config).await {
        Ok(_) => panic!("the node was opened"),
        Err(error) => error,
    }
}

async fn bootstrap_refused(config: NodeConfig) -> OpenError {
    match Node::bootstrap(config, Member::default()).await {
        Ok(_) => panic!("the node was bootstrapped"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    set_many(&node, "kept", 20).await;
    let view = node.read().await.unwrap();
    let before = full_dump(view.connection()).await;
    drop(view);
    node.shutdown().await;
    let node = Node::open(config(dir.path())).await.unwrap();
    // Opening alone changes nothing, whoever leads.
    let view = node.read_stale().view;
    assert_eq!(
        dump_lines(&full_dump(view.connection()).await),
        dump_lines(&before)
    );
    set(&node, "after").await.unwrap();
    assert!(dump_of(&node).await.contains("'after'"));
    node.shutdown().await;
}

/// The lines of a dump but for the last applied entry, which an election moves.
fn dump_lines(dump: &str) -> Vec<&str> {
    let moves = |line: &&str| line.contains("'raft_applied'");
    dump.lines().filter(|line| !moves(line)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_bootstrapped_once() {
    let dir = tempfile::tempdir().unwrap();
    let unprepared = refused(config(dir.path())).await;
    assert_eq!(unprepared.code(), "node_not_prepared");
    assert!(
        !dir.path().join("raft").exists(),
        "asking left something behind"
    );
    bootstrap(config(dir.path())).await.shutdown().await;
    let again = bootstrap_refused(config(dir.path())).await;
    assert_eq!(again.code(), "node_directory_not_empty");
    let other = NodeConfig::new(dir.path().join("raft"), NodeId(2));
    assert_eq!(refused(other).await.code(), "node_wrong_identity");
    Node::open(config(dir.path()))
        .await
        .unwrap()
        .shutdown()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_other_things_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let raft = dir.path().join("raft");
    fs::create_dir(&raft).unwrap();
    fs::write(raft.join("thesis.tex"), "x").unwrap();
    let error = bootstrap_refused(config(dir.path())).await;
    assert_eq!(error.code(), "node_directory_not_empty");
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert_eq!(fs::read(raft.join("thesis.tex")).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    let error = refused(config(dir.path())).await;
    assert_eq!(error.code(), "node_directory_in_use");
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    set(&node, "still-works").await.unwrap();
    node.shutdown().await;
    Node::open(config(dir.path()))
        .await
        .unwrap()
        .shutdown()
        .await;
}

/// A bootstrap that a crash ended leaves files that no answer depends on.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_bootstrap_can_be_repeated_but_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    bootstrap(config(dir.path())).await.shutdown().await;
    let log = rusqlite::Connection::open(dir.path().join("raft/log.db")).unwrap();
    log.execute("DELETE FROM fact WHERE name = 'prepared'", [])
        .unwrap();
    drop(log);
    assert_eq!(
        refused(config(dir.path())).await.code(),
        "node_preparation_unfinished"
    );
    let node = bootstrap(config(dir.path())).await;
    set(&node, "fresh").await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_shut_down_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    node.shutdown().await;
    node.shutdown().await;
    let error = set(&node, "late").await.unwrap_err();
    assert!(matches!(error, ProposeError::ShuttingDown), "{error:?}");
    let error = node.read().await.unwrap_err();
    assert!(matches!(error, ReadError::ShuttingDown), "{error:?}");
    assert!(node.fatal().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_and_effects_follow_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let node = bootstrap(config(dir.path())).await;
    // The first entries of a leader are applied by then.
    let before = node.read().await.unwrap().applied();
    let mut notices = node.effects();
    set(&node, "seen").await.unwrap();
    assert_eq!(*node.applied().borrow(), before + 1);
    let effects = loop {
        match notices.recv().await.unwrap() {
            Notice::Applied { index, effects } if index == before => break effects,
            Notice::Applied { index, .. } => assert!(index < before, "{index}"),
            Notice::Replaced { .. } => panic!("no snapshot was installed"),
        }
    };
    let changed = |effect: &holdfast_state::Effect| matches!(effect, holdfast_state::Effect::Changed { plural: "secrets", key, .. } if key == "seen");
    assert!(effects.iter().any(changed), "{effects:?}");
    node.shutdown().await;
}
