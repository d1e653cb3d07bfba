//! Standing duties: compared, kept over restarts, retired only by a quorum.

use holdfast_proto::{Assignments, WalReport, WalWork, Work, v1};
use holdfast_types::{Failure, Generation};

use crate::control::{Control, Heartbeats, Session, Setup};
use crate::rig::{Event, Rig, Running, all, assignment_id, backup, blank, duty};

async fn started(agent: &mut Running) -> (u128, u64, tokio::sync::watch::Sender<WalReport>) {
    match agent.event().await {
        Event::DutyStarted(id, generation, report) => (id.uuid().as_u128(), generation.0, report),
        other => panic!("no duty started: {other:?}"),
    }
}

async fn wal(session: &mut Session) -> WalReport {
    let report = session.next(|message| match message {
        v1::agent_message::Message::Wal(report) => Some(report.clone()),
        _ => None,
    });
    report.await.try_into().unwrap()
}

// I-08
#[tokio::test]
async fn duties_go_on_after_a_restart_without_the_control_plane() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let session = control.session().await;
    session.assign(&all(&[duty(1, 3), duty(2, 1)])).await;
    started(&mut agent).await;
    started(&mut agent).await;
    // The control plane is gone: nothing ends.
    drop(session);
    drop(control);
    let events = agent.stop().await;
    let stopped = events
        .iter()
        .filter(|event| matches!(event, Event::DutyStopped(..)))
        .count();
    assert_eq!(
        (stopped, events.len()),
        (2, 2),
        "stopped by the end alone, none retired"
    );
    // And nothing that stood is forgotten, though nobody can be asked.
    let mut agent = rig.start();
    let mut again = [started(&mut agent).await, started(&mut agent).await]
        .map(|(id, generation, _)| (id, generation));
    again.sort_unstable();
    assert_eq!(again, [(1, 3), (2, 1)]);
    agent.stop().await;
}

// I-15
#[tokio::test]
async fn what_is_no_longer_assigned_is_retired_and_the_rest_is_left_alone() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session
        .assign(&all(&[duty(1, 1), duty(2, 1), duty(3, 1)]))
        .await;
    for _ in 0..3 {
        started(&mut agent).await;
    }
    session.heartbeat().await;
    // 1 goes, 2 stays, 3 changes hands.
    session.assign(&all(&[duty(2, 1), duty(3, 2)])).await;
    let event = agent.event().await;
    assert!(
        matches!(event, Event::DutyStopped(id, Generation(1)) if id == assignment_id(3)),
        "{event:?}"
    );
    let (id, generation, _) = started(&mut agent).await;
    assert_eq!((id, generation), (3, 2));
    let event = agent.event().await;
    assert!(
        matches!(event, Event::DutyRetired(id, Generation(1)) if id == assignment_id(1)),
        "{event:?}"
    );
    let events = agent.stop().await;
    assert_eq!(events.len(), 2, "two stood until the end: {events:?}");
}

/// The set of a node that is behind: what it lacks comes back, and nothing of
/// it was touched meanwhile.
#[tokio::test]
async fn a_node_that_is_behind_ends_nothing() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[duty(1, 1), backup(2, 1)])).await;
    started(&mut agent).await;
    let job = agent.job().await;
    session.heartbeat().await;
    session.assign(&all(&[])).await;
    session.settle(1).await;
    session
        .assign(&all(&[duty(1, 1), backup(2, 1), duty(3, 1)]))
        .await;
    let (id, _, _) = started(&mut agent).await;
    assert_eq!(id, 3, "the first one stands, so it does not start again");
    assert!(!job.context.cancel().is_cancelled());
    agent.stop().await;
}

