//! What follows from documents that were written: facts, schedules, notices.

use std::collections::BTreeSet;

use holdfast_types::Name;
use holdfast_types::resource::Kind;

use super::{AppliedDocument, Change};
use crate::context::{ApplyContext, Stop};
use crate::{Effect, StateError, TaskName, alarms, facts, schedules};

/// Whose promises follow from what was written.
pub(super) fn about(outcome: &[AppliedDocument]) -> facts::About {
    let changed = outcome
        .iter()
        .filter(|applied| applied.change != Change::Unchanged);
    let mut clusters = BTreeSet::new();
    for applied in changed {
        match applied.kind {
            Kind::Policy | Kind::Repository => return facts::About::Everything,
            Kind::Cluster => {
                clusters.insert(applied.name.clone());
            }
            Kind::Fleet | Kind::DrillPlan | Kind::NotificationChannel | Kind::RoleBinding => {}
        }
    }
    facts::About::Clusters(clusters)
}

/// Schedules follow from policies and clusters.
pub(super) async fn touch_schedules(
    cx: &mut ApplyContext<'_>,
    outcome: &[AppliedDocument],
) -> Result<(), StateError> {
    let changed = |kind| {
        let mut of_kind = outcome.iter().filter(|applied| applied.kind == kind);
        of_kind.any(|applied| applied.change != Change::Unchanged)
    };
    let policies = changed(Kind::Policy) || changed(Kind::DrillPlan);
    if (policies || changed(Kind::Cluster)) && cx.has_level(schedules::LEVEL).await? {
        schedules::touched(cx, policies).await?;
        cx.activate(TaskName::Schedules);
    }
    Ok(())
}

/// What a channel did not take before it was changed is sent at once by what it is now.
pub(super) async fn touch_channels(
    cx: &mut ApplyContext<'_>,
    outcome: &[AppliedDocument],
) -> Result<(), StateError> {
    for applied in outcome {
        if applied.kind == Kind::NotificationChannel && applied.change != Change::Unchanged {
            alarms::retry_now(cx, &applied.name).await?;
        }
    }
    Ok(())
}

/// Wakes whoever may have other work now: the agents that work already, those
/// that the documents name, and the task that places duties.
pub(super) async fn wake(cx: &mut ApplyContext<'_>, named: BTreeSet<Name>) -> Result<(), Stop> {
    cx.wake_working_agents().await?;
    for name in named {
        match cx.live_agent_named(&name).await {
            Ok(agent) => cx.effect(Effect::AgentChanged(agent.id.0)),
            // An instance of before may name an agent that is gone.
            Err(Stop::Refused(_)) => {}
            Err(failed) => return Err(failed),
        }
    }
    cx.activate(TaskName::Duties);
    cx.activate(TaskName::Exposure);
    cx.activate(TaskName::Copies);
    Ok(())
}
