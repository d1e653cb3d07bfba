//! Webhooks: JSON that is signed, with a key by which a repeat is known.
//!
//! `Holdfast-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of the time, a
//! full stop and the body, under the shared secret. Whoever checks it and the time is
//! told nothing by anybody else, and nothing old.

use aws_lc_rs::hmac;
use holdfast_types::Secret;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::http;
use super::message::Message;

pub(super) struct Webhook {
    pub(super) url: Secret,
    pub(super) secret: Secret,
    pub(super) headers: Vec<(String, Secret)>,
}

impl Webhook {
    pub(super) async fn send(&self, message: &Message) -> Result<String, String> {
        let body = body(message).to_string();
        let mut headers = headers(Some(&self.secret), message.key.to_string(), &body);
        let own = self.headers.iter();
        headers.extend(own.map(|(name, value)| (name.clone(), value.expose().to_owned())));
        http::post(self.url.expose(), &headers, body).await
    }
}

/// What every webhook of ours carries: its key, and its signature where there is a secret.
fn headers(secret: Option<&Secret>, key: String, body: &str) -> Vec<(String, String)> {
    let mut headers = vec![("idempotency-key".to_owned(), key)];
    if let Some(secret) = secret {
        let signature = sign(secret, Timestamp::now().as_second(), body);
        headers.push(("holdfast-signature".to_owned(), signature));
    }
    headers
}

/// Posts something else than a notice once, in the same way. Says the status with which it
/// was taken and no more: what was answered is not ours to keep.
pub(crate) async fn post_signed(
    url: &str,
    secret: Option<&Secret>,
    key: String,
    body: String,
) -> Result<StatusCode, String> {
    let answer = http::ask(url, &headers(secret, key, &body), body).await?;
    match answer.status {
        status if status.is_success() => Ok(status),
        status => Err(format!("it answered {status}")),
    }
}

/// The value of `Holdfast-Signature`.
pub(super) fn sign(secret: &Secret, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(signed.as_ref()))
}

/// What is posted.
pub(super) fn body(message: &Message) -> Value {
    json!({
        "key": message.key,
        "thread": message.thread,
        "channel": message.channel,
        "kind": message.kind,
        "rule": message.rule,
        "title": message.title(),
        "advice": message.advice(),
        "fleet": message.fleet,
        "severity": message.severity,
        "summary": message.headline(),
        "at": message.at,
        "remaining": message.remaining,
        "alarms": message.alarms,
    })
}
