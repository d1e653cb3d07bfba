//! Schedules without a control plane: what is done is journaled first, and
//! reported in its order (I-08).

use holdfast_agent::journal::{Decided, Journal, OwnRun, OwnState, Stretch};
use holdfast_proto::v1::{self, agent_message::Message as Up, control_message::Message as Down};
use holdfast_proto::{
    Assignments, Held, JobEvent, JobOutcome, JobSuccess, OfflineBegan, OfflineEvent, OfflineReport,
    StandingOrders, StandingSchedule,
};
use holdfast_types::resource::{Compression, Schedule};
use holdfast_types::schedule::{Attempt, RunId, Timetable};
use holdfast_types::{AgentId, Failure, Generation, Name, Span};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::control::{Control, Heartbeats, Session, Setup};
use crate::rig::{Rig, instance, repository};

fn cluster() -> Name {
    "orders".parse().unwrap()
}

/// A schedule that was due lately and is not due again while the test lasts,
/// and when that was: the grid of `every` is shifted by the name.
fn due_once() -> (Schedule, Timestamp) {
    let now = Timestamp::now();
    let fits = |number: u32| {
        let document = json!({"name": format!("often-{number}"), "kind": "full", "every": "1h"});
        let schedule: Schedule = serde_json::from_value(document).unwrap();
        let timetable = Timetable::new(&cluster(), &schedule).unwrap();
        let recent = (now - SignedDuration::from_secs(200), now);
        let due = timetable.due_between(recent.0, recent.1).last();
        due.map(|due| (schedule, due.at))
    };
    (0..).find_map(fits).unwrap()
}

fn orders(schedule: &Schedule, decided_until: Timestamp) -> Assignments {
    let orders = StandingOrders {
        cluster: cluster(),
        repository: repository(),
        instance: instance("host=/nowhere user=holdfast"),
        compression: Compression::DEFAULT,
        incarnation: 1,
        parent: None,
        own_wal: false,
        schedules: vec![StandingSchedule {
            schedule: schedule.clone(),
            anchor: "hourly".to_owned(),
            decided_until,
            open: Vec::new(),
        }],
    };
    Assignments {
        orders: vec![orders],
        ..Assignments::default()
    }
}

async fn offline(session: &mut Session) -> OfflineReport {
    let report = session.next(|message| match message {
        Up::Offline(report) => Some(report.clone()),
        _ => None,
    });
    report.await.try_into().unwrap()
}

async fn accept(session: &Session, sequence: u64) {
    let answer = v1::ReportAnswer {
        sequence,
        ..v1::ReportAnswer::default()
    };
    session.send(Down::Report(answer)).await;
}

fn success() -> JobOutcome {
    JobOutcome::Succeeded(JobSuccess {
        result: Value::Null,
        backup: None,
        wal: None,
        repository: None,
    })
}

fn agent_id() -> AgentId {
    "agt_0199f3c2a7b47d1e8f0123456789abcd".parse().unwrap()
}

/// What is told next but for `again`: the answer to that may have been lost
/// with the process, and then it is told again.
async fn settled(session: &mut Session, again: &OfflineReport) -> OfflineReport {
    loop {
        let told = offline(session).await;
        if told != *again {
            return told;
        }
        accept(session, told.sequence).await;
    }
}

