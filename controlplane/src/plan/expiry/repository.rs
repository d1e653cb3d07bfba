//! What is kept of a cluster in one repository: backups by their policy, and of WAL
//! what the kept ones need.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::{BackupId, Coverage, Lineage, Lsn, LsnRange, Timeline};
use jiff::Timestamp;

use super::retention::{self, Available, History, Plan, Reason, Rules};

/// What there is of a cluster in a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Its available backups.
    pub(crate) available: Vec<Available>,
    /// Physical backups that are being taken: from where they need WAL.
    pub(crate) running: Vec<(BackupId, Lineage, Lsn)>,
    /// When the last backup was complete that there ever was of a lineage.
    pub(crate) last: BTreeMap<Lineage, Timestamp>,
    /// WAL that counts.
    pub(crate) wal: BTreeMap<(Lineage, Timeline), Coverage>,
}

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupVerdict {
    pub(crate) backup: BackupId,
    /// Why it is kept; without a reason it is not.
    pub(crate) why: BTreeSet<Reason>,
}

/// What becomes of a stretch of WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalVerdict {
    pub(crate) lineage: Lineage,
    pub(crate) timeline: Timeline,
    pub(crate) range: LsnRange,
    /// Why it is kept; without a reason it is not.
    pub(crate) why: Option<WalReason>,
}

/// Why WAL is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalReason {
    /// Points in time are restored from this backup on.
    Since(BackupId),
    /// This backup is consistent with it.
    Backup(BackupId),
    /// This backup is being taken.
    Running(BackupId),
    /// There is no backup of its lineage yet.
    NoBackupYet,
}

/// What becomes of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// Backups, oldest first.
    pub(crate) backups: Vec<BackupVerdict>,
    /// WAL, by lineage, timeline and position.
    pub(crate) wal: Vec<WalVerdict>,
}

impl Verdicts {
    /// What is kept.
    pub(crate) fn kept(&self) -> impl Iterator<Item = BackupId> {
        let kept = self.backups.iter().filter(|one| !one.why.is_empty());
        kept.map(|one| one.backup)
    }

    /// What can be condemned.
    pub(crate) fn expired(&self) -> impl Iterator<Item = BackupId> {
        let expired = self.backups.iter().filter(|one| one.why.is_empty());
        expired.map(|one| one.backup)
    }

    /// WAL that can be condemned, by lineage and timeline: with the holes between
    /// what is there, so that nothing late fills them.
    pub(crate) fn expired_wal(&self) -> BTreeMap<Lineage, BTreeMap<Timeline, Vec<LsnRange>>> {
        let mut found: BTreeMap<Lineage, BTreeMap<Timeline, Vec<LsnRange>>> = BTreeMap::new();
        for one in self.wal.iter().filter(|one| one.why.is_none()) {
            let of_lineage = found.entry(one.lineage).or_default();
            of_lineage.entry(one.timeline).or_default().push(one.range);
        }
        found
    }
}

/// Decides. Without rules nothing expires.
pub(crate) fn plan(rules: Option<&Rules>, facts: &Facts, now: Timestamp) -> Verdicts {
    let Some(rules) = rules else {
        return Verdicts::default();
    };
    let begin = |((lineage, timeline), held): (&(Lineage, Timeline), &Coverage)| {
        let first = held.ranges().first()?;
        Some((*lineage, *timeline, first.from_lsn))
    };
    let history = History {
        backups: facts.available.clone(),
        begins: facts.wal.iter().filter_map(begin).collect(),
    };
    let plan = retention::plan(rules, &history, now);
    let mut wal = Vec::new();
    for ((lineage, timeline), held) in &facts.wal {
        let kept = kept_of(&plan, facts, *lineage);
        for range in held.ranges() {
            cut(&mut wal, (*lineage, *timeline), *range, &kept);
        }
    }
    let verdict = |(backup, why)| BackupVerdict { backup, why };
    Verdicts {
        backups: plan.backups.into_iter().map(verdict).collect(),
        wal,
    }
}

