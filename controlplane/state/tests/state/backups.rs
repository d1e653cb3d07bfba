//! Backups: available only when provably restorable (I-05).

use holdfast_state::Refusal;
use holdfast_state::command::{
    BackupCommit, FinishJob, JobOutcome, RecordBackup, RecordWal, RequestCancel, RequeueJob,
};
use holdfast_state::query;
use holdfast_types::{BackupKind, BackupState, Failure, Generation, JobState, Lsn};
use serde_json::json;

use crate::fixture::{
    agent_id, assignment_id, backup_id, backup_job, backup_started, committed, duty, job_id, lease,
    lineage, name, range, wal,
};
use crate::harness::TestState;

fn finish(job: u128, generation: Generation, commit: BackupCommit) -> FinishJob {
    FinishJob {
        job: job_id(job),
        generation,
        outcome: JobOutcome::Succeeded {
            result: json!({}),
            backup: Some(Box::new(commit)),
        },
        log: Vec::new(),
    }
}

async fn state_of(state: &TestState, backup: u128) -> BackupState {
    let found = query::backup(&state.conn, backup_id(backup)).await.unwrap();
    found.unwrap().state
}

#[tokio::test]
async fn a_backup_is_running_until_it_is_committed() {
    let (mut state, given) = TestState::backing_up().await;
    let generation = given.generation;
    let revision = state.accept(backup_started(1, generation.0, 1)).await;
    assert!(state.woke(&format!("backups/{}", backup_id(1))));
    let again = state.accept(backup_started(1, generation.0, 1)).await;
    assert_eq!(again, revision);
    assert_eq!(state_of(&state, 1).await, BackupState::Running);

    state
        .accept(finish(1, generation, committed(1, 1, &[(96, 208)])))
        .await;
    let backup = query::backup(&state.conn, backup_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(backup.state, BackupState::Available);
    assert_eq!(backup.stop_lsn, Some(Lsn::new(200)));
    assert_eq!(backup.repositories, [name("eu")]);
    assert_eq!(backup.server_version, Some(150_020));
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.backup, Some(backup_id(1)));
    let coverage = query::wal_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert_eq!(coverage[0].coverage.ranges(), [range(96, 208)]);
}

#[tokio::test]
async fn without_its_wal_a_backup_is_not_available() {
    let (mut state, given) = TestState::backing_up().await;
    let generation = given.generation;
    state.accept(backup_started(1, generation.0, 1)).await;
    let missing = Refusal::WalMissing {
        cluster: name("orders"),
        repository: name("eu"),
        gaps: vec![range(150, 160)],
    };
    let holed = committed(1, 1, &[(90, 150), (160, 300)]);
    assert_eq!(state.refuse(finish(1, generation, holed)).await, missing);
    assert_eq!(state_of(&state, 1).await, BackupState::Running);

    // The rest may have been recorded by whoever receives the WAL.
    let placed = state.accept(duty(1, 7)).await;
    let record = RecordWal {
        stretches: Vec::new(),
        assignment: assignment_id(7),
        generation: placed.generation,
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![wal(&[(140, 170)])],
        frontier: None,
    };
    state.accept(record).await;
    let holed = committed(1, 1, &[(90, 150), (160, 300)]);
    state.accept(finish(1, generation, holed)).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Available);
}

#[tokio::test]
async fn wal_of_another_timeline_or_lineage_proves_nothing() {
    let (mut state, given) = TestState::backing_up().await;
    let mut commit = committed(1, 1, &[(0, 300)]);
    commit.wal[0].timeline = crate::fixture::timeline(2);
    let refusal = state.refuse(finish(1, given.generation, commit)).await;
    assert_eq!(refusal.code(), "wal_missing");
    let mut dump = committed(1, 1, &[]);
    dump.backup.kind = BackupKind::Logical;
    state.accept(finish(1, given.generation, dump)).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Available);
}

