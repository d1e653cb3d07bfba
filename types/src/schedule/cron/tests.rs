//! Due times in every zone, against the rule told in another way: a clock that
//! is watched minute by minute.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::schedule::{time_zone, zone};

const AWKWARD: [&str; 4] = ["0 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *"];

/// 2020-01-01 and 2041-01-01.
const YEARS: (i64, i64) = (1_577_836_800, 2_240_611_200);

fn line(text: &str) -> CronLine {
    CronLine::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn local(zone: &TimeZone, second: i64) -> i64 {
    second + i64::from(zone.to_offset(at(second)).seconds())
}

fn due(line: &CronLine, zone: &TimeZone, after: i64, until: i64) -> Vec<i64> {
    line.due_between(zone, at(after), at(until))
        .map(|due| due.at.as_second())
        .collect()
}

fn due_text(text: &str, name: &str, after: &str, until: &str) -> Vec<String> {
    let zone = time_zone(name).unwrap();
    let (after, until) = (after.parse().unwrap(), until.parse().unwrap());
    line(text)
        .due_between(&zone, after, until)
        .map(|due| {
            let shown = due.at.to_zoned(zone.clone()).strftime("%d %H:%M%:z");
            match due.moved_from {
                Some(slot) => format!("{shown} for {}", slot.strftime("%d %H:%M")),
                None => shown.to_string(),
            }
        })
        .collect()
}

/// croner's own word on one minute.
fn names(line: &CronLine, slot: i64) -> bool {
    let minute = u32::try_from(slot.rem_euclid(DAY) / 60).unwrap();
    line.pattern.hour_match(minute / 60).unwrap()
        && line.pattern.minute_match(minute % 60).unwrap()
        && line.names_day(slot.div_euclid(DAY))
}

/// The rule, by watching the clock: a minute is due when the clock shows for the
/// first time, or (a line of every hour) shows at all, a time that is named, or
/// has just leapt over one.
fn watched(line: &CronLine, zone: &TimeZone, after: i64, until: i64) -> Vec<i64> {
    let begin = (after - 3 * DAY).div_euclid(60) * 60;
    let mut seen = local(zone, begin);
    let mut due = Vec::new();
    for second in (begin + 60..=until).step_by(60) {
        let shown = local(zone, second);
        if line.every_hour && shown <= seen {
            seen = shown - 60;
        }
        let news = (seen + 60..=shown).step_by(60);
        if news.into_iter().any(|slot| names(line, slot)) && second > after {
            due.push(second);
        }
        seen = seen.max(shown);
    }
    due
}

/// Each calendar day has one run of a daily line: at its time where the clock
/// shows it, else right after the clock leapt over it.
fn check_daily(name: &str, (from, to): (i64, i64)) {
    let zone = time_zone(name).unwrap();
    for text in AWKWARD {
        let line = line(text);
        let minute = line.minutes[0] * 60;
        let mut day = local(&zone, from).div_euclid(DAY);
        if local(&zone, from).rem_euclid(DAY) >= minute {
            day += 1;
        }
        let mut last = from;
        for due in line.due_between(&zone, at(from), at(to)) {
            let second = due.at.as_second();
            let context = || format!("{text} {name} {}", due.at);
            assert!(second > last, "twice or back: {}", context());
            let (shown, before) = (local(&zone, second), local(&zone, second - 1));
            let slot = day * DAY + minute;
            if due.moved_from.is_some() {
                assert!(before < slot && slot < shown, "no leap: {}", context());
            } else {
                assert_eq!(shown, slot, "not its day and time: {}", context());
            }
            // The first pass: the clock has not been there in the last days.
            let changes = zone.preceding(due.at).take(2).map(|c| c.timestamp());
            for change in changes.filter(|change| second - change.as_second() < 2 * DAY) {
                let reached = local(&zone, change.as_second() - 1);
                assert!(reached < slot, "not the first time: {}", context());
            }
            (last, day) = (second, day + 1);
        }
        let end = local(&zone, to);
        let days = end.div_euclid(DAY) + i64::from(end.rem_euclid(DAY) >= minute);
        assert_eq!(day, days, "days without a run: {text} {name}");
    }
}

fn check_watched(name: &str, text: &str, from: i64, to: i64) {
    let (zone, line) = (time_zone(name).unwrap(), line(text));
    let planned = due(&line, &zone, from, to);
    let watched = watched(&line, &zone, from, to);
    if let Some(index) = (0..planned.len().max(watched.len()))
        .find(|index| planned.get(*index) != watched.get(*index))
    {
        panic!(
            "{text} {name}: planned {:?}, watched {:?}",
            planned.get(index).map(|second| at(*second)),
            watched.get(index).map(|second| at(*second)),
        );
    }
}

#[test]
fn every_zone_has_one_run_of_a_daily_line_per_day() {
    for name in zone::names() {
        check_daily(&name, YEARS);
    }
}

const LINES: [&str; 14] = [
    "0 0 * * *",
    "30 1 * * *",
    "30 2 * * *",
    "0 3 * * *",
    "*/30 * * * *",
    "15,45 * * * *",
    "0 * * * *",
    "*/15 2 * * *",
    "0 */2 * * *",
    "*/20 1-3 * * *",
    "* * * * *",
    "30 2 * * SUN",
    "0 2 L * *",
    "5 0 1 */3 *",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Around a clock change of any zone, any line is due as one who watches
    /// the clock would say.
    #[test]
    fn due_times_are_those_of_one_who_watches_the_clock(
        name in select(zone::names()),
        text in select(&LINES[..]),
        from in YEARS.0..YEARS.1,
        before in 0..2 * DAY,
    ) {
        let zone = time_zone(&name).unwrap();
        let change = zone.following(at(from)).next().map(|c| c.timestamp().as_second());
        let from = change.filter(|change| *change < YEARS.1).unwrap_or(from) - before;
        check_watched(&name, text, from, from + 4 * DAY);
    }

    /// Stretches that meet say together what one stretch says.
    #[test]
    fn a_stretch_is_the_sum_of_its_parts(
        name in select(zone::names()),
        text in select(&LINES[..]),
        from in YEARS.0..YEARS.1,
        mut cuts in prop::collection::vec(0..40 * DAY, 1..5),
    ) {
        let (zone, line) = (time_zone(&name).unwrap(), line(text));
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut begin = 0;
        for cut in cuts.iter().copied().chain([40 * DAY]) {
            parts.extend(due(&line, &zone, from + begin, from + cut));
            begin = cut;
        }
        prop_assert_eq!(parts, due(&line, &zone, from, from + 40 * DAY));
    }

    /// A line of every hour never rests for longer than its slots are apart, but
    /// where a clock is turned back by what is no multiple of that: on Lord Howe
    /// Island the half hour before two o'clock comes twice, and two o'clock is
    /// ninety minutes after one.
    #[test]
    fn a_rhythm_is_kept(
        name in select(zone::names()),
        (text, apart) in select(vec![("*/30 * * * *", 1_800), ("0 * * * *", 3_600), ("15,45 * * * *", 1_800)]),
        from in YEARS.0..YEARS.1,
    ) {
        let (zone, line) = (time_zone(&name).unwrap(), line(text));
        let due = due(&line, &zone, from, from + 200 * DAY);
        let mut rests = 0;
        for two in due.windows(2) {
            let (after, rest) = (at(two[0]), two[1] - two[0]);
            let offset = |second| i64::from(zone.to_offset(at(second)).seconds());
            let odd = (offset(two[0]) - offset(two[1])).max(0) % apart;
            prop_assert!((1..=apart + odd).contains(&rest), "{rest} s after {after}");
            rests += i64::from(rest > apart);
        }
        prop_assert!(due.len() as i64 + rests >= 200 * DAY / apart);
    }

    /// Nothing that people can write makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}", fields in "[0-9*/,LW#?+A-Z@ -]{1,24}") {
        for text in [&text, &fields] {
            if let Ok(line) = CronLine::parse(text) {
                prop_assert!(line.shortest_period() >= 60);
            }
        }
    }
}