/// The stretches that are kept of a lineage, on whichever timeline, in order.
fn kept_of(plan: &Plan, facts: &Facts, lineage: Lineage) -> Vec<(LsnRange, WalReason)> {
    let end = Lsn::new(u64::MAX);
    let mut kept = Vec::new();
    for one in plan.wal.iter().filter(|one| one.lineage == lineage) {
        let why = match one.to {
            None => WalReason::Since(one.of),
            Some(_) => WalReason::Backup(one.of),
        };
        let range = LsnRange::new(one.from, one.to.unwrap_or(end));
        kept.extend(range.map(|range| (range, why)));
    }
    for (backup, of, from) in &facts.running {
        if *of == lineage {
            let range = LsnRange::new(*from, end);
            kept.extend(range.map(|range| (range, WalReason::Running(*backup))));
        }
    }
    if kept.is_empty() && !is_over(plan, facts, lineage) {
        let all = LsnRange::new(Lsn::new(0), end);
        kept.extend(all.map(|all| (all, WalReason::NoBackupYet)));
    }
    kept.sort_by_key(|(range, _)| *range);
    kept
}

/// Whether a lineage had backups, none of which is kept, and another one has one
/// that is newer. The WAL of one without a backup waits for its first.
fn is_over(plan: &Plan, facts: &Facts, lineage: Lineage) -> bool {
    let Some(last) = facts.last.get(&lineage) else {
        return false;
    };
    let newer = |one: &&Available| {
        let elsewhere = one.physical.is_some_and(|place| place.lineage != lineage);
        elsewhere && one.finished > *last
    };
    let kept: BTreeSet<BackupId> = plan
        .backups
        .iter()
        .filter(|(_, why)| !why.is_empty())
        .map(|(id, _)| *id)
        .collect();
    let mut newer = facts.available.iter().filter(newer);
    newer.any(|one| kept.contains(&one.id))
}

