//! The files of the state, their connections, and what Raft keeps in them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_state::{Reader, Writer, meta, schema};
use rusqlite::{Connection, OpenFlags};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DatabaseTransaction,
    DbErr,
};
use tokio::task::spawn_blocking;

use super::Roster;
use crate::directory;
use crate::fault::{Fault, FaultKind};
use crate::raft::{LogId, StoredMembership};
use crate::wire::{self, pb};

/// The key of the last applied log id in the table of single values.
const APPLIED: &str = "raft_applied";
/// The key of the membership there.
const MEMBERSHIP: &str = "raft_membership";
/// The key of the ids that were members once.
const FORMER: &str = "raft_former";
const CURRENT: &str = "CURRENT";
/// Enough for the console and a few slow reports at once.
const READERS_MAX: u32 = 8;
/// Threads that look something up in place at the same moment wait for each
/// other only when they are more than these.
const LOOKUPS: usize = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An open state database.
pub(super) struct Database {
    pub(super) path: PathBuf,
    writer: Arc<Writer>,
    pub(super) readers: DatabaseConnection,
    /// Connections that read in place, taken in turns.
    lookups: Vec<Reader>,
    turn: AtomicUsize,
}

impl Database {
    /// Opens the file `path`, which must exist.
    pub(super) async fn open(path: PathBuf) -> Result<Self, Fault> {
        if !path.is_file() {
            let what = "the state database is missing";
            return Err(Fault::new(FaultKind::StateUnusable, &path, what));
        }
        let what = "the state database cannot be opened";
        let writer = connect_writer(&path).map_err(|error| unusable(&path, what, error))?;
        let writer = Arc::new(Writer::new(writer));
        let readers = connect_readers(&path).await;
        let readers = readers.map_err(|error| unusable(&path, what, error))?;
        let lookup = || connect_lookup(&path).map(Reader::new);
        let lookups: Result<Vec<_>, _> = (0..LOOKUPS).map(|_| lookup()).collect();
        let lookups = lookups.map_err(|error| unusable(&path, what, error))?;
        Ok(Self {
            path,
            writer,
            readers,
            lookups,
            turn: AtomicUsize::new(0),
        })
    }

    /// A connection that reads in place.
    pub(super) fn lookup(&self) -> DatabaseConnection {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.lookups[turn % self.lookups.len()].connection().clone()
    }

    /// Runs `work` in a transaction of the one connection that writes, on a
    /// thread that may block: one hand-over for all of it. What it answers is
    /// committed.
    pub(super) async fn transaction<T, E>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Fault>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let writer = Arc::clone(&self.writer);
        let done = spawn_blocking(move || writer.transaction(work)).await;
        let what = "the state database cannot be changed";
        match done {
            Ok(done) => done.map_err(|error| unusable(&self.path, what, error)),
            // It panicked, or the program is about to end: nothing was
            // committed that anybody was told of.
            Err(error) => Err(unusable(&self.path, what, error)),
        }
    }

    pub(super) async fn close(&self) {
        let warn = |error: &dyn std::fmt::Display| {
            tracing::warn!(path = %self.path.display(), "failed to close the state: {error}");
        };
        if let Err(error) = self.readers.close_by_ref().await {
            warn(&error);
        }
        for lookup in &self.lookups {
            if let Err(error) = lookup.close() {
                warn(&error);
            }
        }
        // The last one to close it brings everything into the file itself.
        let writer = Arc::clone(&self.writer);
        match spawn_blocking(move || writer.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn(&error),
            Err(error) => warn(&error),
        }
    }
}

fn connect_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

fn connect_lookup(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

async fn connect_readers(path: &Path) -> Result<DatabaseConnection, DbErr> {
    // The path is set below, as a path: in the URL it would need escaping.
    let mut options = ConnectOptions::new("sqlite://state");
    let path = path.to_owned();
    options
        .max_connections(READERS_MAX)
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .create_if_missing(false)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("query_only", "ON")
        });
    SeaOrm::connect(options).await
}

/// A snapshot file, for looking into it without changing it.
pub(super) async fn open_immutable(path: &Path) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new("sqlite://state");
    let path = path.to_owned();
    options
        .max_connections(1)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .create_if_missing(false)
                .read_only(true)
                .immutable(true)
        });
    SeaOrm::connect(options).await
}

/// The name of the `number`th state database of a directory.
pub(super) fn file_name(number: u64) -> String {
    format!("state-{number}.db")
}

/// The number in such a name.
pub(super) fn file_number(name: &str) -> Option<u64> {
    name.strip_prefix("state-")?
        .strip_suffix(".db")?
        .parse()
        .ok()
}

