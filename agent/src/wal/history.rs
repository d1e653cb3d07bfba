//! Timeline histories: stored before the first WAL of their timeline.

use holdfast_pg::replication::Client;
use holdfast_types::Timeline;

use super::attempt::Receiver;
use super::trouble::{self, Trouble};

impl Receiver {
    /// Stores the history of the timeline that follows, before its first WAL.
    pub(super) async fn store_history(
        &mut self,
        client: &mut Client,
        timeline: Timeline,
    ) -> Result<(), Trouble> {
        if self.opened()?.histories.contains(&timeline) {
            return Ok(());
        }
        if let Some(file) = client.timeline_history(timeline).await? {
            match self.opened()?.wal.put_history(timeline, file.content).await {
                Err(holdfast_repo::Error::Conflict { .. }) => {
                    let reason = format!("the repository holds another history of {timeline}");
                    return Err(Trouble::Refused(trouble::diverged(&reason)));
                }
                put => put?,
            };
        }
        if let Some(opened) = &mut self.opened {
            opened.histories.insert(timeline);
        }
        Ok(())
    }

    /// An older history may be gone from the server; then what the newer one
    /// says of it must do.
    pub(super) async fn store_ancestor(
        &mut self,
        client: &mut Client,
        timeline: Timeline,
    ) -> Result<(), Trouble> {
        match self.store_history(client, timeline).await {
            Err(Trouble::Postgres(error @ holdfast_pg::Error::Server { .. })) => {
                tracing::debug!(%error, wal.timeline = %timeline, "the server lacks a history file");
                Ok(())
            }
            stored => stored,
        }
    }
}
