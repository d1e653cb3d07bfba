//! Alarms and what is told of them, with servers that are told.

use aws_lc_rs::hmac;
use holdfast_types::Span;
use holdfastd::config::Config;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::authz::{Person, in_fleet};
use crate::node::{Node, eventually, policy, repository};
use crate::receivers::{MailServer, Post, Receiver};

const SIGNING: &str = "0123456789abcdef0123456789abcdef";

fn quick(config: &mut Config) {
    config.alarms.group = Span::from_millis(300);
    config.alarms.settle = Span::from_millis(300);
    config.alarms.retry = Span::from_millis(50);
    config.alarms.approval_after = Span::from_millis(0);
}

async fn node() -> Node {
    let node = Node::start_with(quick).await;
    secret(&node, "signing", SIGNING).await;
    node
}

async fn secret(node: &Node, name: &str, value: &str) {
    let path = format!("/api/v1/secrets/{name}");
    let set = node.put(&path, json!({"value": value})).await;
    assert!(set.status.is_success(), "{}", set.body);
}

fn channel(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "NotificationChannel",
           "metadata": {"name": name}, "spec": spec})
}

fn webhook(name: &str, receiver: &Receiver, more: Value) -> Value {
    let mut spec = json!({"type": "webhook", "url": receiver.url, "secret": "signing"});
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    channel(name, spec)
}

fn fleet(name: &str) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": name}})
}

/// Clusters that no policy selects, in a fleet.
async fn unprotected(node: &Node, of: &str, names: &[&str]) {
    let mut documents = vec![fleet(of)];
    documents.extend(names.iter().map(|name| in_fleet(name, of, "db1")));
    node.apply(json!(documents)).await.expect(200);
}

fn is(body: &Value, kind: &str, rule: &str) -> bool {
    body["kind"] == kind && body["rule"] == rule
}

/// The signature is of this body, by this secret.
fn verify(post: &Post) {
    let (time, signature) = post
        .header("holdfast-signature")
        .split_once(",v1=")
        .unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING.as_bytes());
    let signed = format!("{time}.{}", post.text);
    hmac::verify(&key, signed.as_bytes(), &hex::decode(signature).unwrap()).unwrap();
    assert_eq!(post.header("idempotency-key"), post.body["key"]);
}

