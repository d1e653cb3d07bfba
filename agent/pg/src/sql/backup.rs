//! The held session of a base backup.
//!
//! PostgreSQL aborts a backup when the session that started it ends, so the
//! session is the backup's life: whatever kills the agent also takes
//! PostgreSQL out of backup mode.

use holdfast_types::{Lsn, Timeline};
use jiff::Timestamp;

use super::Session;
use crate::backup_label::BackupLabel;
use crate::{ConnectionInfo, Error};

/// Nothing may end a session that waits for hours between two statements.
const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
                       SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0";

/// How a backup begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupStart<'a> {
    /// A label for the server's log and the backup_label file.
    pub label: &'a str,
    /// Checkpoint at once rather than spread over `checkpoint_timeout`.
    pub fast: bool,
}

/// What PostgreSQL gives at the end. The bytes go into the backup exactly as
/// they are: a copy whose backup_label differs starts from the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedBackup {
    /// WAL up to here makes the copy consistent.
    pub stop_lsn: Lsn,
    /// The file `backup_label`, byte for byte.
    pub backup_label: Vec<u8>,
    /// The file `tablespace_map`, byte for byte; empty without tablespaces.
    pub tablespace_map: Vec<u8>,
    /// What the label says.
    pub label: BackupLabel,
    /// Of a standby, where its replay was when the backup ended.
    pub replay: Option<Replay>,
}

/// How far a standby has replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// The timeline of the least position that a recovery must reach.
    pub timeline: Timeline,
    /// Every transaction that was committed until then is in the backup.
    pub complete_until: Option<Timestamp>,
}

/// A backup in progress. Dropping it aborts the backup on the server.
pub struct BackupSession {
    session: Session,
    start_lsn: Lsn,
    in_recovery: bool,
}

impl BackupSession {
    /// Connects and starts a backup. With a spread checkpoint this takes up
    /// to half of `checkpoint_timeout`.
    pub async fn start(info: &ConnectionInfo, start: BackupStart<'_>) -> Result<Self, Error> {
        let session = Session::connect(info).await?;
        session.execute(PATIENT).await?;
        let function = if session.server_version_num() < 150_000 {
            "pg_start_backup($1, $2, false)"
        } else {
            "pg_backup_start($1, $2)"
        };
        let query = format!("SELECT {function}::text, pg_is_in_recovery()");
        let row = session.row(&query, &[&start.label, &start.fast]).await?;
        let position: String = session.get(&row, 0)?;
        let start_lsn = position
            .parse()
            .map_err(|_| session.broken("a start that is no LSN"))?;
        let in_recovery = session.get(&row, 1)?;
        Ok(Self {
            session,
            start_lsn,
            in_recovery,
        })
    }

    /// WAL from here on is part of the backup.
    pub const fn start_lsn(&self) -> Lsn {
        self.start_lsn
    }

    /// Whether it began on a standby.
    pub const fn in_recovery(&self) -> bool {
        self.in_recovery
    }

    /// Whether the server still holds our backup open, the session lives, and
    /// whether it is in recovery by now. A long copy asks this now and then
    /// rather than fail at its very end.
    pub async fn check(&self) -> Result<bool, Error> {
        self.session.in_recovery().await
    }

    /// The session, for questions during the backup.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Stops the backup. It does not wait for archive_command: whether the WAL
    /// is in the repository is proved there, not by PostgreSQL (I-05).
    pub async fn stop(self) -> Result<StoppedBackup, Error> {
        let function = if self.session.server_version_num() < 150_000 {
            "pg_stop_backup(false, false)"
        } else {
            "pg_backup_stop(false)"
        };
        let complete_until = if self.in_recovery {
            Some(self.complete_until().await?)
        } else {
            None
        };
        let query = format!("SELECT lsn::text, labelfile, spcmapfile FROM {function}");
        let row = self.session.row(&query, &[]).await?;
        let stop_lsn: String = self.session.get(&row, 0)?;
        let backup_label: String = self.session.get(&row, 1)?;
        let tablespace_map: Option<String> = self.session.get(&row, 2)?;
        let label = BackupLabel::parse(backup_label.as_bytes())
            .map_err(|error| self.session.broken(error.to_string()))?;
        let replay = match complete_until {
            Some(complete_until) => Some(Replay {
                timeline: self.ends_on().await?,
                complete_until,
            }),
            None => None,
        };
        Ok(StoppedBackup {
            stop_lsn: stop_lsn
                .parse()
                .map_err(|_| self.session.broken("a stop that is no LSN"))?,
            backup_label: backup_label.into_bytes(),
            tablespace_map: tablespace_map.unwrap_or_default().into_bytes(),
            label,
            replay,
        })
    }

    /// When the checkpoint of the last restart point began: what had been
    /// committed by then, a backup that ends from now on has. What was replayed
    /// since may lie behind the end that the backup is given, which is the
    /// least position that a recovery must reach.
    async fn complete_until(&self) -> Result<Option<Timestamp>, Error> {
        let query = "SELECT (extract(epoch FROM checkpoint_time) * 1000000)::int8 \
                     FROM pg_control_checkpoint()";
        let row = self.session.row(query, &[]).await?;
        let at: Option<i64> = self.session.get(&row, 0)?;
        Ok(at.and_then(|at| Timestamp::from_microsecond(at).ok()))
    }

    /// The timeline of the least position that a recovery must reach.
    async fn ends_on(&self) -> Result<Timeline, Error> {
        let query = "SELECT min_recovery_end_timeline FROM pg_control_recovery()";
        let row = self.session.row(query, &[]).await?;
        let timeline: i32 = self.session.get(&row, 0)?;
        let timeline = u32::try_from(timeline).ok().and_then(Timeline::new);
        timeline.ok_or_else(|| self.session.broken("no end of recovery"))
    }
}
