//! What a drill showed, as the agent reports it and the catalog keeps it for good.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::{BackupId, Failure, Lineage, Lsn, PhaseTime, RestoreTarget, Timeline};

/// Tables whose rows are counted and kept: the largest. The replicated state must not
/// grow by every table of every database.
pub const ROW_COUNTS_MAX: usize = 200;

/// From what a drill restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DrillKind {
    /// A base backup and WAL, into a data directory.
    Physical,
    /// A dump, into a scratch database of a new server.
    Logical,
}

as_word!(DrillKind { Physical = "physical", Logical = "logical" });

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DrillVerdict {
    /// PostgreSQL started, reached the target, and every check passed.
    Passed,
    /// It did not.
    Failed,
    /// Somebody ended it: it proves nothing either way.
    Cancelled,
}

as_word!(DrillVerdict {
    Passed = "passed",
    Failed = "failed",
    Cancelled = "cancelled",
});

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillCheckKind))]
pub enum CheckKind {
    /// PostgreSQL started and has what it was to have. Every drill checks it.
    Reached,
    /// The answer of a query.
    Sql,
    /// `pg_amcheck`.
    Amcheck,
    /// The checksums of all pages.
    Checksums,
    /// The rows of all tables against the drill before.
    RowCounts,
}

as_word!(CheckKind {
    Reached = "reached",
    Sql = "sql",
    Amcheck = "amcheck",
    Checksums = "checksums",
    RowCounts = "rowCounts",
});

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillCheckResult))]
pub struct CheckResult {
    /// What it is called: its own name, or what it asks.
    pub name: String,
    /// What it looks at.
    pub kind: CheckKind,
    /// In which database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// What was seen; of a query, null where it answered null or no row.
    pub seen: Option<String>,
    /// Whether it was as expected.
    pub passed: bool,
    /// Why, in words.
    pub why: String,
    /// Thousandths of a second.
    pub millis: u64,
}

/// What an agent reports of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DrillEvidence {
    /// Passed or failed.
    pub verdict: DrillVerdict,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Failure>,
    /// From what it restored.
    pub kind: DrillKind,
    /// Where it was to end.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub target: RestoreTarget,
    /// The time that this means: the target's own, or up to when everything was
    /// restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_at: Option<Timestamp>,
    /// The backup it started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub backup: Option<BackupId>,
    /// The lineage that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub lineage: Option<Lineage>,
    /// The timeline that it replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>))]
    pub timeline: Option<Timeline>,
    /// The position it reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub reached_lsn: Option<Lsn>,
    /// Every commit up to then is in what was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<Timestamp>,
    /// The last commit in it, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_at: Option<Timestamp>,
    /// PostgreSQL's `server_version_num`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<u32>,
    /// Bytes that were restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_bytes: Option<u64>,
    /// What it did, in the order in which it began.
    pub phases: Vec<PhaseTime>,
    /// From when the agent began until PostgreSQL answered with what it was to have,
    /// in thousandths of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_millis: Option<u64>,
    /// What would have been lost, had all else been lost when the drill was asked for:
    /// thousandths of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_millis: Option<u64>,
    /// What each check saw.
    pub checks: Vec<CheckResult>,
    /// Rows by database, schema and table, where they were counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row_counts: BTreeMap<String, u64>,
}
