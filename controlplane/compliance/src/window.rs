//! The times that a cluster can be restored to from one repository, and the holes
//! in them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::span::between;

/// The recovery window of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryWindow {
    /// The times that can be restored, each from and to, ascending and apart. A
    /// point that stands alone begins where it ends.
    pub spans: Vec<(Timestamp, Timestamp)>,
}

impl RecoveryWindow {
    pub(crate) fn of(mut spans: Vec<(Timestamp, Timestamp)>) -> Self {
        spans.sort_unstable();
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in spans {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Self { spans: joined }
    }

    /// The earliest time that can be restored.
    pub fn earliest(&self) -> Option<Timestamp> {
        self.spans.first().map(|span| span.0)
    }

    /// The latest one: the frontier.
    pub fn latest(&self) -> Option<Timestamp> {
        self.spans.last().map(|span| span.1)
    }

    /// The holes in it, from when to when, since a moment.
    pub fn gaps(&self, since: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let gaps = self.spans.windows(2).filter_map(|pair| match pair {
            [one, next] => Some((one.1.max(since), next.0)),
            _ => None,
        });
        gaps.filter(|(from, until)| from < until).collect()
    }

    /// How much of the time from `since` up to the latest point cannot be
    /// restored; `None` when nothing can.
    pub fn missing(&self, since: Timestamp) -> Option<Duration> {
        let (earliest, latest) = (self.earliest()?, self.latest()?);
        let begins = between(since, earliest.min(latest.max(since)));
        let gaps = self.gaps(since).into_iter();
        Some(
            begins
                + gaps
                    .map(|(from, until)| between(from, until))
                    .sum::<Duration>(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn window(spans: &[(i64, i64)]) -> RecoveryWindow {
        let spans = spans.iter().map(|(from, to)| (at(*from), at(*to)));
        RecoveryWindow::of(spans.collect())
    }

    #[test]
    fn spans_that_touch_are_one() {
        let window = window(&[(50, 60), (10, 30), (20, 40), (40, 45), (70, 70)]);
        let spans = [(at(10), at(45)), (at(50), at(60)), (at(70), at(70))];
        assert_eq!(window.spans, spans);
        assert_eq!(
            (window.earliest(), window.latest()),
            (Some(at(10)), Some(at(70)))
        );
    }

    #[test]
    fn what_is_missing_is_counted_since_when_it_is_asked_for() {
        let window = window(&[(10, 45), (50, 60), (70, 90)]);
        assert_eq!(window.gaps(at(0)), [(at(45), at(50)), (at(60), at(70))]);
        assert_eq!(window.gaps(at(65)), [(at(65), at(70))]);
        let missing = |since| window.missing(at(since)).map(|missing| missing.as_secs());
        assert_eq!(missing(20), Some(15));
        assert_eq!(missing(5), Some(20));
        assert_eq!(missing(65), Some(5));
        assert_eq!(missing(80), Some(0));
        assert_eq!(missing(200), Some(0));
        assert_eq!(RecoveryWindow::default().missing(at(1)), None);
    }
}
