//! What was so, and what was known of it.

use holdfast_compliance::{Current, Fact, Late, Recorded, Stretch};
use holdfast_types::Compliance;
use jiff::Timestamp;

use super::story::{Story, at, claim, promise, second};

fn told(story: &Story, known: i64, until: i64) -> Vec<(i64, Option<i64>)> {
    let found = story.0.violations(at(known), at(until));
    found
        .into_iter()
        .map(|one| (second(one.started_at), one.ended_at.map(second)))
        .collect()
}

/// An agent that was cut off from us went on, and tells it later.
#[test]
fn a_late_report_corrects_what_was_and_not_what_was_known() {
    let cut_off = Story::protected(promise())
        .claim(110, "eu", 110, 30)
        .claim(300, "eu", 300, 90);
    assert_eq!(told(&cut_off, 250, 250), [(140, None)]);
    assert_eq!(told(&cut_off, 301, 400), [(140, Some(300)), (330, None)]);
    let mut stretch = Stretch::begin(claim(115, 115, 35));
    for second in (120..=295).step_by(5) {
        assert!(stretch.extend(
            claim(second, second, 80),
            std::time::Duration::from_secs(15)
        ));
    }
    let corrected = cut_off.clone().stretch((310, 310), "eu", stretch);
    assert_eq!(told(&corrected, 310, 320), []);
    // What was known is asked for by its time, and is what it was.
    for known in [150, 250, 301, 309] {
        assert_eq!(told(&corrected, known, known), told(&cut_off, known, known));
    }
    let then = corrected.0.judge(at(250), at(250)).unwrap();
    assert_eq!(then.status, Some(Compliance::Violated));
    let now = corrected.0.judge(at(310), at(250)).unwrap();
    assert_eq!(now.status, Some(Compliance::Compliant));
}

#[test]
fn a_late_fact_is_as_good_as_one_in_time() {
    let backup = |story: Story, known| {
        let fact = Fact::BackupAvailable {
            repository: "eu".parse().unwrap(),
            backup: holdfast_compliance::Backup {
                id: holdfast_types::BackupId::from_uuid(uuid::Uuid::from_u128(9)),
                kind: holdfast_types::BackupKind::Full,
                lineage: super::story::lineage(1),
                start_lsn: holdfast_types::Lsn::new(40),
                stop_lsn: holdfast_types::Lsn::new(41),
                consistent_at: at(119),
            },
        };
        story.late_fact(120, known, fact)
    };
    let story = Story::protected(promise());
    let (timely, late) = (backup(story.clone(), 120), backup(story.clone(), 500));
    assert_eq!(told(&timely, 600, 600), told(&late, 600, 600));
    assert_eq!(told(&late, 499, 600), told(&story, 499, 600));
    assert_ne!(told(&late, 499, 600), told(&late, 500, 600));
}

/// A stretch that goes on is known up to then: the last of it as old as it ever
/// was.
#[test]
fn of_a_stretch_is_known_what_was_said_by_then() {
    let mut stretch = Stretch::begin(claim(110, 109, 30));
    for second in (115..=200).step_by(5) {
        assert!(stretch.extend(
            claim(second, second - 1, 40),
            std::time::Duration::from_secs(15)
        ));
    }
    let story = Story::protected(promise()).stretch((110, 200), "eu", stretch);
    let judged = |known, now| story.0.judge(at(known), at(now)).unwrap();
    assert_eq!(judged(150, 150).frontier, Some(at(144)));
    assert_eq!(judged(150, 170).frontier, Some(at(144)));
    assert_eq!(judged(109, 150).frontier, Some(at(100)));
    assert_eq!(told(&story, 150, 300), [(174, None)]);
}

#[test]
fn what_comes_late_by_a_little_is_folded_and_what_comes_later_is_said() {
    let fact = |at_second, known, fact| Recorded {
        at: at(at_second),
        known: at(known),
        fact,
    };
    let story = Story::protected(promise()).claim(110, "eu", 110, 30);
    let mut current = Current::of(&story.0, at(115));
    let eu = "eu".parse().unwrap();
    assert_eq!(current.claim(&eu, claim(130, 129, 40)), Ok(()));
    assert_eq!(current.claim(&eu, claim(125, 124, 38)), Ok(()));
    current.settle(at(131));
    let judged = current.judge(at(131)).unwrap();
    assert_eq!(judged.frontier, Some(at(129)));
    current.settle(at(200));
    assert_eq!(current.apply(&fact(139, 200, Fact::AgentLost)), Err(Late));
    assert_eq!(current.apply(&fact(141, 200, Fact::AgentLost)), Ok(()));
    assert_eq!(
        current.judge(at(201)).unwrap().cause.unwrap().code(),
        "agent_offline"
    );
}

#[test]
fn an_ended_violation_is_told_once() {
    let story = Story::protected(promise());
    let mut current = Current::of(&story.0, at(105));
    let eu = "eu".parse().unwrap();
    current.claim(&eu, claim(150, 149, 40)).unwrap();
    let open = current.judge(at(149)).unwrap().violation.unwrap();
    assert_eq!((open.started_at, open.ended_at), (at(130), None));
    assert_eq!(current.judge(at(151)).unwrap().violation, None);
    current.settle(at(205));
    assert!(current.take_ended().is_empty());
    current.settle(at(215));
    let ended = current.take_ended();
    assert_eq!(
        (ended[0].started_at, ended[0].ended_at),
        (at(130), Some(at(150)))
    );
    assert!(current.take_ended().is_empty());
    assert_eq!(story.0.violations(Timestamp::MAX, at(140)).len(), 1);
}
