//! Violations: longest intervals in which exposure was above the RPO.

use std::time::Duration;

use holdfast_types::{RpoScope, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::segment::Segment;
use crate::span::between;

/// A violation. Its ends are computed from facts, not from when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The moment after which exposure was above the RPO.
    pub started_at: Timestamp,
    /// When a fact lowered it; `None` while none did.
    pub ended_at: Option<Timestamp>,
    /// The RPO at its start.
    pub rpo: Span,
    /// What that was about.
    pub scope: RpoScope,
    /// Why it began.
    pub cause: Cause,
    /// The highest exposure in it; `None` when it had no bound.
    pub highest: Option<Duration>,
    /// How much of it is excused.
    pub exempt: Duration,
}

/// Follows segments, and tells violations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracker {
    open: Option<Violation>,
    /// Where the last segment ended.
    at: Option<Timestamp>,
    /// Whether exposure was within the RPO at its end.
    was_within: bool,
}

impl Tracker {
    /// The violation that is not over at `until`; over when nobody asked to protect
    /// the cluster any more.
    pub(crate) fn finish(self, until: Timestamp) -> Option<Violation> {
        let mut open = self.open?;
        open.ended_at = self.at.filter(|at| *at < until);
        Some(open)
    }

    /// Takes the next segment in; returns the violation that ended where it
    /// begins.
    pub(crate) fn push(&mut self, segment: &Segment) -> Option<Violation> {
        let from = segment.violated_from();
        let goes_on = from == Some(segment.from) && self.at == Some(segment.from);
        let mut ended = None;
        if !goes_on && let Some(mut open) = self.open.take() {
            open.ended_at = self.at.map(|at| at.min(segment.from));
            ended = Some(open);
        }
        if let Some(from) = from {
            if self.open.is_none() {
                self.open = self.begin(segment, from);
            }
            if let Some(open) = &mut self.open {
                note(open, segment, from);
            }
        }
        self.at = Some(segment.until);
        self.was_within = from.is_none() && segment.is_measured();
        ended
    }

    fn begin(&self, segment: &Segment, from: Timestamp) -> Option<Violation> {
        let force = segment.force()?;
        // Exposure is continuous but where it falls: it can only have jumped
        // above the RPO because that jumped, or because something was lost.
        let jumped = from == segment.from && self.was_within;
        let changed = jumped && force.since == segment.from && force.assigned != segment.from;
        Some(Violation {
            started_at: from,
            ended_at: None,
            rpo: force.promise.rpo?,
            scope: force.promise.scope,
            cause: if changed {
                Cause::PolicyChanged
            } else {
                segment.cause(from)
            },
            highest: Some(Duration::ZERO),
            exempt: Duration::ZERO,
        })
    }
}

fn note(open: &mut Violation, segment: &Segment, from: Timestamp) {
    let height = segment.exposure(segment.scope(), segment.until);
    open.highest = open.highest.and_then(|known| Some(known.max(height?)));
    if segment.exempt {
        open.exempt += between(from, segment.until);
    }
}
