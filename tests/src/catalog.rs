//! The rows of a node's catalog, of a node that does not run.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// A row, by column.
pub type Row = BTreeMap<String, String>;

/// The rows of a table in the state of the node in `data`, which was killed or
/// stopped; of a copy, so that nothing is changed by looking.
///
/// # Panics
/// When there is no such state, or no such table.
pub fn table(data: &Path, name: &str) -> Vec<Row> {
    let raft = data.join("raft");
    let current = std::fs::read_to_string(raft.join("CURRENT")).expect("which state is in use");
    let copy = tempfile::tempdir().expect("a folder");
    for suffix in ["", "-wal"] {
        let file = format!("{}{suffix}", current.trim_end());
        if raft.join(&file).exists() {
            std::fs::copy(raft.join(&file), copy.path().join(&file)).expect("a copy of the state");
        }
    }
    let state = Connection::open(copy.path().join(current.trim_end())).expect("the state opens");
    let sql = format!("SELECT * FROM {name}");
    let mut statement = state.prepare(&sql).expect("the table");
    let columns: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let row = |row: &rusqlite::Row<'_>| {
        let value = |(index, column): (usize, &String)| {
            let text = match row.get_ref(index)? {
                ValueRef::Null => "null".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(bytes) => format!("{bytes:?}"),
            };
            Ok((column.clone(), text))
        };
        columns.iter().enumerate().map(value).collect()
    };
    let rows = statement.query_map([], row).expect("its rows");
    rows.map(|row| row.expect("a row")).collect()
}
