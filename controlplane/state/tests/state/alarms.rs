//! Alarms, silences and the outbox: of a key one is open, and everything is told once
//! and on record only when it was taken.

use holdfast_state::command::{
    AcknowledgeAlarm, DeleteResource, DeliveryAttempt, DeliveryOutcome, EndSilence, NewAlarm,
    NewNotice, PruneExpired, RaiseLevel, RecordDeliveries, RecordNotices, RepeatedAlarm, SetSecret,
    SettleAlarms, Settled, SilenceAlarms,
};
use holdfast_state::query::{self, AlarmFilter, AlarmState, AlarmView, NoticeView, PageRequest};
use holdfast_state::{Command, Refusal, schema};
use holdfast_types::access::{Scope, Visible};
use holdfast_types::alarm::{AlarmDetail, AlarmRule, DeliveryState, NoticeKind, Severity};
use holdfast_types::resource::{Document, Kind};
use holdfast_types::{AlarmId, NoticeId, SilenceId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{apply, document, name, sealed};
use crate::harness::{TestState, table};

fn alarm_id(number: u128) -> AlarmId {
    AlarmId::from_uuid(Uuid::from_u128(number))
}

fn notice_id(number: u128) -> NoticeId {
    NoticeId::from_uuid(Uuid::from_u128(number))
}

fn silence_id(number: u128) -> SilenceId {
    SilenceId::from_uuid(Uuid::from_u128(number))
}

/// A webhook that is told of everything.
pub(crate) fn channel(called: &str) -> Document {
    let spec =
        json!({"type": "webhook", "url": "https://hooks.example.com/x", "secret": "signing"});
    document("NotificationChannel", json!({"name": called}), spec)
}

fn new(number: u128, subject: &str) -> NewAlarm {
    NewAlarm {
        alarm: alarm_id(number),
        rule: AlarmRule::AgentAbsent,
        subject: subject.to_owned(),
        fleet: Some(name("default")),
        cluster: Some(name("orders")),
        severity: Severity::Warning,
        mark: "first".to_owned(),
        detail: AlarmDetail::new("the agent is away").because("agent_offline"),
    }
}

fn settle(open: Vec<NewAlarm>, repeat: Vec<RepeatedAlarm>, close: Vec<AlarmId>) -> SettleAlarms {
    SettleAlarms {
        open,
        repeat,
        close,
    }
}

pub(crate) fn open(number: u128, subject: &str) -> SettleAlarms {
    settle(vec![new(number, subject)], vec![], vec![])
}

fn close(number: u128) -> SettleAlarms {
    settle(vec![], vec![], vec![alarm_id(number)])
}

fn again(number: u128, mark: &str) -> SettleAlarms {
    let again = RepeatedAlarm {
        alarm: alarm_id(number),
        severity: Severity::Warning,
        mark: mark.to_owned(),
        detail: AlarmDetail::new("and away again"),
    };
    settle(vec![], vec![again], vec![])
}

pub(crate) fn notice(number: u128, alarm: u128, kind: NoticeKind) -> RecordNotices {
    let notice = NewNotice {
        notice: notice_id(number),
        channel: name("dba"),
        kind,
        rule: AlarmRule::AgentAbsent,
        fleet: Some(name("default")),
        thread: notice_id(1),
        alarms: vec![alarm_id(alarm)],
        remaining: 0,
    };
    RecordNotices {
        notices: vec![notice],
    }
}

fn attempt(notice: u128, number: u64, outcome: DeliveryOutcome) -> RecordDeliveries {
    let attempt = DeliveryAttempt {
        notice: notice_id(notice),
        number,
        outcome,
    };
    RecordDeliveries {
        attempts: vec![attempt],
    }
}

fn failed(next_at: Option<Timestamp>) -> DeliveryOutcome {
    let error = "HTTP 503".to_owned();
    DeliveryOutcome::Failed { error, next_at }
}

fn silence(number: u128, until: Timestamp) -> SilenceAlarms {
    SilenceAlarms {
        silence: silence_id(number),
        rule: Some(AlarmRule::AgentAbsent),
        fleet: Some(name("default")),
        cluster: None,
        reason: "the host is moved".to_owned(),
        until,
    }
}

/// One of each, for the golden bytes.
pub(crate) fn commands() -> Vec<(u32, Command)> {
    let at: Timestamp = "2026-02-03T10:41:07.25Z".parse().unwrap();
    let mut whole = open(7, "clusters/orders/agents/db1");
    whole.repeat = again(8, "second").repeat;
    whole.close = vec![alarm_id(9)];
    whole.open[0].detail = whole.open[0].detail.clone().since(at);
    let note = Some("ada is on it".to_owned());
    let mut deliveries = attempt(7, 2, failed(Some(at)));
    deliveries
        .attempts
        .extend(attempt(8, 1, DeliveryOutcome::Sent).attempts);
    deliveries
        .attempts
        .extend(attempt(9, 3, failed(None)).attempts);
    vec![
        (1, whole.into()),
        (
            1,
            AcknowledgeAlarm {
                alarm: alarm_id(7),
                note,
            }
            .into(),
        ),
        (1, silence(7, at).into()),
        (
            1,
            EndSilence {
                silence: silence_id(7),
            }
            .into(),
        ),
        (1, notice(7, 7, NoticeKind::Opened).into()),
        (1, deliveries.into()),
        (3, apply([channel("dba")]).into()),
    ]
}

/// Commands that find each other now and then.
pub(crate) fn random(two: u8, seconds: i16, serial: u128) -> Command {
    let subject = format!("clusters/orders/agents/db{}", two % 2);
    let at: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    match seconds.rem_euclid(9) {
        0 => open(serial, &subject).into(),
        1 => again(1, &serial.to_string()).into(),
        2 => close(1).into(),
        3 => notice(serial, 1, NoticeKind::Opened).into(),
        4 => notice(serial, 1, NoticeKind::Resolved).into(),
        5 => attempt(1, u64::from(two) + 1, failed(Some(at))).into(),
        6 => attempt(1, 1, DeliveryOutcome::Sent).into(),
        7 => silence(serial, at + SignedDuration::from_hours(24)).into(),
        _ => DeleteResource {
            kind: Kind::NotificationChannel,
            name: name("dba"),
            expected: None,
        }
        .into(),
    }
}

async fn ready() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    let signing = SetSecret {
        name: name("signing"),
        sealed: sealed(),
    };
    state.accept(signing).await;
    state.accept(apply([channel("dba")])).await;
    state
}

