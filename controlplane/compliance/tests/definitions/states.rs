//! States: their order and their timings.

use holdfast_compliance::Fact;
use holdfast_types::resource::WalMode;
use holdfast_types::{Compliance, Span};
use jiff::Timestamp;

use super::story::{Story, at, promise, second};

fn states(story: &Story, until: i64) -> Vec<(i64, Option<Compliance>)> {
    let phases = story.0.phases(Timestamp::MAX, at(until));
    phases
        .iter()
        .map(|phase| (second(phase.from), phase.status))
        .collect()
}

#[test]
fn a_stopped_agent_is_unknown_and_then_violated() {
    let story = Story::protected(promise()).claim(105, "eu", 105, 20);
    let expected = [
        (0, Some(Compliance::Unprotected)),
        (101, Some(Compliance::Compliant)),
        (120, Some(Compliance::Unknown)),
        (135, Some(Compliance::Violated)),
    ];
    assert_eq!(states(&story, 200), expected);
    // Blind after twice the flush interval and two seconds when that is longer;
    // at risk comes before.
    let mut slow = promise();
    slow.flush_every = Span::from_secs(14);
    let slow = Story::protected(slow).claim(105, "eu", 105, 20);
    let expected = [
        (0, Some(Compliance::Unprotected)),
        (101, Some(Compliance::Compliant)),
        (129, Some(Compliance::AtRisk)),
        (135, Some(Compliance::Violated)),
    ];
    assert_eq!(states(&slow, 200), expected);
}

#[test]
fn a_violation_comes_before_blindness_and_an_exemption_before_all() {
    let story = Story::protected(promise())
        .exempt(150, 160)
        .exempt(180, 10_000);
    let story = story.fact(190, Fact::Retired);
    let expected = [
        (0, Some(Compliance::Unprotected)),
        (101, Some(Compliance::Compliant)),
        (115, Some(Compliance::Unknown)),
        (130, Some(Compliance::Violated)),
        (150, Some(Compliance::Exempt)),
        (160, Some(Compliance::Violated)),
        (180, Some(Compliance::Exempt)),
    ];
    assert_eq!(states(&story, 300), expected);
    assert_eq!(story.0.judge(Timestamp::MAX, at(191)), None);
}

#[test]
fn at_the_very_rpo_it_is_not_violated() {
    let story = Story::protected(promise()).claim(105, "eu", 105, 20);
    let exact = story.judge(135);
    assert_eq!(exact.status, Some(Compliance::Unknown));
    assert_eq!(exact.violation, None);
    let later = story.0.judge(
        Timestamp::MAX,
        at(135) + jiff::SignedDuration::from_millis(1),
    );
    let later = later.unwrap();
    assert_eq!(later.status, Some(Compliance::Violated));
    assert_eq!(later.violation.unwrap().started_at, at(135));
}

#[test]
fn without_an_rpo_there_is_no_verdict_while_something_is_heard() {
    let mut silent = promise();
    silent.rpo = None;
    let story = Story::protected(silent).claim(105, "eu", 105, 20);
    assert_eq!(story.judge(110).status, None);
    assert_eq!(story.judge(110).cause, None);
    assert_eq!(story.judge(121).status, Some(Compliance::Unknown));
    assert!(story.violations(100_000).is_empty());
}

#[test]
fn an_archive_is_judged_by_its_age_while_nothing_speaks_against_it() {
    let mut archive = promise();
    archive.wal = WalMode::Archive;
    archive.rpo = Some(Span::from_secs(100));
    let story = Story::protected(archive.clone()).claim(105, "eu", 105, 20);
    assert_eq!(story.judge(160).status, Some(Compliance::Compliant));
    assert_eq!(story.judge(186).status, Some(Compliance::AtRisk));
    assert_eq!(story.judge(206).status, Some(Compliance::Violated));
    let away = story
        .clone()
        .fact(150, Fact::AgentLost)
        .fact(170, Fact::AgentBack);
    assert_eq!(away.judge(160).status, Some(Compliance::Unknown));
    assert_eq!(away.judge(175).status, Some(Compliance::Compliant));
    let failing = story.trouble(150, "eu", "wal_archiving_failing");
    assert_eq!(failing.judge(160).status, Some(Compliance::Unknown));
    assert_eq!(
        failing.judge(160).cause.unwrap().code(),
        "wal_archiving_failing"
    );
    let mut both = archive;
    both.wal = WalMode::Both;
    let both = Story::protected(both).claim(105, "eu", 105, 20);
    assert_eq!(both.judge(160).status, Some(Compliance::Unknown));
}

#[test]
fn the_age_of_a_backup_is_never_unknown() {
    let mut alone = promise();
    alone.wal = WalMode::None;
    alone.rpo = Some(Span::from_secs(100));
    let story = Story::protected(alone).fact(110, Fact::AgentLost);
    assert_eq!(story.judge(180).status, Some(Compliance::Compliant));
    assert_eq!(story.judge(181).status, Some(Compliance::AtRisk));
    assert_eq!(story.judge(201).status, Some(Compliance::Violated));
}

#[test]
fn without_a_policy_it_is_unprotected() {
    let story = Story::default().fact(0, Fact::Unpromised);
    let judged = story.judge(10);
    assert_eq!(judged.status, Some(Compliance::Unprotected));
    assert_eq!(judged.cause.unwrap().code(), "no_policy");
    assert_eq!(Story::default().0.judge(Timestamp::MAX, at(10)), None);
}
