//! Taking a snapshot when somebody asks for one.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use super::Node;
use crate::error::OpenError;

impl Node {
    /// Takes a snapshot now, and waits until one holds all that was applied
    /// when this was called.
    pub async fn snapshot(&self, timeout: Duration) -> Result<(), OpenError> {
        let wanted = self.metrics().last_applied;
        let taken = async {
            let mut metrics = self.inner.raft.metrics();
            let mut before = None;
            loop {
                let now = metrics.borrow_and_update().clone();
                if let Err(fatal) = &now.running_state {
                    return Err(self.stopped(fatal).into());
                }
                if now.snapshot >= wanted {
                    return Ok(());
                }
                // While one is being built the request is not heard: it is
                // repeated after each that turns out to be too old.
                if before != Some(now.snapshot) {
                    before = Some(now.snapshot);
                    let triggered = self.inner.raft.trigger().snapshot().await;
                    triggered.map_err(|fatal| self.stopped(&fatal))?;
                }
                if metrics.changed().await.is_err() {
                    return Err(OpenError::NotReady(timeout));
                }
            }
        };
        tokio::time::timeout(timeout, taken)
            .await
            .unwrap_or(Err(OpenError::NotReady(timeout)))
    }
}
