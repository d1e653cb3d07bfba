//! Cron lines in a time zone.
//!
//! croner reads the line and says which days it names; the walk over the clock
//! is ours, so that clock changes have one rule, written here and tested:
//!
//! - A **slot** is a wall-clock minute that the line names. It is due at the
//!   first instant at which the zone's clock shows it or a later time. So a slot
//!   that a clock change leaps over is due right after the leap, several of them
//!   once, and a slot that comes twice is due the first time.
//! - A line that names every hour of the day is about the rhythm, not about the
//!   time of day: its slots are due each time the clock shows them, so the hour
//!   that comes twice is served twice and no two due times are further apart
//!   than two slots. (A clock that is turned back by half an hour, as on Lord
//!   Howe Island, adds that half hour once a year to an hourly line.)

use std::iter;

use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::DAY;
use super::timetable::Due;

/// The years in which a line must name a slot: 29 February on a Monday is 40
/// years apart around 2100.
const HORIZON: i64 = 41 * 366 * DAY;

/// Lines are short; a limit keeps what is stored and printed small.
const LINE_MAX: usize = 200;

const FIELDS: [(&str, &str); 5] = [
    ("a minute", "0-59"),
    ("an hour", "0-23"),
    ("a day of month", "1-31"),
    ("a month", "1-12 or JAN-DEC"),
    ("a day of week", "0-7 or SUN-SAT"),
];

/// A line of five fields. Local times are seconds of the wall clock since the
/// 1st of January 1970 on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CronLine {
    pattern: CronPattern,
    /// The minutes of a day that it names, in order; never empty.
    minutes: Vec<i64>,
    every_hour: bool,
}

impl CronLine {
    /// Reads a line, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LINE_MAX {
            return Err(format!("a cron line has at most {LINE_MAX} characters"));
        }
        let pattern = read(text).map_err(|reason| wrong(text, &reason))?;
        let named = |hour, minute| {
            pattern.hour_match(hour).unwrap_or(false)
                && pattern.minute_match(minute).unwrap_or(false)
        };
        let minutes = (0..24 * 60)
            .filter(|minute| named(minute / 60, minute % 60))
            .map(i64::from)
            .collect();
        let every_hour = (0..24).all(|hour| pattern.hour_match(hour).unwrap_or(false));
        let line = Self {
            pattern,
            minutes,
            every_hour,
        };
        // 2024-01-01: any day would do, and a fixed one gives every node the
        // same verdict.
        let start = 19_723 * DAY;
        match line.next_slot(start, start + HORIZON) {
            Some(_) => Ok(line),
            None => Err(format!("\"{text}\" names no day that exists")),
        }
    }

    /// The shortest time between two slots, on the wall clock.
    pub(super) fn shortest_period(&self) -> i64 {
        let within = self.minutes.windows(2).map(|two| two[1] - two[0]).min();
        let overnight = DAY / 60 - self.minutes[self.minutes.len() - 1] + self.minutes[0];
        // Four years hold a leap day; a line with one slot a day has at most
        // 1,461 in them.
        let start = 19_723 * DAY;
        let days: Vec<i64> = (0..1_461)
            .map(|day| start / DAY + day)
            .filter(|day| self.names_day(*day))
            .collect();
        let apart = days.windows(2).map(|two| two[1] - two[0]).min();
        let between = apart.map(|days| (days - 1) * (DAY / 60) + overnight);
        let shortest = [within, between].into_iter().flatten().min();
        shortest.unwrap_or(366 * DAY / 60) * 60
    }

    /// What is due after `after` and not after `until`, in order.
    pub(super) fn due_between<'a>(
        &'a self,
        zone: &'a TimeZone,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Due> + use<'a> {
        let mut walk = Walk::new(self, zone, after, until);
        iter::from_fn(move || walk.next())
    }

    /// The first slot from `from` on and before `before`.
    fn next_slot(&self, from: i64, before: i64) -> Option<i64> {
        let (mut day, mut second) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        while day * DAY < before {
            if self.names_day(day) {
                let first = self.minutes.partition_point(|minute| minute * 60 < second);
                if let Some(minute) = self.minutes.get(first) {
                    let slot = day * DAY + minute * 60;
                    return (slot < before).then_some(slot);
                }
            }
            (day, second) = (day + 1, 0);
        }
        None
    }

    fn names_day(&self, day: i64) -> bool {
        let Ok(midnight) = Timestamp::from_second(day * DAY) else {
            return false;
        };
        let date = Offset::UTC.to_datetime(midnight).date();
        let weekday = match date.weekday() {
            jiff::civil::Weekday::Monday => Weekday::Monday,
            jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
            jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
            jiff::civil::Weekday::Thursday => Weekday::Thursday,
            jiff::civil::Weekday::Friday => Weekday::Friday,
            jiff::civil::Weekday::Saturday => Weekday::Saturday,
            jiff::civil::Weekday::Sunday => Weekday::Sunday,
        };
        let (year, month) = (i32::from(date.year()), date.month().unsigned_abs().into());
        let day = date.day().unsigned_abs().into();
        self.pattern.month_match(month).unwrap_or(false)
            && self
                .pattern
                .day_match(year, month, day, weekday)
                .unwrap_or(false)
    }
}

