//! The log file: its tables, how it is opened, and how rows are read and
//! checked.
//!
//! `entry` holds a row per entry; `fact` holds the vote, how far the log is
//! committed and purged, the node's id, and whether the directory is
//! prepared. Values of `fact` are frames with their own check.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::record::{Record, signed};
use super::tail::Tail;
use crate::error::OpenError;
use crate::fault::{Fault, FaultKind};
use crate::raft::{Entry, LogId, NodeId};
use crate::wire::{self, pb};

/// "HFlg", so that `file` and people recognise it.
const APPLICATION_ID: i64 = 0x4846_6c67;
const FORMAT: i64 = 1;
/// The first SQLite whose WAL reset cannot corrupt the database.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const SCHEMA: &str = "
    CREATE TABLE entry (
        position INTEGER PRIMARY KEY,
        term     INTEGER NOT NULL,
        leader   INTEGER NOT NULL,
        kind     INTEGER NOT NULL,
        body     BLOB NOT NULL,
        hash     BLOB NOT NULL
    ) STRICT;
    CREATE TABLE fact (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL,
        hash  BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What the table `fact` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Vote,
    Committed,
    Purged,
    Node,
    Prepared,
}

impl Fact {
    const fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Committed => "committed",
            Self::Purged => "purged",
            Self::Node => "node",
            Self::Prepared => "prepared",
        }
    }

    fn check(self, value: &[u8]) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"holdfast log fact 1\0");
        hasher.update(self.name().as_bytes());
        hasher.update(b"\0");
        hasher.update(value);
        hasher.finalize().as_bytes().to_vec()
    }
}

/// Refuses an SQLite that can corrupt a WAL (libraries: below 3.51.3).
pub(crate) fn require_sqlite() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::OldSqlite {
            found: rusqlite::version().to_owned(),
        });
    }
    Ok(())
}

fn unreadable(path: &Path, error: rusqlite::Error) -> Fault {
    Fault::new(FaultKind::LogUnreadable, path, "the log cannot be read").caused_by(error)
}

pub(super) fn unwritable(path: &Path, error: rusqlite::Error) -> Fault {
    Fault::new(FaultKind::LogUnwritable, path, "the log cannot be written").caused_by(error)
}

fn damaged(path: &Path, what: String) -> Fault {
    Fault::new(FaultKind::LogDamaged, path, what)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes the file of node `id`, not yet prepared.
pub(super) fn create(path: &Path, id: NodeId) -> Result<(), OpenError> {
    let make = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = connect(path, flags)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        let node = pb::RaftMember {
            node: id.0,
            ..Default::default()
        };
        write_fact(&transaction, Fact::Node, &node)?;
        transaction.commit()
    };
    make().map_err(|error| unwritable(path, error).into())
}

/// Opens the file for writing, or for reading beside the writer.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| unreadable(path, error))?;
    let number = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|error| unreadable(path, error))
    };
    if number("application_id")? != APPLICATION_ID {
        let what = "the file is not a Holdfast log".to_owned();
        return Err(damaged(path, what).into());
    }
    let found = number("user_version")?;
    if found != FORMAT {
        return Err(OpenError::Format {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    Ok(connection)
}

pub(super) fn write_fact(
    connection: &Connection,
    fact: Fact,
    message: &impl Message,
) -> rusqlite::Result<()> {
    let value = wire::encode(message);
    let sql = "INSERT INTO fact (name, value, hash) VALUES (?1, ?2, ?3)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value, hash = excluded.hash";
    let check = fact.check(&value);
    connection
        .prepare_cached(sql)?
        .execute(params![fact.name(), value, check])?;
    Ok(())
}

pub(super) fn read_fact<M: Message + Default>(
    connection: &Connection,
    path: &Path,
    fact: Fact,
) -> Result<Option<M>, Fault> {
    let sql = "SELECT value, hash FROM fact WHERE name = ?1";
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let row: Option<(Vec<u8>, Vec<u8>)> = connection
        .query_row(sql, [fact.name()], columns)
        .optional()
        .map_err(|error| unreadable(path, error))?;
    let Some((value, check)) = row else {
        return Ok(None);
    };
    if fact.check(&value) != check {
        let what = format!("the log's record of \"{}\" is damaged", fact.name());
        return Err(damaged(path, what));
    }
    let message = wire::decode(Bytes::from(value)).map_err(|error| {
        let what = format!("the log's record of \"{}\" cannot be read", fact.name());
        damaged(path, what).caused_by(error)
    })?;
    Ok(Some(message))
}

pub(super) fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let sql = "INSERT INTO entry (position, term, leader, kind, body, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        record.position,
        record.term,
        record.leader,
        record.kind,
        record.body.as_ref(),
        record.check,
    ])?;
    Ok(())
}

