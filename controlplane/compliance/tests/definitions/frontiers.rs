//! Chains, frontiers and recovery windows.

use holdfast_compliance::Stretch;
use holdfast_types::resource::WalMode;
use holdfast_types::{Compliance, Lsn};

use super::story::{Story, at, claim, promise, seconds};

#[test]
fn the_frontier_is_the_latest_claim_behind_a_backup() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .claim(115, "eu", 114, 40);
    assert_eq!(story.judge(105).frontier, Some(at(100)));
    assert_eq!(story.judge(112).frontier, Some(at(109)));
    assert_eq!(story.judge(120).frontier, Some(at(114)));
    assert_eq!(story.judge(120).exposure, seconds(6));
}

#[test]
fn claims_prove_nothing_without_a_backup_they_follow() {
    let alone = Story::of(promise()).claim(90, "eu", 89, 15);
    assert_eq!(alone.judge(95).frontier, None);
    assert_eq!(alone.judge(95).status, Some(Compliance::Unprotected));
    // One that ends at 20 is not reached by WAL up to 15.
    let behind = alone.backup(101, "eu", 1, (10, 20), 85);
    assert_eq!(behind.judge(105).frontier, Some(at(85)));
    let reached = behind.claim(110, "eu", 109, 20);
    assert_eq!(reached.judge(110).frontier, Some(at(109)));
}

#[test]
fn a_claim_of_another_lineage_proves_nothing() {
    let mut foreign = claim(110, 109, 50);
    foreign.lineage.incarnation = 2;
    let story = Story::protected(promise()).stretch((110, 110), "eu", Stretch::begin(foreign));
    assert_eq!(story.judge(115).frontier, Some(at(100)));
}

/// Nothing was written, and a claim says so: the position stands still.
#[test]
fn an_idle_cluster_stays_compliant_and_a_silent_agent_does_not() {
    let mut idle = Story::protected(promise());
    for second in (105..400).step_by(5) {
        idle = idle.claim(second, "eu", second, 20);
    }
    assert!(idle.violations(400).is_empty());
    assert_eq!(idle.judge(399).status, Some(Compliance::Compliant));
    assert_eq!(idle.told(500), [(425, None, "wal_behind".to_owned())]);
}

#[test]
fn a_hole_cuts_what_lies_behind_it_until_it_is_filled() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .claim(120, "eu", 119, 60)
        .hole(121, (35, 50));
    let cut = story.judge(125);
    assert_eq!(cut.frontier, Some(at(109)));
    assert!(cut.copies[0].cut);
    let filled = story.clone().filled(130, (35, 50));
    assert_eq!(filled.judge(129).frontier, Some(at(109)));
    assert_eq!(filled.judge(130).frontier, Some(at(119)));
    assert!(!filled.judge(130).copies[0].cut);
    // Half of it is not all of it.
    assert_eq!(
        story.filled(130, (35, 49)).judge(130).frontier,
        Some(at(109))
    );
}

#[test]
fn a_backup_behind_a_hole_leads_past_it_and_the_hole_stays_in_the_window() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .hole(121, (35, 50))
        .backup(131, "eu", 2, (55, 58), 130)
        .claim(140, "eu", 139, 60);
    let healed = story.judge(141);
    assert_eq!(healed.frontier, Some(at(139)));
    assert!(!healed.copies[0].cut);
    let window = &healed.copies[0].window;
    assert_eq!(window.spans, [(at(100), at(109)), (at(130), at(139))]);
    assert_eq!(window.gaps(at(0)), [(at(109), at(130))]);
}

#[test]
fn what_is_condemned_protects_nobody() {
    let story = Story::protected(promise())
        .claim(110, "eu", 109, 30)
        .backup(121, "eu", 2, (40, 41), 120)
        .gone(130, "eu", 2)
        .gone(140, "eu", 1);
    assert_eq!(story.judge(125).frontier, Some(at(120)));
    assert_eq!(story.judge(135).frontier, Some(at(109)));
    assert_eq!(story.judge(145).frontier, None);
    assert_eq!(story.judge(145).exposure, None);
}

#[test]
fn dumps_are_points_where_no_wal_is_received_and_nothing_elsewhere() {
    let streaming = Story::of(promise())
        .dump(110, 1, 100)
        .claim(120, "eu", 119, 30);
    assert_eq!(streaming.judge(121).status, Some(Compliance::Unprotected));
    let mut alone = promise();
    alone.wal = WalMode::None;
    let alone = Story::of(alone)
        .dump(110, 1, 100)
        .dump(151, 2, 140)
        .claim(160, "eu", 159, 30);
    assert_eq!(alone.judge(109).frontier, None);
    assert_eq!(alone.judge(120).frontier, Some(at(100)));
    let later = alone.judge(170);
    assert_eq!(later.frontier, Some(at(140)));
    assert_eq!(
        later.copies[0].window.spans,
        [(at(100), at(100)), (at(140), at(140))]
    );
}

/// Within a stretch its peak is what counts; behind it, its last claim.
#[test]
fn a_stretch_holds_the_exposure_at_its_peak() {
    let mut stretch = Stretch::begin(claim(110, 109, 30));
    for second in (115i64..=200).step_by(5) {
        let lsn = Lsn::new(30 + second.unsigned_abs());
        let next = holdfast_compliance::Claim {
            lsn,
            ..claim(second, second - 1, 0)
        };
        assert!(stretch.extend(next, std::time::Duration::from_secs(15)));
    }
    let story = Story::protected(promise()).stretch((110, 200), "eu", stretch);
    assert_eq!(story.judge(112).exposure, seconds(3));
    assert_eq!(story.judge(150).exposure, seconds(6));
    assert_eq!(story.judge(200).exposure, seconds(1));
    assert_eq!(story.judge(220).exposure, seconds(21));
    assert_eq!(story.told(300), [(229, None, "wal_behind".to_owned())]);
}

/// WAL in the middle of a stretch is lost later: all of it counts as lost, for
/// where its claims in between were is not known (I-13).
#[test]
fn a_hole_within_a_stretch_takes_it_back_to_its_first_claim() {
    let mut stretch = Stretch::begin(claim(110, 109, 30));
    assert!(stretch.extend(claim(115, 114, 60), std::time::Duration::from_secs(15)));
    let story = Story::protected(promise())
        .stretch((110, 115), "eu", stretch)
        .hole(118, (40, 50));
    assert_eq!(story.judge(117).frontier, Some(at(114)));
    assert_eq!(story.judge(119).frontier, Some(at(109)));
}

/// Copies come the newest first: what was claimed before the newest backup counts
/// again once an older one is there.
#[test]
fn an_older_backup_that_comes_later_finds_the_claims_from_before() {
    let story = Story::of(promise())
        .claim(110, "eu", 109, 30)
        .backup(121, "eu", 2, (40, 41), 120)
        .backup(122, "eu", 3, (42, 43), 121)
        .gone(130, "eu", 3)
        .backup(140, "eu", 1, (10, 20), 100)
        .gone(150, "eu", 2);
    assert_eq!(story.judge(145).frontier, Some(at(120)));
    assert_eq!(story.judge(155).frontier, Some(at(109)));
}
