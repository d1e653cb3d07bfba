//! What is true of a cluster now: facts are folded in as they come, so that
//! judging ten thousand clusters reads nothing again.

use std::sync::Arc;
use std::time::Duration;

use holdfast_types::Name;
use jiff::Timestamp;

use crate::claim::Claim;
use crate::fact::Recorded;
use crate::history::History;
use crate::look::Look;
use crate::segment::Segment;
use crate::span::before;
use crate::sweep::{Event, Sweep};
use crate::violation::{Tracker, Violation};

/// How late something may be that is folded in all the same. Facts pass through
/// the log, claims do not: they overtake each other.
const WAITS: Duration = Duration::from_secs(60);

/// A fact is about a time that is folded already: the cluster is to be folded anew
/// from its [`History`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

/// One cluster, now.
#[derive(Debug, Clone, Default)]
pub struct Current {
    sweep: Sweep,
    tracker: Tracker,
    /// What happened lately, in its order, not folded yet.
    pending: Vec<(Timestamp, Event)>,
    /// Violations that ended since somebody asked.
    ended: Vec<Violation>,
}

impl Current {
    /// All that is known of it, folded.
    pub fn of(history: &History, now: Timestamp) -> Self {
        let mut current = Self::default();
        let events = history.events(Timestamp::MAX);
        current.pending = events;
        current.settle(now);
        current.ended.clear();
        current
    }

    /// Takes a fact in.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), Late> {
        let fact = Arc::new(recorded.fact.clone());
        self.insert(recorded.at, Event::Fact(fact))
    }

    /// Takes a claim in that was said of a repository, before or without it being
    /// kept as part of a stretch.
    pub fn claim(&mut self, repository: &Name, claim: Claim) -> Result<(), Late> {
        self.insert(claim.at, Event::Claims(Arc::new(repository.clone()), claim))
    }

    fn insert(&mut self, at: Timestamp, event: Event) -> Result<(), Late> {
        if self.sweep.at().is_some_and(|settled| at < settled) {
            return Err(Late);
        }
        let place = self.pending.partition_point(|(known, _)| *known <= at);
        self.pending.insert(place, (at, event));
        Ok(())
    }

    /// Folds in what nothing is expected to overtake any more.
    pub fn settle(&mut self, now: Timestamp) {
        let until = before(now, WAITS);
        let due = self.pending.partition_point(|(at, _)| *at <= until);
        let Self {
            sweep,
            tracker,
            ended,
            pending,
        } = self;
        for (at, event) in pending.drain(..due) {
            sweep.advance(at, &mut |segment| ended.extend(tracker.push(&segment)));
            sweep.apply(&event);
        }
        if sweep.at().is_some_and(|at| at < until) {
            sweep.advance(until, &mut |segment| ended.extend(tracker.push(&segment)));
        }
    }

    /// Violations that ended for good since this was asked the last time: no fact
    /// that comes in time can change them.
    pub fn take_ended(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.ended)
    }

    /// The cluster at a moment.
    pub(crate) fn look(&self, now: Timestamp) -> Look {
        let (mut sweep, mut tracker) = (self.sweep.clone(), self.tracker.clone());
        let mut visit = |segment: Segment| {
            tracker.push(&segment);
        };
        let happened = self.pending.iter().take_while(|(at, _)| *at <= now);
        for (at, event) in happened {
            sweep.advance(*at, &mut visit);
            sweep.apply(event);
        }
        let now = sweep.at().map_or(now, |at| at.max(now));
        sweep.advance(now, &mut visit);
        Look::new(sweep, tracker, now)
    }
}
