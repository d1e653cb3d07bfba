//! Violations: where they begin and end.

use holdfast_compliance::Fact;
use holdfast_types::{RpoScope, Span};

use super::story::{Story, promise, seconds};

#[test]
fn one_begins_at_frontier_and_rpo_and_ends_with_the_claim_that_lowers_it() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .claim(163, "eu", 160, 40)
        .claim(170, "eu", 169, 50);
    let found = story.violations(180);
    assert_eq!(story.told(180), [(139, Some(163), "wal_behind".to_owned())]);
    assert_eq!(found[0].highest, seconds(54));
    assert_eq!(found[0].rpo, Span::from_secs(30));
    assert_eq!(found[0].scope, RpoScope::Any);
}

#[test]
fn a_claim_that_does_not_lower_it_enough_ends_nothing() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .claim(150, "eu", 115, 35)
        .claim(160, "eu", 131, 40);
    assert_eq!(story.told(161), [(139, Some(160), "wal_behind".to_owned())]);
    // It fell to 29 and rose again: that is another one.
    let both = [
        (139, Some(160), "wal_behind".to_owned()),
        (161, None, "wal_behind".to_owned()),
    ];
    assert_eq!(story.told(170), both);
}

#[test]
fn what_was_never_protected_has_a_grace() {
    let story = Story::of(promise());
    assert!(story.violations(3600).is_empty());
    assert_eq!(story.told(4000), [(3600, None, "no_backup".to_owned())]);
    assert_eq!(story.violations(4000)[0].highest, None);
    // Another policy is no other grace.
    let mut other = promise();
    other.rpo = Some(Span::from_secs(60));
    let again = story.promised(3000, other);
    assert_eq!(again.told(4000), [(3600, None, "no_backup".to_owned())]);
    // An RPO of a day has a day.
    let mut daily = promise();
    daily.rpo = Some(Span::from_secs(86_400));
    assert_eq!(
        Story::of(daily).told(90_000),
        [(86_400, None, "no_backup".to_owned())]
    );
}

#[test]
fn losing_the_last_backup_violates_at_once() {
    let mut story = Story::protected(promise());
    for second in (105..5000).step_by(5) {
        story = story.claim(second, "eu", second, 30);
    }
    let story = story.gone(4002, "eu", 1);
    assert_eq!(story.told(4500), [(4002, None, "no_backup".to_owned())]);
}

#[test]
fn a_stricter_policy_violates_from_when_it_is_in_force() {
    let mut strict = promise();
    strict.rpo = Some(Span::from_secs(10));
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .promised(125, strict);
    assert_eq!(story.told(140), [(125, None, "policy_changed".to_owned())]);
    let mut looser = promise();
    looser.rpo = Some(Span::from_secs(600));
    let eased = story.promised(130, looser);
    assert_eq!(
        eased.told(140),
        [(125, Some(130), "policy_changed".to_owned())]
    );
}

#[test]
fn who_is_not_to_be_protected_any_more_is_not_violated() {
    let story = Story::protected(promise()).claim(110, "eu", 109, 30);
    let retired = story.clone().fact(150, Fact::Retired);
    assert_eq!(
        retired.told(200),
        [(139, Some(150), "wal_behind".to_owned())]
    );
    let freed = story.fact(150, Fact::Unpromised);
    assert_eq!(freed.told(200), [(139, Some(150), "wal_behind".to_owned())]);
}

#[test]
fn what_is_excused_is_still_told() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .exempt(150, 155)
        .claim(163, "eu", 160, 40);
    let found = story.violations(170);
    assert_eq!(found.len(), 1);
    assert_eq!(Some(found[0].exempt), seconds(5));
}