async fn alarm(state: &TestState, number: u128) -> AlarmView {
    let found = query::alarm(&state.conn, alarm_id(number)).await.unwrap();
    found.unwrap()
}

async fn notices(state: &TestState) -> Vec<NoticeView> {
    let page = PageRequest::longest();
    let found = query::notices_of(&state.conn, &name("dba"), None, &page).await;
    found.unwrap().items
}

#[tokio::test]
async fn of_a_key_one_alarm_is_open_and_what_happens_again_counts_up() {
    let mut state = ready().await;
    let subject = "clusters/orders/agents/db1";
    let opened = state.accept(open(1, subject)).await;
    assert_eq!((opened.opened, opened.repeated), (1, 0));
    assert!(state.woke("alarms/alm_00000000000000000000000000000001"));
    assert!(state.woke("task Alarms"));
    let before = state.dump().await;
    // Another leader that saw the same.
    let same = state.accept(open(2, subject)).await;
    let nothing = Settled {
        opened: 0,
        repeated: 0,
        closed: 0,
    };
    assert_eq!(same, nothing);
    assert_eq!(
        table(&state.dump().await, "alarms"),
        table(&before, "alarms")
    );
    state.pass(SignedDuration::from_secs(60));
    assert_eq!(state.accept(again(1, "second")).await.repeated, 1);
    assert_eq!(state.accept(again(1, "second")).await, nothing);
    let shown = alarm(&state, 1).await;
    assert_eq!(
        (shown.count, shown.detail.message.as_str()),
        (2, "and away again")
    );
    assert_eq!(shown.seen_at.duration_since(shown.opened_at).as_secs(), 60);

    assert_eq!(state.accept(close(1)).await.closed, 1);
    assert_eq!(state.accept(close(1)).await, nothing);
    assert_eq!(state.accept(again(1, "third")).await, nothing);
    // It begins anew, under another id.
    assert_eq!(state.accept(open(2, subject)).await.opened, 1);
    assert_eq!(alarm(&state, 2).await.count, 1);
    let filter = |state| AlarmFilter {
        state,
        cluster: Some(name("orders")),
        ..AlarmFilter::default()
    };
    for (which, count) in [
        (AlarmState::Open, 1),
        (AlarmState::Closed, 1),
        (AlarmState::Any, 2),
    ] {
        let page = PageRequest::longest();
        let found = query::alarms(&state.conn, &filter(which), &page).await;
        assert_eq!(found.unwrap().items.len(), count, "{which:?}");
    }
    let key = (AlarmRule::AgentAbsent, Severity::Warning);
    let all = query::alarm_counts(&state.conn, &Visible::Everything).await;
    assert_eq!(all.unwrap(), [(key, 1)].into());
    let other = Visible::Only(vec![Scope::Fleet(name("web"))]);
    let seen = query::alarm_counts(&state.conn, &other).await;
    assert!(seen.unwrap().is_empty());
}