/// Makes the first, empty state database of `dir`, durably.
pub(super) async fn create(dir: &Path) -> Result<(), Fault> {
    let name = file_name(1);
    let path = dir.join(&name);
    File::create_new(&path).map_err(|error| unusable(&path, "cannot create the state", error))?;
    let database = Database::open(path.clone()).await?;
    let created = database.transaction(async |transaction| schema::create(transaction).await);
    created
        .await?
        .map_err(|error| unusable(&path, "cannot create the tables of the state", error))?;
    database.close().await;
    sync_file(&path)
        .and_then(|()| point_to(dir, &name))
        .map_err(|error| unusable(&path, "cannot make the state durable", error))
}

pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes `name` the state database of `dir`, durably.
pub(super) fn point_to(dir: &Path, name: &str) -> io::Result<()> {
    directory::sync_directory(dir)?;
    directory::replace_file(dir, CURRENT, format!("{name}\n").as_bytes())
}

/// Opens the state database that `CURRENT` names, and deletes the others:
/// what an install left behind that did not finish, or had finished.
pub(super) async fn open_current(dir: &Path) -> Result<Database, Fault> {
    let pointer = dir.join(CURRENT);
    let name = fs::read_to_string(&pointer)
        .map_err(|error| unusable(&pointer, "cannot read which state is in use", error))?;
    let name = name.trim_end();
    if file_number(name).is_none() {
        let what = format!("it names \"{name}\", which is no state database");
        return Err(Fault::new(FaultKind::StateUnusable, &pointer, what));
    }
    let leftovers = directory::contents(dir)
        .map_err(|error| unusable(dir, "cannot list the directory", error))?;
    for other in leftovers {
        let stale = file_number(&other).is_some() && other != name;
        if stale || other.starts_with("incoming-") {
            directory::remove_database(&dir.join(&other))
                .map_err(|error| unusable(&dir.join(&other), "cannot delete", error))?;
        }
    }
    let path = dir.join(name);
    directory::settle_database(&path)
        .map_err(|error| unusable(&path, "cannot make the state durable", error))?;
    Database::open(path).await
}

/// The last applied log id and the membership that the database holds.
pub(super) async fn applied(
    conn: &impl ConnectionTrait,
    path: &Path,
) -> Result<(Option<LogId>, StoredMembership), Fault> {
    let applied = read::<pb::RaftLogId>(conn, path, APPLIED).await?;
    let membership = read::<pb::RaftStoredMembership>(conn, path, MEMBERSHIP).await?;
    let membership = membership.map(wire::stored_membership).transpose();
    let membership = membership.map_err(|error| {
        Fault::new(FaultKind::StateUnusable, path, "the membership is damaged").caused_by(error)
    })?;
    Ok((
        applied.as_ref().map(wire::log_id),
        membership.unwrap_or_default(),
    ))
}

/// Who is in the group and who was, as the database holds it.
pub(super) async fn roster(conn: &impl ConnectionTrait, path: &Path) -> Result<Roster, Fault> {
    let (_, membership) = applied(conn, path).await?;
    let former = read::<pb::RaftNodes>(conn, path, FORMER).await?;
    Ok(Roster::new(
        membership.membership(),
        former.unwrap_or_default(),
    ))
}

async fn read<M: prost::Message + Default>(
    conn: &impl ConnectionTrait,
    path: &Path,
    key: &str,
) -> Result<Option<M>, Fault> {
    let value = meta::read(conn, key).await.map_err(|error| {
        Fault::new(FaultKind::StateUnusable, path, "the state cannot be read").caused_by(error)
    })?;
    let message = value.map(|value| wire::decode(Bytes::from(value)));
    message.transpose().map_err(|error| {
        let what = format!("the state's record \"{key}\" is damaged");
        Fault::new(FaultKind::StateUnusable, path, what).caused_by(error)
    })
}

/// Records how far the batch of `transaction` goes, and the membership if it
/// changes it.
pub(super) async fn record_applied(
    transaction: &DatabaseTransaction,
    applied: &LogId,
    membership: Option<(&StoredMembership, &Roster)>,
) -> Result<(), holdfast_state::StateError> {
    let id = wire::encode(&wire::log_id_message(applied));
    meta::write(transaction, APPLIED, &id).await?;
    if let Some((membership, roster)) = membership {
        let value = wire::encode(&wire::stored_membership_message(membership));
        meta::write(transaction, MEMBERSHIP, &value).await?;
        meta::write(transaction, FORMER, &wire::encode(&roster.former())).await?;
    }
    Ok(())
}

pub(super) fn unusable(
    path: &Path,
    what: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Fault {
    Fault::new(FaultKind::StateUnusable, path, what).caused_by(error)
}
