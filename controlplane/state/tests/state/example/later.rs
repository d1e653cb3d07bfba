//! Commands that came with expiry, copies, drills and approvals.

use std::collections::BTreeMap;

use holdfast_state::command::{
    ApplyDocuments, DocumentChange, Expected, FinishJob, FrontierCheckpoint, JobOutcome,
    RecordRuns, RecordWal, RunJob,
};
use holdfast_state::{Command, Sealed};
use holdfast_types::{Frontier, Generation, Lsn, Revision};
use serde_json::json;

use super::later;
use crate::approvals::approval_id;
use crate::fixture::{
    assignment_id, backup_id, document, job_id, lineage, name, range, timeline, wal,
};
use crate::inventory::{discovered, found};
use crate::schedules::{decision, mark, run_job, runs};

pub(super) fn expiry_commands() -> Vec<(u32, Command)> {
    use holdfast_state::command::{
        Basis, BeginDeletion, Condemn, CondemnBackups, CondemnOrphans, CondemnWal, CondemnedBy,
        DeletableWal, EndDeletion, HoldBackup, ReleaseBackup,
    };
    let (backup, grace_millis) = (backup_id(7), 86_400_000);
    let (repository, cluster) = (name("eu"), name("orders"));
    let basis = Basis {
        revision: Revision(41),
        kept: vec![backup_id(8)],
    };
    let one = Condemn {
        backup,
        reason: "no rule of the policy \"gold\" keeps it".to_owned(),
    };
    let wal = vec![DeletableWal {
        timeline: timeline(1),
        ranges: vec![range(16, 32)],
    }];
    let hold = HoldBackup {
        backup,
        reason: "case 4711".to_owned(),
        until: Some(later()),
    };
    let condemn = |by| CondemnBackups {
        backups: vec![one.clone()],
        by,
        grace_millis,
    };
    let orphans = CondemnOrphans {
        repository: repository.clone(),
        cluster: cluster.clone(),
        lineage: lineage(),
        attempts: vec![backup],
        grace_millis,
    };
    let condemn_wal = CondemnWal {
        cluster: cluster.clone(),
        repository: repository.clone(),
        lineage: lineage(),
        timelines: wal.clone(),
        basis: basis.clone(),
        grace_millis,
    };
    let begin = BeginDeletion {
        repository: repository.clone(),
        cluster: cluster.clone(),
        lineage: lineage(),
        backups: vec![backup],
        wal: wal.clone(),
    };
    let end = EndDeletion {
        repository,
        cluster,
        lineage: lineage(),
        backups: vec![backup],
        wal,
    };
    vec![
        (1, hold.into()),
        (1, ReleaseBackup { backup }.into()),
        (1, condemn(CondemnedBy::Hand).into()),
        (2, condemn(CondemnedBy::Retention(basis)).into()),
        (1, orphans.into()),
        (1, condemn_wal.into()),
        (1, begin.into()),
        (1, end.into()),
    ]
}

pub(super) fn drill_commands() -> Vec<(u32, Command)> {
    let plan = document(
        "DrillPlan",
        json!({"name": "weekly"}),
        json!({"selector": {"tier": "gold"}, "cron": "0 6 * * 1", "timezone": "Europe/Vienna",
               "window": "4h", "at": "random", "kind": "physical", "repository": "eu",
               "agent": "db1", "database": "shop",
               "checks": [{"name": "young", "sql": "select max(at) from orders",
                           "expect": "within 10m of target", "database": "shop"},
                          {"amcheck": true}, {"checksums": true},
                          {"rowCounts": "drift <= 2.5%"}]}),
    );
    let change = DocumentChange {
        document: plan,
        expected: Expected::Any,
    };
    let apply = ApplyDocuments {
        documents: vec![change],
        repository_keys: BTreeMap::new(),
    };
    let run = RunJob {
        drill: true,
        agent: Some(name("db1")),
        ..run_job()
    };
    let ended = FinishJob {
        job: job_id(7),
        generation: Generation(3),
        outcome: JobOutcome::Succeeded {
            result: crate::drills::showed(true),
            backup: None,
        },
        log: Vec::new(),
    };
    vec![
        (2, apply.into()),
        (2, crate::drills::drill_job(7).into()),
        (
            2,
            RecordRuns {
                schedules: vec![decision(mark(0), mark(1), vec![runs(1, run)])],
            }
            .into(),
        ),
        (5, ended.into()),
    ]
}

