//! Thousands of agents connected to three nodes of one machine.
//!
//! First they only live: what their heartbeats cost, and that none of them
//! reaches the log. Then each has a cluster whose server it looks at and whose
//! WAL it receives. Then the leader is killed, and at last every node.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{LONG, Stage, say};
use crate::fleet::{Behaviour, Fleet, Layout};
use crate::process::{Meter, Usage, usage};
use crate::report::{Measured, Target};
use crate::stats::{number, rounded};

/// Thousands of agents.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 10_000)]
    agents: usize,
    /// Seconds of each stretch that is measured
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Agents that begin in a second
    #[arg(long, default_value_t = 250)]
    a_second: u32,
    /// Do not kill nodes
    #[arg(long)]
    calm: bool,
}

/// A stretch of time in which nothing happens but what is going on anyway.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stretch {
    log_entries_per_second: f64,
    heartbeats_per_second: f64,
    sessions_lost: u64,
    usage: Usage,
}

/// What everybody coming back was like.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Storm {
    /// Until all had a session again.
    seconds: f64,
    /// Of the nodes that were up.
    usage: Usage,
}

/// Measures the row.
pub async fn measure(stage: &mut Stage, options: &Options) -> Result<Measured> {
    let agents = options.agents;
    let during = Duration::from_secs(options.seconds);
    let identities = stage.enrol(agents).await?;
    // What enrolling set in motion has to end first.
    settle(stage).await?;
    let empty = stretch(stage, None, during.min(Duration::from_secs(15))).await?;
    say(&format!("nobody connected: {empty:?}"));
    let fleet = Fleet::start(&stage.nodes, identities, options.a_second);
    let ramp = fleet.all_connected(LONG).await?;
    say(&format!("{agents} agents connected in {ramp:.1?}"));
    settle(stage).await?;
    stage.level().await?;
    let beating = stretch(stage, Some(&fleet), during).await?;
    say(&format!("heartbeats only: {beating:?}"));
    let working = work(stage, &fleet, agents, during).await?;
    let mut storms = None;
    if !options.calm {
        let leader = leader_dies(stage, &fleet).await?;
        let all = all_die(stage, &fleet).await?;
        storms = Some(json!({"leaderKilled": leader, "allKilledAndRestarted": all}));
    }
    let cost = rounded(beating.usage.cores_in_all - empty.usage.cores_in_all);
    let entries = rounded(beating.log_entries_per_second - empty.log_entries_per_second);
    let targets = vec![
        Target::at_most(
            "cores for heartbeats, of all three nodes together",
            cost,
            0.3,
        ),
        Target::at_most(
            "log entries per second because of heartbeats",
            entries.max(0.0),
            0.05,
        ),
        Target::at_most("sessions lost", number(beating.sessions_lost), 0.0),
        Target::at_most("sessions lost at work", number(working.sessions_lost), 0.0),
    ];
    let details = json!({
        "agents": agents,
        "secondsToConnectAll": rounded(ramp.as_secs_f64()),
        "nobodyConnected": empty,
        "heartbeatsOnly": beating,
        "withClusters": working,
        "storms": storms,
    });
    Ok(Measured { targets, details })
}

/// Every agent gets a cluster with a WAL duty.
async fn work(
    stage: &mut Stage,
    fleet: &Fleet,
    agents: usize,
    during: Duration,
) -> Result<Stretch> {
    fleet.behave(Behaviour {
        instances: true,
        backup: None,
    });
    stage.declare(&Layout::quiet(agents)).await?;
    let placed = fleet
        .wait(LONG, "WAL duties for all", |tally| tally.duties() >= agents)
        .await?;
    say(&format!("{agents} WAL duties placed in {placed:.1?}"));
    // The first checkpoint of every duty is taken at once.
    settle(stage).await?;
    stage.level().await?;
    let working = stretch(stage, Some(fleet), during).await?;
    say(&format!("with clusters: {working:?}"));
    Ok(working)
}

/// Waits until the log grows slowly for some seconds.
async fn settle(stage: &Stage) -> Result<()> {
    const QUIET: u64 = 250;
    let end = Instant::now() + LONG;
    let node = stage.leader().await?;
    let mut before = stage.rest.applied(node).await?;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = stage.rest.applied(node).await?;
        if now - before <= QUIET {
            return Ok(());
        }
        before = now;
    }
    anyhow::bail!("the log does not grow quiet")
}

async fn stretch(stage: &mut Stage, fleet: Option<&Fleet>, during: Duration) -> Result<Stretch> {
    let counts = || {
        fleet.map_or((0, 0), |fleet| {
            (fleet.tally().heartbeats(), fleet.tally().lost())
        })
    };
    let processes = stage.processes();
    let (index, (beats, lost)) = (stage.rest.applied(0).await?, counts());
    let used = usage(&processes, during).await?;
    let (index_after, (beats_after, lost_after)) = (stage.rest.applied(0).await?, counts());
    let per_second = |count: u64| rounded(number(count) / used.seconds);
    Ok(Stretch {
        log_entries_per_second: per_second(index_after - index),
        heartbeats_per_second: per_second(beats_after - beats),
        sessions_lost: lost_after - lost,
        usage: used,
    })
}

async fn leader_dies(stage: &mut Stage, fleet: &Fleet) -> Result<Storm> {
    let leader = stage.leader().await?;
    let mut processes = stage.processes();
    processes.remove(leader);
    let before = fleet.tally().lost();
    let meter = Meter::start(&processes)?;
    let began = Instant::now();
    stage.group.node_mut(leader).kill();
    fleet
        .wait(LONG, "the loss of sessions", |tally| tally.lost() > before)
        .await?;
    fleet.all_connected(LONG).await?;
    let storm = Storm {
        seconds: rounded(began.elapsed().as_secs_f64()),
        usage: meter.stop()?,
    };
    say(&format!("the leader was killed: {storm:?}"));
    let group = &mut stage.group;
    group.node_mut(leader).restart();
    Ok(storm)
}

async fn all_die(stage: &mut Stage, fleet: &Fleet) -> Result<Storm> {
    let nodes = stage.group.nodes().len();
    for node in 0..nodes {
        stage.group.node_mut(node).kill();
    }
    fleet
        .wait(LONG, "the end of all sessions", |tally| {
            tally.connected() == 0
        })
        .await?;
    let began = Instant::now();
    for node in 0..nodes {
        stage.group.node_mut(node).begin_restart();
    }
    let processes = stage.processes();
    let meter = Meter::start(&processes)?;
    fleet.all_connected(LONG).await?;
    let storm = Storm {
        seconds: rounded(began.elapsed().as_secs_f64()),
        usage: meter.stop()?,
    };
    say(&format!("all nodes were killed: {storm:?}"));
    Ok(storm)
}
