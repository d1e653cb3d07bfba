//! Rehearsing a restore.

use holdfast_types::drill::DrillOrder;
use holdfast_types::{BackupId, JobId, Lineage};
use serde::{Deserialize, Serialize};

use crate::dump::{refusing_plan, refusing_request};
use crate::invalid::{Invalid, from_json, parse, some, to_json};
use crate::{ReportedFrontier, RepositoryAccess, v1};

/// What an agent that does not know drills is told to restore.
const NO_BACKUP: &str = "bkp_00000000000000000000000000000000";

/// Rehearse a restore, on a server that is thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillWork {
    /// The job.
    pub job: JobId,
    /// Where to read.
    pub repository: RepositoryAccess,
    /// What is rehearsed.
    pub order: DrillOrder,
    /// The cluster's frontier as the control plane knows it.
    pub frontier: Option<ReportedFrontier>,
}

/// An agent of an earlier release reads this as a restore that cannot be done, and
/// why: it touches nothing and fails by that name.
impl From<&DrillWork> for v1::RestoreWork {
    fn from(work: &DrillWork) -> Self {
        let why = "this agent does not know how to rehearse a restore".to_owned();
        // It is refused before it is looked for.
        let nothing: BackupId = NO_BACKUP.parse().expect("it is an id");
        let lineage = Lineage {
            system_identifier: 0,
            incarnation: 1,
        };
        let subject = (&work.order.cluster, lineage, nothing);
        Self {
            job_id: work.job.to_string(),
            repository: Some((&work.repository).into()),
            request_json: to_json(&refusing_request(&work.order.cluster, nothing)),
            plan_json: to_json(&refusing_plan(subject, why)),
            dump: None,
            copy: None,
            drill: Some(v1::DrillWork {
                order_json: to_json(&work.order),
                frontier: work.frontier.map(Into::into),
            }),
        }
    }
}

impl TryFrom<v1::RestoreWork> for DrillWork {
    type Error = Invalid;

    fn try_from(work: v1::RestoreWork) -> Result<Self, Invalid> {
        let drill = some("drill", work.drill)?;
        Ok(Self {
            job: parse("job_id", &work.job_id)?,
            repository: some("repository", work.repository)?.try_into()?,
            order: from_json("drill.order_json", &drill.order_json)?,
            frontier: drill.frontier.map(TryInto::try_into).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Frontier, Lsn, RestorePlan, RestoreTarget, Timeline};

    use super::*;

    fn work() -> DrillWork {
        let access = RepositoryAccess {
            name: "eu".parse().unwrap(),
            url: "file:///eu".to_owned(),
            region: None,
            endpoint: None,
            credentials: std::collections::BTreeMap::new(),
            key: holdfast_types::Secret::new("00"),
            bandwidth: None,
        };
        let at = "2026-02-03T02:41:07Z".parse().unwrap();
        DrillWork {
            job: "job_00000000000000000000000000000001".parse().unwrap(),
            repository: access,
            order: DrillOrder {
                cluster: "orders".parse().unwrap(),
                at: RestoreTarget::Latest,
                dump: None,
                asked_at: at,
                database: Some("shop".to_owned()),
                checks: serde_json::from_str(r#"[{"amcheck": true}]"#).unwrap(),
                before: None,
            },
            frontier: Some(ReportedFrontier {
                timeline: Timeline::FIRST,
                frontier: Frontier {
                    lsn: Lsn::new(16),
                    time: at,
                },
            }),
        }
    }

    #[test]
    fn a_drill_travels_and_an_older_agent_refuses_it() {
        let message = v1::RestoreWork::from(&work());
        assert_eq!(DrillWork::try_from(message.clone()).unwrap(), work());
        let plan: RestorePlan = serde_json::from_str(&message.plan_json).unwrap();
        assert_eq!(plan.problems.len(), 1);
    }
}
