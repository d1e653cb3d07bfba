use holdfast_types::alarm::{AlarmDetail, AlarmRule, NoticeAlarm, NoticeKind, Severity};
use holdfast_types::resource::{Document, Resource};
use holdfast_types::{AlarmId, NoticeId};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn channel(spec: Value) -> NotificationChannel {
    let document = json!({"apiVersion": "holdfast/v1", "kind": "NotificationChannel",
        "metadata": {"name": "dba"}, "spec": spec});
    match Document::from_value(document).unwrap().resource {
        Resource::NotificationChannel(channel) => *channel,
        other => panic!("{other:?}"),
    }
}

fn message(kind: NoticeKind, alarms: usize, remaining: u64) -> Message {
    let alarm = |number: usize| NoticeAlarm {
        id: AlarmId::from_uuid(Uuid::from_u128(number as u128)),
        subject: format!("clusters/c{number}/agents/db{number}"),
        cluster: Some(name(&format!("c{number}"))),
        severity: Severity::Warning,
        detail: AlarmDetail::new(format!("the agent <db{number}> & co are away")),
        count: number as u64,
        opened_at: at("2026-02-03T02:41:07Z"),
        closed_at: (kind == NoticeKind::Resolved).then(|| at("2026-02-03T02:51:07Z")),
        acknowledged_by: None,
    };
    Message {
        key: NoticeId::from_uuid(Uuid::from_u128(7)),
        thread: NoticeId::from_uuid(Uuid::from_u128(6)),
        channel: name("dba"),
        kind,
        rule: Some(AlarmRule::AgentAbsent),
        fleet: Some(name("payments")),
        severity: Severity::Warning,
        at: at("2026-02-03T02:41:22Z"),
        alarms: (1..=alarms).map(alarm).collect(),
        remaining,
        tested_by: None,
    }
}

/// What `printf '1770086482.{"a":1}' | openssl dgst -sha256 -hmac …` says.
#[test]
fn a_signature_is_the_hmac_of_the_time_and_the_body() {
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let signed = webhook::sign(&secret, 1_770_086_482, "{\"a\":1}");
    let (time, signature) = signed.split_once(",v1=").unwrap();
    assert_eq!(time, "t=1770086482");
    let key = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        b"0123456789abcdef0123456789abcdef",
    );
    let bytes = hex::decode(signature).unwrap();
    aws_lc_rs::hmac::verify(&key, b"1770086482.{\"a\":1}", &bytes).unwrap();
    assert!(aws_lc_rs::hmac::verify(&key, b"1770086483.{\"a\":1}", &bytes).is_err());
}

#[test]
fn what_is_told_says_what_where_and_what_to_do() {
    let one = message(NoticeKind::Opened, 1, 1);
    assert_eq!(
        one.headline(),
        "WARNING: agent away: clusters/c1/agents/db1"
    );
    let many = message(NoticeKind::Opened, 25, 25);
    assert_eq!(
        many.headline(),
        "WARNING: agent away: 25 in the fleet payments"
    );
    let lines = many.lines();
    assert_eq!((lines.len(), lines[20].as_str()), (21, "and 5 more"));
    assert!(lines[1].ends_with("are away, 2 times"), "{}", lines[1]);
    let over = message(NoticeKind::Resolved, 1, 2);
    assert_eq!(
        over.headline(),
        "RESOLVED: agent away: clusters/c1/agents/db1"
    );
    assert_eq!(over.rest().unwrap(), "2 more are still open");
    assert_eq!(over.advice(), None);
    let text = email::text(&one);
    assert!(
        text.contains("What to do: see that the host is up"),
        "{text}"
    );
    assert!(!text.replace("\r\n", "").contains('\n'), "{text:?}");
}

