//! `holdfast role`.

use super::resource::scope;
use super::{Context, DONE, Outcome};
use crate::cli::Role;
use crate::format::text;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("name", |item| text(&item["name"])),
    ("what it is for", |item| text(&item["description"])),
];

const HELD: &[Column] = &[("role", |item| text(&item["role"])), ("scope", scope)];

pub(super) async fn run(cx: &mut Context, command: Role) -> Outcome {
    match command {
        Role::List { mine: false } => {
            let body = cx.client.list("roles", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
        }
        Role::List { mine: true } => {
            let body = cx.client.get("access/me", &[]).await?;
            let list = serde_json::json!({"items": body["roles"], "nextCursor": null});
            output::list(cx.format, &list, HELD)?;
        }
    }
    DONE
}
