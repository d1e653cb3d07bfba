//! The restored server: asking it, and what is reported of it.

use std::path::{Path, PathBuf};

use holdfast_pg::ConnectionInfo;
use holdfast_pg::sql::Session;
use holdfast_types::{Lsn, RestoreResult, Timeline};
use jiff::Timestamp;

use super::config::Config;
use super::prepare::Ready;
use super::{Stopped, directory};

/// How far a server has replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) in_recovery: bool,
    pub(super) replayed: Option<Lsn>,
    /// Whether it has stopped replaying.
    pub(super) paused: bool,
    /// Whether it has asked for what comes next, and there is none, or it streams
    /// from the primary it was told to follow.
    pub(super) drained: bool,
    pub(super) last_transaction_at: Option<Timestamp>,
}

const PROGRESS: &str = "\
SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text, \
       CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() = 'paused' \
            ELSE false END, \
       (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::int8, \
       EXISTS (SELECT FROM pg_stat_activity \
               WHERE backend_type = 'startup' \
               AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream'))";

const TIMELINE: &str = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))\
                        ::bit(32)::int8";

/// Connects over the socket in the directory. A database that is always there
/// comes second: somebody may have dropped `postgres`.
pub(super) async fn connect(dir: &Path, config: &Config) -> Result<Session, holdfast_pg::Error> {
    let mut outcome = connect_to(dir, config, "postgres").await;
    if let Err(holdfast_pg::Error::NoSuchDatabase { .. }) = outcome {
        outcome = connect_to(dir, config, "template1").await;
    }
    outcome
}

async fn connect_to(
    dir: &Path,
    config: &Config,
    database: &str,
) -> Result<Session, holdfast_pg::Error> {
    let word = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let text = format!(
        "host={} port={} user={} dbname={database} sslmode=disable",
        word(&directory::ours(dir).display().to_string()),
        config.port.unwrap_or_default(),
        word(&config.superuser),
    );
    Session::connect(&ConnectionInfo::parse(&text, None)?).await
}

/// Asks how far it is.
pub(super) async fn progress(session: &Session) -> Result<Progress, holdfast_pg::Error> {
    let row = session.row(PROGRESS, &[]).await?;
    let replayed: Option<String> = row.try_get(1).ok().flatten();
    let micros: Option<i64> = row.try_get(3).ok().flatten();
    Ok(Progress {
        in_recovery: row.try_get(0).unwrap_or(true),
        replayed: replayed.and_then(|lsn| lsn.parse().ok()),
        paused: row.try_get(2).unwrap_or(false),
        drained: row.try_get(4).unwrap_or(false),
        last_transaction_at: micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
    })
}

/// The timeline of a server that is a primary.
pub(super) async fn timeline(session: &Session) -> Result<Option<Timeline>, holdfast_pg::Error> {
    let row = session.row(TIMELINE, &[]).await?;
    let number: Option<i64> = row.try_get(0).ok();
    Ok(number.and_then(|number| Timeline::new(u32::try_from(number).ok()?)))
}

/// The result of a restore that was not to start anything.
pub(super) async fn not_started(ready: &Ready) -> Result<RestoreResult, Stopped> {
    let last = ready
        .chain
        .last_before(ready.backup.start_lsn, ready.plan.wal.to_lsn)
        .await?;
    Ok(RestoreResult {
        dir: ready.dir.display().to_string(),
        port: None,
        socket_dir: None,
        timeline: ready.plan.timeline,
        reached_lsn: ready.plan.wal.to_lsn,
        reached_time: last
            .commit
            .map(|commit| commit.at)
            .or(ready.plan.last_commit_at),
        last_xid: last.commit.map(|commit| commit.xid),
        phases: Vec::new(),
        checks: Vec::new(),
        hooks: Vec::new(),
    })
}

/// The server's log while we watch it.
pub(super) fn log_path(dir: &Path) -> PathBuf {
    directory::ours(dir).join("server.log")
}

/// The end of the server's log.
pub(super) fn log_tail(dir: &Path) -> String {
    const CHARS: usize = 3000;
    let Ok(bytes) = std::fs::read(log_path(dir)) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    let from = text.char_indices().rev().nth(CHARS).map_or(0, |(at, _)| at);
    // From the start of a line on.
    let from = if from == 0 {
        0
    } else {
        text[from..].find('\n').map_or(from, |at| from + at + 1)
    };
    text[from..].to_owned()
}
