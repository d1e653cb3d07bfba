//! What the agent reports about an instance: one set of queries for 14 to 18
//! that a role with `pg_monitor` may run.

use std::path::PathBuf;

use holdfast_types::{Lsn, SegmentSize, Timeline};
use jiff::Timestamp;
use serde::Serialize;

use super::Session;
use crate::{Error, time};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// 150020 is 15.20.
    pub server_version_num: i32,
    /// Who it is.
    pub system_identifier: u64,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The timeline of its last checkpoint or restartpoint. On a standby that
    /// has just followed a switch, the replication protocol knows better.
    pub timeline: Timeline,
    /// Where its insert position is (a primary), or how far it has replayed.
    pub position: Option<Lsn>,
    /// The data directory.
    pub data_directory: PathBuf,
    /// postgresql.conf; outside the data directory in Debian's layout.
    pub config_file: Option<PathBuf>,
    /// pg_hba.conf.
    pub hba_file: Option<PathBuf>,
    /// pg_ident.conf.
    pub ident_file: Option<PathBuf>,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// The size of its WAL segments.
    pub segment_size: SegmentSize,
    /// The size of its pages.
    pub block_size: u32,
    /// All databases together.
    pub database_bytes: u64,
    /// Whether full pages follow a checkpoint; a backup from a standby needs it.
    pub full_page_writes: bool,
    /// `replica` or `logical` for a backup.
    pub wal_level: String,
    /// How many WAL senders may run.
    pub max_wal_senders: u32,
    /// How many slots may exist.
    pub max_replication_slots: u32,
    /// The bound that PostgreSQL itself puts on slots; `None` is without bound.
    pub max_slot_wal_keep_bytes: Option<u64>,
    /// Commits wait for a receiver to have replayed them; refused by preflight.
    pub synchronous_commit: String,
    /// What archive_command has done.
    pub archiver: ArchiverFacts,
    /// Every replication slot.
    pub slots: Vec<SlotFacts>,
    /// Tablespaces other than `pg_default` and `pg_global`.
    pub tablespaces: Vec<TablespaceFacts>,
}

/// PostgreSQL's archiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiverFacts {
    /// `archive_mode`.
    pub mode: String,
    /// Segments archived since the statistics were reset.
    pub archived: i64,
    /// Attempts that failed.
    pub failed: i64,
    /// The last segment that went through.
    pub last_archived: Option<String>,
    /// When it did.
    pub last_archived_at: Option<Timestamp>,
    /// The last segment that failed.
    pub last_failed: Option<String>,
    /// When it did.
    pub last_failed_at: Option<Timestamp>,
}

/// One replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotFacts {
    /// Its name.
    pub name: String,
    /// Whether it is physical.
    pub physical: bool,
    /// Whether a receiver uses it now.
    pub active: bool,
    /// The oldest WAL it keeps.
    pub restart_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// How much WAL it keeps.
    pub retained_bytes: Option<u64>,
}

/// One tablespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TablespaceFacts {
    /// Its object identifier: the name of its link in `pg_tblspc`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: PathBuf,
}

