//! An example of every command, for the golden bytes in `wire/`.

mod later;

use std::collections::BTreeMap;

use holdfast_state::command::{
    AdmitNode, AdvanceJob, ApplyDocuments, CloseSession, CondemnStateSnapshots, CreateApiToken,
    CreateJoinToken, CreateNodeToken, CreateUser, DeleteResource, DeleteSecret, DeleteUser,
    DocumentChange, DueRun, EnrollAgent, Expected, ExportRepositoryKey, FinishJob,
    ForgetStateSnapshots, FrontierCheckpoint, JobOutcome, LeaseJobs, MissRuns, OfflineDeed,
    OpenSession, Pin, PruneExpired, RaiseLevel, RecordBackup, RecordInstances, RecordLateResult,
    RecordLoginFailure, RecordNode, RecordRepository, RecordRuns, RecordScan, RecordStateSnapshot,
    RecordWal, RemoveNode, RenewAgent, RequestCancel, RequestScans, RequestStateSnapshot,
    RequeueJob, RevokeAgent, RevokeApiToken, RotateSession, RunDecision, RunJob, ScanOutcome,
    SetPassword, SetSecret, SetStateSnapshots, StartJob, StateSnapshotOutcome, TransferLeadership,
    WalGap, WithdrawDuty,
};
use holdfast_state::query::FindingKind;
use holdfast_state::{Command, PinHolder};
use holdfast_types::resource::Kind;
use holdfast_types::schedule::{RunReason, RunState, Unfinished};
use holdfast_types::{
    ArchiverFacts, DiskFacts, Failure, Frontier, Generation, InstanceFacts, InstanceRole, JobPhase,
    Lsn, Observation, Revision, ServerFacts, SlotFacts,
};
use jiff::Timestamp;
use serde_json::json;

use crate::fixture::{
    agent_id, assignment_id, backup_id, backup_job, backup_started, bootstrap, cluster, committed,
    document, duty, enroll, hash, job_id, join_token_id, lease, lineage, name, node_token_id,
    password, policy, range, repository, sealed, session_id, timeline, token_id, user_id, wal,
};
use crate::nodes::moved;
use crate::offline::{attempt, offline};
use crate::pins::{pin, pins};
use crate::rebuilds::{found_wal, rebuild};
use crate::scans::{complete, finding, lost};
use crate::schedules::{at, decision, mark, run_job, runs};
use crate::state_snapshots::{restored, settings as snapshot_settings, snapshot, stored};

fn later() -> Timestamp {
    "2026-02-03T10:41:07.25Z".parse().unwrap()
}

fn failure() -> Failure {
    Failure::transient("agent_lost", "the agent was lost", "look at its host")
}

/// Commands with the number of their golden file; each name has a first one.
pub(crate) fn examples() -> Vec<(u32, Command)> {
    let mut examples = access();
    examples.extend(agents());
    examples.extend(resources());
    examples.extend(jobs());
    examples.extend(wal_commands());
    examples.extend(nodes());
    examples.extend(schedules());
    examples.extend(offline_commands());
    examples.extend(state_snapshots());
    examples.extend(pinned());
    examples.extend(later::expiry_commands());
    examples.extend(later::copy_commands());
    examples.extend(later::drill_commands());
    examples.extend(later::approval_commands());
    examples.extend(later::inventory_commands());
    examples.extend(later::compliance_commands());
    examples.extend(crate::restores::examples());
    examples.extend(crate::alarms::commands());
    examples.extend(later::report_commands());
    examples
}

fn pinned() -> Vec<(u32, Command)> {
    let standing = Pin {
        holder: PinHolder::Cluster(name("orders")),
        ..pin(5, 7, later())
    };
    vec![(1, pins(vec![pin(5, 7, later()), standing]).into())]
}

