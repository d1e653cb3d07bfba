//! Standing orders: what an agent does for its clusters while no quorum can be
//! reached (I-08).
//!
//! They go to the agent that the control plane would have take the backups, so
//! that one agent, and not each instance's, follows the schedules. That is a
//! courtesy and no lock: should two follow them, the key of the commit mark
//! settles whose backup counts (I-03).

use holdfast_consensus::StateView;
use holdfast_proto::{InstanceAccess, OpenRun, StandingOrders, StandingSchedule};
use holdfast_state::PinHolder;
use holdfast_state::query::{self, AgentView};
use holdfast_types::Name;
use holdfast_types::resource::{Cluster, Policy, Schedule, Source};
use jiff::Timestamp;

use super::assign::{INCARNATION, pinned};
use super::known::Known;
use crate::app::error::Result;
use crate::plan::runs::anchor;

/// The feature level from which on what an agent did on its own can be
/// recorded: below it nobody is told to.
const LEVEL: u32 = 4;

/// Whether agents may follow schedules on their own.
pub(super) async fn in_force(view: &StateView) -> Result<bool> {
    Ok(holdfast_state::schema::version(view.connection()).await? >= LEVEL)
}

/// The orders for one cluster; `None` where this agent is not to take its
/// backups, or nothing is scheduled.
pub(super) async fn of_cluster(
    known: &mut Known<'_>,
    agent: &AgentView,
    (name, declared, policy): (&Name, &Cluster, Option<Policy>),
    instance: &InstanceAccess,
) -> Result<Option<StandingOrders>> {
    let (app, view) = (known.app, known.view);
    let Some(policy) = policy.filter(|policy| !policy.schedules.is_empty()) else {
        return Ok(None);
    };
    let mut schedules = Vec::with_capacity(policy.schedules.len());
    for schedule in &policy.schedules {
        let from = schedule.from.unwrap_or(Source::Primary);
        let source = app.source_agents(view, (name, declared), from).await?;
        if source.first() == Some(&agent.name) {
            schedules.extend(standing(view, name, schedule).await?);
        }
    }
    if schedules.is_empty() {
        return Ok(None);
    }
    Ok(Some(StandingOrders {
        cluster: name.clone(),
        repository: known.paced(name, &policy.repository).await?,
        instance: instance.clone(),
        compression: policy.compression(),
        incarnation: INCARNATION,
        parent: pinned(view, &PinHolder::Cluster(name.clone()), &policy.repository).await?,
        schedules,
        own_wal: !policy.receives_wal(),
    }))
}

/// `None` before the leader has noticed the schedule: from when on it counts
/// is not known yet.
async fn standing(
    view: &StateView,
    cluster: &Name,
    schedule: &Schedule,
) -> Result<Option<StandingSchedule>> {
    let mark = query::schedule_mark(view.connection(), cluster, &schedule.name).await?;
    let anchor = anchor(schedule);
    let Some(mark) = mark.filter(|mark| mark.anchor == anchor) else {
        return Ok(None);
    };
    let open = query::open_runs_of(view.connection(), cluster, &schedule.name).await?;
    let open = open.into_iter().map(|run| OpenRun {
        due: run.due,
        begun: run.begun,
        not_before: run.not_before.unwrap_or(Timestamp::UNIX_EPOCH),
        latest: run.latest,
    });
    Ok(Some(StandingSchedule {
        schedule: schedule.clone(),
        anchor,
        decided_until: mark.until,
        open: open.collect(),
    }))
}
