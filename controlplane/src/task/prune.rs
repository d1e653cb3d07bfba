//! Forgets what has expired: logins, join tokens, replies to repeats.

use std::time::Duration;

use holdfast_consensus::ProposeContext;
use holdfast_state::command::PruneExpired;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

pub(super) struct Prune;

impl Task for Prune {
    const NAME: &'static str = "prune";
    const PERIOD: Duration = Duration::from_secs(600);

    async fn activate(&self, app: &App) -> Result<u64> {
        let context = ProposeContext::internal();
        let pruned = app.propose_as(context, PruneExpired {}).await?;
        Ok(pruned.sessions + pruned.join_tokens + pruned.replies)
    }
}
