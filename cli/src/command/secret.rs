//! `holdfast secret`: passwords and credentials, sealed by the control plane.

use std::path::Path;

use serde_json::json;

use super::{Context, DONE, Outcome, done, read_stdin};
use crate::cli::Secret;
use crate::failure::Failure;
use crate::format::{text, time};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("name", |item| text(&item["name"])),
    ("created", |item| time(&item["createdAt"])),
    ("updated", |item| time(&item["updatedAt"])),
];

pub(super) async fn run(cx: &mut Context, command: Secret) -> Outcome {
    match command {
        Secret::Set {
            name,
            from_file,
            from_env,
        } => {
            let value = read(from_file.as_deref(), from_env.as_deref())?;
            let body = cx
                .client
                .put(&format!("secrets/{name}"), json!({ "value": value }))
                .await?;
            done(cx, &body, &format!("secret/{name} set"))
        }
        Secret::List => {
            let body = cx.client.list("secrets", &[], None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Secret::Delete { name } => {
            let body = cx.client.delete(&format!("secrets/{name}")).await?;
            done(cx, &body, &format!("secret/{name} deleted"))
        }
    }
}

/// A file's last newline belongs to the editor, not to the secret.
fn read(file: Option<&Path>, variable: Option<&str>) -> Result<String, Failure> {
    if let Some(variable) = variable {
        return std::env::var(variable).map_err(|_| {
            let message = format!("the environment variable {variable} is not set");
            Failure::usage(message, "export it first")
        });
    }
    let text = match file {
        Some(path) if path != Path::new("-") => {
            std::fs::read_to_string(path).map_err(|error| Failure::file(path.display(), &error))?
        }
        Some(_) | None => read_stdin()?,
    };
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
