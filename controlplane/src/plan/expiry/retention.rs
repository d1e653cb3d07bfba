//! What a policy's retention keeps of one cluster in one repository, with the
//! reasons.
//!
//! Physical backups and dumps are counted apart. A bucket is a calendar day, ISO
//! week, month or year in the policy's time zone that has a backup, and its newest
//! one is kept; days without any do not use up a rule, so that backups that stopped
//! do not go away by themselves. A backup counts from when it was complete: no
//! earlier point can be restored from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_types::{BackupId, Lineage, Lsn, Timeline};
use jiff::Timestamp;
use jiff::civil::ISOWeekDate;
use jiff::tz::TimeZone;

/// What is to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// So many of the newest; never less than one.
    pub(crate) last: u32,
    /// The newest of so many days,
    pub(crate) daily: u32,
    /// ISO weeks,
    pub(crate) weekly: u32,
    /// months,
    pub(crate) monthly: u32,
    /// and years.
    pub(crate) yearly: u32,
    /// How far back any point can be restored. Without it, WAL is kept since the
    /// oldest kept backup.
    pub(crate) pitr: Option<Duration>,
    /// Where days begin.
    pub(crate) timezone: TimeZone,
}

/// A backup that is available.
#[derive(Debug, Clone)]
pub(crate) struct Available {
    pub(crate) id: BackupId,
    /// When it was complete.
    pub(crate) finished: Timestamp,
    /// Where it is in WAL; a dump is nowhere.
    pub(crate) physical: Option<Place>,
    /// Whether somebody has put a hold on it.
    pub(crate) held: bool,
    /// Until when something may build on it (I-06).
    pub(crate) pinned: Option<Timestamp>,
    /// Whether a restore of it is under way.
    pub(crate) restored: bool,
}

/// The WAL that a backup needs to be consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    pub(crate) start: Lsn,
    pub(crate) stop: Lsn,
}

/// What there is of a cluster in a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Its available backups.
    pub(crate) backups: Vec<Available>,
    /// Where WAL of each timeline begins. One that begins before a backup of an
    /// older timeline ends does not descend from it.
    pub(crate) begins: Vec<(Lineage, Timeline, Lsn)>,
}

/// Why a backup is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It is among the newest, from 1.
    Last(u32),
    /// It is the newest of the bucket that begins so, such as `2026-11-29`,
    /// `2026-W48`, `2026-11` or `2026`.
    Newest(String),
    /// The recovery window begins with it: nothing older is needed for its points,
    /// and without it the first of them would be lost.
    Window,
    Held,
    PinnedUntil(Timestamp),
    /// It is being restored.
    Restored,
}

/// WAL that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptWal {
    pub(crate) lineage: Lineage,
    pub(crate) from: Lsn,
    /// All of it from there on if there is no end.
    pub(crate) to: Option<Lsn>,
    /// The backup that needs it.
    pub(crate) of: BackupId,
}

/// What is kept and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Why each backup is kept, oldest first; without a reason it is not.
    pub(crate) backups: Vec<(BackupId, BTreeSet<Reason>)>,
    /// The WAL that is kept. Whatever ends at or before all of it in its lineage,
    /// or lies between, is not.
    pub(crate) wal: Vec<KeptWal>,
}

#[cfg(test)]
impl Plan {
    /// What can be condemned.
    pub(crate) fn expired(&self) -> impl Iterator<Item = BackupId> {
        let without = self.backups.iter().filter(|(_, why)| why.is_empty());
        without.map(|(id, _)| *id)
    }
}

