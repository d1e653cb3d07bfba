//! Exposures of any copy, of a lost region, of two copies.

use holdfast_types::{Compliance, RpoScope};

use super::story::{Story, promise, seconds};

fn copied(scope: RpoScope) -> Story {
    let mut promise = promise();
    promise.scope = scope;
    promise.places[1].within = Some(holdfast_types::Span::from_secs(20));
    Story::protected(promise)
        .backup(102, "us", 1, (10, 20), 100)
        .claim(120, "eu", 120, 30)
        .claim(120, "us", 110, 25)
}

#[test]
fn each_scope_has_its_exposure_and_the_promised_one_counts() {
    let any = copied(RpoScope::Any).judge(130);
    assert_eq!(
        (any.any, any.region_loss, any.k2),
        (seconds(10), seconds(20), seconds(20))
    );
    assert_eq!(any.exposure, seconds(10));
    assert_eq!(any.status, Some(Compliance::Compliant));
    let lost = copied(RpoScope::RegionLoss).judge(134);
    assert_eq!(lost.exposure, seconds(24));
    // Blind is who hears nothing from anywhere.
    assert_eq!(lost.status, Some(Compliance::Compliant));
    assert_eq!(
        copied(RpoScope::K2).judge(135).status,
        Some(Compliance::AtRisk)
    );
}

#[test]
fn a_copy_that_is_behind_violates_only_what_needs_it() {
    let keep = |mut story: Story| {
        for second in (125..200).step_by(5) {
            story = story.claim(second, "eu", second, 30);
        }
        story
    };
    assert!(keep(copied(RpoScope::Any)).violations(200).is_empty());
    let story = keep(copied(RpoScope::RegionLoss));
    assert_eq!(story.told(200), [(140, None, "copy_lag".to_owned())]);
    let told = story.trouble(130, "us", "repository_unreachable");
    assert_eq!(
        told.told(200),
        [(140, None, "repository_unreachable".to_owned())]
    );
    assert_eq!(told.judge(150).copies[1].late, Some(true));
    assert_eq!(told.judge(130).copies[1].late, Some(false));
    assert_eq!(told.judge(130).copies[0].late, None);
}

/// The policy's own repository is gone: what is in the copy still counts.
#[test]
fn any_copy_counts() {
    let story = copied(RpoScope::Any).gone(125, "eu", 1);
    let left = story.judge(130);
    assert_eq!(left.any, seconds(20));
    assert_eq!((left.region_loss, left.k2), (None, None));
}
