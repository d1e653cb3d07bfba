//! Named controls: what an auditor asks of each cluster, with an answer.

use std::time::Duration;

use holdfast_types::{Compliance, RpoScope};
use serde::{Deserialize, Serialize};

use crate::look::Look;
use crate::promise::{Place, Promise};
use crate::proof::Proof;
use crate::span::before;
use crate::window::RecoveryWindow;

/// A control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Control {
    /// A policy with an RPO is in force.
    #[serde(rename = "PG_IN_POLICY")]
    InPolicy,
    /// The latest recovery point is no older than the RPO.
    #[serde(rename = "PG_LATEST_RP_AGE")]
    LatestRecoveryPointAge,
    /// Any point of the promised window can be restored.
    #[serde(rename = "PG_RECOVERY_WINDOW")]
    RecoveryWindow,
    /// No hole lies between the recovery points of the promised window.
    #[serde(rename = "PG_WAL_CONTIGUOUS")]
    WalContiguous,
    /// The RPO holds when any one region is lost.
    #[serde(rename = "PG_REGION_LOSS_RPO")]
    RegionLossRpo,
    /// A store that holds a copy refuses deletions.
    #[serde(rename = "PG_IMMUTABLE_COPY")]
    ImmutableCopy,
    /// Everything in repositories is encrypted.
    #[serde(rename = "PG_ENCRYPTED")]
    Encrypted,
    /// Nobody deletes a backup alone.
    #[serde(rename = "PG_MANUAL_DELETE_GUARDED")]
    ManualDeleteGuarded,
    /// The newest drill passed within the RTO, and is young enough.
    #[serde(rename = "PG_RESTORE_TIME_MEETS_TARGET")]
    RestoreTimeMeetsTarget,
    /// The newest drill passed and is young enough.
    #[serde(rename = "PG_DRILL_FRESH")]
    DrillFresh,
    /// What protects the cluster was heard of lately.
    #[serde(rename = "PG_AGENT_FRESH")]
    AgentFresh,
    /// The keys are held outside the control plane too.
    #[serde(rename = "PG_KEY_ESCROWED")]
    KeyEscrowed,
}

impl Control {
    /// Every control.
    pub const ALL: [Self; 12] = [
        Self::InPolicy,
        Self::LatestRecoveryPointAge,
        Self::RecoveryWindow,
        Self::WalContiguous,
        Self::RegionLossRpo,
        Self::ImmutableCopy,
        Self::Encrypted,
        Self::ManualDeleteGuarded,
        Self::RestoreTimeMeetsTarget,
        Self::DrillFresh,
        Self::AgentFresh,
        Self::KeyEscrowed,
    ];
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// Nothing proves it.
    NotProven,
    /// Nothing of the kind is promised.
    NotApplicable,
    /// An exemption excuses it.
    Exempt,
}

/// A control and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlResult {
    /// Which.
    pub control: Control,
    /// The answer.
    pub outcome: Outcome,
    /// Why it is not a pass: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

