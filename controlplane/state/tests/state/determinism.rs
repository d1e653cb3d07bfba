//! Equal logs give equal databases (I-02), whatever the batches were, and what
//! random logs may never break.

use std::collections::BTreeMap;

use holdfast_state::audit::verify;
use holdfast_state::command::{
    AdvanceJob, Basis, BeginDeletion, Condemn, CondemnBackups, CondemnWal, CondemnedBy, CreateUser,
    DeletableWal, DeleteResource, DeleteUser, DueRun, FinishJob, FrontierCheckpoint, HeedInstance,
    IgnoreInstance, JobOutcome, LeaseJob, MissRuns, OfflineDeed, Pin, PruneExpired, RaiseLevel,
    RecordBackup, RecordLateResult, RecordOfflineRuns, RecordRuns, RecordWal, RequestCancel,
    RequeueJob, RevokeAgent, RunDecision, RunJob, SetSecret, StartJob, WithdrawDuty,
};
use holdfast_state::query;
use holdfast_state::{Cause, Command, Entry, PinHolder, Principal, Reply};
use holdfast_types::alarm::NoticeKind;
use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunReason, RunState, Unfinished};
use holdfast_types::{Failure, Frontier, Generation, JobKind, JobPhase, Lsn, RequestId, Revision};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;
use uuid::Uuid;

use crate::alarms;
use crate::drills::showed;
use crate::fixture::{
    SECRET_WORD, agent_id, apply, assignment_id, backup_id, backup_job, backup_started, bootstrap,
    cluster, committed, duty, enroll, hash, job_id, join_token_id, lease, lineage, name, password,
    policy, range, repository, sealed, timeline, user_id, wal,
};
use crate::harness::{apply_batched, database, dump_of, keyed, table};
use crate::inventory::{discovered, found};
use crate::must_hold::Known;
use crate::nodes::moved;
use crate::offline::{attempt, offline};
use crate::pins::{pin, pins};
use crate::restores;
use crate::schedules::{at, decision, mark, run_id, run_job, runs};
use crate::writer::{apply_by, dump_by, writer};

/// One random step: which command, on what, and how it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    what: u8,
    one: u8,
    two: u8,
    passed_seconds: i16,
    caused: bool,
    key: Option<u8>,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0u8..40,
        0u8..3,
        0u8..4,
        -5i16..200,
        any::<bool>(),
        proptest::option::weighted(0.1, 0u8..3),
    );
    let step = step.prop_map(|(what, one, two, passed_seconds, caused, key)| Step {
        what,
        one,
        two,
        passed_seconds,
        caused,
        key,
    });
    proptest::collection::vec(step, 1..120)
}

const AGENTS: [&str; 3] = ["db1", "db2", "db3"];
const TIERS: [&str; 3] = ["gold", "tin", "gold"];

fn command(step: Step, serial: u128, now: Timestamp) -> Command {
    match step.what {
        0..=7 => setting_up(step, serial, now),
        8..=19 => working(step, serial),
        26..=29 => scheduled(step, serial),
        30..=31 => alone(step),
        // As often again: what comes late needs much before it.
        35..=36 => alone(Step {
            what: step.what - 5,
            ..step
        }),
        32..=33 => there(step),
        37..=38 => restores::random((step.what, step.one, step.two), step.caused, serial),
        // What is deleted must have been there, and nothing may need it.
        39 => expiring(step),
        34 => crate::reports::wanted(serial, now, step.caused).into(),
        _ => standing(step, serial, now),
    }
}

fn setting_up(step: Step, serial: u128, now: Timestamp) -> Command {
    let (one, two) = (usize::from(step.one), usize::from(step.two));
    let number = u128::from(step.one) + 1;
    let cluster_name = ["orders", "shop", "orders"][one];
    let labels = json!({"tier": TIERS[one]});
    match step.what {
        0 => holdfast_state::command::CreateJoinToken {
            token: join_token_id(number),
            hash: hash(&format!("join {number}")),
            expires_at: now + SignedDuration::from_secs(300),
            region: None,
        }
        .into(),
        1 => enroll(number, serial, AGENTS[two % 3]).into(),
        2 => RevokeAgent {
            name: name(AGENTS[one]),
        }
        .into(),
        3 => apply([repository(["eu", "us", "eu"][one])]).into(),
        4 | 5 => apply([cluster(cluster_name, AGENTS[two % 3], labels)]).into(),
        6 => {
            let priority = i32::from(step.two % 2);
            apply([policy(["gold", "tin", "all"][one], labels, priority, "eu")]).into()
        }
        _ => DeleteResource {
            kind: Kind::ALL[two],
            name: name(["eu", cluster_name, "gold"][one]),
            expected: None,
        }
        .into(),
    }
}

