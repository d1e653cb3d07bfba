//! sea-orm over a connection that executes each statement on the thread that
//! calls: what [`crate::Writer`] and [`crate::Reader`] are made of.
//!
//! - It comes under sea-orm by the one door that sea-orm has for that beside
//!   sqlx: the trait of its mock driver (docs/adr/0013).
//! - A row comes back with SQLite's four kinds of value and no others: integer,
//!   text, bytes and null. The columns of our rows decode from exactly these
//!   (`column`, and a test that looks at every one).
//! - sea-orm keeps such a row by the names of its columns, so that their places
//!   are the order of those names. A row short enough to be one of our tuples
//!   holds each value under its place too, before all names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};
use sea_orm::{
    DatabaseConnection, DatabaseConnectionType, DbBackend, DbErr, ExecResult, MockDatabase,
    MockDatabaseConnection, MockDatabaseTrait, MockExecResult, QueryResult, RuntimeErr, Statement,
    Transaction, Value,
};

/// More statements than commands have, so that none is prepared twice.
const STATEMENTS: usize = 512;

/// Names that come before all others, for the places in the longest tuple that
/// a query of ours reads. A longer row is read by its names alone.
const PLACES: [&str; 4] = ["\u{0}a", "\u{0}b", "\u{0}c", "\u{0}d"];

/// The connection, as sea-orm's driver knows it.
#[derive(Clone)]
pub(crate) struct Local(Arc<Mutex<Option<Connection>>>);

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}

impl Local {
    /// Takes over a connection whose settings are made.
    pub(crate) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self(Arc::new(Mutex::new(Some(connection))))
    }

    /// The same for sea-orm.
    pub(crate) fn orm(&self) -> DatabaseConnection {
        let driver = Arc::new(MockDatabaseConnection::new(self.clone()));
        DatabaseConnectionType::MockDatabaseConnection(driver).into()
    }

    /// Closes the connection; what is asked of it later fails.
    pub(crate) fn close(&self) -> Result<(), DbErr> {
        let Some(connection) = held(&self.0).take() else {
            return Ok(());
        };
        // The statements go first: with one open, closing is refused.
        connection.flush_prepared_statement_cache();
        connection.close().map_err(|(_, error)| failed(&error))
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DbErr> {
        let slot = held(&self.0);
        let Some(connection) = slot.as_ref() else {
            let what = "the connection is closed".to_owned();
            return Err(DbErr::Conn(RuntimeErr::Internal(what)));
        };
        work(connection).map_err(|error| failed(&error))
    }

    pub(crate) fn run(&self, sql: &str) -> Result<(), DbErr> {
        self.with(|connection| {
            connection.prepare_cached(sql)?.raw_execute()?;
            Ok(())
        })
    }
}

impl MockDatabaseTrait for Local {
    fn query(&mut self, _: usize, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let found = self.with(|connection| {
            let mut prepared = prepare(connection, &statement)?;
            let names = prepared.column_names();
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let mut rows = prepared.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let mut values = BTreeMap::new();
                for (at, name) in names.iter().enumerate() {
                    let value = from_sqlite(row.get_ref(at)?)?;
                    if (2..=PLACES.len()).contains(&names.len()) {
                        values.insert(PLACES[at].to_owned(), value.clone());
                    }
                    values.insert(name.clone(), value);
                }
                found.push(values);
            }
            Ok(found)
        })?;
        // Only the driver itself can make rows of its kind.
        let mut driver = MockDatabase::new(DbBackend::Sqlite).append_query_results([found]);
        driver.query(0, statement)
    }

    fn execute(&mut self, _: usize, statement: Statement) -> Result<ExecResult, DbErr> {
        let rows_affected = self.with(|connection| {
            if statement.values.is_none() {
                // A script: the tables of a version are many statements.
                connection.execute_batch(&statement.sql)?;
                return Ok(0);
            }
            let mut prepared = prepare(connection, &statement)?;
            let mut rows = prepared.raw_query();
            while rows.next()?.is_some() {}
            drop(rows);
            Ok(connection.changes())
        })?;
        let result = MockExecResult {
            // No key of ours is a row id: nobody asks for the last one.
            last_insert_id: 0,
            rows_affected,
        };
        let mut driver = MockDatabase::new(DbBackend::Sqlite).append_exec_results([result]);
        driver.execute(0, statement)
    }

    // These cannot fail here, so they are done by `Writer::transaction`.
    fn begin(&mut self) {}

    fn commit(&mut self) {}

    fn rollback(&mut self) {}

    fn drain_transaction_log(&mut self) -> Vec<Transaction> {
        Vec::new()
    }

    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    fn ping(&self) -> Result<(), DbErr> {
        self.with(|_| Ok(()))
    }
}

fn prepare<'a>(
    connection: &'a Connection,
    statement: &Statement,
) -> rusqlite::Result<CachedStatement<'a>> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let values = statement.values.iter().flat_map(|values| &values.0);
    for (at, value) in values.enumerate() {
        prepared.raw_bind_parameter(at + 1, Bound(value))?;
    }
    Ok(prepared)
}

/// A value on its way into SQLite, as the pool's driver would bind it.
struct Bound<'a>(&'a Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let integer = |number: Option<i64>| number.map_or(ValueRef::Null, ValueRef::Integer);
        let value = match self.0 {
            Value::Bool(flag) => integer(flag.map(i64::from)),
            Value::Int(number) => integer(number.map(i64::from)),
            Value::Unsigned(number) => integer(number.map(i64::from)),
            Value::BigInt(number) => integer(*number),
            Value::BigUnsigned(None) => ValueRef::Null,
            Value::BigUnsigned(Some(number)) => {
                let fits = i64::try_from(*number);
                ValueRef::Integer(fits.map_err(|_| unknown("a number above i64::MAX"))?)
            }
            Value::String(text) => text
                .as_ref()
                .map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => bytes
                .as_ref()
                .map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes)),
            other => return Err(unknown(&format!("{other:?}"))),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn unknown(what: &str) -> rusqlite::Error {
    let problem = format!("no column of the state holds {what}");
    rusqlite::Error::ToSqlConversionFailure(problem.into())
}

/// A value on its way out.
fn from_sqlite(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        // Whatever is asked for decodes it as null.
        ValueRef::Null => Value::Bool(None),
        ValueRef::Integer(number) => Value::BigInt(Some(number)),
        ValueRef::Real(number) => Value::Double(Some(number)),
        ValueRef::Text(_) => Value::String(Some(value.as_str()?.to_owned())),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
    })
}

fn failed(error: &rusqlite::Error) -> DbErr {
    let code = error
        .sqlite_error()
        .map(|error| format!(" (SQLite's code {})", error.extended_code));
    let what = format!("{error}{}", code.unwrap_or_default());
    DbErr::Exec(RuntimeErr::Internal(what))
}

/// Nothing that panics leaves the connection in the middle of a statement.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
