//! Reports of made-up fleets, the same each time.

use holdfast_report::{
    Acknowledgement, Approval, Backups, Cluster, Control, Curve, Deletion, Drill, Evidence,
    Exemption, Exposures, FailedBackup, Interval, Kept, Level, Promise, Proof, Recovery, Report,
    Restore, Seconds, StateTime, Subject, Totals, VERSION, Violation, Vote,
};
use holdfast_types::{Compliance, Name, RpoScope};
use jiff::{SignedDuration, Timestamp};

const DAY: u64 = 86_400;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// So many seconds into the period.
fn at(second: u64) -> Timestamp {
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let second = i64::try_from(second).expect("not so long");
    from + SignedDuration::from_secs(second)
}

fn bounded(seconds: u64) -> Level {
    Level::Bounded(Seconds::from_secs(seconds))
}

/// A report of so many clusters over so many days.
pub(crate) fn report(clusters: u64, days: u64) -> Report {
    let all: Vec<Cluster> = (0..clusters).map(|number| cluster(number, days)).collect();
    let drills: Vec<Drill> = (0..clusters.min(days))
        .map(|number| drill(number, days))
        .collect();
    let restores = vec![restore(), planned_restore()];
    let exposure = Exposures {
        highest: Level::Unbounded,
        p50: Level::Bounded(Seconds::from_micros(4_200_000)),
        p95: bounded(9),
        p99: bounded(11),
    };
    Report {
        report: Subject::Compliance,
        version: VERSION,
        fleet: name("payments"),
        from: at(0),
        to: at(days * DAY),
        as_known_at: at(days * DAY + 3_601),
        totals: Totals::of(&all, &drills, &restores, Some(exposure)),
        clusters: all,
        exemptions: vec![exemption()],
        drills,
        restores,
        deletions: vec![deletion()],
        approvals: vec![approval()],
        acknowledgements: vec![acknowledgement()],
    }
}

fn cluster(number: u64, days: u64) -> Cluster {
    let length = Seconds::from_secs(days * DAY);
    let violations = violations(number, days);
    let lasted = |one: &Violation| {
        let ended = one.ended_at.expect("all are over");
        let lasted = ended.duration_since(one.started_at).as_micros();
        Seconds::from_micros(u64::try_from(lasted).expect("not below nothing"))
    };
    let violated: Seconds = violations.iter().map(lasted).sum();
    let none = Seconds::default();
    Cluster {
        cluster: name(&format!("orders-{number}")),
        promise: Some(Promise {
            policy: name("gold"),
            rpo_seconds: Some(Seconds::from_secs(30)),
            rpo_scope: RpoScope::Any,
            rto_seconds: Some(Seconds::from_secs(1_800)),
            window_seconds: Some(Seconds::from_secs(14 * DAY)),
        }),
        status: Some(Compliance::Compliant),
        kept: Kept::new(length, none, violated, none),
        states: vec![
            state(Compliance::Compliant, length.less(violated)),
            state(Compliance::Violated, violated),
        ],
        exposure: Some(Exposures {
            highest: violations
                .iter()
                .map(|one| one.highest)
                .max()
                .unwrap_or(bounded(12)),
            p50: Level::Bounded(Seconds::from_micros(4_200_000)),
            p95: bounded(9),
            p99: bounded(12),
        }),
        curve: Some(curve(number, days, &violations)),
        violations,
        recovery: vec![recovery("eu", number, days), recovery("us", 1, days)],
        proof: Proof {
            drilled_at: Some(at((days - 1) * DAY)),
            achieved_rto_seconds: Some(Seconds::from_micros(412_300_000)),
            achieved_rpo_seconds: Some(Seconds::from_micros(3_100_000)),
            not_proven: (number % 5 == 4).then(|| "drill_too_old".to_owned()),
        },
        controls: controls(number),
        backups: vec![backups("full", days / 7 + 1), backups("incremental", days)],
        failed_backups: failed(number),
    }
}

fn state(state: Compliance, seconds: Seconds) -> StateTime {
    StateTime {
        state: Some(state),
        seconds,
    }
}