fn working(step: Step, serial: u128) -> Command {
    let (one, two) = (usize::from(step.one), u64::from(step.two));
    let (number, generation) = (u128::from(step.one) + 1, Generation(two));
    let job = job_id(number);
    let failure = || Failure::transient("agent_lost", "lost", "look");
    let finish = |outcome| FinishJob {
        job,
        generation,
        outcome,
        log: vec![format!("line {serial}")],
    };
    match step.what {
        8 | 9 => {
            let mut create = backup_job(number);
            create.attempts_max = 3;
            if step.caused && step.two == 3 {
                create.kind = JobKind::Drill;
            }
            create.into()
        }
        10..=12 => lease(number, 3 + u128::from(step.two), serial).into(),
        13 => StartJob { job, generation }.into(),
        14 => AdvanceJob {
            job,
            generation,
            phase: [JobPhase::Copy, JobPhase::Wal, JobPhase::Commit][one],
        }
        .into(),
        15 => backup_started(number, two, serial).into(),
        16 => {
            let carried = [(90, if step.caused { 250 } else { 150 })];
            finish(JobOutcome::Succeeded {
                result: json!({"n": 1}),
                backup: Some(Box::new(committed(number, serial, &carried))),
            })
            .into()
        }
        17 if step.caused => finish(JobOutcome::Succeeded {
            result: showed(step.two > 0),
            backup: None,
        })
        .into(),
        17 => finish(JobOutcome::Failed(failure())).into(),
        18 => RequestCancel { job }.into(),
        _ => RequeueJob {
            job,
            generation,
            reason: failure(),
            not_before: None,
            log: vec![],
        }
        .into(),
    }
}

fn standing(step: Step, serial: u128, now: Timestamp) -> Command {
    let two = u64::from(step.two);
    match step.what {
        20 | 21 => duty(3 + u128::from(step.two), serial).into(),
        22 => WithdrawDuty {
            cluster: name("orders"),
            repository: name("eu"),
        }
        .into(),
        23 => RecordWal {
            stretches: crate::compliance::stretches(two, now, step.caused),
            assignment: assignment_id(u128::from(step.one)),
            generation: Generation(two),
            cluster: name("orders"),
            repository: name("eu"),
            lineage: lineage(),
            timelines: vec![wal(&[(16 * (two + 1), 16 * (two + 2)), (100, 150 + two)])],
            frontier: Some(FrontierCheckpoint {
                timeline: timeline(1),
                frontier: Frontier {
                    time: now,
                    lsn: Lsn::new(two),
                },
            }),
        }
        .into(),
        24 if step.one == 0 && step.caused => alarms::random(step.two, step.passed_seconds, serial),
        24 if step.one == 0 => PruneExpired {}.into(),
        24 if step.one == 1 => moved(two % 2 + 1).into(),
        24 if step.caused && step.two == 3 => expiring(step),
        24 if step.caused => pinned(step, now),
        24 => SetSecret {
            name: name("spare"),
            sealed: sealed(),
        }
        .into(),
        _ if step.one == 0 => DeleteUser { name: name("ann") }.into(),
        _ if step.one == 1 => crate::compliance::noticed(two, now).into(),
        _ => CreateUser {
            user: user_id(serial),
            name: name("ann"),
            password: password(),
        }
        .into(),
    }
}

/// Marks and runs that find each other now and then.
fn scheduled(step: Step, serial: u128) -> Command {
    let (one, two) = (i64::from(step.one), i64::from(step.two));
    let job = run_id(one + 1).job_id();
    let running = step.key.is_some().then(|| at(two));
    match step.what {
        26 | 27 => {
            let from = if two == 0 { None } else { mark(two - 1) };
            let latest = step.caused.then(|| at(one + 1));
            let job = RunJob {
                latest,
                replaces: two == 2,
                drill: one == 2,
                ..run_job()
            };
            let mut decided = decision(from, mark(two), vec![runs(two + 1, job)]);
            decided.unfinished = (one == 0).then_some(Unfinished {
                running,
                waiting: None,
            });
            let mut gone = decision(mark(3), None, vec![]);
            gone.unfinished = None;
            let schedules = vec![decided, gone];
            RecordRuns { schedules }.into()
        }
        28 if step.two == 0 => MissRuns {
            jobs: vec![job, job_id(1)],
        }
        .into(),
        28 => RequestCancel { job }.into(),
        _ => LeaseJob {
            job,
            ..lease(1, 3, serial)
        }
        .into(),
    }
}