#[tokio::test]
async fn a_report_of_something_else_is_refused() {
    let (mut state, given) = TestState::backing_up().await;
    let mut commits = [committed(2, 1, &[(0, 300)]), committed(1, 1, &[(0, 300)])];
    commits[1].backup.cluster = name("shop");
    for commit in commits {
        let refusal = state.refuse(finish(1, given.generation, commit)).await;
        assert_eq!(refusal.code(), "invalid");
    }
    let mut backwards = committed(1, 1, &[(0, 300)]);
    backwards.backup.stop_lsn = backwards.backup.start_lsn;
    let refusal = state.refuse(finish(1, given.generation, backwards)).await;
    assert_eq!(refusal.field(), Some("backup.stopLsn"));
    let mut absurd = committed(1, 1, &[(0, 300)]);
    absurd.backup.stop_lsn = Lsn::new(u64::MAX);
    let refusal = state.refuse(finish(1, given.generation, absurd)).await;
    assert_eq!(refusal.field(), Some("backup.stopLsn"));
}

#[tokio::test]
async fn a_backup_belongs_to_one_attempt() {
    let (mut state, first) = TestState::backing_up().await;
    state.accept(backup_started(1, first.generation.0, 1)).await;
    let requeue = RequeueJob {
        job: job_id(1),
        generation: first.generation,
        reason: Failure::transient("agent_lost", "lost", "wait"),
        not_before: None,
        log: Vec::new(),
    };
    state.accept(requeue).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Failed);
    let failed = query::BackupFilter {
        state: Some(BackupState::Failed),
        repository: Some(name("eu")),
        ..query::BackupFilter::default()
    };
    let page = query::PageRequest::first(9);
    let listed = query::backups(&state.conn, &failed, &page).await.unwrap();
    assert_eq!(listed.items[0].id, backup_id(1));
    let second = state.accept(lease(1, 2, 2)).await;
    let refusal = state
        .refuse(backup_started(1, second.generation.0, 1))
        .await;
    assert_eq!(refusal.code(), "already_exists");
    let refusal = state.refuse(backup_started(1, first.generation.0, 2)).await;
    assert_eq!(refusal.code(), "stale_generation");
    state
        .accept(backup_started(1, second.generation.0, 2))
        .await;

    // The mark turned out to be the first attempt's: put-if-absent let it win
    // (I-03), so that one is available and the second is not.
    state
        .accept(finish(1, second.generation, committed(1, 1, &[(0, 300)])))
        .await;
    assert_eq!(state_of(&state, 1).await, BackupState::Available);
    assert_eq!(state_of(&state, 2).await, BackupState::Failed);
    let of_job = query::backups_of_job(&state.conn, job_id(1)).await.unwrap();
    assert_eq!(of_job.len(), 2);
}

/// What holds whichever way an attempt ends: nobody writes its backup any more.
#[tokio::test]
async fn no_end_of_an_attempt_leaves_its_backup_running() {
    let failure = || Failure::permanent("password_wrong", "no", "set it");
    let ends = [
        JobOutcome::Failed(failure()),
        JobOutcome::Cancelled,
        JobOutcome::Superseded {
            winner: backup_id(9),
        },
        JobOutcome::Succeeded {
            result: json!({}),
            backup: None,
        },
    ];
    for outcome in ends {
        let (mut state, given) = TestState::backing_up().await;
        state.accept(backup_started(1, given.generation.0, 1)).await;
        let end = FinishJob {
            job: job_id(1),
            generation: given.generation,
            outcome: outcome.clone(),
            log: Vec::new(),
        };
        state.accept(end).await;
        assert!(state.woke(&format!("backups/{}", backup_id(1))));
        let backup = query::backup(&state.conn, backup_id(1)).await.unwrap();
        let backup = backup.unwrap();
        assert_eq!(backup.state, BackupState::Failed, "{outcome:?}");
        assert!(backup.failure.is_some() && backup.finished_at.is_some());
        // A report that was late begins nothing anew.
        let late = backup_started(1, given.generation.0, 1);
        assert_eq!(state.refuse(late).await.code(), "job_final");
    }
    // Taken back: to be tried again, tried often enough, or not wanted any more.
    for (attempts, cancelled) in [(1_u128, false), (2, false), (1, true)] {
        let (mut state, mut given) = TestState::backing_up().await;
        for number in 1..=attempts {
            let generation = given.generation;
            state.accept(backup_started(1, generation.0, number)).await;
            if cancelled {
                state.accept(RequestCancel { job: job_id(1) }).await;
                assert_eq!(state_of(&state, number).await, BackupState::Running);
            }
            let requeue = RequeueJob {
                job: job_id(1),
                generation,
                reason: failure(),
                not_before: None,
                log: Vec::new(),
            };
            let job = state.accept(requeue).await;
            assert_eq!(state_of(&state, number).await, BackupState::Failed);
            if job == JobState::Queued {
                given = state.accept(lease(1, 1, number + 1)).await;
            }
        }
    }
}

