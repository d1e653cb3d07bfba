//! Copying a backup to another repository.

use holdfast_types::{BackupId, JobId, Lineage, Name};
use serde::{Deserialize, Serialize};

use crate::dump::{refusing_plan, refusing_request};
use crate::invalid::{Invalid, parse, some, to_json};
use crate::{RepositoryAccess, v1};

/// Copy a backup, as it is, with the WAL that it needs and all that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyWork {
    /// The job.
    pub job: JobId,
    /// The cluster.
    pub cluster: Name,
    /// The backup.
    pub backup: BackupId,
    /// The lineage it is of.
    pub lineage: Lineage,
    /// The repository that has it.
    pub from: RepositoryAccess,
    /// The repository that gets it.
    pub to: RepositoryAccess,
}

/// An agent of an earlier release reads this as a restore that cannot be done, and
/// why: it touches nothing and fails by that name.
impl From<&CopyWork> for v1::RestoreWork {
    fn from(work: &CopyWork) -> Self {
        let why = "this agent does not know how to copy backups".to_owned();
        let subject = (&work.cluster, work.lineage, work.backup);
        Self {
            job_id: work.job.to_string(),
            repository: Some((&work.to).into()),
            request_json: to_json(&refusing_request(&work.cluster, work.backup)),
            plan_json: to_json(&refusing_plan(subject, why)),
            dump: None,
            drill: None,
            copy: Some(v1::CopyBackup {
                cluster: work.cluster.to_string(),
                backup_id: work.backup.to_string(),
                lineage: work.lineage.to_string(),
                from: Some((&work.from).into()),
            }),
        }
    }
}

impl TryFrom<v1::RestoreWork> for CopyWork {
    type Error = Invalid;

    fn try_from(work: v1::RestoreWork) -> Result<Self, Invalid> {
        let copy = some("copy", work.copy)?;
        Ok(Self {
            job: parse("job_id", &work.job_id)?,
            cluster: parse("copy.cluster", &copy.cluster)?,
            backup: parse("copy.backup_id", &copy.backup_id)?,
            lineage: parse("copy.lineage", &copy.lineage)?,
            from: some("copy.from", copy.from)?.try_into()?,
            to: some("repository", work.repository)?.try_into()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(name: &str) -> RepositoryAccess {
        RepositoryAccess {
            name: name.parse().unwrap(),
            url: format!("file:///{name}"),
            region: None,
            endpoint: None,
            credentials: std::collections::BTreeMap::new(),
            key: holdfast_types::Secret::new("00"),
            bandwidth: None,
        }
    }

    #[test]
    fn it_travels_and_an_older_agent_refuses_it_by_name() {
        let work = CopyWork {
            job: "job_00000000000000000000000000000001".parse().unwrap(),
            cluster: "orders".parse().unwrap(),
            backup: "bkp_00000000000000000000000000000002".parse().unwrap(),
            lineage: "7-1".parse().unwrap(),
            from: access("eu"),
            to: access("us"),
        };
        let message = v1::RestoreWork::from(&work);
        assert_eq!(CopyWork::try_from(message.clone()).unwrap(), work);
        // What an agent reads that does not know the field.
        let old = v1::RestoreWork {
            copy: None,
            ..message
        };
        let old = crate::RestoreWork::try_from(old).unwrap();
        let [problem] = old.plan.problems.as_slice() else {
            panic!("{:?}", old.plan);
        };
        assert_eq!(problem.code, "not_supported_yet");
    }
}
