//! Numbers for an overview.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, Value};
use serde::Serialize;

use super::scope::seen_sql;
use crate::StateError;
use crate::apply::Head;

/// How many there are of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Agents that are not revoked.
    pub agents: u64,
    /// Resources by plural; retired clusters are not counted.
    pub resources: BTreeMap<String, u64>,
    /// Jobs by state.
    pub jobs: BTreeMap<String, u64>,
    /// Backups by state.
    pub backups: BTreeMap<String, u64>,
}

/// Counts everything, from indexes alone.
pub async fn counts(conn: &DatabaseConnection) -> Result<Counts, StateError> {
    counts_seen(conn, &Visible::Everything).await
}

/// Counts what somebody sees who sees this of the clusters.
pub async fn counts_seen(
    conn: &DatabaseConnection,
    visible: &Visible,
) -> Result<Counts, StateError> {
    let agents = "SELECT '', count(*) FROM agents WHERE revoked_at IS NULL";
    let jobs = "SELECT state, count(*) FROM jobs WHERE";
    let backups = "SELECT state, count(*) FROM backups WHERE";
    let resources = "SELECT kind, count(*) FROM resources WHERE retired_at IS NULL AND";
    let mut by_plural = BTreeMap::new();
    let of_kind = match seen_sql("name", visible) {
        None => ("1".to_owned(), Vec::new()),
        Some((sql, values)) => (format!("(kind <> 'Cluster' OR {sql})"), values),
    };
    let resources = (format!("{resources} {}", of_kind.0), of_kind.1);
    for (kind, count) in grouped(conn, resources, "kind").await? {
        let unknown = || StateError::corrupt(format!("\"{kind}\" is no kind of resource"));
        let kind = holdfast_types::resource::Kind::from_word(&kind).ok_or_else(unknown)?;
        by_plural.insert(kind.plural().to_owned(), count);
    }
    let of = |sql: &str| {
        let (seen, values) = seen_sql("cluster", visible).unwrap_or(("1".to_owned(), Vec::new()));
        (format!("{sql} {seen}"), values)
    };
    let agents = (agents.to_owned(), Vec::new());
    Ok(Counts {
        agents: grouped(conn, agents, "''").await?.into_values().sum(),
        resources: by_plural,
        jobs: grouped(conn, of(jobs), "state").await?,
        backups: grouped(conn, of(backups), "state").await?,
    })
}

async fn grouped(
    conn: &DatabaseConnection,
    (sql, values): (String, Vec<Value>),
    by: &str,
) -> Result<BTreeMap<String, u64>, StateError> {
    let sql = format!("{sql} GROUP BY {by}");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut groups = BTreeMap::new();
    for row in conn.query_all_raw(statement).await? {
        let count: i64 = row.try_get_by_index(1)?;
        let count = u64::try_from(count).unwrap_or_default();
        groups.insert(row.try_get_by_index(0)?, count);
    }
    Ok(groups)
}

/// What tells one set of declared resources from another: whatever is declared or
/// changed has a revision above all before it, and what is deleted is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredMark {
    count: i64,
    newest: i64,
}

/// The mark of all resources, retired ones too; far cheaper than to read them.
pub async fn declared_mark(conn: &DatabaseConnection) -> Result<DeclaredMark, StateError> {
    let sql = "SELECT count(*), coalesce(max(revision), 0) FROM resources";
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    let row = conn.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StateError::corrupt("an aggregate has no row".to_owned()))?;
    Ok(DeclaredMark {
        count: row.try_get_by_index(0)?,
        newest: row.try_get_by_index(1)?,
    })
}

/// How far this database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The index of the last command applied.
    pub index: u64,
    /// Its time.
    pub time: Timestamp,
    /// Rows of the audit log.
    pub audit_rows: u64,
}

/// How far this database is: what a stale answer names.
pub async fn progress(conn: &DatabaseConnection) -> Result<Progress, StateError> {
    let head = Head::read(conn).await?;
    Ok(Progress {
        index: head.index,
        time: head.time,
        audit_rows: head.audit_rows,
    })
}
