//! What is known of clusters and repositories from what happened: the measure
//! that promises are held against.

use std::collections::BTreeMap;

use super::words::real;
use crate::Name;

/// What is known. What nobody has measured yet is left out, and nothing is
/// guessed in its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The clusters that the policy is, or would be, in force for.
    pub clusters: Vec<MeasuredCluster>,
    /// Bytes of a database that restores copied in a second, the recent ones
    /// together.
    pub copy_bytes_per_second: Option<f64>,
    /// Bytes of WAL that restores replayed in a second, together as well.
    pub replay_bytes_per_second: Option<f64>,
    /// The regions of repositories, for those that name one.
    pub regions: BTreeMap<Name, String>,
}

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredCluster {
    /// The cluster.
    pub name: Name,
    /// Bytes of its files in the newest physical backup.
    pub database_bytes: Option<u64>,
    /// How long its newest physical backup took, in seconds.
    pub backup_seconds: Option<f64>,
    /// The WAL it writes in a second, by the positions of its backups.
    pub wal_bytes_per_second: Option<f64>,
}

impl Measured {
    /// How long it would take to restore this cluster when so many seconds of its
    /// WAL have to be replayed; `None` while its size or the rate of copying is
    /// not known. WAL whose amount or rate of replay is not known counts nothing.
    pub(super) fn restore_seconds(&self, cluster: &MeasuredCluster, replay: f64) -> Option<f64> {
        let copy = real(cluster.database_bytes?) / self.copy_bytes_per_second?;
        let wal = match (cluster.wal_bytes_per_second, self.replay_bytes_per_second) {
            (Some(written), Some(replayed)) if replayed > 0.0 => written * replay / replayed,
            _ => 0.0,
        };
        Some(copy + wal)
    }

    /// The longest that a backup of one of the clusters took, and of which.
    pub(super) fn slowest_backup(&self) -> Option<(&Name, f64)> {
        let taken = |one: &MeasuredCluster| one.backup_seconds;
        let taken = self
            .clusters
            .iter()
            .filter_map(|one| Some((&one.name, taken(one)?)));
        taken.max_by(|one, other| one.1.total_cmp(&other.1))
    }
}
