//! What the tests share: commands, dumps, and replaying a log by hand.

use std::path::Path;

use holdfast_consensus::{Member, Node, NodeConfig, NodeId, ProposeContext, ProposeError};
use holdfast_state::command::SetSecret;
use holdfast_state::{Cause, Principal, Sealed, apply, dump, schema};
use holdfast_types::RequestId;
use rusqlite::{Connection, OpenFlags};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use uuid::Uuid;

pub(crate) fn config(dir: &Path) -> NodeConfig {
    NodeConfig::new(dir.join("raft"), NodeId(1))
}

pub(crate) async fn bootstrap(config: NodeConfig) -> Node {
    Node::bootstrap(config, Member::default()).await.unwrap()
}

pub(crate) fn secret(name: &str) -> SetSecret {
    SetSecret {
        name: name.parse().unwrap(),
        sealed: Sealed::new(name.as_bytes().to_vec()),
    }
}

/// As a person's request: audited.
pub(crate) fn context() -> ProposeContext {
    ProposeContext::caused_by(Cause {
        principal: Principal::user("admin"),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    })
}

pub(crate) async fn set(node: &Node, name: &str) -> Result<(), ProposeError> {
    let outcome = node.propose(context(), secret(name)).await?;
    outcome.unwrap();
    Ok(())
}

pub(crate) async fn set_many(node: &Node, prefix: &str, count: usize) {
    for number in 0..count {
        set(node, &format!("{prefix}-{number}")).await.unwrap();
    }
}

/// Every row, but for what Raft itself keeps.
pub(crate) async fn dump(conn: &impl ConnectionTrait) -> String {
    let all = full_dump(conn).await;
    let kept = all.lines().filter(|line| !line.contains("'raft_"));
    kept.collect::<Vec<_>>().join("\n")
}

pub(crate) async fn full_dump(conn: &impl ConnectionTrait) -> String {
    let mut out = Vec::new();
    dump::ordered_dump(conn, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

pub(crate) async fn dump_of(node: &Node) -> String {
    dump(node.read().await.unwrap().connection()).await
}

/// What a fresh database holds after the commands in `log`, up to the entry
/// `last`: applied one by one, as no node does.
pub(crate) async fn replay(log: &Path, last: u64) -> String {
    let fresh = Database::connect("sqlite::memory:").await.unwrap();
    let tx = fresh.begin().await.unwrap();
    schema::create(&tx).await.unwrap();
    tx.commit().await.unwrap();
    for (index, command) in commands(log) {
        if index <= last {
            let tx = fresh.begin().await.unwrap();
            apply::apply_entry(&tx, index, &command).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    dump(&fresh).await
}

fn commands(log: &Path) -> Vec<(u64, Vec<u8>)> {
    let log = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let sql = "SELECT position, body FROM entry WHERE kind = 1 ORDER BY position";
    let mut statement = log.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?));
    let rows = statement.query_map([], row).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The index of the newest entry that `log` holds.
pub(crate) fn last_index(log: &Path) -> u64 {
    let log = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let sql = "SELECT coalesce(max(position), 0) FROM entry";
    let last: i64 = log.query_row(sql, [], |row| row.get(0)).unwrap();
    last.cast_unsigned()
}