/// `timeline_id` of `pg_control_checkpoint` is that of the last checkpoint:
/// right on a primary, since promotion ends with one or knows its own below.
const SERVER: &str = "\
SELECT s.system_identifier::text, pg_is_in_recovery(), c.timeline_id, \
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
            ELSE pg_current_wal_insert_lsn() END::text, \
       current_setting('data_directory'), current_setting('config_file', true), \
       current_setting('hba_file', true), current_setting('ident_file', true), \
       current_setting('data_checksums') = 'on', \
       (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_segment_size'), \
       current_setting('block_size')::int8, \
       (SELECT coalesce(sum(pg_database_size(oid)), 0)::int8 FROM pg_database), \
       current_setting('full_page_writes')::bool, current_setting('wal_level'), \
       current_setting('max_wal_senders')::int8, \
       current_setting('max_replication_slots')::int8, \
       (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), \
       current_setting('synchronous_commit'), \
       CASE WHEN pg_is_in_recovery() THEN NULL \
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int8 \
       END \
FROM pg_control_system() s, pg_control_checkpoint() c";

/// Times travel as microseconds, so that no time zone is involved.
const ARCHIVER: &str = "\
SELECT current_setting('archive_mode'), archived_count, failed_count, \
       last_archived_wal, (extract(epoch FROM last_archived_time) * 1000000)::int8, \
       last_failed_wal, (extract(epoch FROM last_failed_time) * 1000000)::int8 \
FROM pg_stat_archiver";

const SLOTS: &str = "\
SELECT slot_name::text, slot_type = 'physical', active, restart_lsn::text, wal_status, \
       greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() \
                                     ELSE pg_current_wal_insert_lsn() END, restart_lsn), 0)::int8 \
FROM pg_replication_slots ORDER BY 1";

const TABLESPACES: &str = "\
SELECT oid, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace \
WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1";

impl Session {
    /// Asks for all facts.
    pub async fn facts(&self) -> Result<Facts, Error> {
        let row = self.row(SERVER, &[]).await?;
        let text = |column| self.get::<Option<String>>(&row, column);
        let path = |column| Ok::<_, Error>(text(column)?.map(PathBuf::from));
        let required = |column: usize, what: &str| {
            text(column)?.ok_or_else(|| self.broken(format!("{what} is not visible to this role")))
        };
        let number = |column| {
            let value: i64 = self.get(&row, column)?;
            u32::try_from(value).map_err(|_| self.broken(format!("{value} where a count belongs")))
        };
        let in_recovery: bool = self.get(&row, 1)?;
        let checkpoint_timeline: i32 = self.get(&row, 2)?;
        // A primary just promoted has not made its first checkpoint yet; the
        // name of the file it writes shows the timeline it is really on.
        let timeline = self
            .get::<Option<i64>>(&row, 18)?
            .unwrap_or(checkpoint_timeline.into());
        let timeline = u32::try_from(timeline).ok().and_then(Timeline::new);
        let segment_bytes = u64::try_from(self.get::<i64>(&row, 9)?).unwrap_or(0);
        Ok(Facts {
            server_version_num: self.server_version_num(),
            system_identifier: required(0, "system_identifier")?
                .parse::<i64>()
                .map(i64::cast_unsigned)
                .map_err(|error| self.broken(error.to_string()))?,
            in_recovery,
            timeline: timeline.ok_or_else(|| self.broken("timeline 0"))?,
            position: text(3)?.and_then(|lsn| lsn.parse().ok()),
            data_directory: PathBuf::from(required(4, "data_directory")?),
            config_file: path(5)?,
            hba_file: path(6)?,
            ident_file: path(7)?,
            data_checksums: self.get(&row, 8)?,
            segment_size: SegmentSize::new(segment_bytes)
                .map_err(|error| self.broken(error.to_string()))?,
            block_size: number(10)?,
            database_bytes: u64::try_from(self.get::<i64>(&row, 11)?).unwrap_or(0),
            full_page_writes: self.get(&row, 12)?,
            wal_level: required(13, "wal_level")?,
            max_wal_senders: number(14)?,
            max_replication_slots: number(15)?,
            // In MiB; -1 is without bound.
            max_slot_wal_keep_bytes: u64::try_from(self.get::<i64>(&row, 16)?)
                .ok()
                .map(|mebibytes| mebibytes << 20),
            synchronous_commit: required(17, "synchronous_commit")?,
            archiver: self.archiver().await?,
            slots: self.slots().await?,
            tablespaces: self.tablespaces().await?,
        })
    }

    async fn archiver(&self) -> Result<ArchiverFacts, Error> {
        let row = self.row(ARCHIVER, &[]).await?;
        let instant = |column| -> Result<Option<Timestamp>, Error> {
            let microseconds: Option<i64> = self.get(&row, column)?;
            Ok(microseconds.and_then(|value| Timestamp::from_microsecond(value).ok()))
        };
        Ok(ArchiverFacts {
            mode: self.get(&row, 0)?,
            archived: self.get(&row, 1)?,
            failed: self.get(&row, 2)?,
            last_archived: self.get(&row, 3)?,
            last_archived_at: instant(4)?,
            last_failed: self.get(&row, 5)?,
            last_failed_at: instant(6)?,
        })
    }

    /// Every replication slot of the server.
    pub async fn slots(&self) -> Result<Vec<SlotFacts>, Error> {
        let rows = self.rows(SLOTS, &[]).await?;
        let slot = |row: &tokio_postgres::Row| {
            let restart: Option<&str> = self.get(row, 3)?;
            let retained: Option<i64> = self.get(row, 5)?;
            Ok(SlotFacts {
                name: self.get(row, 0)?,
                physical: self.get(row, 1)?,
                active: self.get(row, 2)?,
                restart_lsn: restart.and_then(|text| text.parse().ok()),
                wal_status: self.get(row, 4)?,
                retained_bytes: retained.and_then(|bytes| u64::try_from(bytes).ok()),
            })
        };
        rows.iter().map(slot).collect()
    }

    async fn tablespaces(&self) -> Result<Vec<TablespaceFacts>, Error> {
        let rows = self.rows(TABLESPACES, &[]).await?;
        let tablespace = |row: &tokio_postgres::Row| {
            let location: String = self.get(row, 2)?;
            let location = PathBuf::from(location);
            Ok(TablespaceFacts {
                oid: self.get(row, 0)?,
                name: self.get(row, 1)?,
                location,
            })
        };
        rows.iter().map(tablespace).collect()
    }

    /// The insert position of a primary now, for the frontier; `None` on a
    /// standby. See [`crate::wal::claimed_position`] for what it proves.
    pub async fn insert_position(&self) -> Result<Option<Lsn>, Error> {
        let query = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL \
                     ELSE pg_current_wal_insert_lsn()::text END";
        let row = self.row(query, &[]).await?;
        let position: Option<&str> = self.get(&row, 0)?;
        Ok(position.and_then(|text| text.parse().ok()))
    }

    /// Whether the server is in recovery now: a standby, or one that follows
    /// nobody yet.
    pub async fn in_recovery(&self) -> Result<bool, Error> {
        let row = self.row("SELECT pg_is_in_recovery()", &[]).await?;
        self.get(&row, 0)
    }

    /// How far a standby has replayed; `None` on a primary, or before the
    /// first record.
    pub async fn replay_position(&self) -> Result<Option<Lsn>, Error> {
        self.position("CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END")
            .await
    }

    /// A position that no page on disk was changed behind: where a primary
    /// inserts, or how far a standby has received. Its replay is behind that,
    /// but for the record that is being replayed.
    pub async fn last_position(&self) -> Result<Option<Lsn>, Error> {
        self.position(
            "CASE WHEN pg_is_in_recovery() \
             THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
             ELSE pg_current_wal_insert_lsn() END",
        )
        .await
    }

    /// Where replay from the last checkpoint or restartpoint starts: what the
    /// server itself still needs, and what a new physical slot keeps.
    pub async fn redo_position(&self) -> Result<Option<Lsn>, Error> {
        self.position("SELECT redo_lsn FROM pg_control_checkpoint()")
            .await
    }

    async fn position(&self, expression: &str) -> Result<Option<Lsn>, Error> {
        let row = self
            .row(&format!("SELECT ({expression})::text"), &[])
            .await?;
        let position: Option<&str> = self.get(&row, 0)?;
        Ok(position.and_then(|text| text.parse().ok()))
    }

    /// The server's clock, to the microsecond.
    pub async fn clock(&self) -> Result<Timestamp, Error> {
        let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        let row = self.row(query, &[]).await?;
        let microseconds: i64 = self.get(&row, 0)?;
        Timestamp::from_microsecond(microseconds).map_err(|error| self.broken(error.to_string()))
    }

    /// When this server's postmaster started: another value, another run.
    pub async fn started_at(&self) -> Result<Timestamp, Error> {
        let query = "SELECT ((extract(epoch FROM pg_postmaster_start_time()) \
                     - 946684800) * 1000000)::int8";
        let row = self.row(query, &[]).await?;
        time::from_postgres(self.get(&row, 0)?).ok_or_else(|| self.broken("a start time"))
    }
}