#[tokio::test]
async fn the_loser_of_a_run_is_superseded_and_its_backup_failed() {
    let (mut state, given) = TestState::backing_up().await;
    state.accept(backup_started(1, given.generation.0, 1)).await;
    let lost = FinishJob {
        job: job_id(1),
        generation: given.generation,
        outcome: JobOutcome::Superseded {
            winner: backup_id(9),
        },
        log: Vec::new(),
    };
    assert_eq!(state.accept(lost).await, JobState::Superseded);
    assert_eq!(state_of(&state, 1).await, BackupState::Failed);
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.superseded_by, Some(backup_id(9)));
}

#[tokio::test]
async fn a_commit_mark_found_late_is_in_the_catalog() {
    let (mut state, given) = TestState::backing_up().await;
    state.accept(backup_started(1, given.generation.0, 1)).await;
    let failed = FinishJob {
        job: job_id(1),
        generation: given.generation,
        outcome: JobOutcome::Failed(Failure::permanent("agent_lost", "lost", "look")),
        log: Vec::new(),
    };
    state.accept(failed).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Failed);
    let found = |carried: &[(u64, u64)]| RecordBackup {
        commit: committed(1, 1, carried),
    };
    assert_eq!(state.refuse(found(&[])).await.code(), "wal_missing");
    let revision = state.accept(found(&[(100, 200)])).await;
    assert_eq!(state_of(&state, 1).await, BackupState::Available);
    assert_eq!(
        state.accept(found(&[(100, 200)])).await,
        revision,
        "known already"
    );
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Failed, "an end is final (I-14)");

    let mut foreign = found(&[(100, 200)]);
    foreign.commit.backup.job = job_id(5);
    assert_eq!(state.refuse(foreign).await.code(), "already_exists");
    for what in ["cluster", "repository"] {
        let mut lost = found(&[(100, 200)]);
        match what {
            "cluster" => lost.commit.backup.cluster = name("mars"),
            _ => lost.commit.backup.repository = name("mars"),
        }
        assert_eq!(state.refuse(lost).await.code(), "not_found");
    }
}

#[tokio::test]
async fn a_backup_of_an_unknown_job_is_recorded_as_found() {
    let mut state = TestState::protecting().await;
    let found = RecordBackup {
        commit: committed(42, 3, &[(100, 200)]),
    };
    state.accept(found).await;
    let available = query::available_backups(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert_eq!(available[0].id, backup_id(3));
    assert_eq!(available[0].job, job_id(42));
    let both = [name("orders"), name("other")];
    let newest = query::newest_lineages(&state.conn, &both).await.unwrap();
    assert_eq!(newest, [(name("orders"), lineage())].into());
    let points = query::points_of(&state.conn, &both).await.unwrap();
    assert!(points[&name("other")].is_empty());
    let point = &points[&name("orders")][0];
    let backup = &available[0];
    assert_eq!((point.id, point.kind), (backup.id, backup.kind));
    assert_eq!(
        (point.lineage, point.timeline),
        (backup.lineage, backup.timeline)
    );
    assert_eq!(
        (point.start_lsn, point.stop_lsn),
        (backup.start_lsn, backup.stop_lsn)
    );
    assert_eq!(point.finished_at, backup.finished_at);
    assert_eq!(point.repositories, backup.repositories);
    assert!(
        query::agent(&state.conn, agent_id(1))
            .await
            .unwrap()
            .is_some()
    );
    state.accept(backup_job(1)).await;
}
