//! What an incremental is made against.

use holdfast_types::{BackupId, JobId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, from_micros, parse};
use crate::v1;

/// A backup that an incremental may build on, and until when the control plane
/// has promised to keep it (I-06). It is named to an agent only when the pin
/// is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedParent {
    /// The backup.
    pub backup: BackupId,
    /// The job that took it, which names its commit mark.
    pub job: JobId,
    /// From then on nothing may rest on it.
    pub until: Timestamp,
}

impl From<&PinnedParent> for v1::PinnedParent {
    fn from(parent: &PinnedParent) -> Self {
        Self {
            backup_id: parent.backup.to_string(),
            job_id: parent.job.to_string(),
            until_us: parent.until.as_microsecond(),
        }
    }
}

impl TryFrom<v1::PinnedParent> for PinnedParent {
    type Error = Invalid;

    fn try_from(parent: v1::PinnedParent) -> Result<Self, Invalid> {
        Ok(Self {
            backup: parse("parent.backup_id", &parent.backup_id)?,
            job: parse("parent.job_id", &parent.job_id)?,
            until: from_micros("parent.until_us", parent.until_us)?,
        })
    }
}