/// Pins of backups that may be there, for attempts and for the cluster.
fn pinned(step: Step, now: Timestamp) -> Command {
    let until = now + SignedDuration::from_secs(i64::from(step.passed_seconds) * 10);
    let cluster = if step.caused { "orders" } else { "shop" };
    // A backup has the number of the step that took it: most of these are none.
    let wanted = (2..60).map(|backup| match backup % 2 {
        0 => pin(u128::from(step.two), backup, until),
        _ => Pin {
            holder: PinHolder::Cluster(name(cluster)),
            ..pin(0, backup, until)
        },
    });
    pins(wanted.collect()).into()
}

/// Deletions of what may be there.
fn expiring(step: Step) -> Command {
    let backups = (2..60).map(backup_id);
    let wal = vec![DeletableWal {
        timeline: timeline(1),
        ranges: vec![range(0, 48)],
    }];
    if step.passed_seconds > 120 {
        return BeginDeletion {
            repository: name("eu"),
            cluster: name("orders"),
            lineage: lineage(),
            backups: backups.collect(),
            wal,
        }
        .into();
    }
    let basis = Basis {
        revision: Revision(i64::MAX as u64),
        kept: vec![],
    };
    if step.passed_seconds > 80 {
        return CondemnWal {
            cluster: name("orders"),
            repository: name("eu"),
            lineage: lineage(),
            timelines: wal,
            basis,
            grace_millis: 10_000,
        }
        .into();
    }
    let reason = "no rule keeps it".to_owned();
    CondemnBackups {
        backups: backups
            .map(|backup| Condemn {
                backup,
                reason: reason.clone(),
            })
            .collect(),
        by: CondemnedBy::Retention(basis),
        grace_millis: 10_000,
    }
    .into()
}

/// What the agent of the cluster did on its own, and what it reports too late.
/// What agents find, and what people say of it.
fn there(step: Step) -> Command {
    let directory = ["/a", "/b", "/c"][usize::from(step.one)];
    if step.what == 32 {
        let servers = vec![found(directory, step.caused), found("/b", true)];
        let mut servers = discovered(servers);
        servers.agent = agent_id(u128::from(step.two % 3) + 1);
        return servers.into();
    }
    let (agent, data_directory) = (
        name(AGENTS[usize::from(step.two % 3)]),
        directory.to_owned(),
    );
    if step.caused {
        let reason = "a lab".to_owned();
        return IgnoreInstance {
            agent,
            data_directory,
            reason,
        }
        .into();
    }
    HeedInstance {
        agent,
        data_directory,
    }
    .into()
}

fn alone(step: Step) -> Command {
    let (one, two) = (i64::from(step.one), i64::from(step.two));
    let number = u32::from(step.two % 2) + 1;
    let attempt = attempt(one + 1, number);
    if step.what == 31 {
        let outcome = match step.caused {
            true => JobOutcome::Failed(Failure::transient("agent_lost", "lost", "look")),
            false => {
                let mut commit = committed(1, 1, &[(90, 250)]);
                commit.backup.job = run_id(one + 1).job_id();
                commit.backup.id = attempt.backup;
                JobOutcome::Succeeded {
                    result: json!({}),
                    backup: Some(Box::new(commit)),
                }
            }
        };
        return RecordLateResult {
            agent: agent_id(3),
            assignment: attempt.assignment,
            generation: attempt.generation,
            outcome,
            log: vec![],
        }
        .into();
    }
    let did = match step.two {
        0 => OfflineDeed::Settled {
            from: at(one),
            to: mark(one + 2).expect("a mark"),
        },
        1 => OfflineDeed::Decided(vec![DueRun {
            due: at(two + one),
            decision: RunDecision::Not {
                state: RunState::Skipped,
                reason: RunReason::CatchUpSkip,
            },
        }]),
        _ => OfflineDeed::Began(Box::new(attempt)),
    };
    RecordOfflineRuns {
        agent: agent_id(3),
        ..offline(did)
    }
    .into()
}

/// A log: a bootstrap, then the steps. Assignments and agents have the number
/// of the step that made them, so later steps can only guess them.
fn log(steps: &[Step]) -> Vec<Entry> {
    let mut now: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    let mut entries = vec![Entry::new(now, bootstrap())];
    for (serial, step) in (2u128..).zip(steps) {
        now += SignedDuration::from_secs(i64::from(step.passed_seconds));
        let command = command(*step, serial, now);
        let cause = Cause {
            principal: Principal::user("admin"),
            request: RequestId::from_uuid(Uuid::from_u128(serial)),
            remote: None,
        };
        let mut entry = Entry {
            cause: Some(cause),
            ..Entry::new(now, bootstrap())
        };
        entry.command = command;
        if let Some(key) = step.key {
            entry = keyed(entry, &key.to_string(), &[step.what]);
        }
        if !step.caused {
            entry.cause = None;
        }
        entries.push(entry);
    }
    entries
}

