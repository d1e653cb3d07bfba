//! The state of a node is never ahead of its own log, whatever the others have
//! committed: found by faults, as a full disk that took the state's write and
//! not the log's.

use std::time::Duration;

use holdfast_consensus::{FaultKind, Node, OpenError};
use rusqlite::Connection;

use crate::cluster::{Group, PATIENCE};
use crate::support::{dump_of, last_index, set, set_many};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_own_disk_has_not_taken_is_not_applied() {
    let mut group = Group::of_three(20).await;
    let leader = group.leader().await;
    let slow = (leader + 1) % 3;
    set_many(group.node(leader), "before", 50).await;
    group.assert_equal().await;
    // Whoever has this lock is what the log's writer waits for, as for a disk
    // that takes nothing, until it gives up.
    let path = group.config(slow).dir.join("log.db");
    let disk = Connection::open(&path).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = last_index(&path);
    set(group.node(leader), "by-the-others").await.unwrap();
    let fault = tokio::time::timeout(PATIENCE, group.node(slow).failed()).await;
    assert_eq!(fault.unwrap().kind(), FaultKind::LogUnwritable);
    let seen = group.node(slow).read_stale().view.applied();
    assert!(
        seen <= held + 1,
        "applied below {seen}, and the log ends with {held}"
    );
    group.stop(slow).await;
    disk.execute_batch("ROLLBACK").unwrap();
    drop(disk);

    group.start(slow).await;
    set(group.node(group.leader().await), "after")
        .await
        .unwrap();
    group.assert_equal().await;
    let dump = dump_of(group.node(slow)).await;
    assert!(dump.contains("name='by-the-others'"), "{dump}");
    group.shut_down().await;
}

/// Such a state from an earlier release, or a log that lost its end: what the
/// state has may be gone after the next power loss, and nothing would say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_lost_what_was_applied_refuses_to_serve() {
    let mut group = Group::of_three(10_000).await;
    let leader = group.leader().await;
    let broken = (leader + 1) % 3;
    set_many(group.node(leader), "before", 5).await;
    group.assert_equal().await;
    group.stop(broken).await;
    let config = group.config(broken);
    let log = Connection::open(config.dir.join("log.db")).unwrap();
    let last = last_index(&config.dir.join("log.db"));
    let deleted = log.execute(
        "DELETE FROM entry WHERE position = ?1",
        [last.cast_signed()],
    );
    assert_eq!(deleted.unwrap(), 1);
    drop(log);
    let opened = tokio::time::timeout(Duration::from_secs(30), Node::open(config)).await;
    let Err(OpenError::Fault(fault)) = opened.unwrap() else {
        panic!("it must not serve");
    };
    assert_eq!(fault.kind(), FaultKind::LogDamaged);
    group.shut_down().await;
}