async fn alarms(node: &Node, query: &str) -> Vec<Value> {
    let list = node
        .get(&format!("/api/v1/alarms?{query}"))
        .await
        .expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn hears(events: &mut reqwest::Response, wanted: &str) {
    let mut heard = String::new();
    while !heard.contains(wanted) {
        let chunk = events.chunk().await.unwrap().expect("the stream ended");
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn alarms_of_one_rule_in_one_fleet_are_told_together_and_once() {
    let mut node = node().await;
    let receiver = Receiver::start().await;
    drop(Agent::enrol(&node, "db1").await);
    let path = "/api/v1/events";
    let events = node.request(reqwest::Method::GET, path).send().await;
    let mut events = events.unwrap();
    node.apply(json!([webhook("dba", &receiver, json!({}))]))
        .await
        .expect(200);
    unprotected(&node, "payments", &["orders", "billing", "ledger"]).await;
    let told = receiver
        .told("the notice", |body| is(body, "opened", "unprotected"))
        .await;
    verify(&told);
    assert_eq!(
        told.body["alarms"].as_array().unwrap().len(),
        3,
        "{}",
        told.body
    );
    assert_eq!(
        (&told.body["fleet"], &told.body["remaining"]),
        (&json!("payments"), &json!(3))
    );
    assert_eq!(told.body["severity"], "warning");
    assert_eq!(
        told.body["summary"],
        "WARNING: cluster unprotected: 3 in the fleet payments"
    );
    hears(&mut events, "event: alarms.changed").await;

    let open = alarms(&node, "rule=unprotected").await;
    assert_eq!(open.len(), 3);
    assert_eq!(open[0]["cause"], "no_policy");
    let told_at = &open[0]["told"]["dba"];
    assert_eq!(*told_at, told.body["key"]);
    let status = node.get("/api/v1/status").await.expect(200);
    assert_eq!(status["counts"]["alarms"]["warning"], 3);
    let metrics = node.get("/metrics").await.body;
    let line = "holdfast_alarms{rule=\"unprotected\",severity=\"warning\"} 3";
    assert!(metrics.as_str().unwrap().contains(line), "{metrics}");

    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    let over = receiver
        .told("the end", |body| is(body, "resolved", "unprotected"))
        .await;
    verify(&over);
    assert_eq!(over.body["thread"], told.body["thread"]);
    let posts = receiver.taken(|body| body["rule"] == "unprotected");
    let resolved: usize = posts
        .iter()
        .filter(|post| post.body["kind"] == "resolved")
        .map(|post| post.body["alarms"].as_array().unwrap().len())
        .sum();
    assert!(resolved >= 1);
    let opened = posts.iter().filter(|post| post.body["kind"] == "opened");
    assert_eq!(opened.count(), 1, "nothing is told twice");
    let sent = node
        .get("/api/v1/notification-channels/dba/deliveries?state=sent")
        .await
        .expect(200);
    let kinds: Vec<&Value> = sent["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert!(kinds.contains(&&json!("opened")), "{sent}");
    node.stop().await;
}

#[tokio::test]
async fn a_channel_that_fails_is_told_on_the_others_and_is_told_later_itself() {
    let mut node = node().await;
    let (down, well) = (Receiver::start().await, Receiver::start().await);
    drop(Agent::enrol(&node, "db1").await);
    secret(&node, "bearer", "Bearer geheim-und-lang").await;
    // What it echoes is shown to nobody (I-10).
    down.refuse(503, "who is Bearer geheim-und-lang? Not now");
    let header = json!({"secretHeaders": {"Authorization": "bearer"}});
    node.apply(json!([
        webhook("down", &down, header),
        webhook("well", &well, json!({}))
    ]))
    .await
    .expect(200);
    unprotected(&node, "payments", &["orders"]).await;
    let failing = |body: &Value| is(body, "opened", "channel_failing");
    let told = well.told("that the other fails", failing).await;
    assert_eq!(
        told.body["alarms"][0]["subject"],
        "notification-channels/down"
    );
    let path = "/api/v1/notification-channels/down/deliveries";
    let pending = node.get(&format!("{path}?state=pending")).await.expect(200);
    // Others may wait behind it by now: the agent is absent too.
    let pending = pending["items"].as_array().unwrap().iter();
    let pending = pending.max_by_key(|one| one["attempts"].as_u64()).unwrap();
    assert!(pending["attempts"].as_u64().unwrap() >= 3, "{pending}");
    assert!(pending["nextAttemptAt"].is_string(), "{pending}");
    let error = pending["lastError"].as_str().unwrap();
    assert!(
        error.starts_with("HTTP 503") && error.contains("Not now"),
        "{error}"
    );
    assert!(!error.contains("geheim"), "{error}");
    let metrics = node.get("/metrics").await.body;
    let line = "holdfast_notification_channel_failing{channel=\"down\"} 1";
    assert!(metrics.as_str().unwrap().contains(line), "{metrics}");
    let refused = &down.posts()[0];
    assert_eq!(refused.header("authorization"), "Bearer geheim-und-lang");
    let tested = node
        .post("/api/v1/notification-channels/down/test", json!({}))
        .await;
    let tested = tested.expect(200);
    assert_eq!(tested["delivered"], false, "{tested}");
    assert!(
        !tested["said"].as_str().unwrap().contains("geheim"),
        "{tested}"
    );

    down.take();
    let late = down
        .told("what was refused", |body| is(body, "opened", "unprotected"))
        .await;
    verify(&late);
    // The same in every attempt, for whoever took one and lost the answer.
    let first = down
        .posts()
        .into_iter()
        .find(|post| !post.taken && post.body["kind"] != "test");
    let first = first.unwrap();
    assert_eq!(first.body, late.body);
    well.told("that it is over", |body| {
        is(body, "resolved", "channel_failing")
    })
    .await;
    let own = down.taken(|body| body["rule"] == "channel_failing");
    assert!(own.is_empty(), "a channel is not told of itself");
    node.stop().await;
}

#[tokio::test]
async fn a_silence_holds_back_and_who_is_at_it_needs_no_escalation() {
    let mut node = node().await;
    let (dba, boss) = (Receiver::start().await, Receiver::start().await);
    drop(Agent::enrol(&node, "db1").await);
    node.apply(json!([
        webhook("dba", &dba, json!({})),
        webhook("boss", &boss, json!({"after": "5s"})),
        fleet("payments"),
    ]))
    .await
    .expect(200);
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let wanted = json!({"fleet": "payments", "until": until, "reason": "the hosts are moved"});
    let silence = node
        .post("/api/v1/silences", wanted.clone())
        .await
        .expect(201);
    assert_eq!(silence["createdBy"], "user:admin");
    unprotected(&node, "payments", &["orders"]).await;
    unprotected(&node, "web", &["shop"]).await;
    let of = |fleet: &'static str| move |body: &Value| body["fleet"] == fleet;
    // Told after the other would have been.
    boss.told("the escalation of web", of("web")).await;
    assert!(dba.taken(of("payments")).is_empty() && boss.taken(of("payments")).is_empty());
    let orders = alarms(&node, "cluster=orders").await.remove(0);
    assert_eq!(orders["silencedUntil"], silence["until"]);

    let path = format!("/api/v1/silences/{}", silence["id"].as_str().unwrap());
    node.delete(&path).await.expect(200);
    dba.told("what is still open", of("payments")).await;
    boss.told("the escalation", of("payments")).await;
    node.delete(&path).await.refused(404, "not_found");

    let id = orders["id"].as_str().unwrap();
    let path = format!("/api/v1/alarms/{id}/acknowledge");
    let taken = node.post(&path, json!({"note": "on it"})).await.expect(200);
    assert_eq!(taken["acknowledgedBy"], "user:admin");
    dba.told("who is at it", |body| {
        is(body, "acknowledged", "unprotected")
    })
    .await;
    // One that is taken on at once escalates to nobody.
    unprotected(&node, "later", &["third", "fourth"]).await;
    let third = eventually("the alarm", || async {
        alarms(&node, "cluster=third").await.into_iter().next()
    });
    let third = third.await;
    let path = format!(
        "/api/v1/alarms/{}/acknowledge",
        third["id"].as_str().unwrap()
    );
    node.post(&path, json!({})).await.expect(200);
    let fourth = |body: &Value| {
        let about = body["alarms"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        about
            .iter()
            .any(|alarm| alarm["subject"] == "clusters/fourth")
    };
    boss.told("the escalation of the other", fourth).await;
    let third = |body: &Value| body.to_string().contains("clusters/third");
    assert!(boss.taken(third).is_empty());

    let mut wrong = wanted.clone();
    wrong["until"] = json!("2020-01-01T00:00:00Z");
    let refused = node
        .post("/api/v1/silences", wrong)
        .await
        .refused(422, "invalid");
    assert_eq!(refused["field"], "until");
    node.stop().await;
}

#[tokio::test]
async fn mail_is_a_thread_that_no_absence_note_answers() {
    let mut node = node().await;
    let mail = MailServer::start().await;
    drop(Agent::enrol(&node, "db1").await);
    let spec = json!({"type": "email", "host": "127.0.0.1", "port": mail.port, "tls": "none",
        "from": "Holdfast <holdfast@example.com>", "to": ["dba@example.com", "Ada <ada@example.com>"]});
    node.apply(json!([channel("mail", spec)])).await.expect(200);
    let tested = node
        .post("/api/v1/notification-channels/mail/test", json!({}))
        .await;
    let tested = tested.expect(200);
    assert_eq!(tested["delivered"], true, "{tested}");
    assert!(
        tested["said"].as_str().unwrap().contains("kept as 4711"),
        "{tested}"
    );
    let subject = |wanted: &'static str| {
        move |letter: &crate::receivers::Letter| {
            letter
                .header("subject")
                .is_some_and(|subject| subject.contains(wanted))
        }
    };
    mail.letter("the test", subject("TEST")).await;

    unprotected(&node, "payments", &["orders"]).await;
    let first = mail.letter("the alarm", subject("WARNING")).await;
    assert_eq!(
        first.header("subject"),
        Some("[Holdfast] WARNING: cluster unprotected: clusters/orders")
    );
    assert_eq!(first.header("auto-submitted"), Some("auto-generated"));
    assert!(
        first
            .header("list-id")
            .unwrap()
            .contains("payments.alarms.holdfast")
    );
    assert_eq!(first.header("in-reply-to"), None);
    assert_eq!(first.to.len(), 2, "{:?}", first.to);
    assert!(first.text.contains("no policy selects"), "{}", first.text);
    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    let over = mail.letter("the end", subject("RESOLVED")).await;
    assert_eq!(over.header("in-reply-to"), first.header("message-id"));
    node.stop().await;
}

#[tokio::test]
async fn slack_and_pagerduty_get_what_they_take() {
    let mut node = node().await;
    let (slack, pager) = (Receiver::start().await, Receiver::start().await);
    drop(Agent::enrol(&node, "db1").await);
    secret(&node, "slack", &slack.url).await;
    secret(&node, "pager", "0123456789abcdef").await;
    node.apply(json!([
        channel("chat", json!({"type": "slack", "urlSecret": "slack"})),
        channel(
            "pager",
            json!({"type": "pagerduty", "routingKeySecret": "pager", "url": pager.url})
        ),
    ]))
    .await
    .expect(200);
    unprotected(&node, "payments", &["orders"]).await;
    let shown = slack
        .told("the message", |body| body["blocks"].is_array())
        .await;
    assert_eq!(
        shown.body["text"],
        "WARNING: cluster unprotected: clusters/orders"
    );
    let trigger = pager
        .told("the incident", |body| body["event_action"] == "trigger")
        .await;
    assert_eq!(trigger.body["routing_key"], "0123456789abcdef");
    assert_eq!(trigger.body["payload"]["class"], "unprotected");
    let orders = alarms(&node, "cluster=orders").await.remove(0);
    let path = format!(
        "/api/v1/alarms/{}/acknowledge",
        orders["id"].as_str().unwrap()
    );
    node.post(&path, json!({})).await.expect(200);
    let action = |wanted: &'static str| move |body: &Value| body["event_action"] == wanted;
    let taken = pager
        .told("that it is taken on", action("acknowledge"))
        .await;
    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    let over = pager.told("the end", action("resolve")).await;
    for later in [taken, over] {
        assert_eq!(later.body["dedup_key"], trigger.body["dedup_key"]);
    }
    node.stop().await;
}

#[tokio::test]
async fn what_could_tell_nobody_is_refused() {
    let mut node = node().await;
    secret(&node, "short", "0123456789").await;
    let spec = |more: Value| {
        let mut spec =
            json!({"type": "webhook", "url": "https://example.com/x", "secret": "signing"});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!([channel("dba", spec)])
    };
    let refused = node.apply(spec(json!({"secret": "short"}))).await;
    let refused = refused.refused(422, "invalid_document");
    assert_eq!(refused["field"], "spec.secret");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("10 bytes, and 32 are needed"), "{message}");
    for (more, code, field) in [
        (
            json!({"url": "http://example.com/x"}),
            "invalid_document",
            "spec.url",
        ),
        (
            json!({"secret": "nobody"}),
            "dangling_reference",
            "spec.secret",
        ),
        (
            json!({"fleets": ["nobody"]}),
            "dangling_reference",
            "spec.fleets[0]",
        ),
        (json!({"host": "mail"}), "invalid_document", "spec.host"),
    ] {
        let refused = node.apply(spec(more)).await.refused(422, code);
        assert_eq!(refused["field"], field);
    }
    node.apply(spec(json!({}))).await.expect(200);
    // What a channel needs is not taken away from it.
    let body = json!({"value": "too short"});
    node.put("/api/v1/secrets/signing", body)
        .await
        .refused(422, "invalid");
    node.delete("/api/v1/secrets/signing")
        .await
        .refused(409, "in_use");
    let shown = node
        .get("/api/v1/notification-channels/dba")
        .await
        .expect(200);
    assert_eq!(shown["spec"]["secret"], "signing");
    let list = node.get("/api/v1/notification-channels").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    node.delete("/api/v1/notification-channels/dba")
        .await
        .expect(200);
    node.get("/api/v1/notification-channels/dba/deliveries")
        .await
        .refused(404, "not_found");
    node.get("/api/v1/alarms?state=asleep")
        .await
        .refused(422, "invalid");
    let gone = "/api/v1/alarms/alm_00000000000000000000000000000000";
    node.get(gone).await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn nobody_sees_or_takes_on_what_is_not_in_his_scope() {
    let mut node = node().await;
    drop(Agent::enrol(&node, "db1").await);
    unprotected(&node, "payments", &["orders"]).await;
    unprotected(&node, "web", &["shop"]).await;
    let scope = json!({"fleet": "payments"});
    let ada = Person::with(&node, "ada", &[("operator", scope.clone())]).await;
    let kim = Person::with(&node, "kim", &[("viewer", scope)]).await;
    let both = eventually("both alarms", || async {
        let open = alarms(&node, "rule=unprotected").await;
        (open.len() == 2).then_some(open)
    });
    let both = both.await;
    let id = |cluster: &str| {
        let found = both.iter().find(|alarm| alarm["cluster"] == cluster);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let seen = ada.get("/api/v1/alarms").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    let status = ada.get("/api/v1/status").await.expect(200);
    assert_eq!(status["counts"]["alarms"]["warning"], 1);
    let acknowledge = |id: String| format!("/api/v1/alarms/{id}/acknowledge");
    ada.post(&acknowledge(id("shop")), json!({}))
        .await
        .refused(404, "not_found");
    kim.post(&acknowledge(id("orders")), json!({}))
        .await
        .refused(403, "forbidden");
    ada.post(&acknowledge(id("orders")), json!({}))
        .await
        .expect(200);
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let silence = |more: Value| {
        let mut wanted = json!({"until": until, "reason": "because"});
        wanted
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        wanted
    };
    let path = "/api/v1/silences";
    ada.post(path, silence(json!({})))
        .await
        .refused(403, "forbidden");
    ada.post(path, silence(json!({"fleet": "web"})))
        .await
        .refused(403, "forbidden");
    ada.post(path, silence(json!({"cluster": "shop"})))
        .await
        .refused(404, "not_found");
    ada.post(path, silence(json!({"fleet": "payments"})))
        .await
        .expect(201);
    ada.post(path, silence(json!({"cluster": "orders"})))
        .await
        .expect(201);
    node.post(path, silence(json!({}))).await.expect(201);
    let seen = ada.get(path).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 2, "{seen}");
    // Where alarms are told is nobody's who has not everything.
    ada.get("/api/v1/notification-channels")
        .await
        .refused(403, "forbidden");
    node.stop().await;
}

/// I-13: only after a liveness period, and then at once and together.
#[tokio::test]
async fn agents_that_are_away_are_an_alarm_and_are_told_together() {
    let mut node = node().await;
    let receiver = Receiver::start().await;
    for agent in ["db1", "db2"] {
        drop(Agent::enrol(&node, agent).await);
    }
    node.apply(json!([
        webhook("dba", &receiver, json!({"minimumSeverity": "warning"})),
        fleet("payments"),
        repository(),
        policy(),
        in_fleet("orders", "payments", "db1"),
        in_fleet("shop", "payments", "db2"),
    ]))
    .await
    .expect(200);
    let away = |body: &Value| is(body, "opened", "agent_absent");
    let told = receiver.told("that agents are away", away).await;
    assert_eq!(
        told.body["alarms"].as_array().unwrap().len(),
        2,
        "{}",
        told.body
    );
    node.stop().await;
}
