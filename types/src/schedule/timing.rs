//! The times of a schedule, read and checked.

use jiff::tz::TimeZone;

use super::blackout::Blackouts;
use super::cron::CronLine;
use super::zone::time_zone;
use super::{DAY, tzdb_version};
use crate::Span;
use crate::resource::{CatchUp, Schedule};

const YEAR: i64 = 366 * DAY;

/// What is wrong with a schedule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSchedule {
    /// Path of the field, from the schedule on: `cron`, `blackouts[1].to`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The times of a schedule, valid by construction. They say nothing of a
/// cluster yet: [`Timetable`](super::Timetable) does.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    pub(super) recurrence: Recurrence,
    pub(super) zone: TimeZone,
    pub(super) blackouts: Blackouts,
    /// Thousandths of a second.
    pub(super) jitter: u64,
    /// Thousandths of a second.
    pub(super) window: Option<u64>,
    pub(super) catch_up: CatchUp,
    pub(super) catch_up_max: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Recurrence {
    Cron(Box<CronLine>),
    /// Seconds.
    Every(u64),
}

fn invalid<T>(field: impl Into<String>, message: impl Into<String>) -> Result<T, InvalidSchedule> {
    Err(InvalidSchedule {
        field: field.into(),
        message: message.into(),
    })
}

impl Timing {
    /// Reads the times of a schedule.
    pub fn of(schedule: &Schedule) -> Result<Self, InvalidSchedule> {
        let recurrence = recurrence(schedule)?;
        let name = schedule.timezone.as_deref().unwrap_or("UTC");
        let Some(zone) = time_zone(name) else {
            let message = format!(
                "\"{name}\" is not an IANA time zone such as Europe/Vienna (release {})",
                tzdb_version()
            );
            return invalid("timezone", message);
        };
        let blackouts = match Blackouts::parse(&schedule.blackouts) {
            Ok(blackouts) => blackouts,
            Err((field, message)) => return invalid(field, message),
        };
        let (window, jitter) = (schedule.window, schedule.jitter.unwrap_or_default());
        if let Some(window) = window {
            if !(60_000..=millis_of(YEAR)).contains(&window.millis()) {
                return invalid("window", "a run may start for 1m to 366d after it is due");
            }
            if jitter >= window {
                let message = format!(
                    "runs spread over {jitter} could miss a window of {window}: jitter is shorter"
                );
                return invalid("jitter", message);
            }
        }
        if jitter > Span::default() {
            let period = recurrence.shortest_period();
            if jitter >= period {
                let message = format!(
                    "runs spread over {jitter} would meet the next ones: \
                     jitter is shorter than {period}"
                );
                return invalid("jitter", message);
            }
        }
        Ok(Self {
            recurrence,
            zone,
            blackouts,
            jitter: jitter.millis(),
            window: window.map(Span::millis),
            catch_up: schedule.catch_up(),
            catch_up_max: schedule.catch_up_max(),
        })
    }
}

impl Recurrence {
    fn shortest_period(&self) -> Span {
        match self {
            Self::Cron(line) => Span::from_secs(line.shortest_period().unsigned_abs()),
            Self::Every(seconds) => Span::from_secs(*seconds),
        }
    }
}

fn recurrence(schedule: &Schedule) -> Result<Recurrence, InvalidSchedule> {
    match (&schedule.cron, schedule.every) {
        (Some(_), Some(_)) => invalid("every", "a schedule has cron or every, not both"),
        (None, None) => invalid(
            "cron",
            "a schedule says when: cron: \"0 2 * * 0\" or every: 24h",
        ),
        (Some(text), None) => match CronLine::parse(text) {
            Ok(line) => Ok(Recurrence::Cron(Box::new(line))),
            Err(message) => invalid("cron", message),
        },
        (None, Some(every)) => {
            let period = every.millis();
            if !period.is_multiple_of(1_000) || !(60_000..=millis_of(YEAR)).contains(&period) {
                return invalid("every", "whole seconds, from 1m to 366d");
            }
            Ok(Recurrence::Every(period / 1_000))
        }
    }
}

fn millis_of(seconds: i64) -> u64 {
    seconds.unsigned_abs() * 1_000
}
