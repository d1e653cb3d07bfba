//! `holdfast agent`: the agents on database hosts.

use serde_json::json;

use super::{Context, DONE, Outcome, done};
use crate::cli::{Agent, AgentToken};
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("name", |item| text(&item["name"])),
    ("state", |item| text(&item["state"])),
    ("region", |item| text(&item["region"])),
    ("version", |item| text(&item["version"])),
    ("last seen", |item| time(&item["lastSeenAt"])),
    ("certificate until", |item| {
        time(&item["certificateExpiresAt"])
    }),
];

pub(super) async fn run(cx: &mut Context, command: Agent) -> Outcome {
    match command {
        Agent::Token(AgentToken::Create { ttl, region }) => {
            let body = json!({ "ttl": ttl, "region": region });
            let body = cx.client.post("agents/tokens", body).await?;
            done(cx, &body, &text(&body["token"]))
        }
        Agent::List => {
            let body = cx.client.list("agents", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Agent::Revoke { name } => {
            let body = cx
                .client
                .post(&format!("agents/{name}/revoke"), json!({}))
                .await?;
            done(cx, &body, &format!("agent/{name} revoked"))
        }
    }
}
