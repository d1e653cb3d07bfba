//! Jobs: reported until answered, ended on request, run once.

use holdfast_proto::{BackupStarted, JobEvent, JobOutcome, JobSuccess};
use holdfast_types::{BackupId, BackupKind, Generation, JobPhase, Lsn, Timeline};
use serde_json::Value;

use crate::control::Control;
use crate::rig::{Rig, all, assignment_id, backup};

fn success() -> JobOutcome {
    JobOutcome::Succeeded(JobSuccess {
        result: Value::from("a result"),
        backup: None,
        wal: None,
        repository: None,
    })
}

// I-14
#[tokio::test]
async fn an_outcome_is_sent_until_it_is_answered_and_the_job_never_runs_again() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    assert!(session.hello.held.is_empty());
    session.assign(&all(&[backup(1, 4)])).await;
    agent.job().await.end.send(success()).unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        let report = session.report().await;
        assert_eq!(
            (report.assignment, report.generation),
            (assignment_id(1), Generation(4))
        );
        events.push(report.event);
    }
    let JobEvent::Finished { outcome, log } = &events[2] else {
        panic!("{events:?}")
    };
    assert_eq!(
        events[..2],
        [JobEvent::Started, JobEvent::Phase(JobPhase::Copy)]
    );
    assert_eq!(
        (&**outcome, log.as_slice()),
        (&success(), &["phase copy".to_owned()][..])
    );

    // Nothing was answered: another session, and another process, say it again.
    drop(session);
    let mut session = control.session().await;
    let held = &session.hello.held;
    assert_eq!(
        (held.len(), held[0].generation),
        (1, 4),
        "it is still in the agent's hands"
    );
    let first = session.report().await;
    assert_eq!(first.event, JobEvent::Started);
    agent.stop().await;
    drop(session);
    let mut agent = rig.start();
    let mut session = control.session().await;
    let finished = session.finished().await;
    assert_eq!(finished.event, events[2]);
    session.answer(&finished, "").await;
    session.settle(1).await;

    // Assigned again, by a node that has not heard yet, beside a new job.
    session.assign(&all(&[backup(1, 4), backup(2, 1)])).await;
    let next = agent.job().await;
    assert_eq!(next.id.uuid().as_u128(), 2, "only the new one runs");
    next.end.send(success()).unwrap();
    session.finished().await;
    drop(session);
    let session = control.session().await;
    let held: Vec<_> = session
        .hello
        .held
        .iter()
        .map(|held| &held.assignment_id)
        .collect();
    assert_eq!(
        held,
        [&assignment_id(2).to_string()],
        "the first one is answered"
    );
    agent.stop().await;
}

// I-14
#[tokio::test]
async fn the_start_of_a_backup_is_told_once_and_until_it_is_answered() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[backup(1, 4)])).await;
    let job = agent.job().await;
    for expected in [JobEvent::Started, JobEvent::Phase(JobPhase::Copy)] {
        assert_eq!(session.report().await.event, expected);
    }
    let started = BackupStarted {
        backup: BackupId::from_uuid(uuid::Uuid::from_u128(1)),
        kind: BackupKind::Full,
        parent: None,
        lineage: "7301234567890123456-1".parse().unwrap(),
        timeline: Timeline::FIRST,
        start_lsn: Lsn::new(0x100),
        started_at: "2026-02-03T02:41:08Z".parse().unwrap(),
    };
    job.context.backup_started(started.clone());
    let told = session.report().await;
    assert_eq!(told.generation, Generation(4));
    let event = JobEvent::BackupStarted {
        phase: JobPhase::Copy,
        backup: started,
    };
    assert_eq!(told.event, event);
    job.context.enter(JobPhase::Stop);
    let stop = JobEvent::Phase(JobPhase::Stop);
    assert_eq!(session.report().await.event, stop, "told once");

    // Nothing was answered: the journal says it all again.
    drop(session);
    let mut session = control.session().await;
    for expected in [
        JobEvent::Started,
        JobEvent::Phase(JobPhase::Copy),
        event,
        stop,
    ] {
        let report = session.report().await;
        assert_eq!(report.event, expected);
        session.answer(&report, "").await;
    }
    job.end.send(success()).unwrap();
    session.finished().await;
    agent.stop().await;
}

