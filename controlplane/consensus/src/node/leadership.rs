//! Following who leads, and noticing that the consensus task died.

use std::path::Path;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use tokio::sync::watch;

use super::{Node, open};
use crate::error::{Leader, OpenError};
use crate::fault::FaultCell;
use crate::raft::{Metrics, Raft};

/// The leader, published as it changes. Ends with the consensus task, which
/// it stops when this node's storage has failed: openraft learns of a failure
/// only where it waits for the answer.
pub(super) fn follow(raft: &Raft, fault: FaultCell, dir: &Path) -> watch::Receiver<Option<Leader>> {
    let (publish, leader) = watch::channel(None);
    let (raft, dir) = (raft.clone(), dir.to_owned());
    tokio::spawn(async move {
        let mut metrics = raft.metrics();
        let mut failed = fault.watch();
        loop {
            let now = metrics.borrow_and_update().clone();
            if let Err(fatal) = &now.running_state {
                if !matches!(fatal, Fatal::Stopped) {
                    open::fault_of(&fault, &dir, fatal);
                }
                break;
            }
            let leader = leader_of(&now);
            publish.send_if_modified(|known| {
                let changed = *known != leader;
                *known = leader;
                changed
            });
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() {
                    break;
                },
                // The guard it gives must not be held while awaiting.
                () = async { drop(failed.wait_for(Option::is_some).await) } => {
                    if let Err(error) = raft.shutdown().await {
                        tracing::error!("the consensus task did not end cleanly: {error}");
                    }
                    break;
                }
            }
        }
        publish.send_replace(None);
    });
    leader
}

fn leader_of(metrics: &Metrics) -> Option<Leader> {
    let id = metrics.current_leader?;
    let member = metrics.membership_config.membership().get_node(&id)?;
    Some(Leader {
        id,
        member: member.clone(),
    })
}

impl Node {
    /// Waits until somebody leads.
    pub async fn await_leader(&self, timeout: Duration) -> Result<Leader, OpenError> {
        let mut leader = self.inner.leader.clone();
        let known = tokio::time::timeout(timeout, leader.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(leader)) => leader.clone().ok_or(OpenError::NotReady(timeout)),
            Ok(Err(_)) | Err(_) => Err(self
                .fatal()
                .map_or(OpenError::NotReady(timeout), OpenError::Fault)),
        }
    }

    /// Whether this node leads, as far as it knows. A leader may have been
    /// deposed without knowing: only a committed command proves that it leads.
    pub fn is_leader(&self) -> bool {
        let leader = self.inner.leader.borrow();
        leader
            .as_ref()
            .is_some_and(|leader| leader.id == self.inner.id)
    }
}
