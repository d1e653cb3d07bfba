//! Why a cluster is exposed: a stable code.

use std::fmt;
use std::sync::Arc;

use holdfast_types::RpoScope;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reach::Reach;
use crate::segment::{Segment, Standing};
use crate::shape;

/// The cause of an exposure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// No policy selects the cluster.
    NoPolicy,
    /// There is no available backup.
    NoBackup,
    /// No WAL is received, and the next backup is late.
    BackupOverdue,
    /// Nothing is heard of who protects the cluster.
    AgentOffline,
    /// A hole cuts the newest backup from the WAL behind it.
    WalGap,
    /// The policy's own repository is well; a copy that the RPO needs is not.
    CopyBehind,
    /// More was promised than before.
    PolicyChanged,
    /// WAL comes too late, and nobody says why.
    WalBehind,
    /// What was said of why WAL does not come.
    Trouble(Arc<str>),
}

impl Cause {
    /// Its code.
    pub fn code(&self) -> &str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::NoBackup => "no_backup",
            Self::BackupOverdue => "backup_overdue",
            Self::AgentOffline => "agent_offline",
            Self::WalGap => "wal_gap",
            Self::CopyBehind => "copy_lag",
            Self::PolicyChanged => "policy_changed",
            Self::WalBehind => "wal_behind",
            Self::Trouble(code) => code,
        }
    }

    fn from_code(code: &str) -> Self {
        let known = [
            Self::NoPolicy,
            Self::NoBackup,
            Self::BackupOverdue,
            Self::AgentOffline,
            Self::WalGap,
            Self::CopyBehind,
            Self::PolicyChanged,
            Self::WalBehind,
        ];
        let found = known.into_iter().find(|cause| cause.code() == code);
        found.unwrap_or_else(|| Self::Trouble(code.into()))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_code(&String::deserialize(deserializer)?))
    }
}

impl Segment {
    /// Why the cluster is exposed at a moment in it, whatever its state is.
    pub(crate) fn cause(&self, at: Timestamp) -> Cause {
        let force = match &self.standing {
            Standing::Absent | Standing::Unpromised => return Cause::NoPolicy,
            Standing::Promised(force) => force,
        };
        let promise = &force.promise;
        let trouble = |reach: Option<&Reach>| {
            let code = reach.and_then(|reach| reach.trouble.clone());
            code.map(Cause::Trouble)
        };
        let own = self.own();
        let Some(any) = self.exposure(RpoScope::Any, at) else {
            // What keeps WAL from arriving would keep a backup from it too.
            let told = trouble(own).filter(|_| !self.agent_lost && promise.receives_wal());
            return told.unwrap_or(Cause::NoBackup);
        };
        let fits = promise.rpo.is_none_or(|rpo| any <= rpo.get());
        if promise.scope != RpoScope::Any && fits {
            let place = shape::deciding(promise.scope, force, &self.reaches, at);
            let copy = place.and_then(|place| self.reaches.get(place));
            return trouble(copy).unwrap_or(Cause::CopyBehind);
        }
        if !promise.receives_wal() {
            return if self.agent_lost {
                Cause::AgentOffline
            } else {
                Cause::BackupOverdue
            };
        }
        if own.is_some_and(|own| own.cut) {
            Cause::WalGap
        } else if self.agent_lost {
            Cause::AgentOffline
        } else {
            trouble(own).unwrap_or(Cause::WalBehind)
        }
    }
}