/// All zones, all years, minute by minute: some minutes of work. Zones whose
/// clocks agree in these years are watched once, and must plan the same.
/// `cargo test -p holdfast-types -- --ignored`
#[test]
#[ignore = "minutes long"]
fn soak_every_zone_minute_by_minute() {
    let mut clocks: BTreeMap<Vec<(i64, i64)>, Vec<String>> = BTreeMap::new();
    for name in zone::names() {
        let zone = time_zone(&name).unwrap();
        let begin = (YEARS.0, local(&zone, YEARS.0));
        let changes = zone.following(at(YEARS.0));
        let changes = changes.map(|change| change.timestamp().as_second());
        let changes = changes
            .take_while(|change| *change <= YEARS.1)
            .map(|change| (change, local(&zone, change)));
        let clock = [begin].into_iter().chain(changes).collect();
        clocks.entry(clock).or_default().push(name);
    }
    for names in clocks.values() {
        // The days before the first year may differ.
        let from = YEARS.0 + 4 * DAY;
        for text in AWKWARD.into_iter().chain(["*/30 * * * *", "*/15 2 * * *"]) {
            check_watched(&names[0], text, from, YEARS.1);
            let planned = |name| due(&line(text), &time_zone(name).unwrap(), from, YEARS.1);
            let first = planned(&names[0]);
            for name in &names[1..] {
                assert!(planned(name) == first, "{text} {name} {}", names[0]);
            }
        }
    }
    let zones: usize = clocks.values().map(Vec::len).sum();
    println!("{zones} zones, {} clocks", clocks.len());
}

