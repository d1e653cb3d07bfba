use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// So many seconds after Sunday, 2026-11-01 00:00 UTC.
fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    Timestamp::from_second(begin.as_second() + seconds).unwrap()
}

fn id(number: u32) -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(number.into()))
}

fn lineage(number: u64) -> Lineage {
    Lineage {
        system_identifier: number,
        incarnation: 1,
    }
}

/// A physical backup that was complete then. Its WAL goes by the clock.
fn backup(number: u32, finished: i64) -> Available {
    let position = u64::try_from(finished).unwrap();
    Available {
        id: id(number),
        finished: at(finished),
        physical: Some(Place {
            lineage: lineage(1),
            timeline: Timeline::FIRST,
            start: Lsn::new(position.saturating_sub(60)),
            stop: Lsn::new(position),
        }),
        held: false,
        pinned: None,
        restored: false,
    }
}

fn dump(number: u32, finished: i64) -> Available {
    Available {
        physical: None,
        ..backup(number, finished)
    }
}

fn plan(rules: &Rules, backups: &[Available], now: Timestamp) -> Plan {
    let history = History {
        backups: backups.to_vec(),
        begins: Vec::new(),
    };
    super::plan(rules, &history, now)
}

fn rules(last: u32) -> Rules {
    Rules {
        last,
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
        pitr: None,
        timezone: TimeZone::UTC,
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

fn kept(plan: &Plan) -> Vec<u32> {
    let kept = plan.backups.iter().filter(|(_, why)| !why.is_empty());
    let numbers = kept.map(|(id, _)| u32::try_from(id.uuid().as_u128()).unwrap());
    numbers.collect()
}

fn why(plan: &Plan, number: u32) -> Vec<Reason> {
    let mut all = plan.backups.iter();
    let (_, why) = all.find(|(found, _)| *found == id(number)).unwrap();
    why.iter().cloned().collect()
}

#[test]
fn the_newest_are_kept_and_the_last_one_whatever_is_asked() {
    let backups = [backup(1, DAY), backup(2, 2 * DAY), backup(3, 3 * DAY)];
    assert_eq!(kept(&plan(&rules(2), &backups, at(4 * DAY))), [2, 3]);
    assert_eq!(kept(&plan(&rules(0), &backups, at(4 * DAY))), [3]);
    assert_eq!(plan(&rules(2), &[], at(0)), Plan::default());
}

#[test]
fn dumps_do_not_take_the_places_of_physical_backups() {
    let backups = [backup(1, DAY), dump(2, 2 * DAY), dump(3, 3 * DAY)];
    let plan = plan(&rules(1), &backups, at(4 * DAY));
    assert_eq!(kept(&plan), [1, 3]);
    assert!(plan.wal.iter().all(|wal| wal.of == id(1)));
}

#[test]
fn buckets_begin_in_the_time_zone_and_days_without_a_backup_use_nothing_up() {
    let mut rules = rules(1);
    rules.daily = 2;
    // 23:30 and 00:30 in UTC are one day in Vienna, an hour ahead.
    let backups = [
        backup(1, 9 * DAY),
        backup(2, 10 * DAY - HOUR / 2),
        backup(3, 10 * DAY + HOUR / 2),
    ];
    assert_eq!(kept(&plan(&rules, &backups, at(90 * DAY))), [2, 3]);
    rules.timezone = TimeZone::get("Europe/Vienna").unwrap();
    let plan = plan(&rules, &backups, at(90 * DAY));
    assert_eq!(kept(&plan), [1, 3]);
    assert_eq!(why(&plan, 1), [Reason::Newest("2026-11-10".into())]);
}

#[test]
fn weeks_are_iso_weeks_and_begin_on_monday() {
    let mut rules = rules(1);
    rules.weekly = 2;
    // Sunday, Monday, Sunday.
    let backups = [backup(1, HOUR), backup(2, DAY + HOUR), backup(3, 7 * DAY)];
    let plan = plan(&rules, &backups, at(9 * DAY));
    assert_eq!(kept(&plan), [1, 3]);
    assert_eq!(why(&plan, 1), [Reason::Newest("2026-W44".into())]);
}

#[test]
fn the_window_keeps_what_its_first_point_needs_and_the_wal_since_then() {
    let mut rules = rules(1);
    rules.pitr = Some(days(7));
    let all: Vec<Available> = (1..=20)
        .map(|day| backup(day, i64::from(day) * DAY))
        .collect();
    let plan = plan(&rules, &all, at(20 * DAY + HOUR));
    // The window begins on day 13, an hour after that day's backup.
    assert_eq!(kept(&plan), [13, 20]);
    assert_eq!(why(&plan, 13), [Reason::Window]);
    let Some(start) = all[12].physical.map(|place| place.start) else {
        unreachable!("it is physical");
    };
    let wanted = KeptWal {
        lineage: lineage(1),
        from: start,
        to: None,
        of: id(13),
    };
    assert_eq!(plan.wal, [wanted]);
}

#[test]
fn an_older_backup_keeps_the_wal_that_makes_it_consistent_and_no_more() {
    let mut rules = rules(1);
    (rules.pitr, rules.monthly) = (Some(days(1)), 2);
    let backups = [backup(1, DAY), backup(2, 40 * DAY), backup(3, 41 * DAY)];
    let plan = plan(&rules, &backups, at(41 * DAY + HOUR));
    assert_eq!(kept(&plan), [1, 2, 3]);
    let ends: Vec<_> = plan.wal.iter().map(|wal| (wal.of, wal.to)).collect();
    let stop = backups[0].physical.map(|place| place.stop);
    assert_eq!(ends, [(id(1), stop), (id(2), None)]);
}

// Pitfall 31
#[test]
fn what_was_before_an_upgrade_stays_restorable_while_the_window_reaches_it() {
    let mut rules = rules(1);
    rules.pitr = Some(days(7));
    let after = |number, finished| {
        let mut backup = backup(number, finished);
        backup.physical = backup.physical.map(|place| Place {
            lineage: lineage(2),
            ..place
        });
        backup
    };
    let backups = [backup(1, DAY), backup(2, 9 * DAY), after(3, 10 * DAY)];
    let soon = plan(&rules, &backups, at(12 * DAY));
    assert_eq!(kept(&soon), [1, 3]);
    assert!(soon.wal.iter().any(|wal| wal.lineage == lineage(1)));
    let later = plan(&rules, &backups, at(18 * DAY));
    assert_eq!(kept(&later), [3]);
}

#[test]
fn holds_and_pins_keep_and_a_pin_that_ran_out_does_not() {
    let mut backups = [1, 2, 3, 4].map(|day| backup(day, i64::from(day) * DAY));
    backups[0].held = true;
    backups[1].pinned = Some(at(5 * DAY));
    backups[2].pinned = Some(at(5 * DAY - 1));
    let plan = plan(&rules(1), &backups, at(5 * DAY));
    assert_eq!(kept(&plan), [1, 2, 4]);
    assert_eq!(why(&plan, 1), [Reason::Held]);
    assert_eq!(why(&plan, 2), [Reason::PinnedUntil(at(5 * DAY))]);
    assert_eq!(plan.expired().collect::<Vec<_>>(), [id(3)]);
}

fn histories() -> impl Strategy<Value = Vec<Available>> {
    let one = (0..60 * 24i64, any::<bool>(), 0..20u8, 0..20u8);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let of = |(number, (hour, physical, held, pinned)): (u32, (i64, bool, u8, u8))| {
            let mut one = backup(number, hour * HOUR);
            one.physical = one.physical.filter(|_| physical);
            one.held = held == 0;
            one.pinned = (pinned == 0).then(|| at((hour + 24 * 7) * HOUR));
            one
        };
        (1..).zip(all).map(of).collect()
    })
}

