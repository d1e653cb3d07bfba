//! What each step of a random log asks for.

use holdfast_state::command::{
    AdvanceJob, Basis, BeginDeletion, Condemn, CondemnBackups, CondemnWal, CondemnedBy, CreateUser,
    DeletableWal, DeleteResource, DeleteUser, DueRun, FinishJob, FrontierCheckpoint, HeedInstance,
    IgnoreInstance, JobOutcome, LeaseJob, MissRuns, OfflineDeed, Pin, PruneExpired,
    RecordLateResult, RecordOfflineRuns, RecordRuns, RecordWal, RequestCancel, RequeueJob,
    RevokeAgent, RunDecision, RunJob, SetSecret, StartJob, WithdrawDuty,
};
use holdfast_state::{Command, PinHolder};
use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunReason, RunState, Unfinished};
use holdfast_types::{Failure, Frontier, Generation, JobKind, JobPhase, Lsn, Revision};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Step;
use crate::alarms;
use crate::drills::showed;
use crate::fixture::{
    agent_id, apply, assignment_id, backup_id, backup_job, backup_started, cluster, committed,
    duty, enroll, hash, job_id, join_token_id, lease, lineage, name, password, policy, range,
    repository, sealed, timeline, user_id, wal,
};
use crate::inventory::{discovered, found};
use crate::nodes::moved;
use crate::offline::{attempt, offline};
use crate::pins::{pin, pins};
use crate::restores;
use crate::schedules::{at, decision, mark, run_id, run_job, runs};

const AGENTS: [&str; 3] = ["db1", "db2", "db3"];
const TIERS: [&str; 3] = ["gold", "tin", "gold"];

pub(super) fn command(step: Step, serial: u128, now: Timestamp) -> Command {
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
