//! Whole rows, read by their key and written, with SQL that is built once.
//!
//! Applying an entry is mostly this, always with the same few statements: to
//! build one anew each time cost more than to run it.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::sea_query::IntoValueTuple;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
    PrimaryKeyTrait, Statement, Value,
};

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Read,
    Insert,
    Put,
}

/// The row of this key.
pub(crate) async fn read<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    key: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
) -> Result<Option<E::Model>, DbErr> {
    let values = key.into().into_value_tuple();
    let statement = statement::<E>(conn, Deed::Read, values);
    let mut found = E::find().from_raw_sql(statement).all(conn).await?;
    Ok(found.pop())
}

/// Writes a row of a key that does not exist yet.
pub(crate) async fn insert<M: ModelTrait>(
    conn: &impl ConnectionTrait,
    row: &M,
) -> Result<(), DbErr> {
    write(conn, Deed::Insert, row).await
}

/// Writes a row, whether or not one of its key exists.
pub(crate) async fn put<M: ModelTrait>(conn: &impl ConnectionTrait, row: &M) -> Result<(), DbErr> {
    write(conn, Deed::Put, row).await
}

async fn write<M: ModelTrait>(
    conn: &impl ConnectionTrait,
    deed: Deed,
    row: &M,
) -> Result<(), DbErr> {
    let values = <M::Entity as EntityTrait>::Column::iter().map(|column| row.get(column));
    let statement = statement::<M::Entity>(conn, deed, values);
    conn.execute_raw(statement).await?;
    Ok(())
}

fn statement<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    deed: Deed,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    let sql = sql_of::<E>(deed);
    Statement::from_sql_and_values(conn.get_database_backend(), &*sql, values)
}

/// One for each table and deed: few, and for ever.
static BUILT: Mutex<BTreeMap<(TypeId, Deed), Arc<str>>> = Mutex::new(BTreeMap::new());

fn sql_of<E: EntityTrait>(deed: Deed) -> Arc<str> {
    let key = (TypeId::of::<E>(), deed);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(
        built
            .entry(key)
            .or_insert_with(|| Arc::from(build::<E>(deed))),
    )
}

fn build<E: EntityTrait>(deed: Deed) -> String {
    let quoted = |name: &str| format!("\"{name}\"");
    let table = quoted(E::default().table_name());
    let columns: Vec<String> = E::Column::iter()
        .map(|column| quoted(column.as_str()))
        .collect();
    let keys: Vec<String> = E::PrimaryKey::iter()
        .map(|key| quoted(key.into_column().as_str()))
        .collect();
    let all = columns.join(", ");
    if deed == Deed::Read {
        let equal: Vec<String> = keys.iter().map(|key| format!("{key} = ?")).collect();
        return format!("SELECT {all} FROM {table} WHERE {}", equal.join(" AND "));
    }
    let places = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {table} ({all}) VALUES ({places})");
    if deed == Deed::Insert {
        return insert;
    }
    let rest = columns.iter().filter(|column| !keys.contains(column));
    let set: Vec<String> = rest
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let replace = match set.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", set.join(", ")),
    };
    format!("{insert} ON CONFLICT ({}) DO {replace}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{idempotency, meta};

    #[test]
    fn the_sql_names_every_column() {
        let read = "SELECT \"key\", \"value\" FROM \"meta\" WHERE \"key\" = ?";
        assert_eq!(&*sql_of::<meta::Entity>(Deed::Read), read);
        let put = "INSERT INTO \"meta\" (\"key\", \"value\") VALUES (?, ?) \
                   ON CONFLICT (\"key\") DO UPDATE SET \"value\" = excluded.\"value\"";
        assert_eq!(&*sql_of::<meta::Entity>(Deed::Put), put);
        let read = sql_of::<idempotency::Entity>(Deed::Read);
        assert!(
            read.ends_with("WHERE \"principal\" = ? AND \"key\" = ?"),
            "{read}"
        );
        let insert = sql_of::<idempotency::Entity>(Deed::Insert);
        assert!(insert.ends_with("VALUES (?, ?, ?, ?, ?)"), "{insert}");
    }
}
