//! The whole database as text, in an order that depends on its rows alone.
//!
//! Equal logs give equal dumps (I-02), whatever the batches, the page layout
//! or the row ids were.

use std::io::{self, Write};

use sea_orm::{ConnectionTrait, Statement};

use crate::StateError;

/// A dump that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The database could not be read.
    #[error("failed to read the database for a dump")]
    State(#[from] StateError),
    /// The text could not be written.
    #[error("failed to write the dump")]
    Write(#[from] io::Error),
}

/// Writes every row of every table: a line `table` and a line per row with
/// SQL literals, ordered by primary key.
pub async fn ordered_dump(
    conn: &impl ConnectionTrait,
    out: &mut (impl Write + Send),
) -> Result<(), DumpError> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' \
                  AND name NOT LIKE 'sqlite_%' ORDER BY name";
    for table in text_column(conn, tables.to_owned()).await? {
        writeln!(out, "{table}")?;
        for row in rows(conn, &table).await? {
            writeln!(out, "  {row}")?;
        }
    }
    Ok(())
}

async fn rows(conn: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, StateError> {
    let info = |what: &str, filter: &str, order: &str| {
        format!("SELECT {what} FROM pragma_table_info('{table}') WHERE {filter} ORDER BY {order}")
    };
    let columns = text_column(conn, info("name", "true", "cid")).await?;
    let key = text_column(conn, info("name", "pk > 0", "pk")).await?;
    let literals: Vec<String> = columns
        .iter()
        .map(|column| format!("'{column}=' || quote(\"{column}\")"))
        .collect();
    let order: Vec<String> = key.iter().map(|column| format!("\"{column}\"")).collect();
    let literals = literals.join(" || ' ' || ");
    let sql = format!(
        "SELECT {literals} FROM \"{table}\" ORDER BY {}",
        order.join(", ")
    );
    text_column(conn, sql).await
}

async fn text_column(conn: &impl ConnectionTrait, sql: String) -> Result<Vec<String>, StateError> {
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    let rows = conn.query_all_raw(statement).await?;
    let first = |row: sea_orm::QueryResult| row.try_get_by_index::<String>(0);
    let texts: Result<Vec<String>, sea_orm::DbErr> = rows.into_iter().map(first).collect();
    Ok(texts?)
}
