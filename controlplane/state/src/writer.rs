//! The connection that changes the state: it executes each statement on the
//! thread that calls.
//!
//! A pool hands every statement to a thread of its connection and waits to be
//! woken; applying an entry is a dozen statements, and the waking cost more
//! than SQLite did. Here a whole transaction runs where it is called: nothing
//! in it ever waits for another thread (docs/adr/0013).
//!
//! - Commands stay sea-orm's: the transaction they are given is sea-orm's own
//!   type, over a driver of ours (`in_place`).
//! - Beginning, committing and rolling back are not left to that driver, which
//!   cannot say that they failed: [`Writer::transaction`] does them itself, and
//!   reports as done only what was committed (I-01).

use std::sync::Mutex;

use futures_util::FutureExt;
use rusqlite::Connection;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, TransactionTrait};

use crate::in_place::{Local, held};

/// The one connection that writes a state database. Transactions on it take
/// turns.
#[derive(Debug)]
pub struct Writer {
    turn: Mutex<()>,
    local: Local,
    orm: DatabaseConnection,
}

impl Writer {
    /// Takes over a connection whose settings are made.
    pub fn new(connection: Connection) -> Self {
        let local = Local::new(connection);
        let orm = local.orm();
        let turn = Mutex::new(());
        Self { turn, local, orm }
    }

    /// Runs `work` in a transaction, all of it on this thread. What it answers
    /// is committed; when it fails, everything is rolled back, and its error is
    /// the inner one. The outer one is the connection's: nothing was changed,
    /// or nothing is known to be.
    ///
    /// It blocks: call it where that is allowed.
    pub fn transaction<T, E>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, E>,
    ) -> Result<Result<T, E>, DbErr> {
        let _turn = held(&self.turn);
        let open = Open::begin(&self.local)?;
        // In the driver beginning does nothing: this names the transaction
        // that is open.
        let named = at_once(self.orm.begin())??;
        let done = at_once(work(&named))?;
        drop(named);
        if done.is_ok() {
            open.commit()?; // I-01
        }
        Ok(done)
    }

    /// Closes the connection; what is asked of it later fails.
    pub fn close(&self) -> Result<(), DbErr> {
        let _turn = held(&self.turn);
        self.local.close()
    }
}

/// A transaction that is rolled back unless it is committed, also when a
/// command panics.
struct Open<'a> {
    local: &'a Local,
    committed: bool,
}

impl<'a> Open<'a> {
    /// Immediate: one that began as a reader could not become a writer while a
    /// checkpoint runs.
    fn begin(local: &'a Local) -> Result<Self, DbErr> {
        local.run("BEGIN IMMEDIATE")?;
        let committed = false;
        Ok(Self { local, committed })
    }

    fn commit(mut self) -> Result<(), DbErr> {
        self.local.run("COMMIT")?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // When this fails too, SQLite has rolled back by itself, or the
            // next transaction cannot begin, and says so.
            let _ = self.local.run("ROLLBACK");
        }
    }
}

/// The result of a future that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, DbErr> {
    future.now_or_never().ok_or_else(|| {
        let what = "a transaction waited for something else than its connection".to_owned();
        DbErr::Exec(RuntimeErr::Internal(what))
    })
}