pub(super) fn copy_commands() -> Vec<(u32, Command)> {
    use holdfast_state::command::{CopiedBy, RecordCopy};
    let of = |by, backups| RecordCopy {
        stretches: Vec::new(),
        by,
        cluster: name("orders"),
        repository: name("us"),
        lineage: lineage(),
        backups,
        timelines: vec![wal(&[(16, 32)])],
        frontier: Some(FrontierCheckpoint {
            timeline: timeline(1),
            frontier: Frontier {
                time: later(),
                lsn: Lsn::new(32),
            },
        }),
    };
    let job = CopiedBy::Job {
        job: job_id(7),
        generation: Generation(3),
    };
    let duty = CopiedBy::Duty {
        assignment: assignment_id(9),
        generation: Generation(2),
        repository: name("eu"),
    };
    vec![
        (1, of(job, vec![backup_id(7)]).into()),
        (2, of(duty, Vec::new()).into()),
    ]
}

pub(super) fn compliance_commands() -> Vec<(u32, Command)> {
    use holdfast_state::command::{EndExemption, GrantExemption};
    let exemption = crate::compliance::exemption_id(7);
    let grant = GrantExemption {
        exemption,
        cluster: name("orders"),
        until: later(),
        reason: "it moves to another host".to_owned(),
    };
    let received = RecordWal {
        stretches: crate::compliance::stretches(2, later(), true),
        assignment: assignment_id(9),
        generation: Generation(2),
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![wal(&[(16, 32)])],
        frontier: None,
    };
    vec![
        (1, crate::compliance::every_sign(later()).into()),
        (1, grant.into()),
        (1, EndExemption { exemption }.into()),
        (2, received.into()),
    ]
}

pub(super) fn report_commands() -> Vec<(u32, Command)> {
    use holdfast_state::Digest;
    use holdfast_state::command::{CreateReportKey, RecordReport, SealReport};
    let key = CreateReportKey {
        id: "6e0f".to_owned(),
        certificate: "-----BEGIN CERTIFICATE-----".to_owned(),
        sealed: Sealed::new(vec![1, 2, 3]),
    };
    let report = crate::reports::report_id(7);
    let record = RecordReport {
        report,
        fleet: name("payments"),
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        as_known_at: Some("2026-02-02T00:00:00Z".parse().unwrap()),
    };
    let seal = SealReport {
        report,
        format: "pdf".to_owned(),
        body: Digest::of(b"body"),
        document: Digest::of(b"document"),
    };
    vec![(1, key.into()), (1, record.into()), (1, seal.into())]
}

pub(super) fn approval_commands() -> Vec<(u32, Command)> {
    use holdfast_state::command::{CancelApproval, ReleaseBackup, RequestApproval, VoteApproval};
    let approval = approval_id(7);
    let held = ReleaseBackup {
        backup: backup_id(7),
    };
    let request = RequestApproval {
        approval,
        command: Box::new(held.into()),
        reason: Some("case 4711".to_owned()),
        expires_at: later(),
    };
    let vote = VoteApproval {
        approval,
        approve: true,
        note: Some("as agreed".to_owned()),
    };
    vec![
        (1, request.into()),
        (1, vote.into()),
        (1, CancelApproval { approval }.into()),
    ]
}

pub(super) fn inventory_commands() -> Vec<(u32, Command)> {
    use holdfast_state::command::{HeedInstance, IgnoreInstance};
    let (agent, data_directory) = (name("db1"), "/data/lab".to_owned());
    let ignore = IgnoreInstance {
        agent: agent.clone(),
        data_directory: data_directory.clone(),
        reason: "a lab".to_owned(),
    };
    let heed = HeedInstance {
        agent,
        data_directory,
    };
    let servers = vec![found("/data/lab", true), found("/data/rests", false)];
    vec![
        (1, discovered(servers).into()),
        (1, ignore.into()),
        (1, heed.into()),
    ]
}