fn read(text: &str) -> Result<CronPattern, String> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map(|cron| cron.pattern)
        .map_err(|error| match error {
            croner::errors::CronError::ComponentError(reason)
            | croner::errors::CronError::IllegalCharacters(reason)
            | croner::errors::CronError::InvalidPattern(reason) => reason,
            other => other.to_string(),
        })
}

/// croner says what is wrong; people want to know where.
fn wrong(text: &str, reason: &str) -> String {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let count = fields.len();
        return format!(
            "\"{text}\" has {count} fields; a cron line is {}",
            FIELDS.map(|(name, _)| name).join(", ")
        );
    }
    for (index, (name, range)) in FIELDS.iter().enumerate() {
        let mut alone = ["*"; 5];
        alone[index] = fields[index];
        if let Err(reason) = read(&alone.join(" ")) {
            let (field, reason) = (fields[index], reason.trim_end_matches('.'));
            return format!("\"{field}\" is not {name} ({range}): {reason}");
        }
    }
    format!("\"{text}\" is not a cron line: {reason}")
}

/// Walks from one clock change to the next; between two of them the wall clock
/// runs evenly.
struct Walk<'a> {
    line: &'a CronLine,
    zone: &'a TimeZone,
    until: i64,
    /// What was due last, or the time after which to begin.
    last: i64,
    /// The local time from which slots are not served yet.
    cursor: i64,
    /// How far the wall clock has been, over all of the past.
    high: i64,
    offset: i64,
    change: Option<i64>,
    /// What a leap of the clock made due.
    leapt: Option<Due>,
    ended: bool,
}

impl<'a> Walk<'a> {
    fn new(line: &'a CronLine, zone: &'a TimeZone, after: Timestamp, until: Timestamp) -> Self {
        let offset = offset_at(zone, after);
        let last = after.as_second();
        // The last two changes are enough: none repeats more than a day.
        let high = zone
            .preceding(just_after(after))
            .take(2)
            .map(|change| {
                let at = change.timestamp();
                at.as_second() + offset_before(zone, at)
            })
            .fold(i64::MIN, i64::max);
        let mut walk = Self {
            line,
            zone,
            until: until.as_second(),
            last,
            cursor: i64::MIN,
            high,
            offset,
            change: None,
            leapt: None,
            ended: false,
        };
        walk.enter(last);
        walk
    }

    /// Begins an even stretch at the instant `at`.
    fn enter(&mut self, at: i64) {
        let local = at + self.offset;
        self.cursor = if self.line.every_hour {
            local
        } else {
            local.max(self.high)
        };
        self.change = Timestamp::from_second(at).ok().and_then(|at| {
            let change = self.zone.following(at).next();
            change.map(|change| change.timestamp().as_second())
        });
    }

    fn next(&mut self) -> Option<Due> {
        loop {
            if let Some(due) = self.leapt.take().or_else(|| self.next_even())
                && due.at.as_second() <= self.until
            {
                if due.at.as_second() <= self.last {
                    continue;
                }
                self.last = due.at.as_second();
                return Some(due);
            }
            if self.ended {
                return None;
            }
            self.cross();
        }
    }

    /// The next slot before the clock changes.
    fn next_even(&mut self) -> Option<Due> {
        let end = self.change.map_or(i64::MAX, |change| change);
        let before = end.min(self.until.saturating_add(1)) + self.offset;
        let slot = self.line.next_slot(self.cursor, before)?;
        self.cursor = slot + 60;
        let at = Timestamp::from_second(slot - self.offset).ok()?;
        Some(Due {
            at,
            moved_from: None,
        })
    }

    /// Goes to the other side of the next clock change.
    fn cross(&mut self) {
        let change = self.change.filter(|change| *change <= self.until);
        let Some((change, at)) = change.and_then(|c| Some((c, Timestamp::from_second(c).ok()?)))
        else {
            self.ended = true;
            return;
        };
        let before = change + self.offset;
        self.offset = offset_at(self.zone, at);
        let after = change + self.offset;
        if after > before {
            let from = if self.line.every_hour {
                before
            } else {
                before.max(self.high)
            };
            self.leapt = self.line.next_slot(from, after).and_then(|slot| {
                let slot = Timestamp::from_second(slot).ok()?;
                Some(Due {
                    at,
                    moved_from: Some(Offset::UTC.to_datetime(slot)),
                })
            });
        }
        self.high = self.high.max(before);
        self.enter(change);
    }
}

fn offset_at(zone: &TimeZone, at: Timestamp) -> i64 {
    i64::from(zone.to_offset(at).seconds())
}

fn offset_before(zone: &TimeZone, at: Timestamp) -> i64 {
    let before = Timestamp::from_second(at.as_second() - 1);
    before.map_or(0, |before| offset_at(zone, before))
}

fn just_after(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() + 1).unwrap_or(at)
}

#[cfg(test)]
mod tests;
