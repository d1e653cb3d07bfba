//! Restore plans that were asked of agents and not answered yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_proto::v1::{ControlMessage, control_message};
use holdfast_proto::{PlanAnswer, PlanRequest};
use holdfast_types::{Failure, RestorePlan};
use tokio::sync::{mpsc, oneshot};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The agent has no session, or it ended.
    #[error("the agent is not connected")]
    Gone,
    /// It did not answer in time.
    #[error("the agent did not answer within {0:?}")]
    Timeout(Duration),
    /// It says that no plan is possible.
    #[error("the agent cannot plan this restore: {0}")]
    Failed(Failure),
}

/// Pairs answers with requests.
#[derive(Debug, Default)]
pub struct PendingPlans(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<PlanAnswer>>,
}

/// Takes its request from those waiting, however the wait ends.
struct Ticket<'a> {
    plans: &'a PendingPlans,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.plans.with(|inner| inner.waiting.remove(&self.number));
    }
}

impl PendingPlans {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks and waits.
    pub async fn ask(
        &self,
        agent: Option<mpsc::Sender<ControlMessage>>,
        mut request: PlanRequest,
        within: Duration,
    ) -> Result<RestorePlan, PlanError> {
        let agent = agent.ok_or(PlanError::Gone)?;
        let (sender, answer) = oneshot::channel();
        let number = self.with(|inner| {
            inner.last += 1;
            inner.waiting.insert(inner.last, sender);
            inner.last
        });
        let _ticket = Ticket {
            plans: self,
            number,
        };
        request.request_id = number;
        let message = ControlMessage {
            message: Some(control_message::Message::Plan((&request).into())),
        };
        let asked = async {
            agent.send(message).await.map_err(|_| PlanError::Gone)?;
            tokio::select! {
                answer = answer => answer.map_err(|_| PlanError::Gone),
                () = agent.closed() => Err(PlanError::Gone),
            }
        };
        let answer = tokio::time::timeout(within, asked)
            .await
            .map_err(|_| PlanError::Timeout(within))??;
        answer.answer.map(|plan| *plan).map_err(PlanError::Failed)
    }

    /// An agent answered. An answer nobody waits for any more is dropped.
    pub fn answered(&self, answer: PlanAnswer) {
        let waiting = self.with(|inner| inner.waiting.remove(&answer.request_id));
        if let Some(waiting) = waiting {
            // Whoever asked has gone in this very moment: nothing to do.
            let _ = waiting.send(answer);
        }
    }
}
