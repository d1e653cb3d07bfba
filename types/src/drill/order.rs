//! What an agent is told to rehearse.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DrillEvidence;
use crate::resource::Check;
use crate::{BackupId, Lineage, Name, RestoreTarget};

/// One drill: the point is decided, and who does it decides nothing again but what a
/// restore's plan decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillOrder {
    /// The cluster.
    pub cluster: Name,
    /// Where it is to end.
    pub at: RestoreTarget,
    /// The dump that is restored; without it, a base backup and WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump: Option<DumpToDrill>,
    /// When it was asked for: what was lost by then is what would be lost.
    pub asked_at: Timestamp,
    /// In which database queries are asked that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What is checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What the drill before saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DrillBefore>,
}

/// A dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpToDrill {
    /// Which.
    pub backup: BackupId,
    /// Of which lineage it is.
    pub lineage: Lineage,
}

/// What a drill saw, for the next to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillBefore {
    /// Answers of its queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenBefore>,
    /// Rows by database, schema and table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row_counts: BTreeMap<String, u64>,
}

/// What a query answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenBefore {
    /// What the check is called.
    pub name: String,
    /// In which database it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The answer.
    pub seen: String,
}

impl DrillBefore {
    /// Of what a drill showed, what the next compares with.
    pub fn of(evidence: DrillEvidence) -> Self {
        let seen = evidence.checks.into_iter().filter_map(|check| {
            Some(SeenBefore {
                name: check.name,
                database: check.database,
                seen: check.seen?,
            })
        });
        Self {
            seen: seen.collect(),
            row_counts: evidence.row_counts,
        }
    }

    /// What a check of this name answered in this database.
    pub fn seen(&self, name: &str, database: Option<&str>) -> Option<&str> {
        let mut seen = self.seen.iter();
        let same = |one: &&SeenBefore| one.name == name && one.database.as_deref() == database;
        seen.find(same).map(|one| one.seen.as_str())
    }
}
