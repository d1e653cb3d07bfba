//! The verdict on a cluster at a moment, of the facts in force alone: cheap enough for
//! ten thousand at once.

use std::time::Duration;

use holdfast_types::{Compliance, RpoScope, Span};
use jiff::Timestamp;

use crate::cause::Cause;
use crate::history::History;
use crate::look::Look;
use crate::span::before;

/// What a [`Judgement`](crate::Judgement) says that no past is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
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
    /// If the worst region were lost with it.
    pub region_loss: Option<Duration>,
    /// If the best repository were lost with it.
    pub k2: Option<Duration>,
    /// The latest time proved complete in any repository.
    pub frontier: Option<Timestamp>,
    /// Why it is not compliant.
    pub cause: Option<Cause>,
    /// How many repositories the promise names.
    pub places: usize,
}

impl History {
    /// The verdict at a moment, as it was known at another; `None` when the cluster was
    /// not declared. Facts that ended may be left out, and of those in force all but the
    /// [`deciding`](crate::deciding()).
    pub fn verdict(&self, known: Timestamp, at: Timestamp) -> Option<Verdict> {
        self.still(known, at).verdict()
    }
}

impl Look {
    fn verdict(&self) -> Option<Verdict> {
        let status = self.segment.status(self.now)?;
        let promise = self.segment.force().map(|force| &force.promise);
        let exposure = |scope| self.segment.exposure(scope, self.now);
        let quiet = matches!(status, None | Some(Compliance::Compliant));
        let exposures = self.segment.reaches.iter();
        let frontiers = exposures.filter_map(|reach| reach.exposure(self.now));
        let frontiers = frontiers.map(|exposure| before(self.now, exposure));
        Some(Verdict {
            at: self.now,
            status,
            rpo: promise.and_then(|promise| promise.rpo),
            scope: self.segment.scope(),
            exposure: exposure(self.segment.scope()),
            region_loss: exposure(RpoScope::RegionLoss),
            k2: exposure(RpoScope::K2),
            frontier: frontiers.max(),
            cause: (!quiet).then(|| self.segment.cause(self.now)),
            places: promise.map_or(0, |promise| promise.places.len()),
        })
    }
}
