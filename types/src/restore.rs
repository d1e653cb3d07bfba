//! Restores: what is asked for, and the plan that answers it.
//!
//! The plan decides the tail of WAL once (DESIGN section 5.2): every target
//! becomes a timeline, an end and the start of the last complete record before
//! that end. Whoever executes the plan decides nothing again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::drill::CheckResult;
use crate::resource::Check;
use crate::{BackupId, Failure, Lineage, Lsn, Name, PhaseTime, RestoreTarget, Timeline};

/// What PostgreSQL does once it has reached the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum TargetAction {
    /// Ends recovery on a new timeline and accepts writes.
    #[default]
    Promote,
    /// Stays in recovery, readable, for somebody to look.
    Pause,
    /// Goes on as a standby: it replays what comes into the repository, or what
    /// its `primary_conninfo` streams. Only of `latest`.
    Standby,
}

as_word!(TargetAction {
    Promote = "promote",
    Pause = "pause",
    Standby = "standby",
});

/// A restore that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestoreRequest {
    /// The cluster to restore.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "orders"))]
    pub cluster: Name,
    /// Where to end: `latest`, an RFC 3339 time, `lsn:X`.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "latest"))]
    pub at: RestoreTarget,
    /// End before the target itself.
    #[serde(default)]
    pub exclusive: bool,
    /// The agent on whose host the directory is made.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agent: Name,
    /// The new data directory, absolute.
    pub dir: String,
    /// The repository to read; the policy's when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub repository: Option<Name>,
    /// Start PostgreSQL, wait until it reached the target, and leave it running.
    #[serde(default)]
    pub start: bool,
    /// The port it is to listen on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Settings for the restored server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// What PostgreSQL does at the target.
    #[serde(default)]
    pub action: TargetAction,
    /// Where tablespaces go, by where they were or by name; those that are not
    /// named go back to where they were. `pg_wal` makes that directory a link;
    /// without it, it is in the data directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schema(example = json!({"/srv/fast": "/srv/copy/fast"})))]
    pub tablespace_map: BTreeMap<String, String>,
    /// Restore over what is in the directory: what is the same stays, what differs
    /// is written, what the backup does not have is removed. Of a directory that
    /// Holdfast restored.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delta: bool,
    /// Write over a data directory that Holdfast did not restore, or of another
    /// system. Only with `delta`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
    /// What is checked on the started server before anybody else comes in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Commands that its agent runs then, by the names that `agent.toml` gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub hooks: Vec<Name>,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

/// The WAL a restore needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlannedWal {
    /// Where replay begins: the backup's start.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub from_lsn: Lsn,
    /// Where it ends: the end of the last record to be replayed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub to_lsn: Lsn,
    /// The start of that record. PostgreSQL is told this position when we do
    /// not start it ourselves, so that it reaches it or fails, never short.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub last_record_lsn: Lsn,
    /// Segments to fetch.
    pub segments: u64,
}

/// A tablespace that a restore makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlannedTablespace {
    /// Its object identifier: the name of its link in `pg_tblspc`.
    pub oid: u32,
    /// Its name, when the backup knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it was.
    pub from: String,
    /// Where it will be.
    pub to: String,
    /// Bytes it will hold.
    pub bytes: u64,
}

/// How a restore will be done, and everything that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestorePlan {
    /// The cluster.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub cluster: Name,
    /// The target as it was asked for.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub at: RestoreTarget,
    /// The lineage that holds it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub lineage: Lineage,
    /// The backup it starts from.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub backup: BackupId,
    /// When that backup became consistent.
    pub backup_finished_at: Timestamp,
    /// The timeline on which the target lies.
    #[cfg_attr(feature = "schema", schema(value_type = u32))]
    pub timeline: Timeline,
    /// The WAL to replay.
    pub wal: PlannedWal,
    /// The time up to which every commit will be there.
    pub recovers_to: Timestamp,
    /// The last commit that will be there, when the WAL holds one.
    pub last_commit_at: Option<Timestamp>,
    /// Set when replay must stop before a commit, by its timestamp, rather
    /// than at a position: `recovery_target_time` and whether it is inclusive.
    pub stop_before: Option<StopBefore>,
    /// PostgreSQL's `server_version_num` of the backup.
    pub server_version: u32,
    /// Bytes the directory will hold.
    pub database_bytes: u64,
    /// Bytes to fetch from the repository.
    pub fetch_bytes: u64,
    /// Of a delta: bytes in the directory that may be the same already, at most.
    /// They are read, and what differs is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse_bytes: Option<u64>,
    /// How long it will take, from what this agent has measured before.
    pub estimated_seconds: Option<u64>,
    /// Tablespaces outside the new data directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tablespaces: Vec<PlannedTablespace>,
    /// Where `pg_wal` will really be, when it will be a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_directory: Option<String>,
    /// Reasons why it cannot be done. Empty: it can.
    pub problems: Vec<Failure>,
    /// Things to know before it is done.
    pub warnings: Vec<String>,
}

