//! The course of an exposure, drawn in few numbers: the highest in each part of a
//! period.

use std::time::Duration;

use jiff::Timestamp;

use crate::history::History;
use crate::period::{Height, Period};
use crate::segment::Segment;
use crate::span::{after, between, micros};

impl History {
    /// The highest exposure in each part of a period that is `step` long, as it was known
    /// at `known`; `None` where nothing was promised. What was never protected counts
    /// once its grace is over, as in the numbers of the period.
    pub fn course(&self, period: Period, step: Duration, known: Timestamp) -> Vec<Option<Height>> {
        let mut drawing = Drawing::new(period, step);
        self.walk(known, period.until, |segment| {
            if let Some(part) = segment.clip(period.from, period.until) {
                drawing.add(&part);
            }
        });
        drawing.course
    }
}

/// A course while it is drawn.
pub(crate) struct Drawing {
    pub(crate) course: Vec<Option<Height>>,
    from: Timestamp,
    step: u64,
}

impl Drawing {
    pub(crate) fn new(period: Period, step: Duration) -> Self {
        let (whole, step) = (
            micros(between(period.from, period.until)),
            micros(step).max(1),
        );
        let parts = usize::try_from(whole.div_ceil(step)).unwrap_or(usize::MAX);
        Self {
            course: vec![None; parts],
            from: period.from,
            step,
        }
    }

    /// Takes a part of the period in.
    pub(crate) fn add(&mut self, part: &Segment) {
        draw(&mut self.course, part, self.from, self.step);
    }
}

fn draw(course: &mut [Option<Height>], part: &Segment, from: Timestamp, step: u64) {
    let Some(force) = part.force() else { return };
    let first = micros(between(from, part.from)) / step;
    let last = micros(between(from, part.until)).saturating_sub(1) / step;
    for index in first..=last {
        let ends = after(
            from,
            Duration::from_micros((index + 1).saturating_mul(step)),
        );
        let ends = ends.min(part.until);
        // It does not fall while no fact changes: its highest is where this ends.
        let height = match part.exposure(part.scope(), ends) {
            Some(exposure) => Height::Bounded(exposure),
            None if ends <= force.unprotected_from => continue,
            None => Height::Unbounded,
        };
        let place = usize::try_from(index).ok();
        if let Some(known) = place.and_then(|place| course.get_mut(place)) {
            *known = (*known).max(Some(height));
        }
    }
}
