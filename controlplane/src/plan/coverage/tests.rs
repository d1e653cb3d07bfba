//! The band by example.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::dependents::Lost;
use super::reach::Nearest;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn lineage(incarnation: u32) -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation,
    }
}

fn range(from: u64, to: u64) -> LsnRange {
    LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
}

fn id(number: u128) -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(number))
}

fn timeline(number: u32) -> Timeline {
    Timeline::new(number).unwrap()
}

/// Consistent at this second and position, ten positions after it began.
fn base(number: u128, second: i64, stop: u64) -> Base {
    Base {
        id: id(number),
        kind: BackupKind::Full,
        parent: None,
        lineage: lineage(1),
        timeline: Timeline::FIRST,
        start: Lsn::new(stop - 10),
        stop: Lsn::new(stop),
        consistent_at: at(second),
        bytes: Some(1000),
    }
}

fn wal(number: u32, ranges: &[(u64, u64)]) -> HeldWal {
    HeldWal {
        lineage: lineage(1),
        timeline: timeline(number),
        coverage: ranges.iter().map(|(from, to)| range(*from, *to)).collect(),
        expired: Coverage::default(),
    }
}

fn claim(second: i64, lsn: u64) -> Proof {
    Proof {
        time: at(second),
        lineage: lineage(1),
        lsn: Lsn::new(lsn),
    }
}

fn spans(held: &Held) -> Vec<(i64, i64, u64, u64)> {
    let plain = |one: &Stretch| {
        let (from, to) = (one.from.as_second(), one.to.as_second());
        (from, to, one.from_lsn.get(), one.to_lsn.get())
    };
    stretches(held).iter().map(plain).collect()
}

/// Two backups, and a gap between them that the second leads past.
fn with_a_gap() -> Held {
    Held {
        backups: vec![base(1, 100, 1000), base(2, 400, 4000)],
        wal: vec![wal(1, &[(900, 2000), (2500, 5000)])],
        gaps: vec![KnownGap {
            lineage: lineage(1),
            range: range(2000, 2500),
            reason: "slot_lost".to_owned(),
            recorded_at: Some(at(250)),
        }],
        claims: vec![
            claim(150, 1500),
            claim(190, 1990),
            claim(300, 3000),
            claim(500, 5000),
        ],
    }
}

#[test]
fn a_band_ends_with_what_is_proved_before_a_gap_and_goes_on_with_the_next_backup() {
    let held = with_a_gap();
    assert_eq!(
        spans(&held),
        [(100, 190, 1000, 2000), (400, 500, 4000, 5000)]
    );
    let found = holes(&held, &stretches(&held));
    assert_eq!(found.len(), 1);
    let hole = &found[0];
    assert_eq!((hole.from, hole.to), (at(190), Some(at(400))));
    assert_eq!(hole.missing, [range(2000, 2500)]);
    assert_eq!(hole.whole, Some(range(2000, 2500)));
    assert_eq!(hole.cause.as_deref(), Some("slot_lost"));
    assert_eq!(hole.recorded_at, Some(at(250)));
}

#[test]
fn a_gap_behind_the_newest_backup_is_a_hole_without_an_end() {
    let mut held = with_a_gap();
    held.backups.pop();
    assert_eq!(spans(&held), [(100, 190, 1000, 2000)]);
    let found = holes(&held, &stretches(&held));
    assert_eq!((found[0].from, found[0].to), (at(190), None));
    // Filled, it is none, and all the claims behind it count again.
    held.gaps.clear();
    held.wal = vec![wal(1, &[(900, 5000)])];
    assert_eq!(spans(&held), [(100, 500, 1000, 5000)]);
    assert_eq!(holes(&held, &stretches(&held)), []);
}

#[test]
fn expired_wal_leaves_points_and_says_why() {
    let mut held = with_a_gap();
    held.gaps.clear();
    held.wal = vec![HeldWal {
        expired: [range(1000, 3990)].into_iter().collect(),
        ..wal(1, &[(990, 1000), (3990, 5000)])
    }];
    assert_eq!(
        spans(&held),
        [(100, 100, 1000, 1000), (400, 500, 4000, 5000)]
    );
    let found = holes(&held, &stretches(&held));
    assert_eq!(found[0].cause.as_deref(), Some("expired"));
    assert_eq!(found[0].recorded_at, None);
}