/// Decides what is kept of all available backups of a cluster in a repository.
pub(crate) fn plan(rules: &Rules, history: &History, now: Timestamp) -> Plan {
    let mut backups: Vec<&Available> = history.backups.iter().collect();
    backups.sort_by_key(|backup| (backup.finished, backup.id));
    let mut why: BTreeMap<BackupId, BTreeSet<Reason>> = BTreeMap::new();
    let mut keep = |backup: &Available, reason| {
        why.entry(backup.id).or_default().insert(reason);
    };
    for physical in [true, false] {
        let of_kind = |backup: &&&Available| backup.physical.is_some() == physical;
        let newest_first: Vec<&Available> = backups.iter().rev().filter(of_kind).copied().collect();
        for (place, backup) in (1..=rules.last.max(1)).zip(&newest_first) {
            keep(backup, Reason::Last(place));
        }
        for (unit, count) in units(rules) {
            let mut seen = BTreeSet::new();
            for backup in &newest_first {
                let bucket = bucket(unit, backup.finished, &rules.timezone);
                if seen.len() < count as usize && seen.insert(bucket.clone()) {
                    keep(backup, Reason::Newest(bucket));
                }
            }
        }
    }
    for backup in &backups {
        if backup.held {
            keep(backup, Reason::Held);
        }
        if let Some(until) = backup.pinned.filter(|until| *until >= now) {
            keep(backup, Reason::PinnedUntil(until));
        }
        if backup.restored {
            keep(backup, Reason::Restored);
        }
    }
    let window = rules.pitr.map(|pitr| start_of(pitr, now));
    let bases = bases(&backups, &history.begins, window);
    for base in &bases {
        keep(base, Reason::Window);
    }
    let wal = wal(&backups, &why, &bases, window);
    let reasons = |backup: &&Available| (backup.id, why.get(&backup.id).cloned());
    let reasons = backups.iter().map(reasons);
    Plan {
        wal,
        backups: reasons
            .map(|(id, why)| (id, why.unwrap_or_default()))
            .collect(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

fn units(rules: &Rules) -> [(Unit, u32); 4] {
    [
        (Unit::Day, rules.daily),
        (Unit::Week, rules.weekly),
        (Unit::Month, rules.monthly),
        (Unit::Year, rules.yearly),
    ]
}

fn bucket(unit: Unit, at: Timestamp, zone: &TimeZone) -> String {
    let date = at.to_zoned(zone.clone()).date();
    match unit {
        Unit::Day => date.to_string(),
        Unit::Week => {
            let week = ISOWeekDate::from(date);
            format!("{:04}-W{:02}", week.year(), week.week())
        }
        Unit::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Unit::Year => format!("{:04}", date.year()),
    }
}

fn start_of(pitr: Duration, now: Timestamp) -> Timestamp {
    now.checked_sub(pitr).unwrap_or(Timestamp::MIN)
}

/// What the recovery window begins with, for each lineage that has points in it. A
/// lineage ends with the first backup of the next one; until it did so before the
/// window, it may have points in it.
fn bases<'a>(
    backups: &[&'a Available],
    begins: &[(Lineage, Timeline, Lsn)],
    window: Option<Timestamp>,
) -> Vec<&'a Available> {
    let Some(window) = window else {
        return Vec::new();
    };
    let mut lineages: BTreeMap<Lineage, Vec<(&'a Available, Place)>> = BTreeMap::new();
    for backup in backups {
        if let Some(place) = backup.physical {
            lineages
                .entry(place.lineage)
                .or_default()
                .push((backup, place));
        }
    }
    let mut lineages: Vec<(Lineage, Vec<(&Available, Place)>)> = lineages.into_iter().collect();
    lineages.sort_by_key(|(_, of_one)| of_one.first().map(|(first, _)| first.finished));
    let mut found: Vec<&Available> = Vec::new();
    for (index, (lineage, of_one)) in lineages.iter().enumerate() {
        let next = lineages.get(index + 1).and_then(|(_, next)| next.first());
        let ended = next.is_some_and(|(next, _)| {
            let before = |(one, _): &(&Available, Place)| one.finished < next.finished;
            next.finished <= window && of_one.iter().all(before)
        });
        if ended {
            continue;
        }
        let begins: BTreeMap<Timeline, Lsn> = begins
            .iter()
            .filter(|(of, ..)| of == lineage)
            .map(|(_, timeline, begin)| (*timeline, *begin))
            .collect();
        for base in of_timelines(of_one, &begins, window) {
            if !found.iter().any(|known| known.id == base.id) {
                found.push(base);
            }
        }
    }
    found
}

/// For each timeline that may have points in the window, the newest backup that
/// leads to it and was complete when the window begins, or the oldest one while
/// there is none. A timeline has none any more once a later one has a backup from
/// before the window.
fn of_timelines<'a>(
    of_one: &[(&'a Available, Place)],
    begins: &BTreeMap<Timeline, Lsn>,
    window: Timestamp,
) -> Vec<&'a Available> {
    let timelines = of_one.iter().map(|(_, place)| place.timeline);
    let timelines: BTreeSet<Timeline> = timelines.chain(begins.keys().copied()).collect();
    let mut found = Vec::new();
    for timeline in timelines {
        let over = |(one, place): &(&Available, Place)| {
            place.timeline > timeline && one.finished <= window
        };
        if of_one.iter().any(over) {
            continue;
        }
        let leads = |(_, place): &&(&Available, Place)| {
            let begin = begins.get(&timeline);
            let before = begin.is_none_or(|begin| place.stop <= *begin);
            place.timeline == timeline || (place.timeline < timeline && before)
        };
        let leading = || of_one.iter().filter(leads);
        let before = leading().rev().find(|(one, _)| one.finished <= window);
        found.extend(before.or(leading().next()).map(|(one, _)| *one));
    }
    found
}

/// From the base of the window, or without a window from the oldest kept backup, all
/// of it; of an older backup what it needs to be consistent.
fn wal(
    backups: &[&Available],
    why: &BTreeMap<BackupId, BTreeSet<Reason>>,
    bases: &[&Available],
    window: Option<Timestamp>,
) -> Vec<KeptWal> {
    let kept = |backup: &&&Available| why.contains_key(&backup.id);
    // Where all of it is kept from. Positions can go back within a lineage: what is
    // complete in the window counts as well, kept or not.
    let mut open: BTreeMap<Lineage, (Lsn, BackupId)> = BTreeMap::new();
    let mut from = |backup: &Available| {
        if let Some(place) = backup.physical {
            let known = open
                .entry(place.lineage)
                .or_insert((place.start, backup.id));
            *known = (*known).min((place.start, backup.id));
        }
    };
    match window {
        None => backups.iter().filter(kept).for_each(|backup| from(backup)),
        Some(window) => {
            bases.iter().for_each(|base| from(base));
            let inside = backups.iter().filter(|backup| backup.finished > window);
            inside.for_each(|backup| from(backup));
        }
    }
    for backup in backups.iter().filter(|backup| backup.restored) {
        from(backup);
    }
    let all = open.iter().map(|(lineage, (from, of))| KeptWal {
        lineage: *lineage,
        from: *from,
        to: None,
        of: *of,
    });
    let mut found: Vec<KeptWal> = all.collect();
    for backup in backups.iter().filter(kept) {
        let Some(place) = backup.physical else {
            continue;
        };
        let from = open.get(&place.lineage);
        if from.is_none_or(|(from, _)| place.start < *from) {
            found.push(KeptWal {
                lineage: place.lineage,
                from: place.start,
                to: Some(place.stop),
                of: backup.id,
            });
        }
    }
    found.sort_by_key(|kept| (kept.lineage, kept.from, kept.of));
    found
}

#[cfg(test)]
mod tests;
