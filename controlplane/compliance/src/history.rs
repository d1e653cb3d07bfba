//! The history of one cluster, as it was known at any moment.

use std::sync::Arc;

use holdfast_types::Name;
use jiff::Timestamp;

use crate::fact::{Fact, KeptStretch, Recorded};
use crate::look::Look;
use crate::phase::Phase;
use crate::segment::Segment;
use crate::sweep::{Event, Sweep};
use crate::violation::{Tracker, Violation};

/// All facts of a cluster.
///
/// A late fact is added like any other: it changes what was so, and nothing of
/// what is asked as it was known before it.
#[derive(Debug, Clone, Default)]
pub struct History {
    facts: Vec<(Timestamp, Timestamp, Arc<Fact>)>,
    stretches: Vec<KeptStretch>,
}

impl History {
    /// Adds a fact. Of facts since the same moment the later known counts, and of
    /// those the later added.
    pub fn add(&mut self, recorded: Recorded) {
        let Recorded { at, known, fact } = recorded;
        self.add_shared(at, known, Arc::new(fact));
    }

    /// The same with a fact that others hold too.
    pub fn add_shared(&mut self, at: Timestamp, known: Timestamp, fact: Arc<Fact>) {
        self.facts.push((at, known, fact));
    }

    /// Adds a stretch of claims.
    pub fn add_stretch(&mut self, stretch: KeptStretch) {
        self.stretches.push(stretch);
    }

    /// Hands out every time in which nothing changed, from the first fact up to
    /// `until`, as it was known at `known`.
    pub fn walk(&self, known: Timestamp, until: Timestamp, mut visit: impl FnMut(&Segment)) {
        self.sweep(known, until, &mut |segment: Segment| {
            if segment.is_declared() {
                visit(&segment);
            }
        });
    }

    /// What was so at `until`, as it was known at `known`.
    pub(crate) fn sweep(
        &self,
        known: Timestamp,
        until: Timestamp,
        visit: &mut impl FnMut(Segment),
    ) -> Sweep {
        let mut sweep = Sweep::default();
        for (at, event) in self.events(known) {
            if at > until {
                break;
            }
            sweep.advance(at, visit);
            sweep.apply(&event);
        }
        sweep.advance(until, visit);
        sweep
    }

    /// The violations up to `until`, in their order, as they were known at `known`.
    pub fn violations(&self, known: Timestamp, until: Timestamp) -> Vec<Violation> {
        let (mut tracker, mut found) = (Tracker::default(), Vec::new());
        self.walk(known, until, |segment| found.extend(tracker.push(segment)));
        found.extend(tracker.finish(until));
        found
    }

    /// The states up to `until`, as they were known at `known`.
    pub fn phases(&self, known: Timestamp, until: Timestamp) -> Vec<Phase> {
        let mut phases: Vec<Phase> = Vec::new();
        self.walk(known, until, |segment| add_phases(&mut phases, segment));
        phases
    }

    /// The cluster at a moment, as it was known at another.
    pub(crate) fn look(&self, known: Timestamp, now: Timestamp) -> Look {
        let mut tracker = Tracker::default();
        let sweep = self.sweep(known, now, &mut |segment| {
            tracker.push(&segment);
        });
        Look::new(sweep, tracker, now)
    }

    /// The same of this moment alone: of what was before, only what is left of it.
    pub(crate) fn still(&self, known: Timestamp, now: Timestamp) -> Look {
        let mut sweep = Sweep::default();
        for (at, event) in self.events(known) {
            if at > now {
                break;
            }
            sweep.pass(at);
            sweep.apply(&event);
        }
        sweep.pass(now);
        Look::still(sweep, now)
    }

    /// What happened, in its order.
    pub(crate) fn events(&self, known: Timestamp) -> Vec<(Timestamp, Event)> {
        let mut facts: Vec<&(Timestamp, Timestamp, Arc<Fact>)> = self.facts.iter().collect();
        facts.retain(|(_, learnt, _)| *learnt <= known);
        facts.sort_by_key(|(at, learnt, _)| (*at, *learnt));
        let mut events: Vec<(Timestamp, Event)> = Vec::new();
        for (at, _, fact) in facts {
            events.push((*at, Event::Fact(fact.clone())));
        }
        let mut names: Vec<Arc<Name>> = Vec::new();
        for kept in &self.stretches {
            let Some(stretch) = kept.as_known_at(known) else {
                continue;
            };
            let name = match names.iter().find(|name| ***name == kept.repository) {
                Some(name) => name.clone(),
                None => {
                    names.push(Arc::new(kept.repository.clone()));
                    names[names.len() - 1].clone()
                }
            };
            let (first, last) = (stretch.first.at, stretch.last.at);
            events.push((first, Event::Begins(name.clone(), stretch.clone())));
            if stretch.first != stretch.last {
                events.push((last, Event::Ends(name, stretch)));
            }
        }
        // Stable: what was known later still comes later.
        events.sort_by_key(|(at, _)| *at);
        events
    }
}

/// Adds the states of a segment to those before it.
pub(crate) fn add_phases(phases: &mut Vec<Phase>, segment: &Segment) {
    for phase in segment.phases() {
        match phases.last_mut() {
            Some(last) if last.status == phase.status && last.until == phase.from => {
                last.until = phase.until;
            }
            _ => phases.push(phase),
        }
    }
}