#[test]
fn a_backup_that_stands_in_a_hole_is_a_point_and_joins_nothing() {
    // Its WAL is not on record: it carries its own.
    let held = Held {
        backups: vec![base(1, 100, 1000), base(2, 200, 2000), base(3, 300, 3000)],
        wal: vec![wal(1, &[(990, 1000), (2990, 3000)])],
        ..Held::default()
    };
    let points = [
        (100, 100, 1000, 1000),
        (200, 200, 2000, 2000),
        (300, 300, 3000, 3000),
    ];
    assert_eq!(spans(&held), points);
    // Without any WAL on record nothing is proved to lie between them either.
    let bare = Held {
        wal: Vec::new(),
        ..held
    };
    assert_eq!(spans(&bare), points);
    let causes = holes(&bare, &stretches(&bare));
    assert!(
        causes
            .iter()
            .all(|hole| hole.cause.as_deref() == Some("no_wal"))
    );
    let behind = reach(&bare, Point::Lsn(Lsn::new(3001)));
    assert!(matches!(behind, Err(Cannot::AfterFrontier(_))));
}

#[test]
fn a_timeline_begins_where_its_wal_does_and_when_the_last_proof_before_it_was() {
    let held = Held {
        backups: vec![base(1, 100, 1000)],
        wal: vec![wal(1, &[(900, 2100)]), wal(2, &[(2000, 5000)])],
        claims: vec![claim(150, 1500), claim(190, 1990), claim(300, 3000)],
        ..Held::default()
    };
    assert_eq!(
        spans(&held),
        [(100, 190, 1000, 2000), (190, 300, 2000, 5000)]
    );
    let found = stretches(&held);
    assert_eq!(
        (found[0].timeline, found[1].timeline),
        (timeline(1), timeline(2))
    );
    assert_eq!(holes(&held, &found), []);
    let way = reach(&held, Point::Lsn(Lsn::new(2500))).unwrap();
    assert_eq!(way.timeline, timeline(2));
    assert_eq!(
        reach(&held, Point::Lsn(Lsn::new(1500))).unwrap().timeline,
        timeline(1)
    );
}

#[test]
fn another_server_is_another_lineage_with_a_hole_before_it() {
    let held = Held {
        backups: vec![
            base(1, 100, 1000),
            Base {
                lineage: lineage(2),
                ..base(2, 300, 500)
            },
        ],
        wal: vec![wal(1, &[(900, 2000)])],
        claims: vec![claim(200, 2000)],
        ..Held::default()
    };
    assert_eq!(spans(&held), [(100, 200, 1000, 2000), (300, 300, 500, 500)]);
    let found = holes(&held, &stretches(&held));
    assert_eq!(found[0].cause.as_deref(), Some("another_lineage"));
    assert_eq!((found[0].whole, found[0].to), (None, Some(at(300))));
    // A position is one of the newest server.
    let before = reach(&held, Point::Lsn(Lsn::new(400)));
    let first = Proved {
        time: at(300),
        lsn: Lsn::new(500),
    };
    assert_eq!(before, Err(Cannot::BeforeFirst(first)));
    // A time is one of any.
    assert_eq!(reach(&held, Point::Time(at(150))).unwrap().base.id, id(1));
}

#[test]
fn the_newest_backup_before_a_point_is_the_way_to_it() {
    let held = with_a_gap();
    let way = reach(&held, Point::Time(at(450))).unwrap();
    assert_eq!(
        (way.base.id, way.recovers_to, way.lsn),
        (id(2), at(450), None)
    );
    // Half of the time between two proofs is half of the WAL between them.
    assert_eq!((way.replay, way.replay_most), (510, 1010));
    let way = reach(&held, Point::Latest).unwrap();
    assert_eq!((way.recovers_to, way.lsn), (at(500), Some(Lsn::new(5000))));
    let way = reach(&held, Point::Time(at(400))).unwrap();
    assert_eq!((way.lsn, way.replay), (Some(Lsn::new(4000)), 10));
    let way = reach(&held, Point::Lsn(Lsn::new(1700))).unwrap();
    assert_eq!((way.base.id, way.recovers_to), (id(1), at(150)));
    assert_eq!(way.replay, 710);
}

