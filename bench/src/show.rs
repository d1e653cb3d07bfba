//! A simulated fleet to look at: for the console, and for trying things.

use anyhow::Result;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::fleet::{Behaviour, Fleet, Layout, cluster_name};
use crate::rows::{LONG, Stage, jobs, say};

/// Backups asked for at once.
const AT_ONCE: usize = 32;

/// A fleet that stays.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Agents, each with a server of its own
    #[arg(long, default_value_t = 100)]
    agents: usize,
    /// Clusters, no more than agents
    #[arg(long, default_value_t = 100)]
    clusters: usize,
    /// Clusters that are backed up once at the beginning
    #[arg(long, default_value_t = 50)]
    backups: usize,
}

/// Sets the fleet up, tells how to reach it, and lets it live until it is
/// interrupted.
pub async fn run(stage: &Stage, options: &Options) -> Result<()> {
    let clusters = options.clusters.min(options.agents);
    let identities = stage.enrol(options.agents).await?;
    let layout = Layout {
        schedules: jobs::nightly(),
        ..Layout::quiet(clusters)
    };
    let fleet = Fleet::start(&stage.nodes, identities, 250);
    fleet.behave(Behaviour {
        instances: true,
        backup: Some(std::time::Duration::from_secs(3)),
    });
    fleet.all_connected(LONG).await?;
    stage.declare(&layout).await?;
    fleet
        .wait(LONG, "WAL duties for all", |tally| {
            tally.duties() >= clusters
        })
        .await?;
    let asked = (0..clusters.min(options.backups)).map(|number| async move {
        let path = format!("/api/v1/clusters/{}/backups", cluster_name(number));
        stage.rest.post(&path, &json!({"kind": "full"})).await
    });
    let asked = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
    let asked: Vec<_> = asked.try_collect().await?;
    say(&format!("{} backups are on their way", asked.len()));
    for node in stage.group.nodes() {
        println!("{}", node.rest());
    }
    println!(
        "user admin, password {}",
        stage.group.node(0).admin_password()
    );
    say("interrupt to end it");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