fn violations(number: u64, days: u64) -> Vec<Violation> {
    let causes = [
        "slot_lost",
        "agent_offline",
        "wal_gap",
        "repository_unreachable",
    ];
    let many = number % 4;
    let one = |index: u64| {
        let begins = DAY * days * (index + 1) / (many + 2) + 431 * number;
        let lasts = [47, 611, 5_400][usize::try_from(index % 3).expect("small")];
        Violation {
            started_at: at(begins),
            ended_at: Some(at(begins + lasts) + SignedDuration::from_micros(250_000)),
            rpo_seconds: Seconds::from_secs(30),
            rpo_scope: RpoScope::Any,
            cause: causes[usize::try_from((number + index) % 4).expect("small")].to_owned(),
            highest: if number == 7 {
                Level::Unbounded
            } else {
                bounded(30 + lasts)
            },
            exempt_seconds: Seconds::default(),
        }
    };
    (0..many).map(one).collect()
}

fn curve(number: u64, days: u64, violations: &[Violation]) -> Curve {
    let highest = (0..days).map(|day| {
        let inside = |one: &&Violation| {
            at(day * DAY) <= one.started_at && one.started_at < at((day + 1) * DAY)
        };
        let violation = violations.iter().find(inside);
        let quiet = bounded(5 + (day * 7 + number * 3) % 9);
        let level = violation.map_or(quiet, |one| one.highest);
        (number != 3 || day > days / 10).then_some(level)
    });
    Curve {
        step_seconds: Seconds::from_secs(DAY),
        highest: highest.collect(),
    }
}

fn recovery(repository: &str, number: u64, days: u64) -> Recovery {
    let gap = Interval {
        from: at((days - 1) * DAY),
        to: at((days - 1) * DAY + 90),
    };
    Recovery {
        repository: name(repository),
        earliest: Some(at(days.saturating_sub(15) * DAY)),
        latest: Some(at(days * DAY - 4)),
        gaps: if number % 3 == 2 {
            vec![gap]
        } else {
            Vec::new()
        },
    }
}

fn controls(number: u64) -> Vec<Control> {
    let named = [
        ("PG_IN_POLICY", "PASS", None),
        ("PG_LATEST_RP_AGE", "PASS", None),
        ("PG_RECOVERY_WINDOW", "PASS", None),
        (
            "PG_WAL_CONTIGUOUS",
            if number % 3 == 2 { "FAIL" } else { "PASS" },
            (number % 3 == 2).then_some("gap"),
        ),
        ("PG_REGION_LOSS_RPO", "NOT_APPLICABLE", Some("not_promised")),
        ("PG_IMMUTABLE_COPY", "FAIL", Some("not_locked")),
        ("PG_ENCRYPTED", "PASS", None),
        ("PG_MANUAL_DELETE_GUARDED", "PASS", None),
        (
            "PG_RESTORE_TIME_MEETS_TARGET",
            "NOT_PROVEN",
            Some("drill_too_old"),
        ),
        ("PG_DRILL_FRESH", "NOT_PROVEN", Some("drill_too_old")),
        ("PG_AGENT_FRESH", "PASS", None),
        ("PG_KEY_ESCROWED", "FAIL", Some("key_not_exported")),
    ];
    let control = |(control, outcome, reason): (&str, &str, Option<&str>)| Control {
        control: control.to_owned(),
        outcome: outcome.to_owned(),
        reason: reason.map(str::to_owned),
    };
    named.into_iter().map(control).collect()
}

fn backups(kind: &str, available: u64) -> Backups {
    Backups {
        kind: kind.to_owned(),
        available,
        failed: available / 50,
        gone: available / 2,
        first_at: Some(at(7_231)),
        last_at: Some(at(available * DAY / 2)),
        longest_pause_seconds: Some(Seconds::from_secs(DAY + 312)),
    }
}

fn failed(number: u64) -> Vec<FailedBackup> {
    let one = FailedBackup {
        id: "bkp_00000000000000000000000f41".to_owned(),
        kind: "incremental".to_owned(),
        started_at: at(DAY),
        failed_at: at(DAY + 61),
        cause: "repository_unreachable".to_owned(),
    };
    if number % 6 == 1 {
        vec![one]
    } else {
        Vec::new()
    }
}

