//! Restoring a database of a dump.

use holdfast_types::{
    BackupId, DumpRestoreRequest, Failure, JobId, Lineage, Lsn, Name, PlannedWal, RestorePlan,
    RestoreRequest, RestoreTarget, TargetAction, Timeline,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, from_json, parse, some, to_json};
use crate::{InstanceAccess, RepositoryAccess, v1};

/// Restore a database of a dump into a running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpRestoreWork {
    /// The job.
    pub job: JobId,
    /// Where to read.
    pub repository: RepositoryAccess,
    /// The dump.
    pub backup: BackupId,
    /// The lineage it is of.
    pub lineage: Lineage,
    /// The server that the database is made on.
    pub instance: InstanceAccess,
    /// What was asked for.
    pub request: DumpRestoreRequest,
}

/// An agent of an earlier release reads this as a restore of a cluster. It is
/// given one whose plan says that it cannot be done, and why: it touches
/// nothing and fails by that name.
impl From<&DumpRestoreWork> for v1::RestoreWork {
    fn from(work: &DumpRestoreWork) -> Self {
        Self {
            job_id: work.job.to_string(),
            repository: Some((&work.repository).into()),
            request_json: to_json(&refusing_request(&work.request.cluster, work.backup)),
            plan_json: to_json(&refusing_plan(
                (&work.request.cluster, work.lineage, work.backup),
                format!(
                    "{} is a dump, and this agent does not know how to restore one",
                    work.backup
                ),
            )),
            dump: Some(v1::DumpRestore {
                request_json: to_json(&work.request),
                backup_id: work.backup.to_string(),
                lineage: work.lineage.to_string(),
                instance: Some((&work.instance).into()),
            }),
            copy: None,
            drill: None,
        }
    }
}

impl TryFrom<v1::RestoreWork> for DumpRestoreWork {
    type Error = Invalid;

    fn try_from(work: v1::RestoreWork) -> Result<Self, Invalid> {
        let dump = some("dump", work.dump)?;
        Ok(Self {
            job: parse("job_id", &work.job_id)?,
            repository: some("repository", work.repository)?.try_into()?,
            backup: parse("dump.backup_id", &dump.backup_id)?,
            lineage: parse("dump.lineage", &dump.lineage)?,
            instance: some("dump.instance", dump.instance)?.into(),
            request: from_json("dump.request_json", &dump.request_json)?,
        })
    }
}

/// What an agent of an earlier release is told that would take other work for a
/// restore.
pub(crate) fn refusing_request(cluster: &Name, backup: BackupId) -> RestoreRequest {
    RestoreRequest {
        cluster: cluster.clone(),
        at: RestoreTarget::Backup(backup),
        exclusive: false,
        agent: cluster.clone(),
        dir: "/".to_owned(),
        repository: None,
        start: false,
        port: None,
        set: std::collections::BTreeMap::new(),
        action: TargetAction::Pause,
        tablespace_map: std::collections::BTreeMap::new(),
        delta: false,
        force: false,
        checks: Vec::new(),
        hooks: Vec::new(),
    }
}

/// A plan that cannot be done, and why.
pub(crate) fn refusing_plan(
    (cluster, lineage, backup): (&Name, Lineage, BackupId),
    why: String,
) -> RestorePlan {
    let nowhere = Lsn::INVALID;
    RestorePlan {
        cluster: cluster.clone(),
        at: RestoreTarget::Backup(backup),
        lineage,
        backup,
        backup_finished_at: Timestamp::UNIX_EPOCH,
        timeline: Timeline::FIRST,
        wal: PlannedWal {
            from_lsn: nowhere,
            to_lsn: nowhere,
            last_record_lsn: nowhere,
            segments: 0,
        },
        recovers_to: Timestamp::UNIX_EPOCH,
        last_commit_at: None,
        stop_before: None,
        server_version: 0,
        database_bytes: 0,
        fetch_bytes: 0,
        reuse_bytes: None,
        estimated_seconds: None,
        tablespaces: Vec::new(),
        wal_directory: None,
        problems: vec![Failure::permanent(
            "not_supported_yet",
            why,
            "upgrade holdfast-agent on this host to the release of the control plane",
        )],
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> DumpRestoreWork {
        DumpRestoreWork {
            job: "job_00000000000000000000000000000001".parse().unwrap(),
            repository: RepositoryAccess {
                name: "eu".parse().unwrap(),
                url: "file:///r".to_owned(),
                region: None,
                endpoint: None,
                credentials: std::collections::BTreeMap::new(),
                key: holdfast_types::Secret::new("00"),
                bandwidth: None,
            },
            backup: "bkp_00000000000000000000000000000002".parse().unwrap(),
            lineage: "7-1".parse().unwrap(),
            instance: InstanceAccess {
                connection: "host=/run/postgresql user=holdfast".to_owned(),
                password: None,
                data_directory: None,
                system_identifier: Some(7),
            },
            request: serde_json::from_str(
                r#"{"cluster":"orders","database":"shop","into":"shop_old","owner":"o"}"#,
            )
            .unwrap(),
        }
    }

    #[test]
    fn it_travels_and_an_older_agent_refuses_it_by_name() {
        let message = v1::RestoreWork::from(&work());
        assert_eq!(DumpRestoreWork::try_from(message.clone()).unwrap(), work());
        // What an agent reads that does not know the field.
        let old = v1::RestoreWork {
            dump: None,
            ..message
        };
        let old = crate::RestoreWork::try_from(old).unwrap();
        let [problem] = old.plan.problems.as_slice() else {
            panic!("{:?}", old.plan);
        };
        assert_eq!(problem.code, "not_supported_yet");
    }
}
