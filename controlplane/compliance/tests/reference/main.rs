//! The engine against a slow reference that looks at every second on its own, on
//! random histories with late facts.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod naive;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_compliance::{
    Backup, Current, Fact, Height, History, Period, Recorded, Segment, Stretch, deciding, tolerance,
};
use holdfast_types::{
    BackupId, BackupKind, Compliance, Lineage, Lsn, LsnRange, Name, RpoScope, Span,
};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use naive::{Naive, naive};
use world::{END, World, at, claims, half, world};

const SCOPES: [RpoScope; 3] = [RpoScope::Any, RpoScope::RegionLoss, RpoScope::K2];

/// The reference at the middle of every second.
fn seconds(world: &World, known: Timestamp) -> Vec<Option<Naive>> {
    (0..END)
        .map(|second| naive(world, half(second), known))
        .collect()
}

/// Longest runs of seconds, as from and until.
fn runs(seconds: &[Option<Naive>]) -> Vec<(i64, Option<i64>)> {
    let mut runs: Vec<(i64, Option<i64>)> = Vec::new();
    let mut open = false;
    for (second, naive) in (0i64..).zip(seconds) {
        let violated = naive.as_ref().is_some_and(|naive| naive.violated);
        if violated && !open {
            runs.push((second, None));
        }
        if !violated
            && open
            && let Some(last) = runs.last_mut()
        {
            last.1 = Some(second);
        }
        open = violated;
    }
    runs
}

fn segment_at(segments: &[Segment], second: i64) -> Option<&Segment> {
    let at = half(second);
    segments
        .iter()
        .find(|segment| segment.from() <= at && at < segment.until())
}

