//! The journal's tables.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::JournalError;

const VERSION: i64 = 2;

/// `AUTOINCREMENT`: a sequence is never used again, or an answer to an old
/// report could be taken for one to a new report.
const TABLES: &str = "
CREATE TABLE job (
    assignment TEXT NOT NULL,
    generation INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    began_at_us INTEGER NOT NULL,
    PRIMARY KEY (assignment, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE report (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    assignment TEXT NOT NULL,
    generation INTEGER NOT NULL,
    event TEXT NOT NULL
) STRICT;
CREATE TABLE document (
    name TEXT PRIMARY KEY,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Version 2: schedules that the agent follows on its own. A report of those
/// names a cluster and a schedule instead of an assignment.
const OWN: &str = "
ALTER TABLE report ADD COLUMN own INTEGER NOT NULL DEFAULT 0;
ALTER TABLE report ADD COLUMN cluster TEXT NOT NULL DEFAULT '';
ALTER TABLE report ADD COLUMN schedule TEXT NOT NULL DEFAULT '';
CREATE TABLE stretch (
    cluster TEXT NOT NULL,
    schedule TEXT NOT NULL,
    anchor TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cluster, schedule)
) STRICT, WITHOUT ROWID;
CREATE TABLE own_run (
    run TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    schedule TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    not_before_us INTEGER NOT NULL,
    latest_us INTEGER,
    late INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    assignment TEXT
) STRICT, WITHOUT ROWID;
";

/// How long another connection may hold the file. One that is being closed does
/// until its last pages are written back, and some of what opening does is told
/// so at once, without SQLite's own waiting.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Makes the tables, or the newer ones; waits for whoever is still closing it.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), JournalError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match prepare_once(connection) {
            Err(JournalError::Database(error))
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn prepare_once(connection: &mut Connection) -> Result<(), JournalError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Deleted rows held secrets (I-10).
    connection.pragma_update(None, "secure_delete", "ON")?;
    // Not one that reads first: what it read may have changed when it writes.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(OWN)?;
        }
        1 => transaction.execute_batch(OWN)?,
        VERSION => {}
        other => return Err(JournalError::Version(other)),
    }
    if version < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}
