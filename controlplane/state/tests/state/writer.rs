//! The connection that nodes apply with. That it gives the same databases and
//! replies as the pool is a property of random logs (`determinism`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use holdfast_state::apply::Batch;
use holdfast_state::{Reader, StateError, Writer, dump, meta, schema};
use rusqlite::Connection;
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// A fresh database with its tables, on a connection that executes in place.
pub(crate) fn writer() -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", "ON")
        .unwrap();
    let writer = Writer::new(connection);
    let created = writer.transaction(async |tx| schema::create(tx).await);
    created.unwrap().unwrap();
    writer
}

/// Applies encoded entries in batches of these sizes, the last one repeating.
pub(crate) fn apply_by(writer: &Writer, entries: &[Vec<u8>], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(1));
    let mut rest = entries;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
        let first = replies.len() as u64 + 1;
        let applied = writer.transaction(async |tx| {
            let mut applying = Batch::begin(tx).await?;
            let mut answers = Vec::new();
            for (index, bytes) in (first..).zip(batch) {
                let applied = applying.apply(index, bytes).await?;
                answers.push(applied.reply.as_bytes().to_vec());
            }
            applying.finish().await?;
            Ok::<_, StateError>(answers)
        });
        replies.extend(applied.unwrap().unwrap());
        rest = later;
    }
    replies
}

pub(crate) fn dump_by(writer: &Writer) -> String {
    let dumped = writer.transaction(async |tx| {
        let mut text = Vec::new();
        dump::ordered_dump(tx, &mut text).await.map(|()| text)
    });
    String::from_utf8(dumped.unwrap().unwrap()).unwrap()
}

fn run(writer: &Writer, sql: &str) -> Result<Result<u64, DbErr>, DbErr> {
    writer.transaction(async |tx| {
        let values: [sea_orm::Value; 0] = [];
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        Ok(tx.execute_raw(statement).await?.rows_affected())
    })
}

#[test]
fn what_was_not_committed_is_not_reported_as_done() {
    let writer = writer();
    let script = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
        CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL
          REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO parents VALUES (1);";
    let made = writer.transaction(async |tx| tx.execute_unprepared(script).await.map(drop));
    made.unwrap().unwrap();
    let before = dump_by(&writer);

    // Every statement of it succeeds; only its commit is refused.
    let orphan = run(&writer, "INSERT INTO children VALUES (1, 2)");
    let error = orphan.unwrap_err().to_string();
    assert!(error.contains("FOREIGN KEY"), "{error}");
    assert_eq!(dump_by(&writer), before, "it left something behind");

    let child = run(&writer, "INSERT INTO children VALUES (1, 1)");
    assert_eq!(child.unwrap().unwrap(), 1, "the connection goes on");
}

#[test]
fn what_fails_or_panics_leaves_nothing_behind() {
    let writer = writer();
    let before = dump_by(&writer);
    let insert = "INSERT INTO meta (key, value) VALUES ('x', x'00')";

    let failed = writer.transaction(async |tx| {
        tx.execute_unprepared(insert).await?;
        tx.execute_unprepared(insert).await.map(drop)
    });
    let error = failed.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("UNIQUE constraint failed: meta.key"),
        "{error}"
    );
    assert_eq!(dump_by(&writer), before);

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        writer.transaction(async |tx| -> Result<(), DbErr> {
            tx.execute_unprepared(insert).await?;
            panic!("in the middle of a command");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(dump_by(&writer), before);
}

#[test]
fn a_transaction_that_would_wait_is_refused_and_undone() {
    let writer = writer();
    let before = dump_by(&writer);
    let waited = writer.transaction(async |tx| {
        tx.execute_unprepared("INSERT INTO meta (key, value) VALUES ('x', x'00')")
            .await?;
        tokio::task::yield_now().await;
        Ok::<(), DbErr>(())
    });
    assert!(waited.is_err(), "nothing may keep a transaction open");
    assert_eq!(dump_by(&writer), before);
}

#[test]
fn columns_are_found_by_name_and_by_place() {
    let writer = writer();
    let read = writer.transaction(async |tx| {
        let sql = "SELECT 'z' AS zulu, 7 AS alpha, NULL AS none, x'01' AS bytes";
        let statement = Statement::from_string(tx.get_database_backend(), sql);
        let row = tx.query_one_raw(statement).await?.unwrap();
        let named: (String, i64) = (row.try_get_by("zulu")?, row.try_get_by("alpha")?);
        let none: Option<i64> = row.try_get_by("none")?;
        assert_eq!((named, none), (("z".to_owned(), 7), None));
        let placed: (String, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let none: Option<String> = row.try_get_by_index(2)?;
        let bytes: Vec<u8> = row.try_get_by_index(3)?;
        assert_eq!((placed, none, bytes), (("z".to_owned(), 7), None, vec![1]));
        Ok::<_, DbErr>(())
    });
    read.unwrap().unwrap();
}

#[test]
fn a_closed_connection_does_nothing() {
    let writer = writer();
    writer.close().unwrap();
    writer.close().unwrap();
    assert!(run(&writer, "DELETE FROM meta").is_err());
}

#[test]
fn a_reader_sees_what_is_committed_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    let writer = Writer::new(connection);
    let created = writer.transaction(async |tx| schema::create(tx).await);
    created.unwrap().unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "query_only", "ON").unwrap();
    let reader = Reader::new(connection);
    let read = || {
        let value = meta::read(reader.connection(), "told");
        value.now_or_never().expect("it waits for no other thread")
    };
    assert_eq!(read().unwrap(), None);
    let told = writer.transaction(async |tx| {
        meta::write(tx, "told", b"one").await?;
        assert_eq!(read()?, None, "what is not committed");
        Ok::<_, StateError>(())
    });
    told.unwrap().unwrap();
    assert_eq!(read().unwrap().as_deref(), Some(b"one".as_slice()));
    let sql = "DELETE FROM meta";
    let statement = Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
    let changed = reader.connection().execute_raw(statement);
    assert!(changed.now_or_never().unwrap().is_err());
    reader.close().unwrap();
    assert!(read().is_err());
}
