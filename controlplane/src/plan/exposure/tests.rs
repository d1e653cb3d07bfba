//! Verdicts by example.

use super::*;

const START: i64 = 1_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn lsn(position: u64) -> Lsn {
    Lsn::new(position)
}

fn range(from: u64, to: u64) -> LsnRange {
    LsnRange::new(lsn(from), lsn(to)).unwrap()
}

fn lineage() -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation: 1,
    }
}

fn backup(number: u128, from: u64, to: u64, finished: i64) -> BackupFacts {
    BackupFacts {
        id: BackupId::from_uuid(uuid::Uuid::from_u128(number)),
        lineage: lineage(),
        timeline: Timeline::FIRST,
        start_lsn: lsn(from),
        stop_lsn: lsn(to),
        finished_at: at(finished),
    }
}

fn repository(backups: Vec<BackupFacts>, held: &[(u64, u64)], frontier: i64) -> RepositoryFacts {
    let coverage: Coverage = held.iter().map(|(from, to)| range(*from, *to)).collect();
    let end = coverage
        .ranges()
        .last()
        .map_or(Lsn::INVALID, |last| last.to_lsn);
    RepositoryFacts {
        name: "eu".parse().unwrap(),
        backups,
        dumps: Vec::new(),
        wal: vec![WalFacts {
            lineage: lineage(),
            timeline: Timeline::FIRST,
            coverage,
        }],
        gaps: Vec::new(),
        frontier: Some((
            Timeline::FIRST,
            Frontier {
                time: at(frontier),
                lsn: end,
            },
        )),
        trouble: None,
        receiver: None,
    }
}

fn policy(rpo: Option<&str>) -> Policy {
    let objectives = rpo.map(|rpo| serde_json::json!({"rpo": rpo}));
    let mut value = serde_json::json!({"selector": {}, "repository": "eu"});
    if let Some(objectives) = objectives {
        value["objectives"] = objectives;
    }
    serde_json::from_value(value).unwrap()
}

fn view(
    policy: Option<&Policy>,
    repository: Option<RepositoryFacts>,
    online: bool,
    now: i64,
) -> ExposureView {
    let (cluster, fleet) = ("orders".parse().unwrap(), "default".parse().unwrap());
    let facts = Facts {
        cluster: &cluster,
        fleet: &fleet,
        policy,
        repository,
        agent_online: online,
    };
    judge_cluster(&facts, at(now))
}

#[test]
fn without_a_policy_or_a_backup_it_is_unprotected() {
    let none = view(None, None, true, 100);
    assert_eq!(none.status, Some(Compliance::Unprotected));
    assert_eq!(none.cause.as_deref(), Some("no_policy"));
    let policy = policy(Some("30s"));
    let empty = view(
        Some(&policy),
        Some(repository(vec![], &[(10, 90)], 100)),
        true,
        100,
    );
    assert_eq!(empty.status, Some(Compliance::Unprotected));
    assert_eq!(empty.exposure_seconds, None);
    assert_eq!(empty.window_end, None);
    assert_eq!(empty.cause.as_deref(), Some("no_backup"));
}

#[test]
fn exposure_is_now_minus_the_frontier() {
    let policy = policy(Some("30s"));
    let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
    let fresh = view(Some(&policy), Some(facts.clone()), true, 103);
    assert_eq!(fresh.status, Some(Compliance::Compliant));
    assert_eq!(fresh.exposure_seconds, Some(3.0));
    assert_eq!(
        (fresh.window_start, fresh.window_end),
        (Some(at(50)), Some(at(100)))
    );
    assert_eq!(fresh.cause, None);
    let silent = view(Some(&policy), Some(facts.clone()), false, 120);
    assert_eq!(silent.status, Some(Compliance::Unknown));
    assert_eq!(silent.cause.as_deref(), Some("agent_offline"));
    let late = view(Some(&policy), Some(facts.clone()), true, 140);
    assert_eq!(late.status, Some(Compliance::Violated));
    assert_eq!(late.cause.as_deref(), Some("wal_behind"));
    let mut troubled = facts;
    troubled.trouble = Some(Failure::transient("repository_unreachable", "m", "h"));
    let troubled = view(Some(&policy), Some(troubled), true, 140);
    assert_eq!(troubled.cause.as_deref(), Some("repository_unreachable"));
}

#[test]
fn an_archiver_is_judged_by_its_age_while_nothing_speaks_against_it() {
    let mut archived = policy(Some("100s"));
    archived.wal = serde_json::from_value(serde_json::json!({"mode": "archive"})).unwrap();
    let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
    let seen = |facts: &RepositoryFacts, online, now| {
        let seen = view(Some(&archived), Some(facts.clone()), online, now);
        (seen.status, seen.cause)
    };
    // Between two segments, and longer than a stream may be silent.
    assert_eq!(seen(&facts, true, 160), (Some(Compliance::Compliant), None));
    let late = seen(&facts, true, 201);
    assert_eq!(
        late,
        (Some(Compliance::Violated), Some("wal_behind".to_owned()))
    );
    // I-13: nobody looks, or the archiver is in trouble.
    let away = seen(&facts, false, 160);
    assert_eq!(
        away,
        (Some(Compliance::Unknown), Some("agent_offline".to_owned()))
    );
    let mut failing = facts.clone();
    failing.trouble = Some(Failure::transient("wal_archiving_failing", "m", "h"));
    let failing = seen(&failing, true, 160);
    let cause = "wal_archiving_failing".to_owned();
    assert_eq!(failing, (Some(Compliance::Unknown), Some(cause)));
    // Without an RPO there is nothing to judge, and nothing wrong.
    archived.objectives = None;
    let known = view(Some(&archived), Some(facts), true, 160);
    assert_eq!((known.status, known.cause), (None, None));
}

