//! `holdfast token`: API tokens for automation.

use serde_json::json;

use super::{Context, DONE, Outcome, done};
use crate::cli::Token;
use crate::client::encoded;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("name", |item| text(&item["name"])),
    ("user", |item| text(&item["user"])),
    ("created", |item| time(&item["createdAt"])),
    ("expires", |item| match time(&item["expiresAt"]) {
        never if never.is_empty() => "never".to_owned(),
        when => when,
    }),
];

pub(super) async fn run(cx: &mut Context, command: Token) -> Outcome {
    match command {
        Token::Create { name, expires_in } => {
            let body = json!({ "name": name, "expiresIn": expires_in });
            let body = cx.client.post("tokens", body).await?;
            eprintln!("this is shown once: keep it safe");
            done(cx, &body, &text(&body["token"]))
        }
        Token::List => {
            let body = cx.client.list("tokens", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Token::Revoke { id_or_name } => {
            let body = cx
                .client
                .delete(&format!("tokens/{}", encoded(&id_or_name)))
                .await?;
            done(cx, &body, &format!("token {id_or_name} revoked"))
        }
    }
}