/// A stop decided by the timestamp of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StopBefore {
    /// The time that was asked for.
    pub time: Timestamp,
    /// Whether a commit at exactly this time is still replayed.
    pub inclusive: bool,
    /// Where the first commit record lies that is not replayed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub record_lsn: Lsn,
}

/// What a finished restore left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestoreResult {
    /// The data directory.
    pub dir: String,
    /// The port PostgreSQL listens on, when it was started.
    pub port: Option<u16>,
    /// The directory of its socket, when it was started.
    pub socket_dir: Option<String>,
    /// The timeline it is on.
    #[cfg_attr(feature = "schema", schema(value_type = u32))]
    pub timeline: Timeline,
    /// The position it reached, or will reach when it is started.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub reached_lsn: Lsn,
    /// The last commit it replayed.
    pub reached_time: Option<Timestamp>,
    /// The transaction of that commit.
    pub last_xid: Option<u32>,
    /// Where the time went, phase by phase.
    #[serde(default)]
    pub phases: Vec<PhaseTime>,
    /// What was checked on the started server, and what was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// The commands that were run then. None is when a check failed, and none after one
    /// that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookRun>,
}

/// A command that was run on the host of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HookRun {
    /// Its name in `agent.toml`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub name: Name,
    /// What it was told to tell repeats by: `HOLDFAST_KEY`.
    pub key: String,
    /// What it ended with; null when it was ended, or never began.
    pub exit_code: Option<i32>,
    /// Thousandths of a second.
    pub millis: u64,
    /// The end of what it wrote.
    pub output: String,
    /// Why it counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Reads `O=N` of `--tablespace-map`, as `pg_basebackup` does: an `=` inside a
/// path is written `\=`.
pub fn parse_tablespace_mapping(text: &str) -> Result<(String, String), String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for character in text.chars() {
        match character {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '=' if !escaped => parts.push(String::new()),
            other => {
                let last = parts.last_mut().expect("there is always one");
                if escaped && other != '=' {
                    last.push('\\');
                }
                last.push(other);
            }
        }
        escaped = false;
    }
    if escaped {
        parts.last_mut().expect("there is always one").push('\\');
    }
    match <[String; 2]>::try_from(parts) {
        Ok([old, new]) if !old.is_empty() && !new.is_empty() => Ok((old, new)),
        _ => Err("it is OLD=NEW, with \\= for an = inside a path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mapping_is_read_as_pg_basebackup_reads_it() {
        let read = |text| parse_tablespace_mapping(text).ok();
        let pair = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(read("/a=/b"), pair("/a", "/b"));
        assert_eq!(read("fast=/b"), pair("fast", "/b"));
        assert_eq!(read(r"/a\=1=/b\=2"), pair("/a=1", "/b=2"));
        assert_eq!(read(r"/a\b=/c\"), pair(r"/a\b", r"/c\"));
        for bad in ["", "/a", "=/b", "/a=", "/a=/b=/c"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_pair_can_be_written(old in "[^\\\\]{1,20}", new in "[^\\\\]{1,20}") {
            let escape = |text: &str| text.replace('=', r"\=");
            let text = format!("{}={}", escape(&old), escape(&new));
            prop_assert_eq!(parse_tablespace_mapping(&text), Ok((old, new)));
        }
    }
}
