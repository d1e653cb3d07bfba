//! Keeps the state safe in a repository: takes what is asked for or due, and
//! deletes what is kept no longer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::ProposeContext;
use holdfast_state::command::{CondemnStateSnapshots, RequestStateSnapshot};
use holdfast_state::query::{self, StateSnapshotState};
use holdfast_types::StateSnapshotId;
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::plan::state_snapshots as plan;
use crate::state_snapshot;

#[derive(Default)]
pub(super) struct StateSnapshots {
    /// When one that had failed was tried again last.
    retried: Mutex<Option<Instant>>,
}

impl StateSnapshots {
    fn retried(&self) -> MutexGuard<'_, Option<Instant>> {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for StateSnapshots {
    const NAME: &'static str = "state-snapshots";
    const PERIOD: Duration = Duration::from_secs(10);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let settings = query::state_snapshot_settings(view.connection()).await?;
        let rows = query::state_snapshots(view.connection()).await?;
        let wanted = rows
            .iter()
            .filter(|row| row.state == StateSnapshotState::Requested);
        let mut done = 0;
        for row in wanted {
            state_snapshot::take(app, &view, row).await?;
            done += 1;
        }
        done += state_snapshot::delete_condemned(app, &view, &rows).await?;
        let Some(settings) = settings else {
            return Ok(done);
        };
        let internal = ProposeContext::internal;
        let retried = self.retried().map(|at| at.elapsed());
        match plan::next(&settings, &rows, Timestamp::now(), retried) {
            plan::Next::Wait => {}
            plan::Next::New => {
                // Taken by the activation that this wakes.
                let command = RequestStateSnapshot {
                    snapshot: StateSnapshotId::from_uuid(Uuid::now_v7()),
                    repository: settings.repository.clone(),
                };
                app.propose_as(internal(), command).await?;
                done += 1;
            }
            plan::Next::Again(failed) => {
                *self.retried() = Some(Instant::now());
                state_snapshot::take(app, &view, failed).await?;
                done += 1;
            }
        }
        let snapshots = plan::superfluous(&settings, &rows);
        if !snapshots.is_empty() {
            done += app
                .propose_as(app.own_context(), CondemnStateSnapshots { snapshots })
                .await?;
        }
        Ok(done)
    }
}