pub(super) fn delete_from(connection: &Connection, start: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM entry WHERE position >= ?1";
    connection.prepare_cached(sql)?.execute([signed(start)])?;
    Ok(())
}

pub(super) fn delete_upto(connection: &Connection, last: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM entry WHERE position <= ?1";
    connection.prepare_cached(sql)?.execute([signed(last)])?;
    Ok(())
}

/// The rows of `range` in order, each checked.
pub(super) fn read_entries(
    connection: &Connection,
    path: &Path,
    range: &Range<u64>,
) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    each_entry(connection, path, range, |entry| entries.push(entry))?;
    Ok(entries)
}

fn each_entry(
    connection: &Connection,
    path: &Path,
    range: &Range<u64>,
    mut found: impl FnMut(Entry),
) -> Result<(), Fault> {
    let sql = "SELECT position, term, leader, kind, body, hash FROM entry
               WHERE position >= ?1 AND position < ?2 ORDER BY position";
    let end = i64::try_from(range.end).unwrap_or(i64::MAX);
    let failed = |error| unreadable(path, error);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement
        .query(params![signed(range.start), end])
        .map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let record = record(row).map_err(failed)?;
        let position = record.position;
        let entry = record.entry().map_err(|reason| {
            damaged(
                path,
                format!("entry {position} of the log is damaged: {reason}"),
            )
        })?;
        found(entry);
    }
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        position: row.get(0)?,
        term: row.get(1)?,
        leader: row.get(2)?,
        kind: row.get(3)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        check: row.get(5)?,
    })
}

/// What the file holds, every entry checked and none missing in between.
pub(super) fn load(connection: &Connection, path: &Path) -> Result<Tail, Fault> {
    let optional_log_id = |fact| {
        read_fact::<pb::RaftLogId>(connection, path, fact).map(|id| id.as_ref().map(wire::log_id))
    };
    let vote: Option<pb::RaftVote> = read_fact(connection, path, Fact::Vote)?;
    let mut tail = Tail::new(
        vote.as_ref().map(wire::vote),
        optional_log_id(Fact::Committed)?,
        optional_log_id(Fact::Purged)?,
    );
    let mut hole = None;
    each_entry(connection, path, &(0..u64::MAX), |entry: Entry| {
        let expected = tail.next_index().unwrap_or(0);
        if hole.is_none() && expected != entry.log_id.index {
            hole = Some(expected);
        }
        // Operation 0 is on disk by definition.
        tail.append(0, entry);
        tail.flushed(0);
    })?;
    if let Some(index) = hole {
        return Err(damaged(
            path,
            format!("entry {index} of the log is missing"),
        ));
    }
    // The purge and the rows it removed were one transaction.
    if tail.committed.map(|id: LogId| id.index) > tail.last.map(|id| id.index) {
        let index = tail.committed.map_or(0, |id| id.index);
        let what = format!("the log ends before entry {index}, which was committed");
        return Err(damaged(path, what));
    }
    Ok(tail)
}

/// The node whose log this is.
pub(super) fn node(connection: &Connection, path: &Path) -> Result<NodeId, Fault> {
    let node: Option<pb::RaftMember> = read_fact(connection, path, Fact::Node)?;
    node.map(|member| NodeId(member.node))
        .ok_or_else(|| damaged(path, "the log does not say whose it is".to_owned()))
}

/// The first index of `range` that `entries` lacks.
pub(super) fn first_missing(entries: &[Entry], range: &Range<u64>) -> Option<u64> {
    let held = entries.iter().map(|entry| entry.log_id.index);
    let wanted = range.clone();
    let mut held = held.fuse();
    wanted.into_iter().find(|index| held.next() != Some(*index))
}
