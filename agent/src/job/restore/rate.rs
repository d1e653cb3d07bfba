//! How fast this host restores, from what it has measured.
//!
//! Kept in one small file of the agent's directory. It is a hint for people:
//! where it cannot be read or written, nothing but the estimate is missing.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_types::PlannedWal;
use serde::{Deserialize, Serialize};

use crate::file::write_atomically;
use crate::host::Host;

const FILE: &str = "restore-rate.json";
/// The weight of the newest measurement against all before it.
const NEWEST: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rates {
    copy_bytes_per_second: Option<f64>,
    replay_bytes_per_second: Option<f64>,
}

/// How long it will take to copy and replay so much; `None` until both have
/// been measured here.
pub(super) fn estimate(host: &Host, database_bytes: u64, wal_bytes: u64) -> Option<u64> {
    let rates = read(host);
    let copy = bytes(database_bytes) / rates.copy_bytes_per_second?;
    let replay = bytes(wal_bytes) / rates.replay_bytes_per_second?;
    let seconds = Duration::try_from_secs_f64((copy + replay).max(1.0)).ok()?;
    Some(seconds.as_secs())
}

/// Takes the measurement of a copy.
pub(super) fn remember_copy(host: &Host, copied: u64, took: Duration) {
    let mut rates = read(host);
    rates.copy_bytes_per_second = mixed(rates.copy_bytes_per_second, copied, took);
    write(host, rates);
}

/// Takes the measurement of a replay.
pub(super) fn remember_replay(host: &Host, wal: &PlannedWal, took: Duration) {
    let mut rates = read(host);
    let replayed = wal.to_lsn.bytes_since(wal.from_lsn);
    rates.replay_bytes_per_second = mixed(rates.replay_bytes_per_second, replayed, took);
    write(host, rates);
}

fn mixed(known: Option<f64>, done: u64, took: Duration) -> Option<f64> {
    let rate = bytes(done.max(1)) / took.as_secs_f64().max(0.001);
    Some(known.map_or(rate, |known| known * (1.0 - NEWEST) + rate * NEWEST))
}

#[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
fn bytes(count: u64) -> f64 {
    count as f64
}

fn path(host: &Host) -> PathBuf {
    host.data_dir().join(FILE)
}

fn read(host: &Host) -> Rates {
    let text = std::fs::read(path(host)).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

fn write(host: &Host, rates: Rates) {
    let Ok(text) = serde_json::to_vec(&rates) else {
        return;
    };
    if let Err(error) = write_atomically(&path(host), &text, 0o600) {
        tracing::debug!(%error, "the rate of restores is not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostConfig;

    #[test]
    fn an_estimate_needs_both_measurements() {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::with_executable(directory.path(), HostConfig::default(), "/x");
        remember_copy(&host, 1000, Duration::from_secs(10));
        assert_eq!(estimate(&host, 1000, 0), None);
        let wal = PlannedWal {
            from_lsn: holdfast_types::Lsn::new(100),
            to_lsn: holdfast_types::Lsn::new(600),
            last_record_lsn: holdfast_types::Lsn::new(590),
            segments: 1,
        };
        remember_replay(&host, &wal, Duration::from_secs(1));
        assert_eq!(estimate(&host, 2000, 1000), Some(22));
        remember_copy(&host, 3000, Duration::from_secs(10));
        assert_eq!(
            estimate(&host, 2000, 1000),
            Some(12),
            "the mean of old and new"
        );
    }
}