fn rule_sets() -> impl Strategy<Value = Rules> {
    let zones = prop::sample::select(vec!["UTC", "Europe/Vienna", "Pacific/Apia"]);
    let counts = (0..4u32, 0..8u32, 0..5u32, 0..3u32, 0..2u32);
    (counts, prop::option::of(0..30u64), zones).prop_map(|(counts, pitr, zone)| {
        let (last, daily, weekly, monthly, yearly) = counts;
        Rules {
            last,
            daily,
            weekly,
            monthly,
            yearly,
            pitr: pitr.map(days),
            timezone: TimeZone::get(zone).unwrap(),
        }
    })
}

/// Whether that moment can be restored from these backups with that WAL.
fn restorable<'a>(
    mut backups: impl Iterator<Item = &'a Available>,
    wal: &[KeptWal],
    moment: i64,
) -> bool {
    let position = Lsn::new(u64::try_from(moment).unwrap());
    let reaches = |from: Lsn, to: Lsn| {
        let covers = |wal: &KeptWal| wal.from <= from && wal.to.is_none_or(|end| end >= to);
        wal.iter().any(covers)
    };
    backups.any(|backup| {
        let complete = backup.finished <= at(moment);
        let place = backup.physical.filter(|_| complete);
        place.is_some_and(|place| reaches(place.start, position.max(place.stop)))
    })
}

