//! Slots that are kept at this host's instances: those that stand against those
//! that are wanted.

use std::time::Duration;

use holdfast_proto::{Assignment, Assignments, WalWork, Work};
use holdfast_types::Name;

use super::SlotKeeping;
use super::job::Surroundings;
use super::unwanted::Unwanted;
use crate::host::SessionState;

/// How long one may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Slots {
    standing: Vec<Slot>,
}

struct Slot {
    work: WalWork,
    keeping: Box<dyn SlotKeeping>,
    unwanted: Unwanted,
}

impl Slots {
    /// What the journal is to keep while `wanted` is followed: besides what is
    /// named, what goes on until it is confirmed that it may end (I-08).
    pub(super) fn kept(&self, wanted: &[WalWork]) -> Vec<WalWork> {
        let unnamed = self.standing.iter().map(|slot| &slot.work);
        let unnamed = unnamed.filter(|work| !wanted.iter().any(|other| is_same(work, other)));
        wanted.iter().chain(unnamed).cloned().collect()
    }

    /// Begins what is new, begins anew what has changed, and lets go of the
    /// slot that a duty of this agent takes over.
    pub(super) async fn follow(&mut self, assignments: &Assignments, around: &Surroundings) {
        let wanted = &assignments.slots;
        let mut ending = Vec::new();
        let standing = std::mem::take(&mut self.standing);
        for mut slot in standing {
            let named = wanted.iter().find(|work| is_same(work, &slot.work));
            let changed = named.is_some_and(|work| *work != slot.work);
            if changed || taken_over(&slot.work, &assignments.assignments) {
                ending.push(end(slot, false));
                continue;
            }
            slot.unwanted.note(named.is_some());
            self.standing.push(slot);
        }
        futures_util::future::join_all(ending).await;
        for work in wanted {
            let stands = self.standing.iter().any(|slot| is_same(&slot.work, work));
            if stands || taken_over(work, &assignments.assignments) {
                continue;
            }
            tracing::info!(cluster = %work.cluster, "the slot of this instance is kept");
            let keeping = around.runner.keep_slot(work.clone(), around.host.clone());
            self.standing.push(Slot {
                work: work.clone(),
                keeping,
                unwanted: Unwanted::default(),
            });
        }
    }

    /// Whether any goes on only until it is confirmed that it may end.
    pub(super) fn any_unwanted(&self) -> bool {
        self.standing.iter().any(|slot| slot.unwanted.waits())
    }

    /// Ends for good what is confirmed to be unwanted: nobody would move the
    /// slot any more (I-15). One that another agent uses stays. Whether any
    /// ended.
    pub(super) async fn retire(&mut self, session: SessionState, all: &Assignments) -> bool {
        let confirmed = |slot: &Slot| slot.unwanted.is_confirmed(session);
        let (over, standing) = std::mem::take(&mut self.standing)
            .into_iter()
            .partition::<Vec<_>, _>(confirmed);
        self.standing = standing;
        let any = !over.is_empty();
        let ending = over.into_iter().map(|slot| {
            let used = all.kept_slots.iter().any(|kept| {
                let instance = slot.work.instance_agent.as_ref();
                kept.cluster == slot.work.cluster
                    && instance.is_none_or(|instance| kept.instance == *instance)
            });
            end(slot, !used)
        });
        futures_util::future::join_all(ending).await;
        any
    }

    /// Ends all for now: the agent ends.
    pub(super) async fn stop(&mut self) {
        let standing = std::mem::take(&mut self.standing).into_iter();
        futures_util::future::join_all(standing.map(|slot| end(slot, false))).await;
    }
}

/// Whether both are about the same slot.
fn is_same(one: &WalWork, other: &WalWork) -> bool {
    one.cluster == other.cluster && one.instance_agent == other.instance_agent
}

/// Whether a duty of this agent receives from that slot.
fn taken_over(slot: &WalWork, assigned: &[Assignment]) -> bool {
    let takes = |one: &Assignment| match &one.work {
        Work::ReceiveWal(work) => uses(work, &slot.cluster, slot.instance_agent.as_ref()),
        Work::Backup(_)
        | Work::Restore(_)
        | Work::RestoreDump(_)
        | Work::Copy(_)
        | Work::Drill(_) => false,
    };
    assigned.iter().any(takes)
}

/// Whether a duty is of that cluster and instance.
pub(super) fn uses(duty: &WalWork, cluster: &Name, instance: Option<&Name>) -> bool {
    let same = match (&duty.instance_agent, instance) {
        (Some(one), Some(other)) => one == other,
        // Its own instance bears no name.
        _ => true,
    };
    duty.cluster == *cluster && same
}

async fn end(slot: Slot, for_good: bool) {
    let cluster = slot.work.cluster;
    tracing::info!(%cluster, for_good, "the slot of this instance is not kept here any more");
    let ending = async {
        if for_good {
            return slot.keeping.retire().await;
        }
        slot.keeping.stop().await;
        Ok(())
    };
    match tokio::time::timeout(ENDS_WITHIN, ending).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::warn!("the replication slot stays: {failure}"),
        Err(_) => tracing::warn!(%cluster, "keeping a slot did not end in time"),
    }
}