#[tokio::test]
async fn a_run_is_taken_without_a_quorum_and_handed_back_with_one() {
    let heartbeats = Heartbeats {
        quorum: false,
        ..Heartbeats::default()
    };
    let mut minority = Control::start_with(Setup {
        heartbeats,
        ..Setup::default()
    })
    .await;
    let rig = Rig::enrolled(&minority).await;
    let mut config = rig.config();
    config.control.take_over_after = Span::from_secs(1);
    let mut agent = rig.start_with(config.clone());
    let mut session = minority.session().await;
    assert!(!session.hello.offline_unsettled);
    let (schedule, due) = due_once();
    let before = due - SignedDuration::from_secs(1);
    session.assign(&orders(&schedule, before)).await;

    let run = RunId::new(cluster(), schedule.name.clone(), due);
    let job = agent.job().await;
    assert_eq!(job.id, run.job_id());
    // It is told before its transitions are, under the generation they name.
    let began = offline(&mut session).await;
    let OfflineEvent::Began(attempt) = &began.event else {
        panic!("{began:?}")
    };
    assert_eq!((attempt.due, attempt.number), (due, 1));
    let started = session.report().await;
    assert_eq!(started.event, JobEvent::Started);
    assert_eq!(started.assignment, run.assignment_id(agent_id()));
    assert_eq!(started.assignment, attempt.assignment);
    assert_eq!(started.generation, Generation(1));
    assert!(began.sequence < started.sequence);
    job.end.send(success()).unwrap();
    accept(&session, began.sequence).await;
    session.answer(&started, "").await;
    let finished = session.finished().await;
    agent.stop().await;

    // Another process, and a control plane with a quorum.
    let mut whole = Control::start_with(Setup {
        ca: minority.ca.clone(),
        ..Setup::default()
    })
    .await;
    drop(session);
    drop(minority);
    config.control.servers = vec![whole.url()];
    let agent = rig.start_with(config.clone());
    let mut session = whole.session().await;
    assert!(session.hello.offline_unsettled, "it owes what it has done");
    let again = session.finished().await;
    assert_eq!(again, finished, "nobody had answered it");
    session.answer(&again, "").await;
    let settled = settled(&mut session, &began).await;
    let OfflineEvent::Settled(handed_back) = &settled.event else {
        panic!("{settled:?}")
    };
    assert_eq!(handed_back.anchor, "hourly");
    assert_eq!(handed_back.from, before);
    assert!(handed_back.until >= due);
    accept(&session, settled.sequence).await;
    session.settle(7).await;
    agent.stop().await;

    let agent = rig.start_with(config);
    let session = whole.session().await;
    assert!(!session.hello.offline_unsettled, "all of it is answered");
    agent.stop().await;
}

#[tokio::test]
async fn what_a_kill_cut_short_is_tried_again_under_the_next_generation() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Journal::open(directory.path()).unwrap();
    let (schedule, due) = due_once();
    let run = RunId::new(cluster(), schedule.name.clone(), due);
    let journal = open();
    let stretch = Stretch {
        cluster: cluster(),
        schedule: schedule.name,
        anchor: "hourly".to_owned(),
        from: due - SignedDuration::from_secs(1),
        until: due,
        settled: false,
    };
    let own = OwnRun {
        run: run.clone(),
        state: OwnState::Waiting,
        not_before: due,
        latest: None,
        late: false,
        attempts: 0,
        attempts_max: 2,
    };
    let decided = Decided {
        stretch,
        runs: vec![own],
        not: vec![],
    };
    journal.decide(decided.clone()).await.unwrap();
    assert!(journal.owes());
    for number in 1..=2 {
        let attempt = Attempt::Offline {
            agent: agent_id(),
            number,
        };
        let held = Held {
            assignment: run.assignment_id(agent_id()),
            generation: attempt.generation(),
        };
        let began = OfflineBegan {
            due,
            assignment: held.assignment,
            number,
            late: false,
            began_at: due,
        };
        assert!(journal.begin_own(run.clone(), began, held).await.unwrap());
        // Never twice under one generation (I-14).
        let again = journal.begin_own(run.clone(), began, held);
        assert!(!again.await.unwrap());
        let why = Failure::transient("agent_interrupted", "killed", "nothing");
        let restarted = open();
        assert_eq!(restarted.interrupt_all(why).await.unwrap(), [held]);
        let own = restarted.own().await.unwrap();
        let expected = if number == 1 {
            OwnState::Waiting
        } else {
            OwnState::Ended
        };
        assert_eq!(
            (own.runs[0].state, own.runs[0].attempts),
            (expected, number)
        );
        // A decision that is made again changes nothing of it.
        restarted.decide(decided.clone()).await.unwrap();
        assert_eq!(restarted.own().await.unwrap().runs, own.runs);
    }
}
