//! Who was given an attempt: what late reports are judged by (I-04, I-14).
//!
//! Nothing here is called below feature level 4, where its tables begin.

use holdfast_types::{AssignmentId, BackupId, Generation};
use sea_orm::ConnectionTrait;

use crate::column::{Count, Flag, Moment, Text};
use crate::context::ApplyContext;
use crate::entity::{agents, jobs, leases};
use crate::{StateError, row};

/// The feature level from which on agents follow schedules on their own, and
/// late results are kept.
pub(crate) const LEVEL: u32 = 4;

/// The attempt that reports under this assignment and generation are about.
pub(crate) async fn lease(
    conn: &impl ConnectionTrait,
    assignment: AssignmentId,
    generation: Generation,
) -> Result<Option<leases::Model>, StateError> {
    let key = (Text(assignment), Count(generation.0));
    Ok(row::read::<leases::Entity>(conn, key).await?)
}

/// An attempt that begins.
pub(crate) struct NewLease<'a> {
    pub(crate) assignment: AssignmentId,
    pub(crate) generation: Generation,
    pub(crate) attempt: u64,
    pub(crate) agent: &'a agents::Model,
    /// Where it does not follow from the job.
    pub(crate) backup: Option<BackupId>,
    /// It is not its agent's from the beginning: the run was in other hands.
    pub(crate) taken_back: bool,
}

/// Notes who was given an attempt at a job.
pub(crate) async fn note(
    cx: &ApplyContext<'_>,
    job: Text<holdfast_types::JobId>,
    new: NewLease<'_>,
) -> Result<(), StateError> {
    cx.insert(leases::Model {
        assignment: Text(new.assignment),
        generation: Count(new.generation.0),
        job,
        agent: new.agent.id,
        agent_name: new.agent.name.clone(),
        attempt: Count(new.attempt),
        backup: new.backup.map(Text),
        taken_back: Flag(new.taken_back),
        at: Moment(cx.now()),
    })
    .await
}

/// Notes that the control plane, and not its agent, ends the attempt in whose
/// hands the job is: what the agent still reports of it comes too late.
pub(crate) async fn take_back(cx: &ApplyContext<'_>, job: &jobs::Model) -> Result<(), StateError> {
    if !cx.has_level(LEVEL).await? {
        return Ok(());
    }
    let sql = "UPDATE leases SET taken_back = 1 WHERE job = ? AND generation = ?";
    cx.execute(sql, [job.id.into(), job.generation.into()])
        .await?;
    Ok(())
}
