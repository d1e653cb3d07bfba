//! What follows from documents that were written: facts, schedules, and who is woken.

use std::collections::BTreeSet;

use holdfast_types::Name;
use holdfast_types::resource::Kind;

use super::{AppliedDocument, Change};
use crate::context::{ApplyContext, Stop};
use crate::{Effect, StateError, TaskName, facts, schedules};

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