#[test]
fn a_daily_line_across_clock_changes() {
    let vienna = |text, (eve, day): (&str, &str)| {
        let (after, until) = (format!("{eve}T22:30:00Z"), format!("{day}T04:30:00Z"));
        due_text(text, "Europe/Vienna", &after, &until)
    };
    let spring = ("2026-03-28", "2026-03-29");
    let autumn = ("2026-10-24", "2026-10-25");
    assert_eq!(
        vienna("30 2 * * *", spring),
        ["29 03:00+02:00 for 29 02:30"]
    );
    assert_eq!(vienna("30 2 * * *", autumn), ["25 02:30+02:00"]);
    // Several slots that were leapt over are one run, and so is the slot that
    // the clock leapt to.
    assert_eq!(
        vienna("*/15 2,3 * * *", spring),
        [
            "29 03:00+02:00 for 29 02:00",
            "29 03:15+02:00",
            "29 03:30+02:00",
            "29 03:45+02:00",
        ]
    );
    assert_eq!(
        vienna("0 1-3 * * *", autumn),
        ["25 01:00+02:00", "25 02:00+02:00", "25 03:00+01:00"]
    );
    assert_eq!(
        vienna("0 * * * *", autumn),
        [
            "25 01:00+02:00",
            "25 02:00+02:00",
            "25 02:00+01:00",
            "25 03:00+01:00",
            "25 04:00+01:00",
            "25 05:00+01:00",
        ]
    );
}

#[test]
fn odd_clocks() {
    // Half an hour forward.
    assert_eq!(
        due_text(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            "2026-10-04T12:00:00Z"
        ),
        ["04 02:30+11:00 for 04 02:15"]
    );
    // A day that does not exist: its run is due right after it, once.
    assert_eq!(
        due_text(
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            "2012-01-01T00:00:00+14:00"
        ),
        ["31 00:00+14:00 for 30 12:00", "31 12:00+14:00"]
    );
    // Midnight itself is leapt over.
    assert_eq!(
        due_text(
            "0 0 * * *",
            "Africa/Cairo",
            "2026-04-23T12:00:00Z",
            "2026-04-24T12:00:00Z"
        ),
        ["24 01:00+03:00 for 24 00:00"]
    );
    // To begin in the repeated hour is to know that it is repeated.
    assert_eq!(
        due_text(
            "30 2 * * *",
            "Europe/Vienna",
            "2026-10-25T02:10:00+01:00",
            "2026-10-26T12:00:00+01:00"
        ),
        ["26 02:30+01:00"]
    );
}

#[test]
fn days_are_named_as_cron_does() {
    let utc = |text: &str| due_text(text, "UTC", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
    // Day of month or day of week, when both are named.
    assert_eq!(
        utc("0 2 13 * FRI"),
        [
            "04 02:00+00:00",
            "11 02:00+00:00",
            "13 02:00+00:00",
            "18 02:00+00:00",
            "25 02:00+00:00",
        ]
    );
    assert_eq!(utc("0 2 29 2 *"), ["29 02:00+00:00"]);
    assert_eq!(utc("0 2 * * 7"), utc("0 2 * * SUN"));
    assert_eq!(utc("0 2 * * 0"), utc("0 2 * * SUN"));
    assert_eq!(utc("@weekly"), utc("0 0 * * 0"));
}

#[test]
fn a_wrong_line_is_told_where() {
    let wrong = |text| CronLine::parse(text).unwrap_err();
    for (text, count) in [
        ("", 0),
        ("0 2 * *", 4),
        ("0 0 2 * * *", 6),
        ("@fortnightly", 1),
    ] {
        let expected = format!(
            "\"{text}\" has {count} fields; a cron line is \
             a minute, an hour, a day of month, a month, a day of week"
        );
        assert_eq!(wrong(text), expected);
    }
    assert_eq!(
        wrong("0 25 * * *"),
        "\"25\" is not an hour (0-23): Number out of bounds"
    );
    assert_eq!(
        wrong("*/0 2 * * *"),
        "\"*/0\" is not a minute (0-59): Step cannot be zero"
    );
    for (text, field) in [
        ("61 2 * * *", "\"61\" is not a minute"),
        ("5/10 2 * * *", "\"5/10\" is not a minute"),
        ("0 2 0 * *", "\"0\" is not a day of month"),
        ("0 2 * 13 *", "\"13\" is not a month"),
        ("0 2 * * FUNDAY", "\"FUNDAY\" is not a day of week"),
        ("0 2 * * 8", "\"8\" is not a day of week"),
    ] {
        assert!(wrong(text).starts_with(field), "{}", wrong(text));
    }
    assert_eq!(
        wrong("0 2 31 2 *"),
        "\"0 2 31 2 *\" names no day that exists"
    );
    assert!(wrong(&"*".repeat(201)).contains("at most 200"));
}

#[test]
fn the_shortest_period_is_that_of_the_wall_clock() {
    let minutes = |text| line(text).shortest_period() / 60;
    assert_eq!(minutes("* * * * *"), 1);
    assert_eq!(minutes("*/30 * * * *"), 30);
    assert_eq!(minutes("0 2 * * *"), 24 * 60);
    assert_eq!(minutes("0 2 * * 0"), 7 * 24 * 60);
    assert_eq!(minutes("0 2,4 * * 0"), 120);
    assert_eq!(minutes("50 0,23 * * *"), 60);
    assert_eq!(minutes("50 0,23 * * 0"), 23 * 60);
    assert_eq!(minutes("0 2 1 * *"), 28 * 24 * 60);
    assert_eq!(minutes("0 2 29 2 *"), 366 * 24 * 60);
}
