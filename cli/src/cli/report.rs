//! Reports: names, flags and help.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;
use holdfast_types::{Name, Span};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Make a report on a fleet: -o json, csv or pdf
    Compliance {
        /// The fleet
        #[arg(long)]
        fleet: Name,
        /// The period's first moment: an RFC 3339 time, a day (UTC), or how long ago, such
        /// as 30d
        #[arg(long, value_name = "TIME")]
        from: When,
        /// The moment after its last; two minutes before as known at when it is not said
        #[arg(long, value_name = "TIME")]
        to: Option<When>,
        /// What was known by then counts, and nothing that came later; now when it is not
        /// said
        #[arg(long, value_name = "TIME")]
        as_known_at: Option<When>,
        /// Where to write it; standard output when it is not said
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the reports that were made, the latest first
    List {
        /// Only of this fleet
        #[arg(long)]
        fleet: Option<Name>,
    },
    /// Show the keys that sign reports
    Keys,
    /// Check that a report is as it was signed, and by whom: needs the file and the
    /// control plane's CA certificate (--ca), and no server
    Verify {
        /// The report
        file: PathBuf,
    },
}

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    Ago(Span),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<Date>() {
            let midnight = day.to_zoned(TimeZone::UTC);
            return midnight
                .map(|at| Self::At(at.timestamp()))
                .map_err(|error| error.to_string());
        }
        text.parse().map(Self::Ago).map_err(|_| {
            "a time such as 2026-07-01T00:00:00Z, a day such as 2026-07-01, or how long ago, \
             such as 30d"
                .to_owned()
        })
    }
}

impl When {
    /// The moment.
    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => {
                let back = SignedDuration::try_from(span.get()).unwrap_or(SignedDuration::MAX);
                let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
                second.checked_sub(back).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_said_in_three_ways() {
        let now: Timestamp = "2026-03-04T05:06:07.5Z".parse().unwrap();
        let moment = |text: &str| {
            text.parse::<When>()
                .map(|when| when.moment(now).to_string())
        };
        let at = |text: &str| Ok(text.to_owned());
        assert_eq!(
            moment("2026-01-01T02:00:00+02:00"),
            at("2026-01-01T00:00:00Z")
        );
        assert_eq!(moment("2026-01-01"), at("2026-01-01T00:00:00Z"));
        assert_eq!(moment("2d"), at("2026-03-02T05:06:07Z"));
        assert!(moment("yesterday").is_err());
    }
}
