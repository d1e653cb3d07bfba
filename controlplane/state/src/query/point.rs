//! What can be restored of many clusters: of each backup as much as exposure is about.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use holdfast_types::{BackupId, BackupKind, BackupState, Lineage, Lsn, Name, Timeline};
use jiff::Timestamp;
use sea_orm::DatabaseConnection;

use super::many::{list, lists, rows};
use crate::StateError;
use crate::column::{Count, Text, timeline};

/// An available backup, as a point to restore to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointView {
    /// Its id.
    pub id: BackupId,
    /// What it holds.
    pub kind: BackupKind,
    /// Its lineage.
    pub lineage: Option<Lineage>,
    /// The timeline it was taken on.
    pub timeline: Option<Timeline>,
    /// Where its recovery begins.
    pub start_lsn: Option<Lsn>,
    /// Where it is consistent.
    pub stop_lsn: Option<Lsn>,
    /// When its data was consistent.
    pub finished_at: Option<Timestamp>,
    /// Where its bytes are.
    pub repositories: Vec<Name>,
}

/// Id, kind, lineage, timeline, both positions, its time in microseconds and the
/// repositories.
type Row = (
    String,
    String,
    Option<String>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<i64>,
    Option<String>,
);

/// The available backups of these clusters, newest first.
pub async fn points_of(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Vec<PointView>>, StateError> {
    // No name has a comma.
    let sql = "SELECT r.value, (SELECT '[' || group_concat(json_array(b.id, b.kind, b.lineage, \
               b.timeline, b.start_lsn, b.stop_lsn, b.finished_at, \
               (SELECT group_concat(p.repository) FROM backup_repositories p \
               WHERE p.backup = b.id))) || ']' \
               FROM (SELECT * FROM backups WHERE cluster = r.value AND state = ?2 \
               ORDER BY started_at DESC, id DESC) b) FROM json_each(?1) r";
    let values = vec![list(clusters)?, Text(BackupState::Available).into()];
    let mut points = BTreeMap::new();
    for (cluster, rows) in lists::<Row>(conn, sql, values).await? {
        let of_cluster: Result<Vec<PointView>, StateError> = rows.into_iter().map(point).collect();
        points.insert(cluster, of_cluster?);
    }
    Ok(points)
}

/// The lineage of the newest available backup of each of these clusters, where that is
/// known.
pub async fn newest_lineages(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<BTreeMap<Name, Lineage>, StateError> {
    let sql = "SELECT r.value, (SELECT lineage FROM backups WHERE cluster = r.value \
               AND state = ?2 ORDER BY started_at DESC, id DESC LIMIT 1) FROM json_each(?1) r";
    let values = vec![list(clusters)?, Text(BackupState::Available).into()];
    let mut lineages = BTreeMap::new();
    for row in rows(conn, sql, values).await? {
        let cluster: Text<Name> = row.try_get_by_index(0)?;
        let lineage: Option<Text<Lineage>> = row.try_get_by_index(1)?;
        lineages.extend(lineage.map(|lineage| (cluster.0, lineage.0)));
    }
    Ok(lineages)
}

fn point(row: Row) -> Result<PointView, StateError> {
    let (id, kind, lineage, on, start, stop, finished, repositories) = row;
    let places = repositories.iter().flat_map(|names| names.split(','));
    let places: Result<Vec<Name>, StateError> = places.map(word).collect();
    let mut repositories = places?;
    repositories.sort_unstable();
    let moment = |micros| {
        Timestamp::from_microsecond(micros).map_err(|error| StateError::corrupt(error.to_string()))
    };
    Ok(PointView {
        id: word(&id)?,
        kind: word(&kind)?,
        lineage: lineage.as_deref().map(word).transpose()?,
        timeline: on.map(Count).map(timeline).transpose()?,
        start_lsn: start.map(Lsn::new),
        stop_lsn: stop.map(Lsn::new),
        finished_at: finished.map(moment).transpose()?,
        repositories,
    })
}

fn word<T: FromStr<Err: Display>>(text: &str) -> Result<T, StateError> {
    text.parse()
        .map_err(|error| StateError::corrupt(format!("{text:?}: {error}")))
}
