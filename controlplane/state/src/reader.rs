//! A connection for short look-ups: it executes each statement on the thread
//! that calls.
//!
//! Handing a statement to a pool's thread and back costs several times what
//! finding a row by its key does. Thousands of sessions look up a dozen rows
//! each, so they do it in place (docs/adr/0013). Searches and lists belong to
//! the pool: here they would hold up the thread that serves.
//!
//! Every statement sees what is committed when it begins. A transaction of
//! sea-orm's would not make several see the same: there is none here.

use rusqlite::Connection;
use sea_orm::{DatabaseConnection, DbErr};

use crate::in_place::Local;

/// A connection that reads a state database in place.
#[derive(Debug)]
pub struct Reader {
    local: Local,
    orm: DatabaseConnection,
}

impl Reader {
    /// Takes over a connection that can only read and whose settings are made.
    pub fn new(connection: Connection) -> Self {
        let local = Local::new(connection);
        let orm = local.orm();
        Self { local, orm }
    }

    /// The connection, for queries.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.orm
    }

    /// Closes the connection; what is asked of it later fails.
    pub fn close(&self) -> Result<(), DbErr> {
        self.local.close()
    }
}
