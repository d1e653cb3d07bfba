//! All that is told of a period of a cluster, from one look at its history: most of the
//! work is to find out what was so when.

use std::time::Duration;

use jiff::Timestamp;

use crate::control::ControlResult;
use crate::course::Drawing;
use crate::history::{History, add_phases};
use crate::judgement::Judgement;
use crate::look::Look;
use crate::period::{Height, Period, PeriodResult};
use crate::phase::Phase;
use crate::segment::Segment;
use crate::violation::{Tracker, Violation};

/// A period of a cluster, as it was known at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// In numbers, as [`History::period`] says.
    pub numbers: PeriodResult,
    /// The highest exposure in each part of it, as [`History::course`] says.
    pub course: Vec<Option<Height>>,
    /// The states up to its end, as [`History::phases`] says.
    pub phases: Vec<Phase>,
    /// The cluster at its end, as [`History::judge`] says.
    pub judged: Option<Judgement>,
    /// Every control at its end, as [`History::controls`] says.
    pub controls: Vec<ControlResult>,
}

impl History {
    /// Tells of a period, with its course in parts that are `step` long.
    pub fn tell(&self, period: Period, step: Duration, known: Timestamp) -> Told {
        let (mut numbers, mut phases) = (PeriodResult::default(), Vec::new());
        let mut drawing = Drawing::new(period, step);
        // One follows what was declared, the other what is not over.
        let (mut tracker, mut last) = (Tracker::default(), Tracker::default());
        let touches = |violation: &Violation| period.touches(violation);
        let mut found = Vec::new();
        let sweep = self.sweep(known, period.until, &mut |segment: Segment| {
            last.push(&segment);
            if !segment.is_declared() {
                return;
            }
            found.extend(tracker.push(&segment).filter(touches));
            add_phases(&mut phases, &segment);
            if let Some(part) = segment.clip(period.from, period.until) {
                numbers.add(&part);
                drawing.add(&part);
            }
        });
        found.extend(tracker.finish(period.until).filter(touches));
        numbers.violations = found;
        let look = Look::new(sweep, last, period.until);
        Told {
            numbers,
            course: drawing.course,
            phases,
            judged: look.judge(),
            controls: look.controls(),
        }
    }
}
