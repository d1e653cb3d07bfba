//! Single values beside the rows: what was applied last, the membership, the
//! schema's version. They commit in the transaction of the batch.

use sea_orm::ConnectionTrait;

use crate::entity::meta;
use crate::{StateError, row};

/// The value under `key`.
pub async fn read(conn: &impl ConnectionTrait, key: &str) -> Result<Option<Vec<u8>>, StateError> {
    let row = row::read::<meta::Entity>(conn, key).await?;
    Ok(row.map(|row| row.value))
}

/// Sets the value under `key`.
pub async fn write(conn: &impl ConnectionTrait, key: &str, value: &[u8]) -> Result<(), StateError> {
    let row = meta::Model {
        key: key.to_owned(),
        value: value.to_vec(),
    };
    Ok(row::put(conn, &row).await?)
}
