//! Facts: what verdicts are computed from. They are added, never changed.

use std::sync::Arc;

use holdfast_types::{
    BackupId, BackupKind, DrillId, ExemptionId, Lineage, Lsn, LsnRange, Name, Span,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::Stretch;
use crate::promise::Promise;
use crate::span::before;

/// A fact of one cluster, with its two times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Since when it is so.
    pub at: Timestamp,
    /// When it became known; not before `at`.
    pub known: Timestamp,
    /// What.
    pub fact: Fact,
}

/// What became so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// This is promised, instead of what was before.
    Promised(Box<Promise>),
    /// No policy promises anything.
    Unpromised,
    /// The cluster is not declared any more: nobody is asked to protect it.
    Retired,
    /// A backup can be restored from a repository.
    BackupAvailable {
        /// The repository.
        repository: Name,
        /// The backup.
        backup: Backup,
    },
    /// It cannot any more: condemned, deleted or lost.
    BackupGone {
        /// The repository.
        repository: Name,
        /// The backup.
        backup: BackupId,
    },
    /// WAL is missing that the path of the timelines passes: never received,
    /// lost, or expired.
    HoleOpened {
        /// The repository.
        repository: Name,
        /// The lineage.
        lineage: Lineage,
        /// What is missing.
        range: LsnRange,
    },
    /// It is there after all.
    HoleClosed {
        /// The repository.
        repository: Name,
        /// The lineage.
        lineage: Lineage,
        /// What is there.
        range: LsnRange,
    },
    /// WAL does not reach a repository.
    TroubleBegan {
        /// The repository.
        repository: Name,
        /// Why: a stable code.
        code: String,
    },
    /// It does again.
    TroubleEnded {
        /// The repository.
        repository: Name,
    },
    /// Nothing was heard any more of who protects the cluster.
    AgentLost,
    /// It was heard of again.
    AgentBack,
    /// An exemption was approved.
    Exempted(Exemption),
    /// It ended before its time.
    ExemptionEnded {
        /// Which.
        exemption: ExemptionId,
    },
    /// A drill ended.
    Drilled(Drill),
}

/// A backup, as far as exposure is about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Its id.
    pub id: BackupId,
    /// A dump is a point that no WAL leads on from.
    pub kind: BackupKind,
    /// Its lineage.
    pub lineage: Lineage,
    /// Where its recovery begins.
    pub start_lsn: Lsn,
    /// Where it is consistent.
    pub stop_lsn: Lsn,
    /// When it was; of a dump, the time of its snapshot.
    pub consistent_at: Timestamp,
}

/// An excuse from an objective, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// Its id.
    pub id: ExemptionId,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who consented.
    pub approved_by: String,
}

/// What a drill showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// Its id.
    pub id: DrillId,
    /// From which repository.
    pub repository: Name,
    /// Whether PostgreSQL started, reached the target, and every check passed.
    pub passed: bool,
    /// From the request to the first check that passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Span>,
    /// From the target to the last commit that was replayed before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Span>,
    /// Up to when the chain was replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Timestamp>,
}

/// A stretch of claims about a repository. It is closed once `known_to` cannot
/// change any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStretch {
    /// The repository.
    pub repository: Name,
    /// When its first claim became known.
    pub known_from: Timestamp,
    /// When its last one did.
    pub known_to: Timestamp,
    /// The claims.
    pub stretch: Arc<Stretch>,
}

impl KeptStretch {
    /// As much of it as was known then: its claims became known as they were
    /// made, up to then, or all at once.
    pub(crate) fn as_known_at(&self, known: Timestamp) -> Option<Arc<Stretch>> {
        if self.known_to <= known {
            return Some(self.stretch.clone());
        }
        if self.known_from > known {
            return None;
        }
        let mut stretch = Stretch::clone(&self.stretch);
        let (first, peak) = (stretch.first, stretch.peak);
        let last = &mut stretch.last;
        last.at = last.at.min(known).max(first.at);
        last.time = last.time.min(before(last.at, peak)).max(first.time);
        Some(Arc::new(stretch))
    }
}
