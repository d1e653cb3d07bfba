use serde_json::{Value, json};

use super::*;
use crate::resource::{Document, Resource};

fn document(spec: Value) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": "NotificationChannel",
           "metadata": {"name": "dba"}, "spec": spec})
}

fn read(spec: Value) -> NotificationChannel {
    match Document::from_value(document(spec)).unwrap().resource {
        Resource::NotificationChannel(channel) => *channel,
        other => panic!("{other:?}"),
    }
}

fn refused(mut spec: Value, field: &str, value: Value) -> String {
    if value.is_null() {
        spec.as_object_mut().unwrap().remove(field);
    } else {
        spec[field] = value;
    }
    let error = Document::from_value(document(spec)).unwrap_err();
    assert_eq!(error.code, "invalid_document");
    error.field
}

fn email() -> Value {
    json!({"type": "email", "host": "mail.example.com", "user": "holdfast",
           "passwordSecret": "mail", "from": "Holdfast <holdfast@example.com>",
           "to": ["dba@example.com"]})
}

fn webhook() -> Value {
    json!({"type": "webhook", "url": "https://hooks.example.com/holdfast", "secret": "signing",
           "headers": {"X-Team": "dba"}, "secretHeaders": {"Authorization": "bearer"}})
}

#[test]
fn each_type_reads_back_and_has_its_settings() {
    let scoped = json!({"type": "slack", "urlSecret": "slack", "fleets": ["payments"],
        "selector": {"tier": "gold"}, "minimumSeverity": "warning", "after": "15m"});
    let pager = json!({"type": "pagerduty", "routingKeySecret": "pager"});
    for spec in [email(), webhook(), scoped.clone(), pager.clone()] {
        let written = document(spec);
        let read = Document::from_value(written.clone()).unwrap();
        assert_eq!(read.to_value(), written);
    }
    let channel = read(email());
    let Some(ChannelSettings::Email(mail)) = channel.settings() else {
        panic!("{channel:?}")
    };
    assert_eq!((mail.port, mail.tls), (587, MailTls::Starttls));
    assert_eq!(mail.login.map(|(user, _)| user), Some("holdfast"));
    let channel = read(pager);
    let Some(ChannelSettings::Pagerduty { url, .. }) = channel.settings() else {
        panic!("{channel:?}")
    };
    assert_eq!(url, PAGERDUTY);
    assert!(channel.is_for_everything());
    let channel = read(scoped);
    assert!(!channel.is_for_everything());
    assert_eq!(channel.minimum_severity, Some(Severity::Warning));
    let channel = read(webhook());
    let secrets: Vec<String> = channel
        .secrets()
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(secrets, ["spec.secret", "spec.secretHeaders.Authorization"]);
}

#[test]
fn what_would_do_nothing_or_not_enough_is_refused() {
    for (spec, field, value, at) in [
        (email(), "host", Value::Null, "spec.host"),
        (email(), "host", json!("mail example"), "spec.host"),
        (email(), "port", json!(0), "spec.port"),
        (email(), "from", json!("holdfast"), "spec.from"),
        (email(), "from", json!("a@b\r\nBcc: c@d"), "spec.from"),
        (email(), "to", json!([]), "spec.to"),
        (email(), "to", json!(["a@b", "c"]), "spec.to[1]"),
        (email(), "passwordSecret", Value::Null, "spec.user"),
        // Nothing is told in clear over a network.
        (email(), "tls", json!("none"), "spec.tls"),
        (email(), "url", json!("https://example.com"), "spec.url"),
    ] {
        assert_eq!(refused(spec, field, value.clone()), at, "{field}: {value}");
    }
}

#[test]
fn an_address_and_headers_that_would_leak_or_lie_are_refused() {
    for (spec, field, value, at) in [
        (webhook(), "secret", Value::Null, "spec.secret"),
        (webhook(), "url", Value::Null, "spec.url"),
        (webhook(), "urlSecret", json!("hook"), "spec.url"),
        (webhook(), "url", json!("http://example.com"), "spec.url"),
        (
            webhook(),
            "url",
            json!("http://127.0.0.1@example.com"),
            "spec.url",
        ),
        (
            webhook(),
            "url",
            json!("https://ada:pw@example.com"),
            "spec.url",
        ),
        (webhook(), "url", json!("file:///etc/passwd"), "spec.url"),
        (
            webhook(),
            "headers",
            json!({"Cookie": "a"}),
            "spec.headers.Cookie",
        ),
        (
            webhook(),
            "headers",
            json!({"a b": "c"}),
            "spec.headers.a b",
        ),
        (
            webhook(),
            "headers",
            json!({"Host": "c"}),
            "spec.headers.Host",
        ),
        (
            webhook(),
            "headers",
            json!({"X": "c\r\nY: z"}),
            "spec.headers.X",
        ),
        (
            webhook(),
            "headers",
            json!({"Holdfast-Signature": "c"}),
            "spec.headers.Holdfast-Signature",
        ),
        (webhook(), "after", json!("30d"), "spec.after"),
        (webhook(), "fleets", json!(["a", "a"]), "spec.fleets[1]"),
        (webhook(), "type", json!("slack"), "spec.url"),
        (webhook(), "type", json!("telegram"), "spec.type"),
        (
            json!({"type": "slack"}),
            "urlSecret",
            Value::Null,
            "spec.urlSecret",
        ),
        (
            json!({"type": "pagerduty"}),
            "url",
            Value::Null,
            "spec.routingKeySecret",
        ),
    ] {
        assert_eq!(refused(spec, field, value.clone()), at, "{field}: {value}");
    }
}

#[test]
fn in_clear_only_to_this_host() {
    for host in ["127.0.0.1", "localhost", "::1"] {
        let mut spec = email();
        spec["host"] = json!(host);
        spec["tls"] = json!("none");
        read(spec);
    }
    for url in [
        "http://127.0.0.1:8080/x",
        "http://[::1]:8080/x",
        "http://localhost/x",
    ] {
        assert_eq!(check_address(url), Ok(()), "{url}");
    }
    for url in [
        "http://127.0.0.1.example.com/",
        "http://10.0.0.1/",
        "ftp://localhost/",
    ] {
        assert!(check_address(url).is_err(), "{url}");
    }
}
