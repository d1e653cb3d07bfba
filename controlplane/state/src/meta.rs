//! Single values beside the rows: what was applied last, the membership, the
//! schema's version. They commit in the transaction of the batch.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::StateError;
use crate::entity::meta;
use crate::lookup::Lookup;

/// The value under `key`.
pub async fn read(conn: &impl ConnectionTrait, key: &str) -> Result<Option<Vec<u8>>, StateError> {
    let row = meta::Entity::find_by_id(key).only(conn).await?;
    Ok(row.map(|row| row.value))
}

/// Sets the value under `key`.
pub async fn write(conn: &impl ConnectionTrait, key: &str, value: &[u8]) -> Result<(), StateError> {
    let row = meta::ActiveModel {
        key: Set(key.to_owned()),
        value: Set(value.to_vec()),
    };
    let replace = OnConflict::column(meta::Column::Key)
        .update_column(meta::Column::Value)
        .to_owned();
    meta::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}
