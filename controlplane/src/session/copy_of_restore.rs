//! A restore that could not read its copy goes on from the next one, by the plan that it
//! has: nothing is planned anew (I-12).

use holdfast_consensus::ProposeContext;
use holdfast_state::command::TryNextCopy;
use holdfast_state::query;
use holdfast_types::restoring::is_of_repository;
use holdfast_types::{Failure, JobKind, JobPhase, RestoreId};

use super::reports::{HeldJob, Verdict, propose};
use crate::app::App;
use crate::app::error::{AppError, Result};
use crate::app::job::{JobSpec, WorkSpec};

/// Gives the job the next copy, if the failure is of the one that it read and there is
/// another. `None`: the job has failed.
pub(super) async fn next(
    app: &App,
    cx: &ProposeContext,
    held: &HeldJob,
    failure: &Failure,
    log: &[String],
) -> Result<Option<Verdict>> {
    if !is_of_repository(failure) {
        return Ok(None);
    }
    let view = app.node.read().await?;
    let conn = view.connection();
    let Some(detail) = query::job_detail(conn, held.job).await? else {
        return Ok(None);
    };
    let job = &detail.job;
    if job.kind != JobKind::Restore {
        return Ok(None);
    }
    let restore = query::restore(conn, RestoreId::from_uuid(held.job.uuid())).await?;
    let Some(restore) = restore else {
        return Ok(None);
    };
    let copies = &restore.order.copies;
    let place = copies
        .iter()
        .position(|copy| copy.repository == job.repository);
    let Some(next) = place.and_then(|place| copies.get(place + 1)) else {
        return Ok(None);
    };
    let mut spec = JobSpec::read(&job.spec)?;
    let WorkSpec::Restore { request, .. } = &mut spec.work else {
        return Ok(None);
    };
    // What the attempt wrote is its own, and the next one goes on with it. One that never
    // came to write finds the directory as it was, and must (I-12).
    let wrote = |phase: JobPhase| phase != JobPhase::Prepare;
    let last = detail
        .attempts_made
        .iter()
        .max_by_key(|attempt| attempt.number);
    let wrote = last.is_some_and(|last| last.phases.iter().any(|entered| wrote(entered.phase)));
    request.delta |= wrote;
    let command = TryNextCopy {
        job: held.job,
        generation: held.generation,
        reason: failure.clone(),
        repository: next.repository.clone(),
        spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
        log: log.to_vec(),
    };
    Ok(Some(propose(app, cx.clone(), command).await?))
}