// I-04
#[tokio::test]
async fn without_a_quorum_no_slot_is_dropped_and_the_duty_is_not_forgotten() {
    let heartbeats = Heartbeats {
        quorum: false,
        ..Heartbeats::default()
    };
    let mut control = Control::start_with(Setup {
        heartbeats,
        ..Setup::default()
    })
    .await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[duty(1, 1)])).await;
    started(&mut agent).await;
    session.heartbeat().await;
    session.assign(&all(&[duty(2, 1)])).await;
    started(&mut agent).await;
    let events = agent.stop().await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events
            .iter()
            .all(|event| matches!(event, Event::DutyStopped(..))),
        "{events:?}"
    );
    // The next process takes both up: somebody must drop that slot one day.
    let mut agent = rig.start();
    started(&mut agent).await;
    started(&mut agent).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_newest_report_of_a_duty_is_sent_also_to_the_next_session() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[duty(1, 1)])).await;
    let (_, _, sender) = started(&mut agent).await;
    assert_eq!(
        wal(&mut session).await,
        blank(assignment_id(1), Generation(1))
    );
    let trouble = |code: &str| {
        let trouble = Some(Failure::transient(code, "no", "wait"));
        WalReport {
            trouble,
            ..blank(assignment_id(1), Generation(1))
        }
    };
    sender.send_replace(trouble("first"));
    assert_eq!(wal(&mut session).await, trouble("first"));
    drop(session);
    sender.send_replace(trouble("second"));
    sender.send_replace(trouble("third"));
    let mut session = control.session().await;
    assert_eq!(
        wal(&mut session).await,
        trouble("third"),
        "only the newest counts"
    );
    agent.stop().await;
}

/// The slot at this agent's instance of a cluster, to be kept.
fn slot(number: u128) -> WalWork {
    let Work::ReceiveWal(work) = duty(number, 1).work else {
        panic!("a duty receives WAL")
    };
    WalWork {
        instance_agent: Some("db1".parse().unwrap()),
        ..*work
    }
}

fn kept(numbers: &[u128]) -> Assignments {
    Assignments {
        slots: numbers.iter().copied().map(slot).collect(),
        ..Assignments::default()
    }
}

// I-08, I-15
#[tokio::test]
async fn slots_are_kept_over_restarts_and_dropped_when_nobody_wants_them() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let session = control.session().await;
    session.assign(&kept(&[1, 2])).await;
    let one: holdfast_types::Name = "orders-1".parse().unwrap();
    let two: holdfast_types::Name = "orders-2".parse().unwrap();
    assert!(matches!(agent.event().await, Event::SlotKept(name) if name == one));
    assert!(matches!(agent.event().await, Event::SlotKept(name) if name == two));
    drop(session);
    let events = agent.stop().await;
    let left =
        |event: &Event| matches!(event, Event::SlotLeft(name) if [&one, &two].contains(&name));
    assert!(events.iter().all(left), "they stay: {events:?}");
    let mut agent = rig.start();
    for _ in 0..2 {
        assert!(matches!(agent.event().await, Event::SlotKept(_)));
    }
    let mut session = control.session().await;
    session.heartbeat().await;
    session.assign(&kept(&[2])).await;
    let event = agent.event().await;
    assert!(
        matches!(&event, Event::SlotDropped(name) if *name == one),
        "{event:?}"
    );
    agent.stop().await;
}

/// A standby is promoted, and the old primary becomes one: neither slot is ever
/// dropped, for WAL that it keeps may be all there is.
#[tokio::test]
async fn a_slot_changes_hands_without_being_dropped() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&kept(&[1])).await;
    assert!(matches!(agent.event().await, Event::SlotKept(_)));
    session.heartbeat().await;
    session.assign(&all(&[duty(1, 1)])).await;
    let event = agent.event().await;
    assert!(matches!(event, Event::SlotLeft(_)), "{event:?}");
    started(&mut agent).await;
    session.assign(&kept(&[1])).await;
    let event = agent.event().await;
    assert!(matches!(event, Event::SlotKept(_)), "{event:?}");
    let event = agent.event().await;
    assert!(
        matches!(event, Event::DutyStopped(id, _) if id == assignment_id(1)),
        "ended, and the slot goes on: {event:?}"
    );
    agent.stop().await;
}
