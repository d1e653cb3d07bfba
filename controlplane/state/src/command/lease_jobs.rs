//! Gives many queued jobs to agents with one entry, each under its next
//! generation (I-04).
//!
//! Each lease is judged as [`LeaseJob`] judges it, after those before it: one
//! that is refused leaves nothing behind, and the others stand. The result is
//! what as many entries of one lease each give.

use holdfast_types::JobId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::lease_job::{Lease, LeaseJob, lease};
use crate::context::{ApplyContext, Stop};
use crate::{Refusal, schema};

/// Since level 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseJobs {
    /// The leases, in order.
    pub leases: Vec<LeaseJob>,
}

/// What came of one of many leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leased {
    /// The agent has the job.
    Given(Lease),
    /// It has not, for this reason.
    Refused(Refusal),
}

impl ReplicatedCommand for LeaseJobs {
    /// What came of each lease, in order.
    type Outcome = Vec<Leased>;
    const NAME: &'static str = "lease_jobs";

    fn target(&self) -> String {
        match self.leases.as_slice() {
            [only] => format!("jobs/{}", only.job),
            _ => "jobs".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        let jobs: Vec<JobId> = self.leases.iter().map(|lease| lease.job).collect();
        json!({"jobs": jobs})
    }

    fn level(&self) -> u32 {
        schema::MANY_LEASES
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<Leased>, Stop> {
        let mut outcome = Vec::with_capacity(self.leases.len());
        for one in self.leases {
            // It refuses before it writes or wakes anybody.
            outcome.push(match lease(cx, one).await {
                Ok(given) => Leased::Given(given),
                Err(Stop::Refused(refusal)) => Leased::Refused(refusal),
                Err(failed @ Stop::Failed(_)) => return Err(failed),
            });
        }
        Ok(outcome)
    }
}