fn whole(second: Timestamp) -> i64 {
    assert_eq!(second.subsec_nanosecond(), 0, "{second}");
    second.as_second() - at(0).as_second()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Exposures of every scope, states and violations, as known at any moment.
    #[test]
    fn every_second_is_as_the_reference_says(world in world(), known in 0..END * 2) {
        let known = at(known);
        let history = world.history();
        let expected = seconds(&world, known);
        let mut segments = Vec::new();
        history.walk(known, at(END), |segment| segments.push(segment.clone()));
        let phases = history.phases(known, at(END));
        for (second, naive) in (0i64..).zip(&expected) {
            let now = half(second);
            let phase = phases.iter().find(|phase| phase.from <= now && now < phase.until);
            let status = phase.map(|phase| phase.status);
            prop_assert_eq!(status, naive.as_ref().map(|naive| naive.status), "at {}", second);
            let Some(naive) = naive else { continue };
            for scope in SCOPES {
                let segment = segment_at(&segments, second).expect("it is declared");
                let found = segment.exposure(scope, now);
                prop_assert_eq!(found, naive.exposure(scope), "{} at {}", scope, second);
            }
        }
        let violations = history.violations(known, at(END));
        let found: Vec<_> = violations
            .iter()
            .map(|one| (whole(one.started_at), one.ended_at.map(whole)))
            .collect();
        prop_assert_eq!(found, runs(&expected));
    }

    /// A period's numbers are sums over its seconds.
    #[test]
    fn a_period_is_the_sum_of_its_seconds(world in world(), from in 0..END, length in 1..END) {
        let (from, until) = (from, (from + length).min(END));
        let period = Period { from: at(from), until: at(until) };
        let result = world.history().period(period, Timestamp::MAX);
        let all = seconds(&world, Timestamp::MAX);
        let inside = &all[usize::try_from(from).unwrap()..usize::try_from(until).unwrap()];
        let count = |fits: &dyn Fn(&Naive) -> bool| {
            let count = inside.iter().flatten().filter(|naive| fits(naive)).count();
            Duration::from_secs(count as u64)
        };
        prop_assert_eq!(result.eligible, count(&|naive| naive.measured));
        prop_assert_eq!(result.violated, count(&|naive| naive.violated));
        prop_assert_eq!(result.exempt, count(&|naive| naive.measured && naive.exempt));
        prop_assert_eq!(result.violated_exempt, count(&|naive| naive.violated && naive.exempt));
        for (status, spent) in &result.states {
            prop_assert_eq!(*spent, count(&|naive| naive.status == *status), "{:?}", status);
        }
        let told: Duration = result.states.iter().map(|(_, spent)| *spent).sum();
        prop_assert_eq!(told, count(&|_| true));
        let bad = result.violations.iter().map(|one| {
            let end = one.ended_at.unwrap_or(period.until).min(period.until);
            (end.as_second() - one.started_at.max(period.from).as_second()).unsigned_abs()
        });
        prop_assert_eq!(Duration::from_secs(bad.sum()), result.violated);
    }

    /// One look says what each question for itself does.
    #[test]
    fn what_is_told_at_once_is_what_is_asked_one_by_one(
        world in world(),
        known in 0..END * 2,
        from in 0..END,
        length in 1..END,
        step in 1u64..2000,
    ) {
        let (history, known) = (world.history(), at(known));
        let until = at((from + length).min(END));
        let period = Period { from: at(from), until };
        let step = Duration::from_secs(step);
        let told = history.tell(period, step, known);
        prop_assert_eq!(told.numbers, history.period(period, known));
        prop_assert_eq!(told.course, history.course(period, step, known));
        prop_assert_eq!(told.phases, history.phases(known, until));
        prop_assert_eq!(told.judged, history.judge(known, until));
        prop_assert_eq!(told.controls, history.controls(known, until));
    }

    /// Percentiles are those of the seconds, to half a second and an eighth.
    #[test]
    fn percentiles_are_those_of_the_seconds(world in world(), part in 1u32..=1000) {
        let period = Period { from: at(0), until: at(END) };
        let result = world.history().period(period, Timestamp::MAX);
        let all = seconds(&world, Timestamp::MAX);
        let mut heights: Vec<Duration> = all
            .iter()
            .flatten()
            .filter(|naive| naive.counts)
            .map(|naive| naive.exposure(naive.scope).unwrap_or(Duration::MAX))
            .collect();
        heights.sort_unstable();
        let Some(last) = heights.len().checked_sub(1) else {
            prop_assert_eq!(result.quantile(part), None);
            return Ok(());
        };
        let rank = (heights.len() * part as usize).div_ceil(1000).max(1) - 1;
        let slack = Duration::from_millis(500);
        // One second earlier or later: a half may lie on either side.
        let (low, high) = (heights[rank.saturating_sub(1)], heights[(rank + 1).min(last)]);
        match result.quantile(part).unwrap() {
            Height::Unbounded => prop_assert_eq!(high, Duration::MAX),
            Height::Bounded(found) => {
                prop_assert!(found + slack >= low, "{found:?} {low:?}");
                let most = high.saturating_add(slack);
                prop_assert!(found <= most.saturating_add(most / 8), "{found:?} {high:?}");
            }
        }
    }

    /// Claims that are kept as stretches never look better than they were, and
    /// violations are the same.
    #[test]
    fn stretches_lose_no_violation(
        world in world(),
        steps in proptest::collection::vec((1i64..90, 0i64..40, 0u64..3), 1..80),
        rpo in 4u64..60,
        flush in 1u64..20,
    ) {
        let mut world = world;
        world.stretches.clear();
        world.simplify(Span::from_secs(rpo), Span::from_secs(flush));
        let claims = claims(&steps);
        let most = tolerance(Some(Span::from_secs(rpo)), Span::from_secs(flush));
        let mut folded: Vec<Stretch> = Vec::new();
        for claim in &claims {
            let goes_on = folded.last_mut().is_some_and(|last| last.extend(*claim, most));
            if !goes_on {
                folded.push(Stretch::begin(*claim));
            }
        }
        let exact = world.with_claims(claims.iter().map(|claim| Stretch::begin(*claim)));
        let kept = world.with_claims(folded.into_iter());
        let (known, end) = (Timestamp::MAX, at(END));
        let violations = |world: &World| {
            let found = world.history().violations(known, end);
            found.into_iter().map(|one| (one.started_at, one.ended_at)).collect::<Vec<_>>()
        };
        prop_assert_eq!(violations(&kept), violations(&exact));
        for second in (0..END).step_by(7) {
            let now = half(second);
            let (Some(kept), Some(exact)) =
                (naive(&kept, now, known), naive(&exact, now, known)) else { continue };
            let (kept, exact) = (kept.exposure(RpoScope::Any), exact.exposure(RpoScope::Any));
            let is_safe = match (kept, exact) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(kept), Some(exact)) => kept >= exact && kept <= exact.max(most),
            };
            prop_assert!(is_safe, "{kept:?} {exact:?} at {second}");
        }
    }

    /// Folding facts in as they come is as good as reading all of them again.
    #[test]
    fn what_is_folded_is_what_is_read(world in world(), delays in proptest::collection::vec(0i64..59, 40)) {
        let mut world = world;
        world.stretches.clear();
        let mut facts = world.facts.clone();
        for (recorded, delay) in facts.iter_mut().zip(delays.iter().cycle()) {
            recorded.known = recorded.at.checked_add(jiff::SignedDuration::from_secs(*delay)).unwrap();
        }
        facts.sort_by_key(|recorded| recorded.known);
        let (mut current, mut seen) = (Current::default(), World::default());
        let mut ended = Vec::new();
        for recorded in facts {
            let now = recorded.known;
            prop_assert_eq!(current.apply(&recorded), Ok(()));
            seen.facts.push(recorded);
            let history = seen.history();
            prop_assert_eq!(current.judge(now), history.judge(Timestamp::MAX, now));
            prop_assert_eq!(current.controls(now), history.controls(Timestamp::MAX, now));
            let fresh = Current::of(&history, now);
            prop_assert_eq!(fresh.judge(now), current.judge(now));
            current.settle(now);
            ended.extend(current.take_ended());
        }
        let end = at(END * 2);
        current.settle(end);
        ended.extend(current.take_ended());
        let all = seen.history().violations(Timestamp::MAX, at(END));
        let over: Vec<_> = all.into_iter().filter(|one| one.ended_at.is_some()).collect();
        prop_assert_eq!(ended, over);
    }
}

