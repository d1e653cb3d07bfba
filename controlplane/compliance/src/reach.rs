//! How far a repository reaches while no fact changes: its exposure is
//! `min(t − frontier, level)`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::claim::Stretch;
use crate::span::{after, between};

/// What a repository's exposure is made of between two facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    /// The latest time proved by what is over; `None` when nothing can be
    /// restored from it.
    pub(crate) frontier: Option<Timestamp>,
    /// The stretch that goes on: exposure does not rise above its peak.
    pub(crate) level: Option<Arc<Stretch>>,
    /// Whether a hole cuts the newest backup from the WAL behind it.
    pub(crate) cut: bool,
    /// Why WAL does not reach it.
    pub(crate) trouble: Option<Arc<str>>,
}

impl Reach {
    /// The exposure at a moment; `None` when it has no bound.
    pub(crate) fn exposure(&self, at: Timestamp) -> Option<Duration> {
        let rising = between(self.frontier?, at);
        let level = self.level.as_ref().map(|stretch| stretch.peak);
        Some(level.map_or(rising, |level| rising.min(level)))
    }

    /// From when on the exposure is above `height`: always, or never, are the
    /// ends of time.
    pub(crate) fn above(&self, height: Duration) -> Timestamp {
        let Some(frontier) = self.frontier else {
            return Timestamp::MIN;
        };
        match &self.level {
            Some(stretch) if stretch.peak <= height => Timestamp::MAX,
            _ => after(frontier, height),
        }
    }
}
