//! Times of day at which nothing starts.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::DAY;
use crate::resource::Blackout;

const BLACKOUTS_MAX: usize = 24;

/// Blackouts, in seconds of the wall clock's day; together they leave some time
/// of the day free.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Blackouts(Vec<(i64, i64)>);

impl Blackouts {
    /// Reads them, or says which is wrong and why.
    pub(super) fn parse(given: &[Blackout]) -> Result<Self, (String, String)> {
        if given.len() > BLACKOUTS_MAX {
            let message = format!("a schedule has at most {BLACKOUTS_MAX} blackouts");
            return Err(("blackouts".to_owned(), message));
        }
        let mut read = Vec::with_capacity(given.len());
        for (index, blackout) in given.iter().enumerate() {
            let time = |field: &str, text: &str| {
                time_of_day(text).ok_or_else(|| {
                    let message = format!("\"{text}\" is not a time of day from 00:00 to 23:59");
                    (format!("blackouts[{index}].{field}"), message)
                })
            };
            let from = time("from", &blackout.from)?;
            let to = time("to", &blackout.to)?;
            if from == to {
                let message = "a blackout that ends when it begins: is it none, or all day?";
                return Err((format!("blackouts[{index}].to"), message.to_owned()));
            }
            read.push((from, to));
        }
        let blackouts = Self(read);
        let free = |minute| blackouts.left(minute * 60).is_none();
        if (0..DAY / 60).any(free) {
            Ok(blackouts)
        } else {
            let message = "these blackouts leave no time of the day at which a run could start";
            Err(("blackouts".to_owned(), message.to_owned()))
        }
    }

    /// When the blackout that `at` is in ends, with those that follow at once;
    /// `None` when `at` is in none. It is the wall clock that counts: a clock
    /// that is set back may bring a blackout again, or lengthen it.
    pub(super) fn end(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let mut now = at.as_second();
        // Some minute of the day is free: three days hold it, whatever the
        // clock does, and a step takes us past a blackout or a clock change.
        for _ in 0..BLACKOUTS_MAX * 4 {
            let instant = Timestamp::from_second(now).ok()?;
            let local = now + i64::from(zone.to_offset(instant).seconds());
            let Some(left) = self.left(local.rem_euclid(DAY)) else {
                return (now > at.as_second()).then_some(instant);
            };
            let change = zone.following(instant).next();
            let change = change.map_or(i64::MAX, |change| change.timestamp().as_second());
            now = change.min(now + left);
        }
        Timestamp::from_second(now).ok()
    }

    /// The longest that any blackout over this second of the day still takes.
    fn left(&self, second: i64) -> Option<i64> {
        let left = |(from, to): &(i64, i64)| {
            let since = (second - from).rem_euclid(DAY);
            let length = (to - from).rem_euclid(DAY);
            (since < length).then_some(length - since)
        };
        self.0.iter().filter_map(left).max()
    }
}

fn time_of_day(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str, most: i64| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        let number: Option<i64> = plain.then(|| digits.parse().ok()).flatten();
        number.filter(|number| *number <= most)
    };
    Some(number(hour, 23)? * 3_600 + number(minute, 59)? * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::time_zone;

    fn blackouts(given: &[(&str, &str)]) -> Result<Blackouts, (String, String)> {
        let given: Vec<Blackout> = given
            .iter()
            .map(|(from, to)| Blackout {
                from: (*from).to_owned(),
                to: (*to).to_owned(),
            })
            .collect();
        Blackouts::parse(&given)
    }

    fn end(given: &[(&str, &str)], at: &str) -> Option<String> {
        let zone = time_zone("Europe/Vienna").unwrap();
        let end = blackouts(given).unwrap().end(&zone, at.parse().unwrap())?;
        Some(end.to_zoned(zone).strftime("%F %H:%M%:z").to_string())
    }

    #[test]
    fn a_blackout_ends_at_its_time_of_day() {
        let day = [("08:00", "18:00")];
        assert_eq!(end(&day, "2026-01-05T07:59:59+01:00"), None);
        let evening = Some("2026-01-05 18:00+01:00".to_owned());
        assert_eq!(end(&day, "2026-01-05T08:00:00+01:00"), evening);
        assert_eq!(end(&day, "2026-01-05T17:59:59+01:00"), evening);
        assert_eq!(end(&day, "2026-01-05T18:00:00+01:00"), None);
        let night = [("22:00", "06:00")];
        let morning = Some("2026-01-06 06:00+01:00".to_owned());
        assert_eq!(end(&night, "2026-01-05T23:00:00+01:00"), morning);
        assert_eq!(end(&night, "2026-01-06T05:59:00+01:00"), morning);
        let chain = [("05:00", "09:00"), ("22:00", "06:00"), ("09:00", "10:00")];
        let late = Some("2026-01-06 10:00+01:00".to_owned());
        assert_eq!(end(&chain, "2026-01-05T23:00:00+01:00"), late);
    }

    #[test]
    fn the_wall_clock_counts_where_it_changes() {
        // 02:00 becomes 03:00 on 2026-03-29 and 03:00 becomes 02:00 on 2026-10-25.
        let inside = [("01:30", "02:30")];
        assert_eq!(
            end(&inside, "2026-03-29T01:45:00+01:00").unwrap(),
            "2026-03-29 03:00+02:00"
        );
        assert_eq!(
            end(&inside, "2026-10-25T01:45:00+02:00").unwrap(),
            "2026-10-25 02:30+02:00"
        );
        // The clock shows 02:10 again, and the blackout is there again.
        assert_eq!(
            end(&inside, "2026-10-25T02:10:00+01:00").unwrap(),
            "2026-10-25 02:30+01:00"
        );
        let across = [("02:30", "04:00")];
        assert_eq!(
            end(&across, "2026-10-25T02:40:00+02:00").unwrap(),
            "2026-10-25 02:00+01:00"
        );
    }

    #[test]
    fn wrong_ones_are_refused_by_name() {
        let refused = |given: &[(&str, &str)]| blackouts(given).unwrap_err().0;
        for bad in ["8:00", "24:00", "08:60", "0800", "08:00:00", "", "+8:00"] {
            assert_eq!(
                refused(&[("01:00", "02:00"), (bad, "18:00")]),
                "blackouts[1].from"
            );
            assert_eq!(refused(&[("08:00", bad)]), "blackouts[0].to");
        }
        assert_eq!(refused(&[("08:00", "08:00")]), "blackouts[0].to");
        assert_eq!(
            refused(&[("08:00", "20:00"), ("19:00", "08:00")]),
            "blackouts"
        );
        assert_eq!(refused(&[("01:00", "02:00"); 25]), "blackouts");
        assert!(blackouts(&[("00:01", "00:00")]).is_ok());
    }
}
