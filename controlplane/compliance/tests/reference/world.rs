//! Random histories of a cluster. All times are whole seconds and RPOs whole
//! multiples of five, so that nothing changes in the middle of a second.

use std::sync::Arc;
use std::time::Duration;

use holdfast_compliance::{
    Backup, Claim, Exemption, Fact, History, KeptStretch, Place, Promise, Recorded, Spread, Stretch,
};
use holdfast_types::resource::WalMode;
use holdfast_types::{
    BackupId, BackupKind, ExemptionId, Lineage, Lsn, LsnRange, Name, RpoScope, Span,
};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

/// How many seconds a history has: longer than the grace of a first backup.
pub(crate) const END: i64 = 5400;

/// A moment, in seconds from the beginning.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// The middle of a second.
pub(crate) fn half(second: i64) -> Timestamp {
    Timestamp::from_millisecond(at(second).as_millisecond() + 500).unwrap()
}

/// All that is known of a cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) facts: Vec<Recorded>,
    pub(crate) stretches: Vec<KeptStretch>,
}

impl World {
    pub(crate) fn history(&self) -> History {
        let mut history = History::default();
        for recorded in &self.facts {
            history.add(recorded.clone());
        }
        for stretch in &self.stretches {
            history.add_stretch(stretch.clone());
        }
        history
    }

    /// Makes every promise one of this RPO and flush interval, for any copy; and
    /// lets WAL be whole, and backups no newer than the first claim.
    pub(crate) fn simplify(&mut self, rpo: Span, flush: Span) {
        let hole = |fact: &Fact| matches!(fact, Fact::HoleOpened { .. } | Fact::HoleClosed { .. });
        self.facts.retain(|recorded| !hole(&recorded.fact));
        for recorded in &mut self.facts {
            match &mut recorded.fact {
                Fact::Promised(promise) => {
                    (promise.rpo, promise.flush_every) = (Some(rpo), flush);
                    (promise.scope, promise.wal) = (RpoScope::Any, WalMode::Streaming);
                }
                Fact::BackupAvailable { backup, .. } => {
                    (backup.start_lsn, backup.stop_lsn) = (Lsn::new(1), Lsn::new(2));
                    backup.lineage = lineage(1);
                }
                _ => {}
            }
        }
    }

    /// The same with claims about the first repository, known when made.
    pub(crate) fn with_claims(&self, stretches: impl Iterator<Item = Stretch>) -> Self {
        let stretches = stretches.map(|stretch| KeptStretch {
            repository: repository(0),
            known_from: stretch.first.at,
            known_to: stretch.last.at,
            stretch: Arc::new(stretch),
        });
        Self {
            facts: self.facts.clone(),
            stretches: stretches.collect(),
        }
    }
}

fn repository(number: usize) -> Name {
    format!("r{number}").parse().unwrap()
}

fn lineage(incarnation: u32) -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation,
    }
}

/// Claims from the beginning: after how long each, how old, and how far on.
pub(crate) fn claims(steps: &[(i64, i64, u64)]) -> Vec<Claim> {
    let (mut second, mut time, mut lsn) = (0, 0, 20);
    let claims = steps.iter().map(|(after, age, further)| {
        second += after;
        time = time.max(second - age);
        lsn += further;
        Claim {
            at: at(second),
            time: at(time),
            lineage: lineage(1),
            lsn: Lsn::new(lsn),
        }
    });
    claims.collect()
}

fn promise() -> impl Strategy<Value = Fact> {
    let rpo = prop_oneof![1 => Just(None), 9 => (1u64..200).prop_map(|fives| Some(fives * 5))];
    let scope = prop_oneof![
        Just(RpoScope::Any),
        Just(RpoScope::RegionLoss),
        Just(RpoScope::K2)
    ];
    let wal = prop_oneof![
        5 => Just(WalMode::Streaming),
        1 => Just(WalMode::Both),
        2 => Just(WalMode::Archive),
        2 => Just(WalMode::None),
    ];
    let region = prop_oneof![
        1 => Just(None),
        6 => Just(Some("eu")),
        6 => Just(Some("us")),
    ];
    let places = proptest::collection::vec(region, 1..=3);
    (rpo, scope, wal, 1u64..120, places).prop_map(|(rpo, scope, wal, flush, regions)| {
        let place = |(number, region): (usize, Option<&str>)| Place {
            repository: repository(number),
            region: region.map(str::to_owned),
            within: None,
            locked: false,
            key_escrowed: false,
        };
        Fact::Promised(Box::new(Promise {
            policy: "gold".parse().unwrap(),
            rpo: rpo.map(Span::from_secs),
            scope,
            window: Some(Span::from_secs(900)),
            rto: None,
            drill_every: None,
            wal,
            flush_every: Span::from_secs(flush),
            places: regions.into_iter().enumerate().map(place).collect(),
            delete_approvals: 0,
        }))
    })
}

fn backup_id(number: u128) -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(number))
}

