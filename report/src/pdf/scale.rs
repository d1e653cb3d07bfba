//! The axes of a chart: heights as powers, times in the calendar.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use crate::number::{Level, Seconds};

/// Heights that have a name, in seconds.
const HEIGHTS: [(u64, &str); 11] = [
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3_600, "1 h"),
    (21_600, "6 h"),
    (86_400, "1 d"),
    (604_800, "7 d"),
    (2_592_000, "30 d"),
    (31_536_000, "1 y"),
    (315_360_000, "10 y"),
];

/// Heights, logarithmic from a second to what the chart has to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heights {
    top: f64,
    /// How much of the axis stands above the highest name: what has no bound is there.
    bound: f32,
}

impl Heights {
    /// For these levels.
    pub(super) fn of(levels: impl Iterator<Item = Level>) -> Self {
        let (mut highest, mut unbounded) = (60, false);
        for level in levels {
            match level {
                Level::Bounded(seconds) => {
                    highest = highest.max(seconds.micros().div_ceil(1_000_000));
                }
                Level::Unbounded => unbounded = true,
            }
        }
        let named = HEIGHTS.iter().find(|(height, _)| *height >= highest);
        let top = named.map_or(HEIGHTS[HEIGHTS.len() - 1].0, |(height, _)| *height);
        Self {
            top: Seconds::from_secs(top).as_f64(),
            bound: if unbounded { 0.88 } else { 1.0 },
        }
    }

    /// Which part of the axis is below it.
    #[expect(clippy::cast_possible_truncation, reason = "it is drawn")]
    pub(super) fn part(self, level: Level) -> f32 {
        match level {
            Level::Unbounded => 1.0,
            Level::Bounded(seconds) => {
                let height = seconds.as_f64().clamp(1.0, self.top);
                (height.ln() / self.top.ln()) as f32 * self.bound
            }
        }
    }

    /// Its names, and where they stand.
    pub(super) fn names(self) -> Vec<(f32, &'static str)> {
        let named = HEIGHTS
            .iter()
            .map(|(height, name)| (Seconds::from_secs(*height), name));
        let named = named.filter(|(height, _)| height.as_f64() <= self.top);
        let mut names: Vec<(f32, &str)> = named
            .map(|(height, name)| (self.part(Level::Bounded(height)), *name))
            .collect();
        if self.bound < 1.0 {
            names.push((1.0, "none"));
        }
        names
    }
}

/// A period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Times {
    /// Which part of the axis is before it.
    #[expect(clippy::cast_possible_truncation, reason = "it is drawn")]
    pub(super) fn part(self, at: Timestamp) -> f32 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        let part = at.duration_since(self.from).as_secs_f64() / whole.max(1e-6);
        part.clamp(0.0, 1.0) as f32
    }

    /// Its names, and where they stand: no more than a dozen.
    pub(super) fn names(self) -> Vec<(f32, String)> {
        let days = self.to.duration_since(self.from).as_secs_f64() / 86_400.0;
        let (step, form): (Span, &str) = match days {
            ..0.1 => (10.minutes(), "%H:%M"),
            ..0.5 => (1.hour(), "%H:%M"),
            ..1.1 => (3.hours(), "%H:%M"),
            ..3.1 => (6.hours(), "%-d %b %H:%M"),
            ..12.0 => (1.day(), "%-d %b"),
            ..35.0 => (4.days(), "%-d %b"),
            ..100.0 => (14.days(), "%-d %b"),
            ..400.0 => (1.month(), "%b %Y"),
            _ => (3.months(), "%b %Y"),
        };
        let mut at = begin(TimeZone::UTC.to_datetime(self.from), days);
        let mut names = Vec::new();
        while names.len() < 14 {
            let Ok(moment) = TimeZone::UTC.to_timestamp(at) else {
                break;
            };
            if moment >= self.to {
                break;
            }
            if moment >= self.from {
                names.push((self.part(moment), at.strftime(form).to_string()));
            }
            let Ok(next) = at.checked_add(step) else {
                break;
            };
            at = next;
        }
        names
    }
}

/// The last moment before that has a round name.
fn begin(from: DateTime, days: f64) -> DateTime {
    if days < 0.5 {
        from.with()
            .minute(0)
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .unwrap_or(from)
    } else if days < 100.0 {
        from.date().to_datetime(jiff::civil::Time::midnight())
    } else {
        from.date()
            .first_of_month()
            .to_datetime(jiff::civil::Time::midnight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_its_months() {
        let at = |text: &str| text.parse().unwrap();
        let year = Times {
            from: at("2026-01-01T00:00:00Z"),
            to: at("2027-01-01T00:00:00Z"),
        };
        let names = year.names();
        assert_eq!(names.len(), 12);
        assert_eq!(names[1].1, "Feb 2026");
        assert!(names.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(year.part(at("2025-01-01T00:00:00Z")), 0.0);
    }

    #[test]
    fn heights_rise_and_what_has_no_bound_is_above_all() {
        let bounded = |seconds| Level::Bounded(Seconds::from_secs(seconds));
        let heights = Heights::of([bounded(4_000), Level::Unbounded].into_iter());
        let parts = [0, 1, 30, 3_600, 4_000].map(|height| heights.part(bounded(height)));
        assert!(parts.windows(2).all(|pair| pair[0] <= pair[1]), "{parts:?}");
        assert!(parts[4] < 0.88 && heights.part(Level::Unbounded) == 1.0);
        let names = heights.names();
        assert_eq!(names.last().unwrap().1, "none");
        assert_eq!(names[names.len() - 2].1, "6 h");
    }
}