/// The facts that hold after a moment: what a later one ended is left out.
fn in_force(world: &World, now: Timestamp) -> Vec<Recorded> {
    let mut facts = world.facts.clone();
    facts.retain(|one| one.at <= now);
    facts.sort_by_key(|one| (one.at, one.known));
    let mut held: BTreeMap<String, Recorded> = BTreeMap::new();
    for one in facts {
        let (subject, holds) = match &one.fact {
            Fact::Promised(_) => ("promise".to_owned(), true),
            Fact::Unpromised => ("promise".to_owned(), true),
            Fact::Retired => ("promise".to_owned(), false),
            Fact::BackupAvailable { repository, backup } => {
                (format!("backup/{repository}/{}", backup.id), true)
            }
            Fact::BackupGone { repository, backup } => {
                (format!("backup/{repository}/{backup}"), false)
            }
            Fact::HoleOpened {
                repository,
                lineage,
                range,
            } => (format!("hole/{repository}/{lineage}/{range:?}"), true),
            Fact::HoleClosed {
                repository,
                lineage,
                range,
            } => (format!("hole/{repository}/{lineage}/{range:?}"), false),
            Fact::TroubleBegan { repository, .. } => (format!("trouble/{repository}"), true),
            Fact::TroubleEnded { repository } => (format!("trouble/{repository}"), false),
            Fact::AgentLost => ("agent".to_owned(), true),
            Fact::AgentBack => ("agent".to_owned(), false),
            Fact::Exempted(exemption) => (format!("exemption/{}", exemption.id), true),
            Fact::ExemptionEnded { exemption } => (format!("exemption/{exemption}"), false),
            Fact::Drilled(_) => continue,
        };
        match holds {
            true => held.insert(subject, one),
            false => held.remove(&subject),
        };
    }
    let mut held: Vec<Recorded> = held.into_values().collect();
    held.sort_by_key(|one| (one.at, one.known));
    held
}

