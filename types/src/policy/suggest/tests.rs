use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::policy::{Measured, MeasuredCluster, Severity, lint};

fn ask(rpo: &str, rto: &str, size: &str) -> Ask {
    Ask {
        rpo: rpo.parse().unwrap(),
        rto: rto.parse().unwrap(),
        size: size.parse().unwrap(),
        window: None,
        selector: Labels::new(),
        repository: "eu".parse().unwrap(),
        copy: None,
        copy_bytes_per_second: None,
        replay_bytes_per_second: None,
    }
}

fn which(ask: &Ask) -> (Means, bool, String) {
    let found = suggest(ask);
    let every = found.policy.schedules[0].every.unwrap();
    (found.means, found.feasible, every.to_string())
}

#[test]
fn the_least_that_suffices_is_suggested() {
    let cases = [
        // A daily one would be a little older than a day now and then.
        (("1d", "1h", "10GiB"), (Means::Dump, true, "12h")),
        (("3d", "1h", "10GiB"), (Means::Dump, true, "1d")),
        // Too large to be loaded by pg_restore in time.
        (("1d", "1h", "300GiB"), (Means::BaseBackup, true, "12h")),
        (("1h", "1h", "10GiB"), (Means::ArchivedWal, true, "1d")),
        (("3m", "1h", "10GiB"), (Means::ArchivedWal, true, "1d")),
        (("30s", "1h", "10GiB"), (Means::StreamedWal, true, "1d")),
        (("30s", "30m", "100GiB"), (Means::StreamedWal, true, "1d")),
        // More often, so that less is replayed.
        (("30s", "23m", "100GiB"), (Means::StreamedWal, true, "6h")),
        // Nothing restores a terabyte in ten minutes at that rate.
        (("30s", "10m", "1TiB"), (Means::StreamedWal, false, "1d")),
        (("500ms", "1h", "10GiB"), (Means::StreamedWal, false, "1d")),
    ];
    for ((rpo, rto, size), (means, feasible, every)) in cases {
        let found = which(&ask(rpo, rto, size));
        assert_eq!(
            found,
            (means, feasible, every.to_owned()),
            "{rpo} {rto} {size}"
        );
    }
}

#[test]
fn a_window_needs_wal() {
    let asked = Ask {
        window: Some("14d".parse().unwrap()),
        ..ask("1d", "1h", "10GiB")
    };
    let found = suggest(&asked);
    assert_eq!(found.means, Means::ArchivedWal);
    assert_eq!(found.policy.window(), asked.window);
    let keep = found.policy.retention.as_ref().unwrap().keep();
    assert_eq!(keep.daily, Some(14));
}

#[test]
fn every_way_says_why() {
    let found = suggest(&ask("30s", "1h", "10GiB"));
    let told: Vec<(&str, bool)> = found
        .candidates
        .iter()
        .map(|one| (one.means.as_str(), one.suffices))
        .collect();
    let expected = [
        ("dump", false),
        ("baseBackup", false),
        ("archivedWal", false),
        ("streamedWal", true),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        found.candidates[1].because,
        "what may be lost is as old as the newest backup until the next one is complete, and one \
         every 6h that takes 1m 43s does not keep 30s"
    );
    assert_eq!(
        found.candidates[3].because,
        "received WAL is stored every 5s; with a base backup every 1d a restore takes about 2m \
         3s, sooner than 1h"
    );
    let fields: Vec<&str> = found.reasons.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(
        fields,
        ["wal", "schedules", "retention", "copies", "objectives"]
    );
    assert_eq!(found.assumptions.len(), 3);
    let measured = Ask {
        copy_bytes_per_second: Some(10.0 * MIB),
        ..ask("30s", "10m", "10GiB")
    };
    let found = suggest(&measured);
    assert!(!found.feasible, "10 GiB at 10 MiB/s are 17 minutes");
    assert_eq!(
        found.assumptions[0],
        "restores copy 10MiB/s, as was measured"
    );
}

fn spans(least: u64, most: u64) -> impl Strategy<Value = Span> {
    (least..=most).prop_map(Span::from_secs)
}

proptest! {
    /// Whatever is asked for, the answer is a document that is taken; and what is
    /// called feasible is not called infeasible by the lint of the same facts.
    #[test]
    fn a_suggestion_is_valid_and_keeps_its_word(
        rpo in spans(1, 7 * 86_400),
        rto in spans(60, 2 * 86_400),
        gib in 1_u64..20_000,
        window in proptest::option::of(spans(3_600, 400 * 86_400)),
        copied in any::<bool>(),
        rate in proptest::option::of(1.0_f64..1_000.0),
    ) {
        let asked = Ask {
            rpo, rto, window,
            size: ByteSize::new(gib << 30),
            copy: copied.then(|| "us".parse().unwrap()),
            copy_bytes_per_second: rate.map(|rate| rate * MIB),
            ..ask("1h", "1h", "1GiB")
        };
        let found = suggest(&asked);
        found.policy.check().unwrap();
        prop_assert_eq!(found.policy.rpo(), Some(rpo));
        let suffices = found.candidates.iter().any(|one| one.suffices);
        prop_assert_eq!(found.feasible, suffices);
        if found.feasible {
            let copy = asked.copy_bytes_per_second.unwrap_or(COPY);
            let takes = real(asked.size.get()) / copy;
            let measured = Measured {
                clusters: vec![MeasuredCluster {
                    name: "orders".parse().unwrap(),
                    database_bytes: Some(asked.size.get()),
                    backup_seconds: Some(takes),
                    wal_bytes_per_second: Some(real(asked.size.get()) * WRITTEN / DAY),
                }],
                // Dumps are not copied: their lint knows no rate.
                copy_bytes_per_second: (found.means != Means::Dump).then_some(copy),
                replay_bytes_per_second: Some(REPLAY),
                ..Measured::default()
            };
            let now: Timestamp = "2026-02-03T10:00:00Z".parse().unwrap();
            let said = lint(&found.policy, &measured, now);
            let infeasible: Vec<_> = said
                .iter()
                .filter(|one| one.severity == Severity::Infeasible)
                .collect();
            prop_assert!(infeasible.is_empty(), "{infeasible:?} of {:?}", found.policy);
        }
    }
}
