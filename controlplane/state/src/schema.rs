//! The tables, by version.
//!
//! A fresh database gets version 1 and then whatever upgrades its log holds:
//! no table is ever changed by starting a newer program, for then two nodes
//! with equal logs would differ (I-02). The SQL of a version is never edited.

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{StateError, meta};

/// The version that [`create`] makes.
pub const VERSION: u32 = 1;

const KEY: &str = "schema";

/// Creates every table in an empty database.
pub async fn create(tx: &DatabaseTransaction) -> Result<(), StateError> {
    tx.execute_unprepared(include_str!("migration/m0001.sql"))
        .await?;
    meta::write(tx, KEY, VERSION.to_string().as_bytes()).await
}

/// The version of the tables in this database.
pub async fn version(conn: &impl ConnectionTrait) -> Result<u32, StateError> {
    let bytes = meta::read(conn, KEY).await?.unwrap_or_default();
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    text.parse()
        .map_err(|_| StateError::corrupt("it does not say the version of its tables"))
}
