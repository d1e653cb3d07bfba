//! What the agent must not forget: `DIR/journal.db`.
//!
//! It holds the transitions of jobs until the control plane has answered them,
//! which jobs ran and which have ended, the standing duties, and what the agent
//! decides on its own, so that WAL receiving and scheduled backups go on after a
//! restart without the control plane (I-08). Every
//! change is on stable storage before it counts (SQLite, `synchronous=FULL`).
//! The duties carry secrets, so the file has mode 0600 (I-10).
//!
//! It is one small database with one writer: methods run on the pool for
//! blocking work, and no method holds it for longer than a commit takes.

mod error;
mod jobs;
mod offline;
mod schema;
mod standing;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

pub use error::JournalError;
pub use jobs::{Begin, Report};
pub use offline::{Decided, Own, OwnRun, OwnState, Stretch};

/// The file's name in the agent's directory.
pub const FILE: &str = "journal.db";

/// The journal, open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    connection: Arc<Mutex<Connection>>,
    /// The sequence of the newest report.
    newest: watch::Sender<u64>,
    /// Whether anything that the agent did on its own is not answered.
    owes: Arc<AtomicBool>,
}

impl Journal {
    /// Opens the journal in `data`, making it when there is none.
    pub fn open(data: &Path) -> Result<Self, JournalError> {
        let path = data.join(FILE);
        let unusable = |source| JournalError::File {
            path: path.clone(),
            source,
        };
        // SQLite gives its side files the mode of the main one.
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        options.open(&path).map_err(unusable)?;
        let mut connection = Connection::open(&path)?;
        schema::prepare(&mut connection)?;
        let newest = jobs::newest(&connection)?;
        let owes = Arc::new(AtomicBool::new(offline::owes_now(&connection)?));
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self {
            connection,
            newest: watch::Sender::new(newest),
            owes,
        })
    }

    /// The sequence of the newest report, and every change of it.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let connection = self.connection.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut connection)
        });
        done.await.unwrap_or_else(|_| Err(JournalError::Ended))
    }

    fn announce(&self, sequence: u64) {
        self.newest.send_if_modified(|newest| {
            let later = sequence > *newest;
            *newest = (*newest).max(sequence);
            later
        });
    }
}
