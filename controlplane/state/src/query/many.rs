//! Reads about many clusters at once: one statement each, however many they are. Their
//! names are one value, a JSON list, for SQLite bounds the values of a statement; what
//! is asked of each is found by its index.

use holdfast_types::Name;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StateError;
use crate::column::Text;

/// A JSON list as a value.
pub(crate) fn list<T: Serialize>(items: &[T]) -> Result<Value, StateError> {
    let text = serde_json::to_string(items);
    let text = text.map_err(|error| StateError::corrupt(error.to_string()))?;
    Ok(Value::from(text))
}

/// The condition that a column is one of these names or ids.
pub(crate) fn among<T: Serialize>(column: &str, these: &[T]) -> Result<Expr, StateError> {
    let sql = format!("{column} IN (SELECT value FROM json_each(?))");
    Ok(Expr::cust_with_values(sql, [list(these)?]))
}

pub(crate) async fn rows(
    conn: &DatabaseConnection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, StateError> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(conn.query_all_raw(statement).await?)
}

/// What a statement says of each cluster: its name, and a JSON list, which is null where
/// there is nothing. A row costs more on its way here than in the database: what there
/// are many of comes as one.
pub(crate) async fn lists<T: DeserializeOwned>(
    conn: &DatabaseConnection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<(Name, Vec<T>)>, StateError> {
    let mut found = Vec::new();
    for row in rows(conn, sql, values).await? {
        let cluster: Text<Name> = row.try_get_by_index(0)?;
        let text: Option<String> = row.try_get_by_index(1)?;
        let items = match text {
            Some(text) => parse(&text)?,
            None => Vec::new(),
        };
        found.push((cluster.0, items));
    }
    Ok(found)
}

/// A JSON list of the database's own making.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, StateError> {
    serde_json::from_str(text).map_err(|error| StateError::corrupt(error.to_string()))
}
