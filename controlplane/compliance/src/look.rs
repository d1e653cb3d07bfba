//! A cluster at a moment: what judgements are made of.

use std::time::Duration;

use jiff::Timestamp;

use crate::segment::Segment;
use crate::span::after;
use crate::sweep::Sweep;
use crate::violation::{Tracker, Violation};

/// A cluster at a moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) now: Timestamp,
    /// A time so short that nothing changes in it.
    pub(crate) segment: Segment,
    pub(crate) sweep: Sweep,
    /// The violation that is not over.
    pub(crate) open: Option<Violation>,
}

impl Look {
    /// Without the violation that is not over: what was before is not known.
    pub(crate) fn still(mut sweep: Sweep, now: Timestamp) -> Self {
        let until = after(now, Duration::from_micros(1));
        Self {
            now,
            segment: sweep.segment(now, until),
            sweep,
            open: None,
        }
    }

    pub(crate) fn new(mut sweep: Sweep, mut tracker: Tracker, now: Timestamp) -> Self {
        let until = after(now, Duration::from_micros(1));
        let segment = sweep.segment(now, until);
        tracker.push(&segment);
        // At the very moment of the crossing the exposure is not above the RPO yet.
        let begun = |open: &Violation| open.started_at < now || segment.is_above(now);
        let open = tracker.finish(until).filter(begun);
        Self {
            now,
            segment,
            sweep,
            open,
        }
    }
}