#[test]
fn a_point_that_cannot_be_had_says_why_and_what_is_near() {
    let held = with_a_gap();
    let band = stretches(&held);
    let early = Point::Time(at(50));
    let first = Proved {
        time: at(100),
        lsn: Lsn::new(1000),
    };
    assert_eq!(reach(&held, early), Err(Cannot::BeforeFirst(first)));
    assert_eq!(
        nearest(&band, early),
        Nearest {
            before: None,
            after: Some(first)
        }
    );
    let missing = Point::Time(at(300));
    let last = Proved {
        time: at(190),
        lsn: Lsn::new(1990),
    };
    assert_eq!(
        reach(&held, missing),
        Err(Cannot::WalMissing(range(2000, 2500), last))
    );
    let near = nearest(&band, missing);
    assert_eq!(
        near.before,
        Some(Proved {
            time: at(190),
            lsn: Lsn::new(2000)
        })
    );
    assert_eq!(
        near.after,
        Some(Proved {
            time: at(400),
            lsn: Lsn::new(4000)
        })
    );
    let inside = Point::Lsn(Lsn::new(2200));
    assert_eq!(
        reach(&held, inside),
        Err(Cannot::WalMissing(range(2000, 2500), last))
    );
    assert_eq!(nearest(&band, inside), near);
    let late = reach(&held, Point::Time(at(501)));
    let end = Proved {
        time: at(500),
        lsn: Lsn::new(5000),
    };
    assert_eq!(late, Err(Cannot::AfterFrontier(end)));
    assert_eq!(
        reach(&Held::default(), Point::Latest),
        Err(Cannot::NoBackup)
    );
    // The latest of a chain that is cut is not what was asked for.
    let mut cut = held;
    cut.backups.pop();
    assert!(matches!(
        reach(&cut, Point::Latest),
        Err(Cannot::WalMissing(..))
    ));
}

#[test]
fn what_only_one_backup_leads_to_is_lost_with_it() {
    let held = with_a_gap();
    let lost = |number| lost_without(&held, &BTreeSet::from([id(number)]));
    let plain = |one: &Lost| (one.from.as_second(), one.to.as_second());
    assert_eq!(lost(1).iter().map(plain).collect::<Vec<_>>(), [(100, 190)]);
    assert_eq!(lost(2).iter().map(plain).collect::<Vec<_>>(), [(400, 500)]);
    assert_eq!(lost(3), []);
    // Of two in one chain the first carries what lies before the second, which carries
    // nothing alone.
    let mut chain = held.clone();
    chain.backups.push(base(3, 450, 4500));
    let lost = |number| lost_without(&chain, &BTreeSet::from([id(number)]));
    assert_eq!(lost(2).iter().map(plain).collect::<Vec<_>>(), [(400, 450)]);
    assert_eq!(lost(3), []);
}

#[test]
fn what_builds_on_a_backup_is_found_through_others() {
    let parents: BTreeMap<BackupId, Option<BackupId>> = [
        (id(1), None),
        (id(2), Some(id(1))),
        (id(3), Some(id(2))),
        (id(4), None),
    ]
    .into_iter()
    .collect();
    assert_eq!(dependents_of(id(1), &parents), [id(2), id(3)]);
    assert_eq!(dependents_of(id(3), &parents), []);
}

#[test]
fn a_long_history_is_told_in_fewer_stretches_that_say_what_they_hide() {
    let backups: Vec<Base> = (1_u32..=100)
        .map(|number| {
            let number = u64::from(number);
            let second = i64::try_from(number * 1000).unwrap();
            base(u128::from(number), second, number * 1000)
        })
        .collect();
    let runs: Vec<(u64, u64)> = (1..=100).map(|one| (one * 1000 - 10, one * 1000)).collect();
    let held = Held {
        backups,
        wal: vec![wal(1, &runs)],
        ..Held::default()
    };
    let all = stretches(&held);
    assert_eq!(all.len(), 100);
    let between = holes(&held, &all);
    assert_eq!(between.len(), 99);
    let (fine, kept, apart) = coarsen(all.clone(), between.clone(), 100);
    assert_eq!((fine.len(), kept.len(), apart), (100, 99, None));
    let (joined, kept, apart) = coarsen(all, between, 10);
    assert!(joined.len() <= 10 && apart.is_some(), "{joined:?}");
    assert_eq!(joined.iter().map(|one| one.stretches).sum::<u64>(), 100);
    let hidden: i64 = joined.iter().map(|one| one.missing.as_secs()).sum();
    let told = kept
        .iter()
        .filter_map(|hole| Some(hole.to?.duration_since(hole.from).as_secs()));
    assert_eq!(hidden + told.sum::<i64>(), 99_000);
}