type Answer = (Outcome, Option<&'static str>);

const PASS: Answer = (Outcome::Pass, None);

fn fails(reason: &'static str) -> Answer {
    (Outcome::Fail, Some(reason))
}

fn not_applicable(reason: &'static str) -> Answer {
    (Outcome::NotApplicable, Some(reason))
}

/// A pass, or a failure for a reason.
fn holds(is_so: bool, reason: &'static str) -> Answer {
    if is_so { PASS } else { fails(reason) }
}

impl Look {
    /// Every control.
    pub(crate) fn controls(&self) -> Vec<ControlResult> {
        let results = Control::ALL.into_iter().map(|control| {
            let (outcome, reason) = match self.segment.force() {
                Some(force) => self.answer(control, &force.promise),
                None if control == Control::InPolicy => fails("no_policy"),
                None => not_applicable("no_policy"),
            };
            // An exemption excuses what depends on time passing, not what somebody
            // could set right.
            let excused = self.segment.exempt
                && matches!(
                    control,
                    Control::LatestRecoveryPointAge | Control::RegionLossRpo
                );
            let outcome = match outcome {
                Outcome::Fail if excused => Outcome::Exempt,
                outcome => outcome,
            };
            ControlResult {
                control,
                outcome,
                reason: reason.map(str::to_owned),
            }
        });
        results.collect()
    }

    fn answer(&self, control: Control, promise: &Promise) -> Answer {
        match control {
            Control::InPolicy => holds(promise.rpo.is_some(), "no_rpo"),
            Control::LatestRecoveryPointAge => self.within(RpoScope::Any, promise),
            Control::RecoveryWindow => self.reaches_back(promise),
            Control::WalContiguous => self.is_contiguous(promise),
            Control::RegionLossRpo if promise.scope == RpoScope::RegionLoss => {
                self.within(RpoScope::RegionLoss, promise)
            }
            Control::RegionLossRpo => not_applicable("not_promised"),
            Control::ImmutableCopy => some_place(promise, |place| place.locked, "not_locked"),
            // The format knows nothing else.
            Control::Encrypted => PASS,
            Control::ManualDeleteGuarded => {
                holds(promise.delete_approvals > 0, "no_approval_needed")
            }
            Control::RestoreTimeMeetsTarget if promise.rto.is_none() => not_applicable("no_rto"),
            Control::RestoreTimeMeetsTarget => self.proven(promise),
            Control::DrillFresh if promise.drill_every.is_none() => not_applicable("no_drills"),
            Control::DrillFresh => {
                let promise = Promise {
                    rto: None,
                    ..promise.clone()
                };
                self.proven(&promise)
            }
            Control::AgentFresh => self.is_heard(),
            Control::KeyEscrowed => {
                let escrowed = promise.places.iter().all(|place| place.key_escrowed);
                holds(escrowed && !promise.places.is_empty(), "key_not_exported")
            }
        }
    }

    fn within(&self, scope: RpoScope, promise: &Promise) -> Answer {
        let Some(rpo) = promise.rpo else {
            return not_applicable("no_rpo");
        };
        match self.segment.exposure(scope, self.now) {
            None => fails("no_recovery_point"),
            Some(exposure) => holds(exposure <= rpo.get(), "too_old"),
        }
    }

    fn own_window(&self, promise: &Promise) -> RecoveryWindow {
        let own = promise.places.first();
        let copy = own.and_then(|place| self.sweep.copy(&place.repository));
        let spans = copy.map(|copy| copy.restorable(promise.receives_wal()));
        RecoveryWindow::of(spans.unwrap_or_default())
    }

    /// A cluster is as old as its first promise and a grace: further back nothing
    /// is asked for.
    fn missing(&self, promise: &Promise) -> Option<(Duration, bool)> {
        let asked = promise.window?.get();
        let force = self.segment.force()?;
        let since = before(self.now, asked).max(force.unprotected_from);
        let window = self.own_window(promise);
        let missing = window.missing(since).unwrap_or(Duration::MAX);
        Some((missing, window.gaps(since).is_empty()))
    }

    fn reaches_back(&self, promise: &Promise) -> Answer {
        match self.missing(promise) {
            None => not_applicable("no_window"),
            Some((missing, _)) if missing.is_zero() => PASS,
            Some((_, false)) => fails("gap"),
            Some((_, true)) => fails("too_short"),
        }
    }

    fn is_contiguous(&self, promise: &Promise) -> Answer {
        if !promise.receives_wal() {
            return not_applicable("no_wal");
        }
        if self.segment.own().is_some_and(|own| own.cut) {
            return fails("cut_off");
        }
        let (_, whole) = self.missing(promise).unwrap_or((Duration::ZERO, true));
        holds(whole, "gap")
    }

    fn proven(&self, promise: &Promise) -> Answer {
        let proof = Proof::of(self.sweep.drills(), Some(promise), self.now);
        match proof.not_proven {
            None => PASS,
            Some(reason) => (Outcome::NotProven, Some(reason.code())),
        }
    }

    fn is_heard(&self) -> Answer {
        if self.sweep.agent_lost() {
            return fails("agent_offline");
        }
        let status = self.segment.status(self.now).flatten();
        holds(status != Some(Compliance::Unknown), "nothing_heard")
    }
}

fn some_place(promise: &Promise, fits: impl Fn(&Place) -> bool, reason: &'static str) -> Answer {
    holds(promise.places.iter().any(fits), reason)
}