proptest! {
    /// Whatever the history and the rules: no point of the window is lost that
    /// could be restored before, every kept backup has its WAL, and what is kept
    /// once is kept by the same rules again.
    #[test]
    fn nothing_that_was_promised_is_lost(
        backups in histories(),
        rules in rule_sets(),
        hour in 60 * 24i64..80 * 24,
    ) {
        let now = hour * HOUR;
        let found = plan(&rules, &backups, at(now));
        let expired: BTreeSet<BackupId> = found.expired().collect();
        let kept = || backups.iter().filter(|one| !expired.contains(&one.id));
        let everything = [KeptWal { lineage: lineage(1), from: Lsn::new(0), to: None, of: id(0) }];
        let pitr = rules.pitr.map_or(0, |pitr| i64::try_from(pitr.as_secs()).unwrap());
        for moment in (now - pitr..=now).step_by(3600) {
            if restorable(backups.iter(), &everything, moment) {
                prop_assert!(restorable(kept(), &found.wal, moment), "{moment}");
            }
        }
        for backup in kept() {
            if let Some(place) = backup.physical {
                let covers = |wal: &KeptWal| {
                    wal.from <= place.start && wal.to.is_none_or(|end| end >= place.stop)
                };
                prop_assert!(found.wal.iter().any(covers), "{}", backup.id);
            }
        }
        for backup in backups.iter().filter(|one| expired.contains(&one.id)) {
            prop_assert!(!backup.held && backup.pinned.is_none_or(|until| until < at(now)));
        }
        let again: Vec<Available> = kept().cloned().collect();
        prop_assert_eq!(plan(&rules, &again, at(now)).expired().count(), 0);
    }
}

/// The day with which the bucket of a day begins.
type Begin = fn(jiff::civil::Date) -> jiff::civil::Date;

/// The slow way to what is kept: each backup is asked whether it is the newest of a
/// bucket, and how many buckets that have one are newer.
fn reference(rules: &Rules, backups: &[Available], now: Timestamp) -> BTreeSet<BackupId> {
    let date = |one: &Available| one.finished.to_zoned(rules.timezone.clone()).date();
    // Buckets by the day with which they begin.
    let begins: [(u32, Begin); 4] = [
        (rules.daily, |date| date),
        (rules.weekly, |date| {
            let back = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(jiff::Span::new().days(back)).unwrap()
        }),
        (rules.monthly, |date| date.first_of_month()),
        (rules.yearly, |date| date.first_of_year()),
    ];
    let newer =
        |one: &Available, other: &Available| (one.finished, one.id) > (other.finished, other.id);
    let of_kind = |one: &Available| {
        let same = |other: &&Available| other.physical.is_some() == one.physical.is_some();
        backups.iter().filter(same).collect::<Vec<_>>()
    };
    let keeps = |one: &Available| {
        let others = of_kind(one);
        let newer_ones = others.iter().filter(|other| newer(other, one)).count();
        if newer_ones < rules.last.max(1) as usize || one.held {
            return true;
        }
        if one.pinned.is_some_and(|until| until >= now) {
            return true;
        }
        begins.iter().any(|(count, begin)| {
            let own = begin(date(one));
            let mut same = others.iter().filter(|other| begin(date(other)) == own);
            let newest = !same.any(|other| newer(other, one));
            let later: BTreeSet<_> = others
                .iter()
                .map(|other| begin(date(other)))
                .filter(|other| *other > own)
                .collect();
            newest && later.len() < *count as usize
        })
    };
    let window = rules.pitr.map(|pitr| now - pitr);
    let begins_window = |one: &Available| {
        let (Some(window), Some(_)) = (window, one.physical) else {
            return false;
        };
        let others = of_kind(one);
        let before = |other: &&&Available| other.finished <= window;
        match others
            .iter()
            .filter(before)
            .max_by_key(|other| (other.finished, other.id))
        {
            Some(base) => base.id == one.id,
            None => !others.iter().any(|other| newer(one, other)),
        }
    };
    let kept = backups
        .iter()
        .filter(|one| keeps(one) || begins_window(one));
    kept.map(|one| one.id).collect()
}

proptest! {
    #[test]
    fn the_slow_way_keeps_the_same(
        backups in histories(),
        rules in rule_sets(),
        hour in 60 * 24i64..80 * 24,
    ) {
        let now = at(hour * HOUR);
        let found = plan(&rules, &backups, now);
        let kept: BTreeSet<BackupId> = found
            .backups
            .iter()
            .filter(|(_, why)| !why.is_empty())
            .map(|(id, _)| *id)
            .collect();
        prop_assert_eq!(kept, reference(&rules, &backups, now));
    }
}
