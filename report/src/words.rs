//! Numbers and times as people read them: in PDF.

use holdfast_types::{Compliance, RpoScope};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::number::{Level, Percent, Seconds};

/// What stands where nothing is to be said.
pub(crate) const NOTHING: &str = "–";

/// A moment in UTC: to the second, and exact where that is not.
pub(crate) fn moment(at: Timestamp) -> String {
    let whole = at.subsec_nanosecond() == 0;
    let form = if whole {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    TimeZone::UTC.to_datetime(at).strftime(form).to_string()
}

/// A moment, or that there is none.
pub(crate) fn maybe_moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NOTHING.to_owned(), moment)
}

/// A moment in UTC, without its time where that is midnight.
pub(crate) fn day(at: Timestamp) -> String {
    let whole = at.as_nanosecond().rem_euclid(86_400_000_000_000) == 0;
    if whole {
        TimeZone::UTC
            .to_datetime(at)
            .strftime("%Y-%m-%d")
            .to_string()
    } else {
        moment(at)
    }
}

/// A length: `0.4 s`, `30 s`, `4 min 10 s`, `2 h 5 min 3 s`, `90 d 4 h`; days to the minute.
pub(crate) fn length(seconds: Seconds) -> String {
    let micros = seconds.micros();
    if micros < 60_000_000 && !micros.is_multiple_of(1_000_000) {
        // Up, for what is exposed is not made less.
        let tenths = micros.div_ceil(100_000);
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let whole = micros.div_ceil(1_000_000);
    let parts = [
        (whole / 86_400, "d"),
        (whole / 3_600 % 24, "h"),
        (whole / 60 % 60, "min"),
        (whole % 60, "s"),
    ];
    let Some(first) = parts.iter().position(|(amount, _)| *amount > 0) else {
        return "0 s".to_owned();
    };
    let said = parts
        .iter()
        .skip(first)
        .take(3)
        .filter(|(amount, _)| *amount > 0);
    let said: Vec<String> = said
        .map(|(amount, unit)| format!("{amount} {unit}"))
        .collect();
    said.join(" ")
}

/// A length, or that there is none.
pub(crate) fn maybe_length(seconds: Option<Seconds>) -> String {
    seconds.map_or_else(|| NOTHING.to_owned(), length)
}

/// How high an exposure was.
pub(crate) fn level(level: Level) -> String {
    match level {
        Level::Bounded(seconds) => length(seconds),
        Level::Unbounded => "unbounded".to_owned(),
    }
}

/// A part of a hundred.
pub(crate) fn percent(percent: Option<Percent>) -> String {
    percent.map_or_else(|| NOTHING.to_owned(), |percent| format!("{percent} %"))
}

/// A state.
pub(crate) fn state(state: Option<Compliance>) -> String {
    state.map_or_else(
        || "no RPO".to_owned(),
        |state| state.to_string().replace('_', " "),
    )
}

/// Of which loss an RPO is.
pub(crate) const fn scope(scope: RpoScope) -> &'static str {
    match scope {
        RpoScope::Any => "any copy",
        RpoScope::RegionLoss => "after loss of a region",
        RpoScope::K2 => "two copies",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well_and_are_not_made_less() {
        let said = |micros| length(Seconds::from_micros(micros));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(410_001), "0.5 s");
        assert_eq!(said(30_000_000), "30 s");
        assert_eq!(said(250_000_000), "4 min 10 s");
        assert_eq!(said(7_500_000_000), "2 h 5 min");
        assert_eq!(said(86_400_000_000 * 90 + 1), "90 d");
        assert_eq!(said(86_400_000_000 * 90 + 3_600_000_000 * 4), "90 d 4 h");
    }

    #[test]
    fn moments_are_in_utc_and_exact() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            moment(at("2026-07-01T02:00:00+02:00")),
            "2026-07-01 00:00:00"
        );
        assert_eq!(
            moment(at("2026-07-01T00:00:00.25Z")),
            "2026-07-01 00:00:00.250"
        );
        assert_eq!(day(at("2026-07-01T00:00:00Z")), "2026-07-01");
        assert_eq!(day(at("2026-07-01T06:00:00Z")), "2026-07-01 06:00:00");
    }
}
