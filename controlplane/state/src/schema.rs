//! The tables, by version.
//!
//! A fresh database gets version 1 and then whatever upgrades its log holds:
//! no table is ever changed by starting a newer program, for then two nodes
//! with equal logs would differ (I-02). The SQL of a version is never edited.
//!
//! The version is also the group's feature level. The leader raises it
//! ([`RaiseLevel`](crate::command::RaiseLevel)) once every node runs a program
//! that knows the next one, so a command of level 2 is never seen by a node
//! that knows level 1 only.

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{StateError, meta};

/// The version that [`create`] makes.
pub const VERSION: u32 = 1;
/// The newest version that this program knows.
pub const NEWEST: u32 = RESTORE_CHECKS;
/// From here on WAL may be received by a relay, and facts tell of Patroni.
pub const RECEIVERS: u32 = 6;
/// From here on a catalog is made from repositories alone, and WAL is compared
/// with them.
pub const REBUILDS: u32 = 7;
/// From here on one entry may lease many jobs.
pub const MANY_LEASES: u32 = 8;
/// From here on the log says that a node has moved.
pub const MOVES: u32 = 9;
/// From here on there are incrementals, and backups are pinned for them.
pub const PINS: u32 = 10;
/// From here on there are dumps: jobs and schedules say what they hold, and
/// databases of them are restored.
pub const DUMPS: u32 = 11;
/// From here on repositories may be in Google's or Microsoft's cloud.
pub const CLOUDS: u32 = 12;
/// From here on WAL may come by PostgreSQL's archiver.
pub const ARCHIVING: u32 = 13;
/// From here on backups say from which server they are taken and how they
/// begin, carry their own WAL, and restores say where tablespaces go.
pub const SOURCES: u32 = 14;
/// From here on there are retention, holds and deletions.
pub const EXPIRY: u32 = 15;
/// From here on policies say how much WAL PostgreSQL may keep for a slot.
pub const RETAINED: u32 = 16;
/// From here on backups and WAL are copied to other repositories.
pub const COPIES: u32 = 17;
/// From here on restores may write over what is in a directory.
pub const DELTAS: u32 = 18;
/// From here on policies have a history, and say how long a restore may take.
pub const POLICY_REVISIONS: u32 = 19;
/// From here on restores are rehearsed, and what that shows is kept.
pub const DRILLS: u32 = 20;
/// From here on there are roles, and dangerous acts need the consent of others.
pub const ACCESS: u32 = 21;
/// From here on agents tell which PostgreSQL servers there are on their hosts.
pub const INVENTORY: u32 = 22;
/// From here on the facts are kept that verdicts are computed from.
pub const COMPLIANCE: u32 = 23;
/// From here on restores are rows that the leader moves on.
pub const RESTORES: u32 = 24;
/// From here on there are alarms, and channels that are told of them.
pub const NOTICES: u32 = 25;
/// From here on reports are made and signed.
pub const REPORTS: u32 = 26;
/// From here on restores say what is checked and run at their end, their loss is measured,
/// and those that ended long ago are forgotten.
pub const RESTORE_CHECKS: u32 = 27;

const KEY: &str = "schema";

/// Creates every table in an empty database.
pub async fn create(tx: &DatabaseTransaction) -> Result<(), StateError> {
    tx.execute_unprepared(include_str!("migration/m0001.sql"))
        .await?;
    write(tx, VERSION).await
}

/// Makes the tables of the next version.
pub(crate) async fn raise(tx: &DatabaseTransaction, to: u32) -> Result<(), StateError> {
    let sql = match to {
        2 => include_str!("migration/m0002.sql"),
        3 => include_str!("migration/m0003.sql"),
        4 => include_str!("migration/m0004.sql"),
        5 => include_str!("migration/m0005.sql"),
        6 => include_str!("migration/m0006.sql"),
        7 => include_str!("migration/m0007.sql"),
        // No tables: a command each, or what documents and jobs may say.
        8 | 9 | 11 | 12 | 13 | 14 | 16 | 17 | 18 | RESTORE_CHECKS => "",
        10 => include_str!("migration/m0010.sql"),
        15 => include_str!("migration/m0015.sql"),
        19 => include_str!("migration/m0019.sql"),
        20 => include_str!("migration/m0020.sql"),
        ACCESS => include_str!("migration/m0021.sql"),
        INVENTORY => include_str!("migration/m0022.sql"),
        COMPLIANCE => include_str!("migration/m0023.sql"),
        RESTORES => include_str!("migration/m0024.sql"),
        NOTICES => include_str!("migration/m0025.sql"),
        REPORTS => include_str!("migration/m0026.sql"),
        newer => return Err(StateError::TooNew { level: newer }),
    };
    tx.execute_unprepared(sql).await?;
    write(tx, to).await
}

async fn write(tx: &DatabaseTransaction, version: u32) -> Result<(), StateError> {
    meta::write(tx, KEY, version.to_string().as_bytes()).await
}

/// The version of the tables in this database.
pub async fn version(conn: &impl ConnectionTrait) -> Result<u32, StateError> {
    let bytes = meta::read(conn, KEY).await?.unwrap_or_default();
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    text.parse()
        .map_err(|_| StateError::corrupt("it does not say the version of its tables"))
}
