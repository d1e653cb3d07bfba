//! Restores as rows: found, written, and moved only from the state that is named.

use holdfast_types::restoring::{RestoreState, RestoreStep};
use holdfast_types::{JobId, RestoreId};

use crate::column::{Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{jobs, restores};
use crate::{Noun, Refusal, StateError, TaskName, row};

/// A restore is done by one job, under the same number.
pub(crate) fn job_of(restore: RestoreId) -> JobId {
    JobId::from_uuid(restore.uuid())
}

/// The restore of this id.
pub(crate) async fn found(
    cx: &ApplyContext<'_>,
    restore: RestoreId,
) -> Result<restores::Model, Stop> {
    let found = row::read::<restores::Entity>(cx.tx(), Text(restore)).await?;
    Ok(found.ok_or_else(|| Refusal::not_found(Noun::Restore, restore))?)
}

/// The restore, if it is where whoever moves it believes it to be.
pub(crate) async fn at(
    cx: &ApplyContext<'_>,
    restore: RestoreId,
    from: RestoreState,
) -> Result<restores::Model, Stop> {
    let row = found(cx, restore).await?;
    let state = row.state.0;
    if state != from {
        return Err(Refusal::RestoreState { restore, state }.into());
    }
    Ok(row)
}

/// The restore that is done by this job, if there is one.
pub(crate) async fn of_job(
    cx: &ApplyContext<'_>,
    job: &jobs::Model,
) -> Result<Option<restores::Model>, StateError> {
    let id = RestoreId::from_uuid(job.id.0.uuid());
    Ok(row::read::<restores::Entity>(cx.tx(), Text(id)).await?)
}

/// Brings it to its next state, in what else changes with it.
pub(crate) async fn advance(
    cx: &mut ApplyContext<'_>,
    mut row: restores::Model,
    to: RestoreState,
) -> Result<(), StateError> {
    let now = cx.now();
    row.history.0.push(RestoreStep { state: to, at: now });
    row.state = Text(to);
    if to.is_terminal() {
        row.finished_at = Some(Moment(now));
    }
    write(cx, row).await
}

/// Writes it where it is.
pub(crate) async fn write(
    cx: &mut ApplyContext<'_>,
    row: restores::Model,
) -> Result<(), StateError> {
    let id = row.id.0;
    cx.put(restores::Model {
        revision: cx.revision().into(),
        ..row
    })
    .await?;
    cx.changed("restores", id);
    cx.activate(TaskName::Restores);
    Ok(())
}

/// The first step of its history.
pub(crate) fn begun(state: RestoreState, cx: &ApplyContext<'_>) -> Json<Vec<RestoreStep>> {
    Json(vec![RestoreStep {
        state,
        at: cx.now(),
    }])
}