#[tokio::test]
async fn who_takes_an_alarm_on_is_on_record_and_a_closed_one_is_nobodys() {
    let mut state = ready().await;
    state.accept(open(1, "clusters/orders")).await;
    let take = |note: Option<&str>| AcknowledgeAlarm {
        alarm: alarm_id(1),
        note: note.map(str::to_owned),
    };
    let first = state.accept(take(Some("on it"))).await;
    // Who was first stays.
    assert_eq!(state.accept(take(Some("me too"))).await, first);
    let shown = alarm(&state, 1).await;
    assert_eq!(shown.acknowledged_by.unwrap().to_string(), "user:admin");
    let whole = (Timestamp::MIN, Timestamp::MAX);
    let taken_on = query::acknowledgements(&state.conn, whole).await.unwrap();
    assert_eq!(taken_on[0].by.to_string(), "user:admin");
    assert_eq!(Some(taken_on[0].at), shown.acknowledged_at);
    assert_eq!(taken_on[0].note, shown.note);
    assert_eq!(taken_on[0].alarm.id, shown.id);
    let before = (Timestamp::MIN, taken_on[0].at);
    let before = query::acknowledgements(&state.conn, before).await.unwrap();
    assert!(before.is_empty());
    assert_eq!(shown.note.as_deref(), Some("on it"));
    let long = "x".repeat(501);
    let refused = state.refuse(take(Some(&long))).await;
    assert_eq!(refused.code(), "invalid");
    state.accept(close(1)).await;
    let refused = state.refuse(take(None)).await;
    assert_eq!(refused, Refusal::AlarmClosed { alarm: alarm_id(1) });
    let unknown = AcknowledgeAlarm {
        alarm: alarm_id(9),
        note: None,
    };
    assert_eq!(state.refuse(unknown).await.code(), "not_found");
}

#[tokio::test]
async fn a_silence_has_an_end_and_a_reason() {
    let mut state = ready().await;
    let later = state.now + SignedDuration::from_hours(2);
    assert_eq!(state.accept(silence(1, later)).await, silence_id(1));
    let found = query::silences(&state.conn, state.now).await.unwrap();
    assert_eq!(
        (found.len(), found[0].created_by.to_string()),
        (1, "user:admin".to_owned())
    );
    let over = query::silences(&state.conn, later).await.unwrap();
    assert!(over.is_empty());
    let far = state.now + SignedDuration::from_hours(32 * 24);
    for (wrong, field) in [
        (silence(2, state.now), "until"),
        (silence(2, far), "until"),
        (
            SilenceAlarms {
                reason: " ".to_owned(),
                ..silence(2, later)
            },
            "reason",
        ),
    ] {
        assert_eq!(state.refuse(wrong).await.field(), Some(field));
    }
    let unknown = SilenceAlarms {
        cluster: Some(name("nobody")),
        ..silence(2, later)
    };
    assert_eq!(state.refuse(unknown).await.code(), "not_found");
    let end = EndSilence {
        silence: silence_id(1),
    };
    state.accept(end.clone()).await;
    assert!(state.woke("task Alarms"));
    assert_eq!(state.refuse(end).await.code(), "not_found");
}

/// I-14: what two leaders decide is told once.
#[tokio::test]
async fn a_channel_is_told_once_of_each_and_only_what_is_so() {
    let mut state = ready().await;
    state.accept(open(1, "clusters/orders")).await;
    for kind in [
        NoticeKind::Resolved,
        NoticeKind::Acknowledged,
        NoticeKind::Test,
    ] {
        assert_eq!(state.accept(notice(9, 1, kind)).await, 0, "{kind}");
    }
    assert_eq!(state.accept(notice(1, 1, NoticeKind::Opened)).await, 1);
    assert!(state.woke("task Notices"));
    assert_eq!(state.accept(notice(2, 1, NoticeKind::Opened)).await, 0);
    assert_eq!(
        alarm(&state, 1).await.told[&name("dba")].thread,
        notice_id(1)
    );
    let take = AcknowledgeAlarm {
        alarm: alarm_id(1),
        note: None,
    };
    state.accept(take).await;
    assert_eq!(
        state.accept(notice(3, 1, NoticeKind::Acknowledged)).await,
        1
    );
    assert_eq!(
        state.accept(notice(4, 1, NoticeKind::Acknowledged)).await,
        0
    );
    state.accept(close(1)).await;
    // It is remembered until the end of it is told.
    let owed = query::unsettled_alarms(&state.conn).await.unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!(state.accept(notice(5, 1, NoticeKind::Opened)).await, 0);
    assert_eq!(state.accept(notice(6, 1, NoticeKind::Resolved)).await, 1);
    assert_eq!(state.accept(notice(7, 1, NoticeKind::Resolved)).await, 0);
    let owed = query::unsettled_alarms(&state.conn).await.unwrap();
    assert!(owed.is_empty());
    let kinds: Vec<NoticeKind> = notices(&state).await.iter().map(|one| one.kind).collect();
    use NoticeKind::{Acknowledged, Opened, Resolved};
    assert_eq!(kinds, [Resolved, Acknowledged, Opened]);
}