/// A history: backups and claims in their order, and pieces of WAL that are missing.
fn histories() -> impl Strategy<Value = Held> {
    let backups = proptest::collection::vec(1_u64..90, 1..6);
    let gaps = proptest::collection::vec((1_u64..100, 1_u64..5), 0..5);
    (backups, gaps).prop_map(|(backups, gaps)| {
        let gone: Coverage = gaps
            .iter()
            .map(|(from, length)| range(from * 100, (from + length) * 100))
            .collect();
        let whole = range(50, 10_000);
        let coverage: Coverage = gone.gaps(whole).into_iter().collect();
        let seconds: BTreeSet<u64> = backups.into_iter().collect();
        let bases = seconds.iter().map(|second| {
            base(
                u128::from(*second),
                i64::try_from(*second).unwrap() * 100,
                second * 100 + 60,
            )
        });
        // One that has not its own WAL is not available.
        let whole = |base: &Base| coverage.covers(LsnRange::new(base.start, base.stop).unwrap());
        let backups: Vec<Base> = bases.filter(whole).collect();
        let claims =
            (1..100).map(|second| claim(second * 100, u64::try_from(second).unwrap() * 100));
        // Only what is there is claimed.
        let there = |claim: &Proof| {
            let mut ranges = coverage.ranges().iter();
            ranges.any(|range| range.from_lsn <= claim.lsn && claim.lsn <= range.to_lsn)
        };
        let claims = claims.filter(there).collect();
        Held {
            backups,
            wal: vec![HeldWal {
                coverage,
                ..wal(1, &[])
            }],
            gaps: Vec::new(),
            claims,
        }
    })
}

proptest! {
    /// Whatever the band says can be restored has a way, and what it leaves out has none;
    /// and no way leads across WAL that is missing.
    #[test]
    fn the_band_and_the_ways_agree(held in histories(), second in 0_i64..11_000) {
        let band = stretches(&held);
        let time = at(second);
        let inside = band.iter().any(|one| one.from <= time && time <= one.to);
        let way = reach(&held, Point::Time(time));
        prop_assert_eq!(inside, way.is_ok(), "{:?}", way);
        if let Ok(way) = way {
            let end = way.base.start.checked_add(way.replay_most).unwrap();
            let needs = LsnRange::new(way.base.start, end);
            let coverage = &held.wal[0].coverage;
            prop_assert!(needs.is_none_or(|needs| coverage.covers(needs)), "{:?}", way);
            prop_assert!(way.replay <= way.replay_most);
        }
    }

    /// Stretches and holes follow each other without an overlap.
    #[test]
    fn holes_lie_between_stretches(held in histories()) {
        let band = stretches(&held);
        for hole in holes(&held, &band) {
            for one in &band {
                let after = hole.to.is_none_or(|to| one.from >= to);
                prop_assert!(one.to <= hole.from || after, "{:?} {:?}", one, hole);
            }
        }
    }

    /// What is lost with a backup is exactly what has no way any more.
    #[test]
    fn what_is_lost_has_no_way_left(held in histories(), second in 0_i64..11_000, which in 0_usize..6) {
        let Some(gone) = held.backups.get(which).map(|base| base.id) else {
            return Ok(());
        };
        let lost = lost_without(&held, &BTreeSet::from([gone]));
        let mut rest = held.clone();
        rest.backups.retain(|base| base.id != gone);
        let time = at(second);
        let had = reach(&held, Point::Time(time)).is_ok();
        let has = reach(&rest, Point::Time(time)).is_ok();
        // Where another stretch begins or ends, the moment itself is its own.
        let within = lost.iter().any(|one| one.from <= time && time <= one.to);
        if had && !has {
            prop_assert!(within, "{:?}", lost);
        }
        let strictly = lost.iter().any(|one| one.from < time && time < one.to);
        if strictly {
            prop_assert!(had && !has, "{:?}", lost);
        }
    }
}
