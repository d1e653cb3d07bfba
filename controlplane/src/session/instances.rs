//! What an agent sees of its instances becomes a command when it is news.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_consensus::ProposeContext;
use holdfast_state::command::RecordInstances;
use holdfast_state::query::{self, AgentView};
use holdfast_state::schema;
use holdfast_types::InstanceFacts;

use super::facts::differs;
use crate::app::App;
use crate::app::error::{AppError, Result};

/// For how long what was found on record is taken for what is on record. Only
/// this agent's reports add to it, and when its clusters change it is sent
/// another set; the rest is found after this long.
const HOLDS: Duration = Duration::from_secs(60);

/// How many sets of assignments a session has sent to its agent.
pub(super) type SetsSent = Arc<AtomicU64>;

/// What is on record of an agent's instances, as its session last found it.
/// Thousands of agents report every 5 s, nearly always the same.
#[derive(Debug)]
pub(super) struct OnRecord {
    sets_sent: SetsSent,
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    at: Instant,
    sets_sent: u64,
    instances: Vec<InstanceFacts>,
}

impl OnRecord {
    /// Nothing is known yet.
    pub(super) const fn new(sets_sent: SetsSent) -> Self {
        Self {
            sets_sent,
            found: None,
        }
    }

    /// Takes in what the agent sees.
    pub(super) async fn take(
        &mut self,
        app: &App,
        agent: &AgentView,
        seen: &[InstanceFacts],
    ) -> Result<()> {
        app.facts.record(agent.id, seen);
        let sets_sent = self.sets_sent.load(Ordering::Relaxed);
        let holds = |found: &Found| found.sets_sent == sets_sent && found.at.elapsed() < HOLDS;
        let found = self.found.take_if(|found| holds(found));
        if let Some(found) = found.filter(|found| !is_news(&found.instances, seen)) {
            self.found = Some(found);
            return Ok(());
        }
        let at = Instant::now();
        let view = app.look_up();
        let known = query::agent(view.connection(), agent.id).await?;
        let known = known.map(|agent| agent.instances).unwrap_or_default();
        if !is_news(&known, seen) {
            self.found = Some(Found {
                at,
                sets_sent,
                instances: known,
            });
            return Ok(());
        }
        self.found = None;
        let mut instances = seen.to_vec();
        let asks_patroni = schema::version(view.connection()).await? >= schema::RECEIVERS;
        for facts in &mut instances {
            facts.patroni.take_if(|_| !asks_patroni);
            // It comes and goes: what is live stays out of the log.
            facts.slot_trouble = None;
        }
        let command = RecordInstances {
            agent: agent.id,
            instances,
        };
        let context = ProposeContext::internal();
        app.node
            .propose(context, command)
            .await?
            .map_err(AppError::from)
    }
}

fn is_news(known: &[InstanceFacts], seen: &[InstanceFacts]) -> bool {
    let of = |facts: &InstanceFacts| known.iter().find(|known| known.cluster == facts.cluster);
    known.len() != seen.len()
        || seen
            .iter()
            .any(|facts| of(facts).is_none_or(|known| differs(known, facts)))
}