#[test]
fn dumps_count_by_their_age_where_no_wal_is_received_and_nowhere_else() {
    let mut facts = repository(vec![], &[(10, 90)], 100);
    facts.dumps = vec![backup(1, 20, 20, 50), backup(2, 30, 30, 90)];
    let streaming = view(Some(&policy(Some("30s"))), Some(facts.clone()), true, 100);
    assert_eq!(streaming.status, Some(Compliance::Unprotected));
    assert_eq!(streaming.window_start, None);

    let mut alone = policy(Some("100s"));
    alone.wal = serde_json::from_value(serde_json::json!({"mode": "none"})).unwrap();
    let seen = |online, now| view(Some(&alone), Some(facts.clone()), online, now);
    let fresh = seen(false, 110);
    // Nobody has to be asked: the age of a dump is known.
    assert_eq!(
        (fresh.status, fresh.cause),
        (Some(Compliance::Compliant), None)
    );
    assert_eq!(fresh.exposure_seconds, Some(20.0));
    assert_eq!(
        (fresh.window_start, fresh.window_end),
        (Some(at(50)), Some(at(90)))
    );
    let risky = seen(true, 175);
    assert_eq!(risky.status, Some(Compliance::AtRisk));
    assert_eq!(risky.cause.as_deref(), Some("backup_overdue"));
    let late = seen(false, 200);
    assert_eq!(late.status, Some(Compliance::Violated));
    assert_eq!(late.cause.as_deref(), Some("agent_offline"));
    let none = repository(vec![], &[], 100);
    let none = view(Some(&alone), Some(none), true, 100);
    assert_eq!(none.status, Some(Compliance::Unprotected));
    assert_eq!(none.cause.as_deref(), Some("no_backup"));
}

#[test]
fn without_an_rpo_there_is_no_verdict_while_it_is_known() {
    let policy = policy(None);
    let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 90)], 100);
    let known = view(Some(&policy), Some(facts.clone()), true, 103);
    assert_eq!((known.status, known.cause), (None, None));
    let blind = view(Some(&policy), Some(facts), true, 130);
    assert_eq!(blind.status, Some(Compliance::Unknown));
}

#[test]
fn a_gap_after_the_newest_backup_cuts_the_frontier() {
    let policy = policy(Some("30s"));
    let facts = repository(vec![backup(1, 10, 20, 50)], &[(10, 40), (60, 90)], 100);
    let cut = view(Some(&policy), Some(facts), true, 103);
    assert_eq!(cut.repositories[0].gaps, [range(40, 60)]);
    assert_eq!(cut.frontier, Some(at(50)));
    assert_eq!(cut.status, Some(Compliance::Violated));
    assert_eq!(cut.cause.as_deref(), Some("wal_gap"));
}

#[test]
fn only_a_gap_behind_the_newest_backup_cuts_it_off() {
    let held = [(10, 40), (60, 90)];
    let gapped = |backups| cut(&repository(backups, &held, 100));
    assert_eq!(gapped(vec![]), None);
    assert_eq!(gapped(vec![backup(1, 10, 20, 50)]), Some(range(40, 60)));
    let healed = vec![backup(1, 10, 20, 50), backup(2, 70, 80, 95)];
    assert_eq!(gapped(healed), None);
}

#[test]
fn a_later_backup_beyond_the_gap_heals_the_frontier_but_shows_the_gap() {
    let policy = policy(Some("30s"));
    let backups = vec![backup(1, 10, 20, 50), backup(2, 70, 80, 95)];
    let mut facts = repository(backups, &[(10, 40), (60, 90)], 100);
    facts.gaps = vec![
        (Timeline::FIRST, range(40, 60)),
        (Timeline::FIRST, range(1, 5)),
    ];
    let healed = view(Some(&policy), Some(facts), true, 103);
    assert_eq!(healed.status, Some(Compliance::Compliant));
    assert_eq!(healed.repositories[0].gaps, [range(40, 60)]);
    assert_eq!(
        (healed.window_start, healed.frontier),
        (Some(at(50)), Some(at(100)))
    );
}

#[test]
fn a_backup_is_a_point_of_recovery_even_when_the_frontier_is_older() {
    let policy = policy(Some("30s"));
    let facts = repository(vec![backup(1, 10, 20, 150)], &[(10, 20)], 100);
    let seen = view(Some(&policy), Some(facts), true, 155);
    assert_eq!(seen.frontier, Some(at(150)));
}