/// More backups than a random history has: of one lineage, and of another.
fn with_more(world: &mut World, more: &[(usize, i64, u64, u32)]) {
    let backups = world.facts.iter().filter_map(|one| match &one.fact {
        Fact::BackupAvailable { repository, backup } => Some((repository.clone(), backup.clone())),
        _ => None,
    });
    let backups: Vec<_> = backups.collect();
    if backups.is_empty() {
        return;
    }
    for (number, (which, second, lsn, incarnation)) in (0u128..).zip(more) {
        let (repository, mut backup) = backups[which % backups.len()].clone();
        backup.id = BackupId::from_uuid(Uuid::from_u128(number << 64));
        backup.lineage.incarnation = *incarnation;
        backup.start_lsn = Lsn::new(*lsn);
        backup.stop_lsn = Lsn::new(lsn + 3);
        backup.consistent_at = at(*second);
        world.facts.push(Recorded {
            at: at(*second),
            known: at(*second),
            fact: Fact::BackupAvailable { repository, backup },
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// A few of the facts in force say as much of now as all of them.
    #[test]
    fn few_facts_decide_what_is_so_now(
        world in world(),
        more in proptest::collection::vec((0usize..20, 0..END, 0u64..200, 1u32..3), 0..12),
        now in 0..END,
    ) {
        let mut world = world;
        with_more(&mut world, &more);
        let now = half(now);
        let all = in_force(&world, now);
        let few = deciding(all.clone());
        let history = |facts: &[Recorded]| {
            let mut history = History::default();
            facts.iter().for_each(|one| history.add(one.clone()));
            world.stretches.iter().for_each(|one| history.add_stretch(one.clone()));
            history
        };
        let judged = history(&all).judge(Timestamp::MAX, now);
        let verdict = history(&few).verdict(Timestamp::MAX, now);
        prop_assert_eq!(judged.is_some(), verdict.is_some());
        let (Some(judged), Some(verdict)) = (judged, verdict) else { return Ok(()) };
        prop_assert_eq!(verdict.status, judged.status);
        prop_assert_eq!(verdict.cause, judged.cause);
        prop_assert_eq!((verdict.rpo, verdict.scope), (judged.rpo, judged.scope));
        prop_assert_eq!(verdict.exposure, judged.exposure);
        prop_assert_eq!(verdict.region_loss, judged.region_loss);
        prop_assert_eq!(verdict.k2, judged.k2);
        prop_assert_eq!(verdict.frontier, judged.frontier);
        prop_assert_eq!(verdict.places, judged.copies.len());
    }
}

/// However many backups there are, few decide; where WAL is missing, all of them.
#[test]
fn of_many_backups_few_decide() {
    let lineage = Lineage {
        system_identifier: 7,
        incarnation: 1,
    };
    let repository: Name = "eu".parse().unwrap();
    let backups = (0..35u32).map(|day| Recorded {
        at: at(i64::from(day)),
        known: at(i64::from(day)),
        fact: Fact::BackupAvailable {
            repository: repository.clone(),
            backup: Backup {
                id: BackupId::from_uuid(Uuid::from_u128(day.into())),
                kind: BackupKind::Full,
                lineage,
                start_lsn: Lsn::new(u64::from(day) * 10),
                stop_lsn: Lsn::new(u64::from(day) * 10 + 5),
                consistent_at: at(i64::from(day)),
            },
        },
    });
    let mut facts: Vec<Recorded> = backups.collect();
    let few = deciding(facts.clone());
    assert_eq!(few, [facts[0].clone(), facts[34].clone()]);
    facts.push(Recorded {
        at: at(40),
        known: at(40),
        fact: Fact::HoleOpened {
            repository,
            lineage,
            range: LsnRange::new(Lsn::new(100), Lsn::new(110)).unwrap(),
        },
    });
    assert_eq!(deciding(facts.clone()), facts);
}

/// The generator reaches what it is there for.
#[test]
fn histories_are_not_all_alike() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut states = BTreeMap::new();
    let (mut violations, mut scopes) = (0, std::collections::BTreeSet::new());
    for _ in 0..1000 {
        let world = world().new_tree(&mut runner).unwrap().current();
        let history = world.history();
        for phase in history.phases(Timestamp::MAX, at(END)) {
            let state = phase.status.map_or("NONE", Compliance::as_str);
            *states.entry(state).or_insert(0u32) += 1;
        }
        for one in history.violations(Timestamp::MAX, at(END)) {
            violations += 1;
            scopes.insert(one.scope);
        }
    }
    for state in [
        "NONE",
        "COMPLIANT",
        "AT_RISK",
        "VIOLATED",
        "UNKNOWN",
        "UNPROTECTED",
        "EXEMPT",
    ] {
        assert!(
            states.get(state).is_some_and(|count| *count >= 30),
            "{state}: {states:?}"
        );
    }
    assert!(violations >= 500, "{violations}");
    assert_eq!(scopes.len(), 3);
}