fn offline_commands() -> Vec<(u32, Command)> {
    let not = DueRun {
        due: at(1),
        decision: RunDecision::Not {
            state: RunState::Skipped,
            reason: RunReason::CatchUpSkip,
        },
    };
    let mut attempt = attempt(2, 1);
    attempt.job.latest = Some(later());
    let settled = OfflineDeed::Settled {
        from: at(0),
        to: mark(3).unwrap(),
    };
    let late = |outcome| RecordLateResult {
        agent: agent_id(1),
        assignment: assignment_id(5),
        generation: Generation(3),
        outcome,
        log: vec!["copied 12 files".to_owned()],
    };
    vec![
        (1, offline(OfflineDeed::Decided(vec![not])).into()),
        (2, offline(OfflineDeed::Began(Box::new(attempt))).into()),
        (3, offline(settled).into()),
        (1, late(JobOutcome::Failed(failure())).into()),
    ]
}

fn state_snapshots() -> Vec<(u32, Command)> {
    let snapshots = vec![snapshot(1), snapshot(2)];
    let request = RequestStateSnapshot {
        snapshot: snapshot(1),
        repository: name("eu"),
    };
    let record = |outcome| RecordStateSnapshot {
        outcome,
        ..stored(1, later())
    };
    let condemn = CondemnStateSnapshots {
        snapshots: snapshots.clone(),
    };
    let set = |settings| SetStateSnapshots { settings };
    let one = RequestScans {
        repository: Some(name("eu")),
    };
    let unreachable = RecordScan {
        outcome: ScanOutcome::Failed(failure()),
        ..complete(vec![])
    };
    vec![
        (1, set(Some(snapshot_settings())).into()),
        (2, set(None).into()),
        (1, request.into()),
        (1, stored(1, later()).into()),
        (2, record(StateSnapshotOutcome::Failed(failure())).into()),
        (3, record(StateSnapshotOutcome::Missing(failure())).into()),
        (1, condemn.into()),
        (1, ForgetStateSnapshots { snapshots }.into()),
        (1, restored(1_000_000).into()),
        (1, RequestScans { repository: None }.into()),
        (2, one.into()),
        (1, complete(vec![finding(FindingKind::Missing, 1)]).into()),
        (2, unreachable.into()),
        (1, lost(1).into()),
        (1, rebuild().into()),
        (1, found_wal(&[(16, 32)], &[(48, 64)]).into()),
    ]
}

fn schedules() -> Vec<(u32, Command)> {
    let job = RunJob {
        latest: Some(later()),
        ..run_job()
    };
    let not = |minute, state, reason| DueRun {
        due: at(minute),
        decision: RunDecision::Not { state, reason },
    };
    let range = DueRun {
        due: at(1),
        decision: RunDecision::Missed {
            last: at(4),
            count: 4,
        },
    };
    let (latest, until) = (at(6), at(7));
    let window = RunReason::WindowPassed { latest };
    let blackout = RunReason::Blackout { until, latest };
    let overlap = RunReason::Overlap { earlier: at(1) };
    let decided = vec![
        range,
        not(5, RunState::Missed, window),
        not(6, RunState::Missed, blackout),
        not(7, RunState::Skipped, overlap),
        not(8, RunState::Skipped, RunReason::CatchUpSkip),
        not(9, RunState::Skipped, RunReason::CatchUpMax { max: 3 }),
        not(10, RunState::Skipped, RunReason::ScheduleChanged),
        not(
            11,
            RunState::Coalesced,
            RunReason::Coalesced { into: at(12) },
        ),
        runs(12, job),
    ];
    let mut full = decision(mark(0), mark(12), decided);
    full.unfinished = Some(Unfinished {
        running: Some(at(-2)),
        waiting: Some(at(-1)),
    });
    let mut gone = decision(mark(3), None, vec![]);
    gone.unfinished = None;
    let record = RecordRuns {
        schedules: vec![full, gone],
    };
    let miss = MissRuns {
        jobs: vec![job_id(1)],
    };
    vec![(1, record.into()), (1, miss.into())]
}