#[test]
fn each_kind_of_channel_has_its_form() {
    let one = message(NoticeKind::Opened, 1, 1);
    let posted = webhook::body(&one);
    assert_eq!(posted["key"], "ntc_00000000000000000000000000000007");
    assert_eq!(
        posted["alarms"][0]["detail"]["message"],
        "the agent <db1> & co are away"
    );
    assert_eq!(
        (&posted["rule"], &posted["kind"]),
        (&json!("agent_absent"), &json!("opened"))
    );

    let shown = slack::body(&one);
    let text = shown["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.contains("&lt;db1&gt; &amp; co"), "{text}");
    let longest = slack::body(&message(NoticeKind::Opened, 25, 25));
    for block in longest["blocks"].as_array().unwrap() {
        let length = block["text"]["text"]
            .as_str()
            .unwrap_or_default()
            .chars()
            .count();
        assert!(length <= 3000, "{length}");
    }

    let key = Secret::new("routing");
    let event = |kind, remaining| pagerduty::body(&message(kind, 1, remaining), &key);
    let trigger = event(NoticeKind::Opened, 1);
    assert_eq!(trigger["event_action"], "trigger");
    assert_eq!(trigger["dedup_key"], "ntc_00000000000000000000000000000006");
    assert_eq!(trigger["payload"]["severity"], "warning");
    assert_eq!(trigger["routing_key"], "routing");
    assert_eq!(
        event(NoticeKind::Acknowledged, 0)["event_action"],
        "acknowledge"
    );
    assert_eq!(
        event(NoticeKind::Acknowledged, 1)["event_action"],
        "trigger"
    );
    assert_eq!(event(NoticeKind::Resolved, 1)["event_action"], "trigger");
    let resolved = event(NoticeKind::Resolved, 0);
    assert_eq!(resolved["event_action"], "resolve");
    assert_eq!(resolved["dedup_key"], trigger["dedup_key"]);
}

#[test]
fn a_secret_must_do_what_it_is_for() {
    let spec = json!({"type": "webhook", "urlSecret": "where", "secret": "signing",
        "secretHeaders": {"Authorization": "bearer"}});
    let channel = channel(spec);
    let check =
        |called: &str, value: &str| check_secret(&channel, &name(called), &Secret::new(value));
    let short = check("signing", "0123456789abcdef").unwrap_err();
    assert_eq!(
        short,
        "is too short to sign with: 16 bytes, and 32 are needed"
    );
    // The end of the line that a file has counts for nothing.
    assert!(check("signing", "0123456789abcdef0123456789abcde\n").is_err());
    check("signing", "0123456789abcdef0123456789abcdef\n").unwrap();
    check("where", "https://hooks.example.com/T1/B2/xyz\n").unwrap();
    let wrong = check("where", "http://hooks.example.com/T1/B2/xyz").unwrap_err();
    assert!(!wrong.contains("xyz"), "{wrong}");
    check("bearer", "Bearer abc\n").unwrap();
    check("bearer", "Bearer\r\nX: y").unwrap_err();
    check("other", "").unwrap();
}

/// I-10
#[test]
fn what_a_channel_says_is_cleaned_of_secrets() {
    let spec = json!({"type": "webhook", "urlSecret": "where", "secret": "signing"});
    let channel = channel(spec);
    let secrets = [
        (
            name("where"),
            Secret::new("https://hooks.example.com/T1/B2/xyz\n"),
        ),
        (
            name("signing"),
            Secret::new("0123456789abcdef0123456789abcdef"),
        ),
    ];
    let open = OpenChannel::open(&channel, &secrets.into()).unwrap();
    assert_eq!(format!("{open:?}"), "OpenChannel(hidden)");
    let said = "HTTP 404: no such hook: https://hooks.example.com/T1/B2/xyz\r\nbye";
    assert_eq!(open.clean(said), "HTTP 404: no such hook: [secret]  bye");
    assert_eq!(open.clean(&"x".repeat(5000)).len(), SAID_MOST);
    let missing = OpenChannel::open(&channel, &BTreeMap::new()).unwrap_err();
    assert!(missing.contains("no secret"), "{missing}");
}

#[test]
fn mail_has_addresses_that_mail_servers_take() {
    let spec = |from: &str| json!({"type": "email", "host": "mail.example.com", "from": from, "to": ["dba@example.com"]});
    OpenChannel::check(&channel(spec("Holdfast <holdfast@example.com>"))).unwrap();
    let (field, _) = OpenChannel::check(&channel(spec("a b@example.com"))).unwrap_err();
    assert_eq!(field, "spec.from");
}