#[tokio::test]
async fn an_attempt_counts_once_and_a_delivery_when_it_was_taken() {
    let mut state = ready().await;
    state.accept(open(1, "clusters/orders")).await;
    state.accept(notice(1, 1, NoticeKind::Opened)).await;
    let next = state.now + SignedDuration::from_secs(5);
    assert_eq!(state.accept(attempt(1, 1, failed(Some(next)))).await, 1);
    // The same attempt by a leader that was deposed.
    assert_eq!(state.accept(attempt(1, 1, failed(Some(next)))).await, 0);
    let shown = notices(&state).await.remove(0);
    assert_eq!((shown.state, shown.attempts), (DeliveryState::Pending, 1));
    assert_eq!(
        (shown.error.as_deref(), shown.next_at),
        (Some("HTTP 503"), Some(next))
    );
    let health = query::channel_health(&state.conn).await.unwrap();
    assert_eq!(health[&name("dba")].failed_attempts, 1);
    // A channel that was mended is told at once.
    let mut mended = channel("dba");
    mended
        .metadata
        .labels
        .insert("a".to_owned(), "b".to_owned());
    state.accept(apply([mended])).await;
    assert_eq!(notices(&state).await[0].next_at, Some(state.now));
    assert_eq!(state.accept(attempt(1, 2, DeliveryOutcome::Sent)).await, 1);
    assert_eq!(state.accept(attempt(1, 3, failed(None))).await, 0);
    let shown = notices(&state).await.remove(0);
    assert_eq!(
        (shown.state, shown.error, shown.attempts),
        (DeliveryState::Sent, None, 2)
    );
    assert_eq!(shown.done_at, Some(state.now));

    state.accept(close(1)).await;
    state.accept(notice(2, 1, NoticeKind::Resolved)).await;
    state.accept(attempt(2, 1, failed(None))).await;
    let health = query::channel_health(&state.conn).await.unwrap();
    assert_eq!(health[&name("dba")].gave_up, Some(notice_id(2)));
    state.pass(SignedDuration::from_hours(31 * 24));
    state.accept(PruneExpired {}).await;
    assert!(notices(&state).await.is_empty());
    state.pass(SignedDuration::from_hours(400 * 24));
    state.accept(PruneExpired {}).await;
    assert!(table(&state.dump().await, "alarms").is_empty());
}

#[tokio::test]
async fn a_channel_that_is_gone_is_owed_nothing() {
    let mut state = ready().await;
    state.accept(open(1, "clusters/orders")).await;
    state.accept(notice(1, 1, NoticeKind::Opened)).await;
    let delete = DeleteResource {
        kind: Kind::NotificationChannel,
        name: name("dba"),
        expected: None,
    };
    state.accept(delete).await;
    assert!(alarm(&state, 1).await.told.is_empty());
    let shown = notices(&state).await.remove(0);
    assert_eq!(shown.state, DeliveryState::Failed);
    assert_eq!(state.accept(notice(2, 1, NoticeKind::Opened)).await, 0);
    state.accept(close(1)).await;
    let owed = query::unsettled_alarms(&state.conn).await.unwrap();
    assert!(owed.is_empty());
    // Another one of its name is told of what is open as if of new.
    state.accept(apply([channel("dba")])).await;
    state.accept(open(2, "clusters/orders")).await;
    assert_eq!(state.accept(notice(3, 2, NoticeKind::Opened)).await, 1);
}

#[tokio::test]
async fn before_the_level_there_are_none() {
    let mut state = TestState::protecting().await;
    let refused = state.refuse(open(1, "clusters/orders")).await;
    assert_eq!(refused.code(), "level_too_low");
    let page = PageRequest::longest();
    let found = query::alarms(&state.conn, &AlarmFilter::default(), &page).await;
    assert!(found.unwrap().items.is_empty());
    assert!(
        query::silences(&state.conn, state.now)
            .await
            .unwrap()
            .is_empty()
    );
    let signing = SetSecret {
        name: name("signing"),
        sealed: sealed(),
    };
    state.accept(signing).await;
    let refused = state.refuse(apply([channel("dba")])).await;
    assert_eq!(refused.code(), "level_too_low");
}
