//! `holdfast repository`: keys.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::{Context, Outcome, done, resource};
use crate::cli::{Repository, RepositoryKey};
use crate::failure::Failure;
use crate::format::text;

pub(super) async fn run(cx: &mut Context, command: Repository) -> Outcome {
    match command {
        Repository::List => resource::get(cx, "repositories", None).await,
        Repository::Key(RepositoryKey::Export { name, to_file }) => {
            let path = format!("repositories/{name}/key/export");
            let body = cx.client.post(&path, json!({})).await?;
            let key = text(&body["key"]);
            let Some(file) = to_file else {
                return done(cx, &body, &key);
            };
            write(&file, &key)?;
            let told = json!({ "repository": name, "file": file });
            done(
                cx,
                &told,
                &format!("the key of repository/{name} is in {}", file.display()),
            )
        }
    }
}

/// A key is never written over something else.
fn write(path: &Path, key: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path.display(), &error);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{key}")
        .and_then(|()| file.sync_all())
        .map_err(failed)
}