/// The seed of a log in which jobs and backups come to something: what steps
/// alone reach too rarely.
fn opening() -> Vec<Command> {
    let token = holdfast_state::command::CreateJoinToken {
        token: join_token_id(50),
        hash: hash("join 50"),
        expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
        region: None,
    };
    let documents = [
        repository("eu"),
        cluster("orders", "db1", json!({"tier": "gold"})),
    ];
    vec![
        token.into(),
        enroll(50, 3, "db1").into(),
        RaiseLevel {
            level: holdfast_state::schema::NEWEST,
        }
        .into(),
        apply(documents).into(),
        SetSecret {
            name: name("signing"),
            sealed: sealed(),
        }
        .into(),
        apply([alarms::channel("dba")]).into(),
        alarms::open(1, "clusters/orders").into(),
        alarms::notice(1, 1, NoticeKind::Opened).into(),
        backup_job(1).into(),
        lease(1, 3, 60).into(),
        duty(3, 0).into(),
        // One that can be built on from the beginning.
        RecordBackup {
            commit: committed(59, 59, &[(90, 250)]),
        }
        .into(),
    ]
}

pub(crate) fn whole_log(steps: &[Step]) -> Vec<Vec<u8>> {
    let mut entries = log(steps);
    let opening = opening().into_iter().chain(restores::opening());
    let opening = opening.map(|command| {
        let mut entry = entries[0].clone();
        entry.command = command;
        entry
    });
    let opening: Vec<Entry> = opening.collect();
    entries.splice(1..1, opening);
    entries.iter().map(Entry::encode).collect()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn equal_logs_give_equal_databases(
        steps in steps(),
        sizes in proptest::collection::vec(1usize..20, 0..30),
    ) {
        let entries = whole_log(&steps);
        block_on(async {
            let (one, other) = (database().await, database().await);
            let replies = apply_batched(&one, &entries, &[]).await;
            let batched = apply_batched(&other, &entries, &sizes).await;
            prop_assert_eq!(&replies, &batched);
            let dump = dump_of(&one).await;
            prop_assert_eq!(&dump, &dump_of(&other).await);

            // Nodes apply by a connection of their own, and not by the pool.
            let node = writer();
            prop_assert_eq!(&replies, &apply_by(&node, &entries, &sizes));
            prop_assert_eq!(&dump, &dump_by(&node));

            let verified = verify(&one).await.unwrap();
            prop_assert_eq!(verified.broken, None);
            for row in table(&dump, "audit") {
                prop_assert!(!row.contains(SECRET_WORD), "{}", row);
                prop_assert!(!row.contains(&hex::encode_upper(SECRET_WORD)), "{}", row);
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn no_log_breaks_what_must_hold(steps in steps()) {
        let entries = whole_log(&steps);
        block_on(async {
            let conn = database().await;
            let mut known = Known::default();
            for (index, bytes) in (1..).zip(&entries) {
                let tx = sea_orm::TransactionTrait::begin(&conn).await.unwrap();
                holdfast_state::apply::apply_entry(&tx, index, bytes).await.unwrap();
                tx.commit().await.unwrap();
                known.check(&conn).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

/// How many logs are looked at.
const LOGS: u64 = 120;

/// The properties above say nothing if random logs are refused throughout.
#[test]
fn random_logs_reach_what_they_test() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut available, mut pinned) = (0, 0);
    for _ in 0..LOGS {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let entries = whole_log(&steps);
        block_on(async {
            let conn = database().await;
            let replies = apply_batched(&conn, &entries, &[entries.len()]).await;
            for (entry, reply) in entries.iter().zip(replies) {
                let refusal = Reply::from_bytes(reply).refusal().unwrap();
                if refusal.is_none() {
                    let name = Entry::decode(entry).unwrap().command.name();
                    *accepted.entry(name).or_default() += 1;
                }
            }
            let counts = query::counts(&conn).await.unwrap();
            available += counts.backups.get("available").copied().unwrap_or(0);
            pinned += table(&dump_of(&conn).await, "pins").len();
        });
    }
    assert!(available > LOGS, "no other backup became available");
    assert!(pinned > 0, "no backup was pinned");
    assert!(accepted.len() >= 20, "{accepted:?}");
    for name in [
        "finish_job",
        "requeue_job",
        "record_wal",
        "lease_job",
        "delete_resource",
        "record_runs",
        "record_offline_runs",
        "record_late_result",
        "pin_backups",
        "move_node",
        "condemn_backups",
        "condemn_wal",
        "begin_deletion",
        "settle_alarms",
        "record_notices",
        "record_deliveries",
        "silence_alarms",
        "move_restore",
        "try_next_copy",
        "cancel_restore",
    ] {
        assert!(accepted.contains_key(name), "{name} was never accepted");
    }
}
