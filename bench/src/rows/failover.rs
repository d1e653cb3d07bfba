//! The leader killed with -9, to the first write that another node accepts.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{LONG, Stage, say};
use crate::report::{Measured, Target};
use crate::stats::Spread;

/// How long one attempt to write may take: a node without a leader waits for
/// one, and is then asked again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts at one node.
const PAUSE: Duration = Duration::from_millis(10);

/// Leaders that die.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// Measures the row.
pub async fn measure(stage: &mut Stage, options: &Options) -> Result<Measured> {
    let mut times = Vec::new();
    for round in 0..options.rounds {
        let leader = stage.leader().await?;
        let others: Vec<usize> = (0..stage.group.nodes().len())
            .filter(|node| *node != leader)
            .collect();
        stage.group.node_mut(leader).kill();
        let began = Instant::now();
        let writers = others
            .iter()
            .map(|node| Box::pin(first_write(stage, *node)));
        let ((), _, rest) = futures_util::future::select_all(writers).await;
        drop(rest);
        let took = began.elapsed();
        say(&format!("round {round}: {took:.2?}"));
        times.push(took);
        stage.group.node_mut(leader).restart();
        caught_up(stage).await?;
    }
    let spread = Spread::of(times);
    let targets = vec![Target::at_most("p99 in ms", spread.p99_ms, 2000.0)];
    let details = json!({
        "how": "real processes; both other nodes are asked to make a join token, over REST, until \
                one has committed it",
        "rounds": spread,
    });
    Ok(Measured { targets, details })
}

async fn first_write(stage: &Stage, node: usize) {
    while !stage.rest.write(node, PATIENCE).await {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until every node is heard from and lacks nothing much.
async fn caught_up(stage: &Stage) -> Result<()> {
    const BEHIND: u64 = 50;
    let end = Instant::now() + LONG;
    loop {
        let nodes = stage.rest.get("/api/v1/nodes").await?;
        let items = nodes["items"].as_array().cloned().unwrap_or_default();
        let well = items.iter().all(|node| {
            let leads = node["role"] == "leader";
            leads
                || node["behind"]
                    .as_u64()
                    .is_some_and(|behind| behind < BEHIND)
        });
        if well && items.iter().any(|node| node["role"] == "leader") {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < end, "a node does not catch up: {nodes}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