fn nodes() -> Vec<(u32, Command)> {
    let token = CreateNodeToken {
        token: node_token_id(1),
        hash: hash("node 1"),
        expires_at: later(),
    };
    let admit = AdmitNode {
        token: node_token_id(1),
        hash: hash("node 1"),
        name: Some(name("vienna")),
    };
    let renew = RenewAgent {
        agent: agent_id(1),
        used: hash("certificate 1"),
        certificate: enroll(1, 9, "db1").certificate,
    };
    let voter = RecordNode {
        node: 2,
        votes: true,
    };
    vec![
        (1, RaiseLevel { level: 2 }.into()),
        (1, token.into()),
        (1, admit.into()),
        (1, RemoveNode { node: 2 }.into()),
        (1, voter.into()),
        (1, TransferLeadership { node: 2 }.into()),
        (1, moved(2).into()),
        (1, renew.into()),
    ]
}

fn access() -> Vec<(u32, Command)> {
    let (user, session, token) = (user_id(2), session_id(3), token_id(4));
    let create = CreateUser {
        user,
        name: name("ann"),
        password: password(),
    };
    let set = SetPassword {
        name: name("ann"),
        password: password(),
        keep_session: Some(session),
    };
    let open = OpenSession {
        session,
        user,
        refresh: hash("refresh"),
        expires_at: later(),
    };
    let rotate = RotateSession {
        old: hash("old"),
        new: hash("new"),
        expires_at: later(),
    };
    let failed_login = RecordLoginFailure {
        user: Some(name("ann")),
        reason: "wrong_password".to_owned(),
    };
    let api_token = CreateApiToken {
        token,
        name: name("ci"),
        user: name("ann"),
        hash: hash("token"),
        expires_at: Some(later()),
    };
    let secret = SetSecret {
        name: name("eu-s3"),
        sealed: sealed(),
    };
    vec![
        (1, bootstrap().into()),
        (1, create.into()),
        (1, set.into()),
        (1, DeleteUser { name: name("ann") }.into()),
        (1, open.into()),
        (1, rotate.into()),
        (1, CloseSession { session }.into()),
        (1, failed_login.into()),
        (1, api_token.into()),
        (1, RevokeApiToken { token }.into()),
        (1, secret.into()),
        (
            1,
            DeleteSecret {
                name: name("eu-s3"),
            }
            .into(),
        ),
        (1, PruneExpired {}.into()),
    ]
}

fn agents() -> Vec<(u32, Command)> {
    let token = CreateJoinToken {
        token: join_token_id(1),
        hash: hash("join 1"),
        expires_at: later(),
        region: Some("eu-west-1".to_owned()),
    };
    let enroll = EnrollAgent {
        region: Some("eu-west-1".to_owned()),
        ..enroll(1, 1, "db1")
    };
    let slot = SlotFacts {
        name: "holdfast_orders".to_owned(),
        active: true,
        restart_lsn: Some(Lsn::new(0x0300_0000)),
        wal_status: Some("reserved".to_owned()),
        retained_bytes: 4096,
    };
    let facts = ServerFacts {
        server_version: 150_020,
        system_identifier: 7_301_234_567_890_123_456,
        role: InstanceRole::Primary,
        timeline: timeline(1),
        data_directory: "/var/lib/postgresql/15/main".to_owned(),
        database_bytes: 5_000_000,
        checksums: true,
        archiver: ArchiverFacts {
            mode: "off".to_owned(),
            last_archived: None,
            last_failed: None,
        },
        slots: vec![slot],
        disk: Some(DiskFacts {
            total_bytes: 100_000_000,
            free_bytes: 60_000_000,
        }),
    };
    let seen = |cluster: &str, observation| InstanceFacts {
        cluster: name(cluster),
        observed_at: later(),
        observation,
        patroni: None,
        slot_trouble: None,
    };
    let record = RecordInstances {
        agent: agent_id(1),
        instances: vec![
            seen("orders", Observation::Reachable(Box::new(facts))),
            seen("billing", Observation::Unreachable(failure())),
        ],
    };
    vec![
        (1, token.into()),
        (1, enroll.into()),
        (1, RevokeAgent { name: name("db1") }.into()),
        (1, record.into()),
    ]
}

