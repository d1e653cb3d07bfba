//! Named controls, recovery windows and what drills prove.

use holdfast_compliance::{Control, Fact, NotProven, Outcome, Promise};
use holdfast_types::{RpoScope, Span};

use super::story::{Story, at, promise};

fn answer(story: &Story, control: Control, second: i64) -> (Outcome, String) {
    let found = story
        .controls(second)
        .into_iter()
        .find(|one| one.control == control);
    let found = found.unwrap();
    (found.outcome, found.reason.unwrap_or_default())
}

fn says(outcome: Outcome, reason: &str) -> (Outcome, String) {
    (outcome, reason.to_owned())
}

fn pass() -> (Outcome, String) {
    says(Outcome::Pass, "")
}

#[test]
fn every_control_has_a_name_and_an_answer() {
    let results = Story::protected(promise()).controls(110);
    let names: Vec<String> = results
        .iter()
        .map(|one| {
            serde_json::to_value(one).unwrap()["control"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let expected = [
        "PG_IN_POLICY",
        "PG_LATEST_RP_AGE",
        "PG_RECOVERY_WINDOW",
        "PG_WAL_CONTIGUOUS",
        "PG_REGION_LOSS_RPO",
        "PG_IMMUTABLE_COPY",
        "PG_ENCRYPTED",
        "PG_MANUAL_DELETE_GUARDED",
        "PG_RESTORE_TIME_MEETS_TARGET",
        "PG_DRILL_FRESH",
        "PG_AGENT_FRESH",
        "PG_KEY_ESCROWED",
    ];
    assert_eq!(names, expected);
    let free = Story::default().fact(0, Fact::Unpromised).controls(10);
    assert_eq!(free[0].outcome, Outcome::Fail);
    assert!(
        free[1..]
            .iter()
            .all(|one| one.outcome == Outcome::NotApplicable)
    );
}

#[test]
fn ages_are_measured_against_the_rpo() {
    let story = Story::protected(promise()).claim(110, "eu", 110, 30);
    let age = Control::LatestRecoveryPointAge;
    assert_eq!(answer(&story, age, 140), pass());
    assert_eq!(answer(&story, age, 141), says(Outcome::Fail, "too_old"));
    let excused = story.exempt(135, 200);
    assert_eq!(answer(&excused, age, 141), says(Outcome::Exempt, "too_old"));
    let none = Story::of(promise());
    assert_eq!(
        answer(&none, age, 10),
        says(Outcome::Fail, "no_recovery_point")
    );

    let region = Control::RegionLossRpo;
    assert_eq!(
        answer(&none, region, 10),
        says(Outcome::NotApplicable, "not_promised")
    );
    let mut elsewhere = promise();
    elsewhere.scope = RpoScope::RegionLoss;
    let elsewhere = Story::protected(elsewhere);
    assert_eq!(
        answer(&elsewhere, region, 110),
        says(Outcome::Fail, "no_recovery_point")
    );
    let copied = elsewhere.backup(111, "us", 1, (10, 20), 100);
    assert_eq!(answer(&copied, region, 120), pass());
}

fn windowed(window: u64) -> Promise {
    let mut promise = promise();
    promise.window = Some(Span::from_secs(window));
    promise
}

#[test]
fn the_window_is_as_long_as_promised_once_the_cluster_is_old_enough() {
    let window = Control::RecoveryWindow;
    let unasked = Story::protected(promise());
    assert_eq!(
        answer(&unasked, window, 110),
        says(Outcome::NotApplicable, "no_window")
    );
    let story = |from: i64| {
        let story = Story::of(windowed(1000)).backup(5000, "eu", 1, (10, 20), from);
        story.claim(9000, "eu", 9000, 30)
    };
    // Promised at 0, so nothing is asked for before 3600.
    assert_eq!(answer(&story(4000), window, 9000), pass());
    assert_eq!(
        answer(&story(4000), window, 4999),
        says(Outcome::Fail, "too_short")
    );
    let late = story(4000)
        .gone(6000, "eu", 1)
        .backup(8500, "eu", 2, (25, 28), 8400);
    assert_eq!(
        answer(&late, window, 9000),
        says(Outcome::Fail, "too_short")
    );
    assert_eq!(answer(&late, window, 10_000), pass());
}

#[test]
fn a_gap_in_the_window_is_no_violation_of_the_rpo() {
    let story = Story::of(windowed(1000))
        .backup(5000, "eu", 1, (10, 20), 4000)
        .claim(8500, "eu", 8500, 30)
        .hole(8600, (35, 50))
        .backup(8701, "eu", 2, (55, 58), 8700);
    let (window, whole) = (Control::RecoveryWindow, Control::WalContiguous);
    assert_eq!(answer(&story, whole, 8650), says(Outcome::Fail, "cut_off"));
    assert_eq!(answer(&story, window, 8710), says(Outcome::Fail, "gap"));
    assert_eq!(answer(&story, whole, 8710), says(Outcome::Fail, "gap"));
    assert_eq!(
        answer(&story, Control::LatestRecoveryPointAge, 8710),
        pass()
    );
    let gaps = story.judge(8710).copies[0].window.gaps(at(7710));
    assert_eq!(gaps, [(at(8500), at(8700))]);
    // The window has moved past it.
    let later = story.claim(9800, "eu", 9800, 60);
    assert_eq!(answer(&later, window, 9800), pass());
    assert_eq!(answer(&later, whole, 9800), pass());
}

#[test]
fn a_restore_time_is_proven_by_a_drill_that_passed_in_time_lately() {
    let mut drilled = promise();
    drilled.rto = Some(Span::from_secs(600));
    drilled.drill_every = Some(Span::from_secs(1000));
    let time = Control::RestoreTimeMeetsTarget;
    let none = Story::protected(drilled);
    let missing = |story: &Story, second| story.judge(second).proof.not_proven;
    assert_eq!(
        answer(&none, time, 110),
        says(Outcome::NotProven, "no_drill")
    );
    let passed = none.clone().drill(500, true, 300);
    assert_eq!(answer(&passed, time, 1500), pass());
    assert_eq!(answer(&passed, Control::DrillFresh, 1500), pass());
    assert_eq!(missing(&passed, 1501), Some(NotProven::DrillTooOld));
    let proof = passed.judge(600).proof;
    assert_eq!(proof.achieved_rto, Some(Span::from_secs(300)));
    assert_eq!(proof.verified_until, Some(at(400)));
    let failed = passed.clone().drill(700, false, 300);
    assert_eq!(
        answer(&failed, time, 710),
        says(Outcome::NotProven, "drill_failed")
    );
    // What an earlier one showed is still shown, and proves nothing.
    assert_eq!(
        failed.judge(710).proof.achieved_rto,
        Some(Span::from_secs(300))
    );
    let slow = passed.drill(700, true, 601);
    assert_eq!(
        answer(&slow, time, 710),
        says(Outcome::NotProven, "too_slow")
    );
    assert_eq!(answer(&slow, Control::DrillFresh, 710), pass());
    let unasked = Story::protected(promise());
    assert_eq!(
        answer(&unasked, time, 110),
        says(Outcome::NotApplicable, "no_rto")
    );
}

#[test]
fn what_guards_backups_is_asked_of_the_promise() {
    let mut guarded = promise();
    let weak = Story::protected(guarded.clone());
    for (control, reason) in [
        (Control::ImmutableCopy, "not_locked"),
        (Control::ManualDeleteGuarded, "no_approval_needed"),
        (Control::KeyEscrowed, "key_not_exported"),
    ] {
        assert_eq!(answer(&weak, control, 110), says(Outcome::Fail, reason));
    }
    guarded.places[1].locked = true;
    guarded.delete_approvals = 2;
    guarded.places[0].key_escrowed = true;
    let half = Story::protected(guarded.clone());
    assert_eq!(
        answer(&half, Control::KeyEscrowed, 110),
        says(Outcome::Fail, "key_not_exported")
    );
    guarded.places[1].key_escrowed = true;
    let strong = Story::protected(guarded);
    for control in [
        Control::ImmutableCopy,
        Control::ManualDeleteGuarded,
        Control::KeyEscrowed,
        Control::Encrypted,
    ] {
        assert_eq!(answer(&strong, control, 110), pass());
    }
}

#[test]
fn an_agent_is_fresh_while_it_is_heard() {
    let story = Story::protected(promise()).claim(110, "eu", 110, 30);
    let fresh = Control::AgentFresh;
    assert_eq!(answer(&story, fresh, 120), pass());
    assert_eq!(
        answer(&story, fresh, 126),
        says(Outcome::Fail, "nothing_heard")
    );
    let away = story.fact(115, Fact::AgentLost);
    assert_eq!(
        answer(&away, fresh, 120),
        says(Outcome::Fail, "agent_offline")
    );
}
