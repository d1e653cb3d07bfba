//! `holdfast audit`: who changed what.

use super::{Context, DONE, Outcome};
use crate::cli::Audit;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("seq", |item| text(&item["seq"])),
    ("at", |item| time(&item["at"])),
    ("principal", |item| text(&item["principal"])),
    ("action", |item| text(&item["action"])),
    ("target", |item| text(&item["target"])),
    ("outcome", |item| text(&item["outcome"])),
];

pub(super) async fn run(cx: &mut Context, command: Audit) -> Outcome {
    let Audit::List {
        principal,
        action,
        since,
        limit,
    } = command;
    let mut query = Vec::new();
    query.extend(principal.map(|principal| ("principal", principal)));
    query.extend(action.map(|action| ("action", action)));
    query.extend(since.map(|since| ("since", since.to_string())));
    let body = cx.client.list("audit", &query, Some(limit)).await?;
    output::list(cx.format, &body, COLUMNS)?;
    DONE
}