/// Cuts a stretch where what keeps it changes.
fn cut(
    found: &mut Vec<WalVerdict>,
    (lineage, timeline): (Lineage, Timeline),
    range: LsnRange,
    kept: &[(LsnRange, WalReason)],
) {
    let mut at = range.from_lsn;
    let mut push = |to: Lsn, why, at: &mut Lsn| {
        if let Some(range) = LsnRange::new(*at, to) {
            found.push(WalVerdict {
                lineage,
                timeline,
                range,
                why,
            });
            *at = to;
        }
    };
    for (part, why) in kept {
        push(part.from_lsn.min(range.to_lsn), None, &mut at);
        push(part.to_lsn.min(range.to_lsn), Some(*why), &mut at);
    }
    push(range.to_lsn, None, &mut at);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::retention::Place;
    use super::*;

    fn id(number: u32) -> BackupId {
        BackupId::from_uuid(Uuid::from_u128(number.into()))
    }

    fn lineage(number: u64) -> Lineage {
        Lineage {
            system_identifier: number,
            incarnation: 1,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn range(from: u64, to: u64) -> LsnRange {
        LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
    }

    fn rules(last: u32, pitr: Option<u64>) -> Rules {
        Rules {
            last,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            pitr: pitr.map(std::time::Duration::from_secs),
            timezone: jiff::tz::TimeZone::UTC,
        }
    }

    /// WAL goes by the clock: a position for each second.
    fn backup(number: u32, (of, on): (u64, u32), finished: u64) -> Available {
        Available {
            id: id(number),
            finished: at(i64::try_from(finished).unwrap()),
            physical: Some(Place {
                lineage: lineage(of),
                timeline: Timeline::new(on).unwrap(),
                start: Lsn::new(finished - 5),
                stop: Lsn::new(finished),
            }),
            held: false,
            pinned: None,
            restored: false,
        }
    }

    type Known<'a> = &'a [((u64, u32), &'a [(u64, u64)])];

    fn facts(available: Vec<Available>, wal: Known<'_>) -> Facts {
        let mut last = BTreeMap::new();
        for one in &available {
            let place = one.physical.unwrap();
            let known = last.entry(place.lineage).or_insert(one.finished);
            *known = one.finished.max(*known);
        }
        let coverage = |ranges: &[(u64, u64)]| ranges.iter().map(|(a, b)| range(*a, *b)).collect();
        let of = |((of, on), ranges): &((u64, u32), &[(u64, u64)])| {
            let key = (lineage(*of), Timeline::new(*on).unwrap());
            (key, coverage(ranges))
        };
        Facts {
            available,
            running: Vec::new(),
            last,
            wal: wal.iter().map(of).collect(),
        }
    }

    fn expired(verdicts: &Verdicts) -> Vec<(u64, u32, u64, u64)> {
        let gone = verdicts.wal.iter().filter(|one| one.why.is_none());
        let text = |one: &WalVerdict| {
            let (from, to) = (one.range.from_lsn.get(), one.range.to_lsn.get());
            (one.lineage.system_identifier, one.timeline.get(), from, to)
        };
        gone.map(text).collect()
    }

    #[test]
    fn without_retention_nothing_expires() {
        let facts = facts(vec![backup(1, (1, 1), 100)], &[((1, 1), &[(0, 200)])]);
        assert_eq!(plan(None, &facts, at(9999)), Verdicts::default());
    }

    /// CONTRACT: outside `pitr` a kept backup keeps the WAL from its start to its
    /// stop.
    // Pitfall 31
    #[test]
    fn wal_is_kept_for_the_window_and_for_what_is_kept_besides() {
        let mut old = backup(1, (1, 1), 100);
        old.held = true;
        let all = vec![
            old,
            backup(2, (1, 1), 200),
            backup(3, (1, 1), 300),
            backup(4, (1, 1), 400),
        ];
        let facts = facts(all, &[((1, 1), &[(50, 450)])]);
        let verdicts = plan(Some(&rules(1, Some(100))), &facts, at(450));
        assert_eq!(verdicts.kept().collect::<Vec<_>>(), [id(1), id(3), id(4)]);
        assert_eq!(expired(&verdicts), [(1, 1, 50, 95), (1, 1, 100, 295)]);
        let why: Vec<_> = verdicts.wal.iter().filter_map(|one| one.why).collect();
        assert_eq!(why, [WalReason::Backup(id(1)), WalReason::Since(id(3))]);
    }

    #[test]
    fn without_a_window_wal_is_kept_since_the_oldest_kept_backup() {
        let all = vec![
            backup(1, (1, 1), 100),
            backup(2, (1, 1), 200),
            backup(3, (1, 1), 300),
        ];
        let facts = facts(all, &[((1, 1), &[(50, 320)])]);
        let verdicts = plan(Some(&rules(2, None)), &facts, at(1000));
        assert_eq!(expired(&verdicts), [(1, 1, 50, 195)]);
    }

    /// The WAL of a new lineage waits for its first backup; that of an old one whose
    /// backups are all gone is needed by nobody.
    // Pitfall 31
    #[test]
    fn a_lineage_without_backups_keeps_its_wal_until_it_is_over() {
        let wal: Known<'_> = &[((1, 1), &[(50, 150)]), ((2, 1), &[(10, 90)])];
        let first = facts(vec![backup(1, (1, 1), 100)], wal);
        let verdicts = plan(Some(&rules(1, Some(10))), &first, at(1000));
        assert_eq!(expired(&verdicts), [(1, 1, 50, 95)]);
        // Its first backup: the old lineage ends when the window is past it.
        let mut both = facts(vec![backup(2, (2, 1), 900)], wal);
        both.last.insert(lineage(1), at(100));
        let verdicts = plan(Some(&rules(1, Some(10))), &both, at(1000));
        assert_eq!(expired(&verdicts), [(1, 1, 50, 150), (2, 1, 10, 90)]);
    }

    // Pitfall 31
    #[test]
    fn a_backup_under_way_keeps_what_it_needs() {
        let mut facts = facts(vec![backup(9, (1, 1), 900)], &[((1, 1), &[(50, 950)])]);
        facts.running.push((id(3), lineage(1), Lsn::new(300)));
        let verdicts = plan(Some(&rules(1, Some(10))), &facts, at(1000));
        assert_eq!(expired(&verdicts), [(1, 1, 50, 300)]);
    }

    #[test]
    fn a_restore_under_way_keeps_its_backup_and_all_wal_from_there_on() {
        let mut restored = backup(1, (1, 1), 100);
        restored.restored = true;
        let all = vec![restored, backup(2, (1, 1), 200), backup(9, (1, 1), 900)];
        let facts = facts(all, &[((1, 1), &[(50, 950)])]);
        let verdicts = plan(Some(&rules(1, Some(10))), &facts, at(1000));
        assert_eq!(verdicts.kept().collect::<Vec<_>>(), [id(1), id(9)]);
        assert_eq!(expired(&verdicts), [(1, 1, 50, 95)]);
    }

    /// A cluster that was put back: timeline 2 begins at 150, before the backup that
    /// was complete when the window begins. Its points need an older one.
    #[test]
    fn a_timeline_that_begins_before_the_base_keeps_a_base_of_its_own() {
        let all = vec![backup(1, (1, 1), 100), backup(2, (1, 1), 300)];
        let wal: Known<'_> = &[((1, 1), &[(50, 400)]), ((1, 2), &[(150, 260)])];
        let facts = facts(all, wal);
        let verdicts = plan(Some(&rules(1, Some(100))), &facts, at(450));
        assert_eq!(verdicts.kept().collect::<Vec<_>>(), [id(1), id(2)]);
        assert_eq!(expired(&verdicts), [(1, 1, 50, 95)]);
        // An ordinary failover keeps nothing besides.
        let all = vec![backup(1, (1, 1), 100), backup(2, (1, 1), 300)];
        let wal: Known<'_> = &[((1, 1), &[(50, 400)]), ((1, 2), &[(390, 460)])];
        let verdicts = plan(Some(&rules(1, Some(100))), &self::facts(all, wal), at(450));
        assert_eq!(verdicts.kept().collect::<Vec<_>>(), [id(2)]);
    }

    proptest! {
        /// Against the slow way, position by position: what is kept covers exactly
        /// what a reason names, nothing is in two verdicts, and nothing is lost.
        #[test]
        fn every_position_has_one_verdict(
            finished in prop::collection::vec((20u64..400, 0..6u8), 0..8),
            wal in prop::collection::vec((0u64..400, 1u64..60), 0..6),
            running in prop::option::of(0u64..400),
            last in 1u32..3,
            pitr in prop::option::of(1u64..200),
        ) {
            let mut all = Vec::new();
            for (number, (finished, what)) in (1..).zip(&finished) {
                let mut one = backup(number, (1, 1), *finished);
                one.held = *what == 0;
                one.restored = *what == 1;
                all.push(one);
            }
            let mut facts = facts(all, &[]);
            let held: Coverage = wal.iter().map(|(from, bytes)| range(*from, from + bytes)).collect();
            facts.wal.insert((lineage(1), Timeline::FIRST), held.clone());
            facts.running.extend(running.map(|from| (id(99), lineage(1), Lsn::new(from))));
            let (rules, now) = (rules(last, pitr), at(450));
            let verdicts = plan(Some(&rules, ), &facts, now);
            let kept: BTreeSet<BackupId> = verdicts.kept().collect();
            let window = pitr.map(|pitr| now - std::time::Duration::from_secs(pitr));
            // The newest complete before the window, or the oldest.
            let mut by_time: Vec<&Available> = facts.available.iter().collect();
            by_time.sort_by_key(|one| (one.finished, one.id));
            let base = window.and_then(|window| {
                let before = by_time.iter().rev().find(|one| one.finished <= window);
                before.or(by_time.first()).copied()
            });
            for position in 0..480 {
                let lsn = Lsn::new(position);
                let one = range(position, position + 1);
                let verdict: Vec<_> = verdicts.wal.iter()
                    .filter(|it| it.range.from_lsn <= lsn && lsn < it.range.to_lsn)
                    .collect();
                prop_assert_eq!(verdict.len(), usize::from(held.covers(one)), "{}", position);
                let of_backup = |backup: &&Available| {
                    let place = backup.physical.unwrap();
                    let open = backup.restored
                        || (window.is_none() && kept.contains(&backup.id))
                        || base.is_some_and(|base| base.id == backup.id)
                        || window.is_some_and(|window| backup.finished > window);
                    let own = kept.contains(&backup.id) && lsn < place.stop;
                    place.start <= lsn && (open || own)
                };
                let wanted = facts.available.is_empty()
                    || facts.available.iter().any(|one| of_backup(&one))
                    || running.is_some_and(|from| from <= position);
                let wanted = wanted && !(facts.available.is_empty()
                    && running.is_some_and(|from| from > position));
                if let [verdict] = verdict.as_slice() {
                    prop_assert_eq!(verdict.why.is_some(), wanted, "{}", position);
                }
            }
        }
    }
}
