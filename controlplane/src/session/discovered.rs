//! Which servers an agent finds on its host becomes a command when it is news.

use std::time::{Duration, Instant};

use holdfast_consensus::ProposeContext;
use holdfast_state::command::RecordDiscovered;
use holdfast_state::query::{self, AgentView};
use holdfast_state::schema;
use holdfast_types::{DISCOVERED_MAX, DiscoveredInstance};

use crate::app::App;
use crate::app::error::{AppError, Result};

/// For how long what this session found on record is taken for what is on record.
const HOLDS: Duration = Duration::from_secs(60);

/// What is on record of the servers on an agent's host, as its session last knew.
#[derive(Debug, Default)]
pub(super) struct FoundThere(Option<(Instant, Vec<DiscoveredInstance>)>);

impl FoundThere {
    /// Takes in what the agent found; `None`: it has not looked yet.
    pub(super) async fn take(
        &mut self,
        app: &App,
        agent: &AgentView,
        seen: Option<&[DiscoveredInstance]>,
    ) -> Result<()> {
        let Some(seen) = seen else { return Ok(()) };
        let mut seen: Vec<_> = seen
            .iter()
            .filter(|one| one.problem().is_none())
            .take(DISCOVERED_MAX)
            .cloned()
            .collect();
        seen.sort();
        seen.dedup_by(|one, other| one.data_directory == other.data_directory);
        let still = |(at, known): &(Instant, Vec<_>)| at.elapsed() < HOLDS && *known == seen;
        if self.0.as_ref().is_some_and(still) {
            return Ok(());
        }
        let at = Instant::now();
        let view = app.look_up();
        if schema::version(view.connection()).await? < schema::INVENTORY {
            return Ok(());
        }
        let known = query::discovered_by(view.connection(), agent.id).await?;
        if known == seen {
            self.0 = Some((at, seen));
            return Ok(());
        }
        drop(view);
        self.0 = None;
        let command = RecordDiscovered {
            agent: agent.id,
            instances: seen.clone(),
        };
        app.node
            .propose(ProposeContext::internal(), command)
            .await?
            .map_err(AppError::from)?;
        self.0 = Some((at, seen));
        Ok(())
    }
}