fn resources() -> Vec<(u32, Command)> {
    let documents = [
        (repository("eu"), Expected::Absent),
        (
            document(
                "Fleet",
                json!({"name": "web"}),
                json!({"description": "the shop"}),
            ),
            Expected::Any,
        ),
        (
            cluster("orders", "db1", json!({"tier": "gold"})),
            Expected::Revision(Revision(7)),
        ),
        (
            policy("gold", json!({"tier": "gold"}), 5, "eu"),
            Expected::Any,
        ),
    ];
    let change = |(document, expected)| DocumentChange { document, expected };
    let apply = ApplyDocuments {
        documents: documents.into_iter().map(change).collect(),
        repository_keys: BTreeMap::from([(name("eu"), sealed())]),
    };
    let delete = DeleteResource {
        kind: Kind::Cluster,
        name: name("orders"),
        expected: Some(Revision(7)),
    };
    let found = RecordRepository {
        repository: name("eu"),
        identity: "rep_000000000000000000000000000000ab".parse().unwrap(),
    };
    let export = ExportRepositoryKey {
        repository: name("eu"),
    };
    vec![
        (1, apply.into()),
        (1, delete.into()),
        (1, found.into()),
        (1, export.into()),
    ]
}

fn jobs() -> Vec<(u32, Command)> {
    let (job, generation) = (job_id(1), Generation(3));
    let finish = |outcome| FinishJob {
        job,
        generation,
        outcome,
        log: vec!["copied 12 files".to_owned()],
    };
    let create = holdfast_state::command::CreateJob {
        agent: Some(name("db1")),
        ..backup_job(1)
    };
    let started = holdfast_state::command::RecordBackupStarted {
        parent: Some(backup_id(6)),
        ..backup_started(1, 3, 7)
    };
    let advance = AdvanceJob {
        job,
        generation,
        phase: JobPhase::Copy,
    };
    let requeue = RequeueJob {
        job,
        generation,
        reason: failure(),
        not_before: Some(later()),
        log: vec!["connection reset".to_owned()],
    };
    let succeeded = JobOutcome::Succeeded {
        result: json!({"backup": backup_id(7)}),
        backup: Some(Box::new(committed(1, 7, &[(96, 208)]))),
    };
    let winner = backup_id(8);
    let found = RecordBackup {
        commit: committed(1, 7, &[(96, 208)]),
    };
    vec![
        (1, create.into()),
        (1, lease(1, 1, 5).into()),
        (
            1,
            LeaseJobs {
                leases: vec![lease(1, 1, 5), lease(2, 1, 6)],
            }
            .into(),
        ),
        (1, StartJob { job, generation }.into()),
        (1, advance.into()),
        (1, started.into()),
        (1, finish(succeeded).into()),
        (2, finish(JobOutcome::Failed(failure())).into()),
        (3, finish(JobOutcome::Superseded { winner }).into()),
        (4, finish(JobOutcome::Cancelled).into()),
        (1, requeue.into()),
        (1, RequestCancel { job }.into()),
        (1, found.into()),
    ]
}

fn wal_commands() -> Vec<(u32, Command)> {
    let mut timeline_wal = wal(&[(16, 32), (48, 64)]);
    timeline_wal.gaps = vec![WalGap {
        range: range(32, 48),
        reason: "wal_recycled".to_owned(),
    }];
    let record = RecordWal {
        stretches: Vec::new(),
        assignment: assignment_id(9),
        generation: Generation(2),
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![timeline_wal],
        frontier: Some(FrontierCheckpoint {
            timeline: timeline(1),
            frontier: Frontier {
                time: later(),
                lsn: Lsn::new(64),
            },
        }),
    };
    let withdraw = WithdrawDuty {
        cluster: name("orders"),
        repository: name("eu"),
    };
    let relayed = holdfast_state::command::PlaceDuty {
        instance: Some(name("db2")),
        ..duty(1, 10)
    };
    vec![
        (1, duty(1, 9).into()),
        (2, relayed.into()),
        (1, withdraw.into()),
        (1, record.into()),
    ]
}
