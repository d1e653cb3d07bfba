//! Tells somebody by HTTP what happened: a signed POST, at least once.
//!
//! The headers are those of Standard Webhooks: the receiver tells a repeat by
//! `webhook-id`, and a forgery by `webhook-signature`, an HMAC-SHA256 over the id, the
//! time and the body. Nothing secret is in the body (I-10).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdfast_consensus::StateView;
use holdfast_state::query::RestoreView;
use holdfast_types::restoring::RestoreWebhook;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::session::access;

/// Nobody waits longer for a receiver.
const WITHIN: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Debug)]
pub(crate) struct Message {
    /// The same for each repeat.
    pub(crate) key: String,
    /// What happened.
    pub(crate) body: Value,
}

/// What is told of a restore that is there.
pub(crate) fn restored(restore: &RestoreView) -> Value {
    let request = &restore.order.request;
    let register = restore.order.hand_over.register.as_ref();
    json!({
        "type": "restore.restored",
        "restore": restore.id,
        "cluster": restore.cluster,
        "at": request.at,
        "agent": request.agent,
        "dir": request.dir,
        "repository": restore.repository,
        "backup": restore.order.plan.backup,
        "restoredAt": restore.restored_at,
        "registeredAs": register.map(|register| &register.name),
        "result": restore.result,
    })
}

/// Sends it once. `Ok` is the status with which it was taken.
pub(crate) async fn send(
    app: &App,
    view: &StateView,
    to: &RestoreWebhook,
    message: &Message,
) -> Result<u16, String> {
    let body = serde_json::to_vec(&message.body).map_err(|error| error.to_string())?;
    let at = Timestamp::now().as_second().to_string();
    let client = reqwest::Client::builder()
        .timeout(WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client
        .post(&to.url)
        .header("content-type", "application/json")
        .header("webhook-id", &message.key)
        .header("webhook-timestamp", &at);
    if let Some(name) = &to.secret {
        let secret = access::secret(app, view, name).await;
        let secret = secret.map_err(|error| error.to_string())?;
        let signature = sign(secret.expose().trim_end(), (&message.key, &at), &body);
        request = request.header("webhook-signature", signature);
    }
    // What is wrong with the way there may name it, and never the secret.
    let answer = request.body(body).send().await.map_err(|error| {
        let error = error.without_url();
        chain(&error)
    })?;
    let status = answer.status();
    match status.is_success() {
        true => Ok(status.as_u16()),
        false => Err(format!("it answered {status}")),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn sign(secret: &str, (id, at): (&str, &str), body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = format!("{id}.{at}.").into_bytes();
    signed.extend_from_slice(body);
    let tag = hmac::sign(&key, &signed);
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_the_id_the_time_and_the_body() {
        // As `printf 'rst_1.1.17.{}' | openssl dgst -sha256 -hmac secret -binary | base64`.
        let signed = sign("secret", ("rst_1.1", "17"), b"{}");
        assert_eq!(signed, "v1,W2FnMmeHi+DyzK38AWQPFKQ781d2rWEeJ9ysYthS4YA=");
        assert_ne!(signed, sign("secret", ("rst_1.2", "17"), b"{}"));
        assert_ne!(signed, sign("other", ("rst_1.1", "17"), b"{}"));
        assert_ne!(signed, sign("secret", ("rst_1.1", "17"), b"{ }"));
    }
}
