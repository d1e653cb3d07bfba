//! How long it takes to compute what a fleet was and is exposed to.
//!
//! `cargo run -p holdfast-compliance --example fleet` prints one line of JSON:
//! ten thousand clusters with 35 days of facts each, folded and judged; and a year
//! of 500 clusters with two copies each.

#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_compliance::{
    Backup, Claim, Current, Fact, History, KeptStretch, Period, PeriodResult, Place, Promise,
    Recorded, Stretch,
};
use holdfast_types::resource::WalMode;
use holdfast_types::{BackupId, BackupKind, Lineage, Lsn, Name, RpoScope, Span};
use jiff::{SignedDuration, Timestamp};

const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 / DAY * DAY + second).expect("within time")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A day of claims every five seconds, in three stretches with silences.
fn stretches(day: i64, repository: &str) -> Vec<KeptStretch> {
    let begins = [0, 30_000, 60_000];
    let stretches = begins.iter().map(|begin| {
        let claim = |second: i64| Claim {
            at: at(second),
            time: at(second - 1),
            lineage: lineage(),
            lsn: Lsn::new((second * 1000).unsigned_abs()),
        };
        let from = day * DAY + begin;
        let mut stretch = Stretch::begin(claim(from));
        // The rest of it is as its first minute: only its numbers matter here.
        for second in (5..=60).step_by(5) {
            stretch.extend(claim(from + second), Duration::from_secs(15));
        }
        stretch.last = claim(from + 26_300);
        KeptStretch {
            repository: name(repository),
            known_from: stretch.first.at,
            known_to: stretch.last.at,
            stretch: Arc::new(stretch),
        }
    });
    stretches.collect()
}

fn lineage() -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation: 1,
    }
}

fn promise(repositories: &[&str]) -> Promise {
    let place = |repository: &&str| Place {
        repository: name(repository),
        region: Some((*repository).to_owned()),
        within: None,
        locked: false,
        key_escrowed: false,
    };
    Promise {
        policy: name("gold"),
        rpo: Some(Span::from_secs(60)),
        scope: RpoScope::Any,
        window: Some(Span::from_secs(14 * 86_400)),
        rto: None,
        drill_every: None,
        wal: WalMode::Streaming,
        flush_every: Span::from_secs(5),
        places: repositories.iter().map(place).collect(),
        delete_approvals: 0,
    }
}

fn history(cluster: u32, days: i64, repositories: &[&str]) -> History {
    let mut history = History::default();
    let mut add = |second: i64, fact: Fact| {
        let (at, known) = (at(second), at(second));
        history.add(Recorded { at, known, fact });
    };
    add(0, Fact::Promised(Box::new(promise(repositories))));
    let id = |day: i64| {
        let number = u128::from(cluster) << 64 | u128::from(day.unsigned_abs());
        BackupId::from_uuid(uuid::Uuid::from_u128(number))
    };
    for day in 0..days {
        for repository in repositories {
            let repository = name(repository);
            let second = day * DAY + 7200;
            let backup = Backup {
                id: id(day),
                kind: BackupKind::Full,
                lineage: lineage(),
                start_lsn: Lsn::new(((second - 600) * 1000).unsigned_abs()),
                stop_lsn: Lsn::new((second * 1000).unsigned_abs()),
                consistent_at: at(second),
            };
            add(
                second + 1,
                Fact::BackupAvailable {
                    repository: repository.clone(),
                    backup,
                },
            );
            if day >= 35 {
                add(
                    second + 2,
                    Fact::BackupGone {
                        repository,
                        backup: id(day - 35),
                    },
                );
            }
        }
    }
    for day in 0..days {
        for repository in repositories {
            for stretch in stretches(day, repository) {
                history.add_stretch(stretch);
            }
        }
    }
    history
}

fn main() {
    let now = at(35 * DAY);
    let fleet: Vec<History> = (0..10_000)
        .map(|cluster| history(cluster, 35, &["eu"]))
        .collect();
    let began = Instant::now();
    let mut current: Vec<Current> = fleet.iter().map(|one| Current::of(one, now)).collect();
    let folded = began.elapsed();
    let began = Instant::now();
    let judged = current
        .iter()
        .filter(|one| one.judge(now).is_some())
        .count();
    let judging = began.elapsed();
    let began = Instant::now();
    let claim = Claim {
        at: now,
        time: now,
        lineage: lineage(),
        lsn: Lsn::new(u64::MAX),
    };
    for one in &mut current {
        one.claim(&name("eu"), claim).expect("it is in time");
        one.settle(now + SignedDuration::from_secs(5));
    }
    let claiming = began.elapsed();
    drop((fleet, current));

    let year: Vec<History> = (0..500)
        .map(|cluster| history(cluster, 365, &["eu", "us"]))
        .collect();
    let period = Period {
        from: at(0),
        until: at(365 * DAY),
    };
    let began = Instant::now();
    let mut all = PeriodResult::default();
    for one in &year {
        all.merge(one.period(period, Timestamp::MAX));
    }
    let reported = began.elapsed();
    println!(
        "{{\"clusters\": {judged}, \"foldSeconds\": {:.3}, \"judgeSeconds\": {:.3}, \
         \"claimSeconds\": {:.3}, \"yearOf500Seconds\": {:.3}, \"violations\": {}, \
         \"compliance\": {:.6}}}",
        folded.as_secs_f64(),
        judging.as_secs_f64(),
        claiming.as_secs_f64(),
        reported.as_secs_f64(),
        all.violations.len(),
        all.compliance().unwrap_or_default(),
    );
    assert_eq!(judged, 10_000);
    assert!(
        folded + judging < Duration::from_secs(5),
        "recomputing 10,000 clusters is too slow"
    );
    assert!(
        reported < Duration::from_secs(5),
        "a year of 500 clusters is too slow"
    );
}