fn available() -> impl Strategy<Value = Fact> {
    let kind = prop_oneof![5 => Just(BackupKind::Full), 1 => Just(BackupKind::Logical)];
    let key = (
        0usize..3,
        0u128..6,
        kind,
        prop_oneof![5 => Just(1u32), 1 => Just(2u32)],
    );
    (key, 0u64..40, 1u64..8, 0..END).prop_map(
        |((place, id, kind, incarnation), start, length, when)| Fact::BackupAvailable {
            repository: repository(place),
            backup: Backup {
                id: backup_id(id),
                kind,
                lineage: lineage(incarnation),
                start_lsn: Lsn::new(start),
                stop_lsn: Lsn::new(start + length),
                consistent_at: at(when),
            },
        },
    )
}

fn hole(opens: bool) -> impl Strategy<Value = Fact> {
    (0usize..3, 0u64..60, 1u64..20).prop_map(move |(place, from, length)| {
        let range = LsnRange::new(Lsn::new(from), Lsn::new(from + length)).unwrap();
        let (repository, lineage) = (repository(place), lineage(1));
        if opens {
            Fact::HoleOpened {
                repository,
                lineage,
                range,
            }
        } else {
            Fact::HoleClosed {
                repository,
                lineage,
                range,
            }
        }
    })
}

fn other() -> impl Strategy<Value = Fact> {
    let exemption = |number: u128| ExemptionId::from_uuid(Uuid::from_u128(number));
    prop_oneof![
        1 => Just(Fact::Unpromised),
        1 => Just(Fact::Retired),
        2 => (0usize..3).prop_map(|place| Fact::TroubleBegan {
            repository: repository(place),
            code: "repository_unreachable".to_owned(),
        }),
        2 => (0usize..3).prop_map(|place| Fact::TroubleEnded { repository: repository(place) }),
        2 => Just(Fact::AgentLost),
        2 => Just(Fact::AgentBack),
        3 => (0u128..3, 0..END).prop_map(move |(number, until)| Fact::Exempted(Exemption {
            id: exemption(number),
            until: at(until),
            reason: "moved".to_owned(),
            approved_by: "anna".to_owned(),
        })),
        1 => (0u128..3).prop_map(move |number| Fact::ExemptionEnded { exemption: exemption(number) }),
    ]
}

/// A backup that is consistent when it becomes available, as most are.
fn timely(when: i64, fact: Fact) -> Fact {
    match fact {
        Fact::BackupAvailable {
            repository,
            mut backup,
        } => {
            backup.consistent_at = backup.consistent_at.min(at(when));
            Fact::BackupAvailable { repository, backup }
        }
        other => other,
    }
}

fn recorded(fact: impl Strategy<Value = Fact>) -> impl Strategy<Value = Recorded> {
    let delay = prop_oneof![3 => Just(0i64), 1 => 0i64..2000];
    (0..END, delay, fact).prop_map(|(when, delay, fact)| Recorded {
        at: at(when),
        known: at(when + delay),
        fact: timely(when, fact),
    })
}

prop_compose! {
    fn stretch()(
        place in 0usize..3,
        begin in 0..END,
        length in prop_oneof![1 => Just(0i64), 4 => 1i64..1500],
        (first_age, last_age) in (0i64..60, 0i64..60),
        more in 0i64..100,
        (lsn, further) in (5u64..50, 0u64..30),
        incarnation in prop_oneof![5 => Just(1u32), 1 => Just(2u32)],
        late in prop_oneof![3 => Just(None), 1 => (0i64..2000).prop_map(Some)],
    ) -> KeptStretch {
        let claim = |second: i64, age: i64, lsn: u64| Claim {
            at: at(second),
            time: at(second - age),
            lineage: lineage(incarnation),
            lsn: Lsn::new(lsn),
        };
        let first = claim(begin, first_age, lsn);
        let mut last = claim(begin + length, last_age, lsn + further);
        last.time = last.time.max(first.time);
        let age = (last.at.as_second() - last.time.as_second()).max(first_age);
        let stretch = Stretch {
            first,
            last,
            peak: Duration::from_secs((age + more).unsigned_abs()),
            spread: Spread::default(),
        };
        // Live, or all of it later.
        let learnt = late.map(|delay| at(begin + length + delay));
        KeptStretch {
            repository: repository(place),
            known_from: learnt.unwrap_or(stretch.first.at),
            known_to: learnt.unwrap_or(stretch.last.at),
            stretch: Arc::new(stretch),
        }
    }
}

prop_compose! {
    /// A history.
    pub(crate) fn world()(
        promises in proptest::collection::vec(recorded(promise()), 0..4),
        begins in promise(),
        backups in proptest::collection::vec(recorded(available()), 0..8),
        gone in proptest::collection::vec(
            recorded((0usize..3, 0u128..6).prop_map(|(place, id)| Fact::BackupGone {
                repository: repository(place),
                backup: backup_id(id),
            })), 0..4),
        opened in proptest::collection::vec(recorded(hole(true)), 0..3),
        closed in proptest::collection::vec(recorded(hole(false)), 0..3),
        others in proptest::collection::vec(recorded(other()), 0..6),
        stretches in proptest::collection::vec(stretch(), 0..12),
    ) -> World {
        let first = Recorded { at: at(0), known: at(0), fact: begins };
        let mut facts = vec![first];
        for more in [promises, backups, gone, opened, closed, others] {
            facts.extend(more);
        }
        World { facts, stretches }
    }
}
