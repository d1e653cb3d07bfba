//! A new group from a copy of an old one's state.

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_consensus::{Member, Node, NodeConfig, NodeId, OpenError, StateCopy};

use crate::cluster::Group;
use crate::support::{bootstrap, config, dump, dump_of, set, set_many};

const PATIENCE: Duration = Duration::from_secs(30);

fn written(copy: &StateCopy, dir: &Path) -> PathBuf {
    let path = dir.join("copy.db");
    let mut bytes = Vec::new();
    loop {
        let chunk = copy.read_at(bytes.len() as u64, 1 << 16).unwrap();
        if chunk.is_empty() {
            break;
        }
        bytes.extend(chunk);
    }
    assert_eq!(bytes.len() as u64, copy.bytes());
    std::fs::write(&path, bytes).unwrap();
    path
}

fn restored(dir: &Path, id: u64) -> NodeConfig {
    NodeConfig::new(dir.join("restored"), NodeId(id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_state_begins_a_group_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = bootstrap(config(dir.path())).await;
    set_many(&old, "before", 50).await;
    let copy = old.copy_state(PATIENCE).await.unwrap();
    assert!(copy.index() >= 50);
    let expected = dump_of(&old).await;
    // The node goes on, and the copy stays what it was.
    set(&old, "lost").await.unwrap();
    old.snapshot(PATIENCE).await.unwrap();
    let source = written(&copy, dir.path());
    let looked = Node::read_copy(&source).await.unwrap();
    assert_eq!(looked.applied(), copy.index() + 1);
    assert_eq!(dump(looked.connection()).await, expected);

    let config = restored(dir.path(), 2);
    let new = Node::restore(config.clone(), Member::default(), &source)
        .await
        .unwrap();
    assert_eq!(dump_of(&new).await, expected);
    let before = new.status();
    assert!(before.last_log.unwrap() > copy.index());
    assert!(before.term > old.status().term);
    set(&new, "after").await.unwrap();
    new.finish().await.unwrap();
    new.shutdown().await;
    let new = Node::open(config).await.unwrap();
    let found = dump_of(&new).await;
    assert!(found.contains("name='after'") && found.contains("name='before-49'"));
    assert!(!found.contains("name='lost'"));
    // It has a snapshot of its own for those who join.
    assert!(new.status().snapshot.is_some());
    new.shutdown().await;
    old.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_restore_is_no_node_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let old = bootstrap(config(dir.path())).await;
    set(&old, "before").await.unwrap();
    let source = written(&old.copy_state(PATIENCE).await.unwrap(), dir.path());
    old.shutdown().await;
    let config = restored(dir.path(), 2);
    let restore = || Node::restore(config.clone(), Member::default(), &source);
    restore().await.unwrap().shutdown().await;
    let refused = Node::open(config.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
    let again = restore().await.unwrap();
    again.finish().await.unwrap();
    again.shutdown().await;
    // What is finished is never cleared away.
    let refused = restore().await.err().unwrap();
    assert!(matches!(refused, OpenError::NotEmpty { .. }), "{refused}");
}

/// A node whose state is still being filled is no node yet, and an attempt that
/// ended in the middle can be repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_begun_is_no_node_before_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let begin = || Node::begin(config.clone(), Member::default());
    let begun = begin().await.unwrap();
    set(&begun, "half").await.unwrap();
    begun.shutdown().await;
    let refused = Node::open(config.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
    let again = begin().await.unwrap();
    assert!(!dump_of(&again).await.contains("half"));
    set(&again, "whole").await.unwrap();
    again.finish().await.unwrap();
    again.shutdown().await;
    let opened = Node::open(config.clone()).await.unwrap();
    assert!(dump_of(&opened).await.contains("whole"));
    opened.shutdown().await;
    let refused = begin().await.err().unwrap();
    assert!(matches!(refused, OpenError::NotEmpty { .. }), "{refused}");
}

/// Whoever was in the old group is refused by the new one, by id.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_the_old_group_is_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let group = Group::of_three(10_000).await;
    group.set_somewhere("before").await;
    let leader = group.node(group.leader().await);
    let source = written(&leader.copy_state(PATIENCE).await.unwrap(), dir.path());
    for id in 1..=3 {
        let config = NodeConfig::new(dir.path().join(format!("as-{id}")), NodeId(id));
        let refused = Node::restore(config, Member::default(), &source).await;
        let refused = refused.err().unwrap();
        assert!(refused.to_string().contains("was a member"), "{refused}");
    }
    let config = restored(dir.path(), 4);
    let new = Node::restore(config, Member::default(), &source)
        .await
        .unwrap();
    let voters: Vec<u64> = new.status().members.iter().map(|it| it.id.0).collect();
    assert_eq!(voters, [4]);
    new.shutdown().await;
    group.shut_down().await;
}
