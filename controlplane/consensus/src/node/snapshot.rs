//! Taking a snapshot when somebody asks for one.

use std::io;
use std::path::Path;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use super::Node;
use crate::error::OpenError;
use crate::machine::SnapshotFile;

/// How long a request for a snapshot is waited for before it is made again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A consistent copy of the applied state, as one file: it can be read to its
/// end although the node goes on.
#[derive(Debug, Clone)]
pub struct StateCopy {
    index: u64,
    file: SnapshotFile,
}

impl StateCopy {
    /// The last log entry that is in it.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Its size.
    pub const fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// Up to `bytes_max` bytes from `offset`; empty at the end. It blocks.
    pub fn read_at(&self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.file.read_at(offset, bytes_max)
    }

    /// Where it is; it may be gone by then.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Node {
    /// A copy of the state that holds all that was applied here when this was
    /// called, or more.
    pub async fn copy_state(&self, timeout: Duration) -> Result<StateCopy, OpenError> {
        self.snapshot(timeout).await?;
        self.inner
            .machine
            .newest_snapshot()
            .map(|(index, file)| StateCopy { index, file })
            .ok_or(OpenError::NotReady(timeout))
    }

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
                match tokio::time::timeout(ASK_AGAIN, metrics.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(OpenError::NotReady(timeout)),
                    // One that ended as old as the one before shows in no metric.
                    Err(_) => before = None,
                }
            }
        };
        tokio::time::timeout(timeout, taken)
            .await
            .unwrap_or(Err(OpenError::NotReady(timeout)))
    }
}
