//! The journal's tables.

use rusqlite::Connection;

use super::JournalError;

const VERSION: i64 = 1;

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

pub(super) fn prepare(connection: &mut Connection) -> Result<(), JournalError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Deleted rows held secrets (I-10).
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let transaction = connection.transaction()?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(JournalError::Version(other)),
    }
    Ok(transaction.commit()?)
}
