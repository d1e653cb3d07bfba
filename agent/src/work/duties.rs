//! Standing duties: those that stand against those that are assigned.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_proto::{Assignment, Assignments, Held, WalReport, Work};
use holdfast_types::AssignmentId;
use tokio::sync::watch;

use super::WalDuty;
use super::job::Surroundings;
use super::slots;
use super::unwanted::Unwanted;
use crate::host::SessionState;

/// How long a duty may take to store what it has received.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Where a duty reports.
#[derive(Debug, Clone)]
pub struct DutyReports {
    /// Which, under which generation.
    pub held: Held,
    /// Its state, and every change of it.
    pub report: watch::Receiver<WalReport>,
}

#[derive(Default)]
pub(super) struct Duties {
    standing: HashMap<AssignmentId, Duty>,
}

struct Duty {
    assignment: Assignment,
    duty: Box<dyn WalDuty>,
    unwanted: Unwanted,
}

impl Duty {
    /// Whether `other` is no reason to begin anew: it says the same, or it is
    /// an older word than the one we follow (I-04).
    fn covers(&self, other: &Assignment) -> bool {
        let ours = &self.assignment;
        other.generation < ours.generation
            || (other.generation == ours.generation && other.work == ours.work)
    }
}

impl Duties {
    /// What the journal is to keep while `assigned` is followed: besides what
    /// is named, what goes on until that is confirmed (I-08).
    pub(super) fn kept(&self, assigned: &[Assignment]) -> Vec<Assignment> {
        let standing = |one: &&Assignment| matches!(one.work, Work::ReceiveWal(_));
        let mut kept: Vec<Assignment> = assigned
            .iter()
            .filter(standing)
            .map(|one| match self.standing.get(&one.id) {
                Some(duty) if duty.covers(one) => duty.assignment.clone(),
                _ => one.clone(),
            })
            .collect();
        let unnamed = self
            .standing
            .values()
            .filter(|duty| !named(&duty.assignment, assigned));
        kept.extend(unnamed.map(|duty| duty.assignment.clone()));
        kept.sort_by_key(|one| one.id);
        kept
    }

    /// Begins what is new, and begins anew what has changed. What is not named
    /// goes on until that is confirmed.
    pub(super) async fn follow(&mut self, assigned: &[Assignment], around: &Surroundings) {
        for duty in self.standing.values_mut() {
            duty.unwanted.note(named(&duty.assignment, assigned));
        }
        let changed = |one: &&Assignment| {
            self.standing
                .get(&one.id)
                .is_some_and(|duty| !duty.covers(one))
        };
        let changed: Vec<AssignmentId> =
            assigned.iter().filter(changed).map(|one| one.id).collect();
        let ending = changed
            .into_iter()
            .filter_map(|id| self.standing.remove(&id));
        futures_util::future::join_all(ending.map(|duty| end(duty, false))).await;
        for one in assigned {
            let Work::ReceiveWal(work) = &one.work else {
                continue;
            };
            if self.standing.contains_key(&one.id) {
                continue;
            }
            tracing::info!(assignment.id = %one.id, cluster = %work.cluster, "WAL duty begins");
            let (work, host) = ((**work).clone(), around.host.clone());
            let duty = around
                .runner
                .receive_wal(one.id, one.generation, work, host);
            let unwanted = Unwanted::default();
            self.standing.insert(
                one.id,
                Duty {
                    assignment: one.clone(),
                    duty,
                    unwanted,
                },
            );
        }
    }

    /// Whether anything goes on only until it is confirmed that it may end.
    pub(super) fn any_unwanted(&self) -> bool {
        self.standing.values().any(|duty| duty.unwanted.waits())
    }

    /// Ends for good what is confirmed to be unwanted: without its duty a slot
    /// would keep WAL until the volume is full (I-15). A slot that another
    /// agent uses, or that this one keeps from now on, stays. Whether any ended.
    pub(super) async fn retire(&mut self, session: SessionState, all: &Assignments) -> bool {
        let confirmed = |duty: &&Duty| duty.unwanted.is_confirmed(session);
        let ids: Vec<AssignmentId> = self
            .standing
            .values()
            .filter(confirmed)
            .map(|duty| duty.assignment.id)
            .collect();
        let any = !ids.is_empty();
        let ending = ids.into_iter().filter_map(|id| self.standing.remove(&id));
        let ending = ending.map(|duty| {
            let moved = uses_one_of(&duty.assignment, all);
            end(duty, !moved)
        });
        futures_util::future::join_all(ending).await;
        any
    }

    /// Ends all for now: the agent ends.
    pub(super) async fn stop(&mut self) {
        let standing = std::mem::take(&mut self.standing).into_values();
        futures_util::future::join_all(standing.map(|duty| end(duty, false))).await;
    }

    /// Where those that stand report.
    pub(super) fn reports(&self) -> Vec<DutyReports> {
        let reports = self.standing.values().map(|duty| DutyReports {
            held: Held {
                assignment: duty.assignment.id,
                generation: duty.assignment.generation,
            },
            report: duty.duty.report(),
        });
        reports.collect()
    }
}

/// Whether its slot is one of `kept`. Its own instance bears no name when the
/// control plane is of an older release: then any slot of the cluster will do,
/// for one too many is bounded and alarmed, and one too few loses WAL.
fn uses_one_of(one: &Assignment, all: &Assignments) -> bool {
    let Work::ReceiveWal(work) = &one.work else {
        return false;
    };
    let mut elsewhere = all.kept_slots.iter();
    let mut here = all.slots.iter();
    elsewhere.any(|slot| slots::uses(work, &slot.cluster, Some(&slot.instance)))
        || here.any(|slot| slots::uses(work, &slot.cluster, slot.instance_agent.as_ref()))
}

fn named(one: &Assignment, assigned: &[Assignment]) -> bool {
    assigned.iter().any(|other| other.id == one.id)
}

async fn end(duty: Duty, for_good: bool) {
    let id = duty.assignment.id;
    tracing::info!(assignment.id = %id, for_good, "WAL duty ends");
    let ending = async {
        if for_good {
            return duty.duty.retire().await;
        }
        duty.duty.stop().await;
        Ok(())
    };
    match tokio::time::timeout(ENDS_WITHIN, ending).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::warn!("the replication slot stays: {failure}"),
        Err(_) => tracing::warn!(assignment.id = %id, "a WAL duty did not end in time"),
    }
}
