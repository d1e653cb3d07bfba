//! What is said of a cluster at a moment.

use std::time::Duration;

use holdfast_types::{Compliance, Name, RpoScope, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::control::ControlResult;
use crate::current::Current;
use crate::history::History;
use crate::look::Look;
use crate::promise::Place;
use crate::proof::Proof;
use crate::reach::Reach;
use crate::violation::Violation;
use crate::window::RecoveryWindow;

/// A cluster at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The moment.
    pub at: Timestamp,
    /// The verdict; `None` when there is no RPO to judge by, and nothing wrong.
    pub status: Option<Compliance>,
    /// The RPO.
    pub rpo: Option<Span>,
    /// What it is about.
    pub scope: RpoScope,
    /// The exposure of that; `None` when it has no bound.
    pub exposure: Option<Duration>,
    /// The exposure if the cluster alone were lost.
    pub any: Option<Duration>,
    /// If the worst region were lost with it.
    pub region_loss: Option<Duration>,
    /// If the best repository were lost with it.
    pub k2: Option<Duration>,
    /// The latest time proved complete in any repository.
    pub frontier: Option<Timestamp>,
    /// Why it is not compliant.
    pub cause: Option<Cause>,
    /// The violation that is not over.
    pub violation: Option<Violation>,
    /// Each repository of the promise.
    pub copies: Vec<CopyJudgement>,
    /// What drills prove.
    pub proof: Proof,
}

/// A cluster in one repository at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyJudgement {
    /// The repository.
    pub repository: Name,
    /// The latest time proved complete in it; `None` when nothing can be restored
    /// from it.
    pub frontier: Option<Timestamp>,
    /// Its exposure.
    pub exposure: Option<Duration>,
    /// Whether it lags further behind than it may; `None` when nothing is said.
    pub late: Option<bool>,
    /// Whether a hole cuts its newest backup from the WAL behind it.
    pub cut: bool,
    /// Why WAL does not reach it.
    pub trouble: Option<String>,
    /// The times that can be restored from it.
    pub window: RecoveryWindow,
}

impl Current {
    /// The cluster at a moment; `None` when it is not declared.
    pub fn judge(&self, now: Timestamp) -> Option<Judgement> {
        self.look(now).judge()
    }

    /// Every control.
    pub fn controls(&self, now: Timestamp) -> Vec<ControlResult> {
        self.look(now).controls()
    }
}

impl History {
    /// The cluster at a moment, as it was known at another; `None` when it was not
    /// declared.
    pub fn judge(&self, known: Timestamp, at: Timestamp) -> Option<Judgement> {
        self.look(known, at).judge()
    }

    /// Every control at a moment, as it was known at another.
    pub fn controls(&self, known: Timestamp, at: Timestamp) -> Vec<ControlResult> {
        self.look(known, at).controls()
    }
}

impl Look {
    pub(crate) fn judge(&self) -> Option<Judgement> {
        let status = self.segment.status(self.now)?;
        let promise = self.segment.force().map(|force| &force.promise);
        let exposure = |scope| self.segment.exposure(scope, self.now);
        let quiet = matches!(status, None | Some(Compliance::Compliant));
        let copies = self.segment.force().map_or_else(Vec::new, |force| {
            let places = force.promise.places.iter().zip(&self.segment.reaches);
            let receives = force.promise.receives_wal();
            places
                .map(|(place, reach)| self.copy(place, reach, receives))
                .collect()
        });
        let frontiers = copies.iter().filter_map(|copy| copy.frontier);
        Some(Judgement {
            at: self.now,
            status,
            rpo: promise.and_then(|promise| promise.rpo),
            scope: self.segment.scope(),
            exposure: exposure(self.segment.scope()),
            any: exposure(RpoScope::Any),
            region_loss: exposure(RpoScope::RegionLoss),
            k2: exposure(RpoScope::K2),
            frontier: frontiers.max(),
            cause: (!quiet).then(|| self.segment.cause(self.now)),
            violation: self.open.clone(),
            copies,
            proof: Proof::of(self.sweep.drills(), promise, self.now),
        })
    }

    fn copy(&self, place: &Place, reach: &Reach, receives_wal: bool) -> CopyJudgement {
        let exposure = reach.exposure(self.now);
        let known = self.sweep.copy(&place.repository);
        let spans = known.map(|copy| copy.restorable(receives_wal));
        // Nothing can be restored from it: that is as late as it gets (I-13).
        let late = |within: Span| exposure.is_none_or(|exposure| exposure > within.get());
        CopyJudgement {
            repository: place.repository.clone(),
            frontier: exposure.map(|exposure| crate::span::before(self.now, exposure)),
            exposure,
            late: place.within.map(late),
            cut: reach.cut,
            trouble: reach.trouble.as_deref().map(str::to_owned),
            window: RecoveryWindow::of(spans.unwrap_or_default()),
        }
    }
}
