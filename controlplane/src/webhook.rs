//! Tells by a webhook what came of a restore, as notices are told: signed, at least once.
//! Nothing secret is in the body (I-10).

use std::time::Duration;

use holdfast_consensus::StateView;
use holdfast_state::query::RestoreView;
use holdfast_types::Secret;
use holdfast_types::restoring::RestoreWebhook;
use serde_json::{Value, json};

use crate::app::App;
use crate::notice::post_signed;
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
    let mut result = restore.result.clone();
    // What commands of the host wrote is for those who may see the restore.
    if let Some(Value::Object(fields)) = &mut result {
        fields.remove("hooks");
    }
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
        "result": result,
    })
}

/// Sends it once. `Ok` is the status with which it was taken.
pub(crate) async fn send(
    app: &App,
    view: &StateView,
    to: &RestoreWebhook,
    message: &Message,
) -> Result<String, String> {
    let secret = match &to.secret {
        Some(name) => {
            let secret = access::secret(app, view, name).await;
            let secret = secret.map_err(|error| error.to_string())?;
            // Without the end of line of the file that it came from.
            Some(Secret::new(secret.expose().trim_end()))
        }
        None => None,
    };
    let body = message.body.to_string();
    let sending = post_signed(&to.url, secret.as_ref(), message.key.clone(), body);
    match tokio::time::timeout(WITHIN, sending).await {
        Ok(said) => said.map(|status| status.to_string()),
        Err(_) => Err(format!("no answer came within {} s", WITHIN.as_secs())),
    }
}