// I-14
#[tokio::test]
async fn a_refused_report_is_never_sent_again() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[backup(1, 1)])).await;
    agent.job().await.end.send(success()).unwrap();
    let finished = session.finished().await;
    session.answer(&finished, "stale_generation").await;
    session.settle(1).await;
    drop(session);
    let mut session = control.session().await;
    assert!(session.hello.held.is_empty());
    session.assign(&all(&[backup(2, 1)])).await;
    let next = session.report().await;
    assert_eq!(
        next.assignment,
        assignment_id(2),
        "the first report is another job's"
    );
    agent.stop().await;
}

#[tokio::test]
async fn what_is_no_longer_wanted_ends_as_cancelled() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session
        .assign(&all(&[backup(1, 1), backup(2, 1), backup(3, 1)]))
        .await;
    let mut jobs = vec![agent.job().await, agent.job().await, agent.job().await];
    let mut asked_to_end = backup(2, 1);
    asked_to_end.cancel_requested = true;
    session.assign(&all(&[asked_to_end, backup(3, 1)])).await;
    let mut ended = Vec::new();
    for _ in 0..2 {
        let report = session.finished().await;
        session.answer(&report, "").await;
        let JobEvent::Finished { outcome, .. } = report.event else {
            unreachable!()
        };
        assert_eq!(*outcome, JobOutcome::Cancelled);
        ended.push(report.assignment);
    }
    ended.sort();
    assert_eq!(
        ended,
        [assignment_id(1), assignment_id(2)],
        "unassigned and cancelled"
    );
    let third = jobs
        .iter()
        .position(|job| job.id.uuid().as_u128() == 3)
        .unwrap();
    let third = jobs.remove(third);
    assert!(!third.context.cancel().is_cancelled(), "the third goes on");
    third.end.send(success()).unwrap();
    assert_eq!(session.finished().await.assignment, assignment_id(3));
    agent.stop().await;
}

#[tokio::test]
async fn a_job_that_was_cancelled_before_it_began_does_not_begin() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let agent = rig.start();
    let mut session = control.session().await;
    let mut unwanted = backup(1, 1);
    unwanted.cancel_requested = true;
    session.assign(&all(&[unwanted])).await;
    let JobEvent::Finished { outcome, .. } = session.finished().await.event else {
        unreachable!()
    };
    assert_eq!(*outcome, JobOutcome::Cancelled);
    assert!(agent.stop().await.is_empty(), "the engine heard nothing");
}

// I-04
#[tokio::test]
async fn a_later_generation_takes_over_and_an_earlier_one_is_stale() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[backup(1, 1)])).await;
    let first = agent.job().await;
    session.assign(&all(&[backup(1, 2)])).await;
    let second = agent.job().await;
    assert!(
        first.context.cancel().is_cancelled(),
        "the first ended before the second began"
    );
    // An old word; the other job shows when it has been taken.
    session.assign(&all(&[backup(1, 1), backup(2, 1)])).await;
    let other = agent.job().await;
    assert_eq!(other.id.uuid().as_u128(), 2);
    assert!(
        !second.context.cancel().is_cancelled(),
        "an old word ends nothing"
    );
    second.end.send(success()).unwrap();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let report = session.finished().await;
        session.answer(&report, "").await;
        ends.push(report.generation);
    }
    assert_eq!(ends, [Generation(1), Generation(2)]);
    agent.stop().await;
}

#[tokio::test]
async fn the_end_of_the_agent_interrupts_its_jobs() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let session = control.session().await;
    session.assign(&all(&[backup(1, 9)])).await;
    let job = agent.job().await;
    agent.stop().await;
    assert!(job.context.cancel().is_cancelled());
    drop(session);
    let agent = rig.start();
    let report = control.session().await.finished().await;
    assert_eq!(
        (report.assignment, report.generation),
        (assignment_id(1), Generation(9))
    );
    let JobEvent::Finished { outcome, .. } = report.event else {
        unreachable!()
    };
    let JobOutcome::Interrupted(failure) = *outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (failure.code.as_str(), failure.retryable),
        ("agent_stopped", true)
    );
    agent.stop().await;
}
