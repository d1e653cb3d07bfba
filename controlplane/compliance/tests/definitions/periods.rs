//! Periods in numbers.

use std::time::Duration;

use holdfast_compliance::{Fact, Height, Period, PeriodResult};
use holdfast_types::Compliance;
use jiff::Timestamp;

use super::story::{Story, at, promise, seconds};

fn period(story: &Story, from: i64, until: i64) -> PeriodResult {
    let period = Period {
        from: at(from),
        until: at(until),
    };
    story.0.period(period, Timestamp::MAX)
}

/// Claims every ten seconds from 110 to 190; silence until 250, then again.
fn story() -> Story {
    let mut story = Story::protected(promise());
    let teeth = (110i64..=190).step_by(10).chain((250..=390).step_by(10));
    for second in teeth {
        story = story.claim(second, "eu", second, second.unsigned_abs());
    }
    story
}

#[test]
fn compliance_is_the_part_of_the_eligible_time_without_violation() {
    let result = period(&story(), 200, 300);
    assert_eq!(Some(result.eligible), seconds(100));
    assert_eq!(Some(result.violated), seconds(30));
    assert!((result.compliance().unwrap() - 0.7).abs() < 1e-9);
    assert_eq!(result.violations.len(), 1);
    assert_eq!(result.mean_time_to_recover(), seconds(30));
    assert_eq!(
        result.highest,
        Some(Height::Bounded(Duration::from_secs(60)))
    );
    let spent = |status| {
        let found = result
            .states
            .iter()
            .find(|(known, _)| *known == Some(status));
        found.map(|(_, spent)| spent.as_secs())
    };
    assert_eq!(spent(Compliance::Violated), Some(30));
    assert_eq!(spent(Compliance::Unknown), Some(15));
    assert_eq!(spent(Compliance::Compliant), Some(55));
}

#[test]
fn a_violation_counts_in_each_period_it_lies_in_and_is_told_whole() {
    let result = period(&story(), 230, 400);
    assert_eq!(Some(result.violated), seconds(20));
    assert_eq!(result.violations[0].started_at, at(220));
    assert!(period(&story(), 250, 400).violations.is_empty());
    assert!(period(&story(), 200, 220).violations.is_empty());
}

#[test]
fn what_is_excused_is_shown_both_ways() {
    let result = period(&story().exempt(240, 270), 200, 300);
    assert_eq!(Some(result.violated), seconds(30));
    assert_eq!(Some(result.violated_exempt), seconds(10));
    assert_eq!(Some(result.exempt), seconds(30));
    assert!((result.compliance().unwrap() - 0.7).abs() < 1e-9);
    assert!((result.compliance_excused().unwrap() - (1.0 - 20.0 / 70.0)).abs() < 1e-9);
}

#[test]
fn only_who_is_to_be_protected_counts() {
    let story = story().fact(280, Fact::Retired);
    assert_eq!(Some(period(&story, 200, 300).eligible), seconds(80));
    let free = Story::default().fact(0, Fact::Unpromised);
    let result = period(&free, 0, 100);
    assert_eq!(result.compliance(), None);
    assert_eq!(result.highest, None);
    assert_eq!(result.quantile(500), None);
}

#[test]
fn percentiles_are_by_time() {
    // From 200 to 300: fifty seconds up to 60, and five teeth of ten.
    let result = period(&story(), 200, 300);
    let Some(Height::Bounded(half)) = result.quantile(500) else {
        panic!()
    };
    // Half of the time it was at most 10: the teeth, without the edge.
    assert!((9.9..=11.3).contains(&half.as_secs_f64()), "{half:?}");
    assert_eq!(
        result.quantile(1000),
        Some(Height::Bounded(Duration::from_secs(60)))
    );
}

#[test]
fn an_error_budget_may_be_overspent() {
    let result = period(&story(), 200, 300);
    let budget = result.budget(900_000);
    assert!((budget.allowed.as_secs_f64() - 10.0).abs() < 1e-6);
    assert_eq!(Some(budget.spent), seconds(30));
    assert!((budget.left_seconds + 20.0).abs() < 1e-6);
    let excused = period(&story().exempt(200, 300), 200, 300).budget(900_000);
    assert_eq!(
        (excused.allowed, excused.spent),
        (Duration::ZERO, Duration::ZERO)
    );
}

#[test]
fn time_with_nothing_to_restore_from_has_no_bound_once_its_grace_is_over() {
    let result = period(&Story::of(promise()), 0, 3600);
    assert_eq!((result.highest, result.quantile(999)), (None, None));
    let result = period(&Story::of(promise()), 0, 3601);
    assert_eq!(result.highest, Some(Height::Unbounded));
    assert_eq!(result.quantile(500), Some(Height::Unbounded));
}

#[test]
fn results_add_up() {
    let mut halves = period(&story(), 200, 240);
    halves.merge(period(&story(), 240, 300));
    let whole = period(&story(), 200, 300);
    assert_eq!(halves.spread, whole.spread);
    assert_eq!(
        (halves.violated, halves.highest),
        (whole.violated, whole.highest)
    );
}

/// A course is what the periods are that it is made of.
#[test]
fn the_course_of_an_exposure_is_that_of_short_periods() {
    let story = story();
    let (from, until, step) = (0, 400, 7);
    let whole = Period {
        from: at(from),
        until: at(until),
    };
    let course = story
        .0
        .course(whole, Duration::from_secs(step), Timestamp::MAX);
    let parts = (from..until).step_by(7);
    let parts: Vec<Option<Height>> = parts
        .map(|part| period(&story, part, (part + 7).min(until)).highest)
        .collect();
    assert_eq!(course, parts);
    assert_eq!(
        course.iter().max().unwrap(),
        &period(&story, from, until).highest
    );
    assert!(course.contains(&Some(Height::Bounded(Duration::from_secs(60)))));
}