fn drill(number: u64, days: u64) -> Drill {
    let passed = number % 7 != 3;
    Drill {
        id: format!("drl_{number:026}"),
        cluster: name(&format!("orders-{number}")),
        finished_at: at(DAY * (number % days) + 21_600),
        verdict: if passed { "passed" } else { "failed" }.to_owned(),
        at: Some("2026-01-20T03:14:15Z".to_owned()),
        repository: name("eu"),
        agent: name("rehearsal-host"),
        achieved_rto_seconds: passed.then(|| Seconds::from_micros(412_300_000)),
        achieved_rpo_seconds: passed.then(|| Seconds::from_micros(3_100_000)),
        checks_passed: if passed { 4 } else { 2 },
        checks: 4,
        cause: (!passed).then(|| "check_failed".to_owned()),
    }
}

fn restore() -> Restore {
    Restore {
        id: "job_00000000000000000000000007".to_owned(),
        cluster: name("orders-1"),
        asked_at: at(DAY * 2),
        finished_at: at(DAY * 2 + 913),
        state: "succeeded".to_owned(),
        at: Some("2026-01-03T02:41:07+02:00".to_owned()),
        agent: Some(name("db2")),
        requested_by: Some("user:ada".to_owned()),
        cause: None,
        evidence: None,
    }
}

fn planned_restore() -> Restore {
    Restore {
        id: "rst_00000000000000000000000009".to_owned(),
        state: "done".to_owned(),
        evidence: Some(Evidence {
            repository: name("us"),
            dir: "/srv/\u{202e}restored".to_owned(),
            plan_sha256: "5e".repeat(32),
            approval: Some("apr_00000000000000000000000001".to_owned()),
            approved_by: vec!["user:bob".to_owned(), "user:=1+1".to_owned()],
            begun_at: Some(at(DAY * 2 + 30)),
            restored_at: Some(at(DAY * 2 + 900)),
            predicted_loss_seconds: Some(Seconds::from_micros(4_200_000)),
            achieved_loss_seconds: Some(Seconds::from_micros(3_900_000)),
            predicted_rto_seconds: Some(Seconds::from_secs(1_000)),
            achieved_rto_seconds: Some(Seconds::from_micros(870_250_000)),
            checks_passed: 3,
            checks: 3,
        }),
        ..restore()
    }
}

fn acknowledgement() -> Acknowledgement {
    Acknowledgement {
        at: at(DAY * 4),
        audit_seq: 5_012,
        alarm: "alm_00000000000000000000000003".to_owned(),
        cluster: name("orders-1"),
        rule: "exposure_violated".to_owned(),
        subject: "clusters/orders-1".to_owned(),
        opened_at: at(DAY * 4 - 420),
        by: "user:ada".to_owned(),
        note: Some("@the network is being mended".to_owned()),
    }
}

fn exemption() -> Exemption {
    Exemption {
        id: "exm_00000000000000000000000002".to_owned(),
        cluster: name("orders-2"),
        from: at(DAY * 3),
        until: at(DAY * 5),
        ended_at: None,
        reason: "Umzug des Rechenzentrums: \"Größe\" der Leitung, 中文, \u{202e}evil".to_owned(),
        approved_by: "=cmd|' /C calc'!A0".to_owned(),
    }
}

fn deletion() -> Deletion {
    Deletion {
        at: at(DAY * 6),
        audit_seq: 4_711,
        cluster: Some(name("orders-1")),
        action: "condemn_backups".to_owned(),
        subject: "backups/bkp_00000000000000000000000001".to_owned(),
        by: "system:expiry".to_owned(),
    }
}

fn approval() -> Approval {
    Approval {
        id: "apr_00000000000000000000000001".to_owned(),
        asked_at: at(DAY * 6),
        requested_by: "user:ada".to_owned(),
        action: "condemn_backups".to_owned(),
        subject: "backups/bkp_00000000000000000000000001".to_owned(),
        reason: Some("holds data of a customer who left, see case 4711".to_owned()),
        needed: 2,
        state: "approved".to_owned(),
        decided_at: Some(at(DAY * 6 + 700)),
        votes: vec![
            vote("user:ben", "approve", 300, None),
            vote("user:cleo", "approve", 700, Some("agreed with legal")),
        ],
    }
}

fn vote(by: &str, vote: &str, later: u64, note: Option<&str>) -> Vote {
    Vote {
        at: at(DAY * 6 + later),
        by: by.to_owned(),
        vote: vote.to_owned(),
        note: note.map(str::to_owned),
    }
}
