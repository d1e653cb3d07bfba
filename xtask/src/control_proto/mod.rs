//! `control.proto` from the OpenAPI document: gRPC is REST by other means.
//!
//! One method per operation, one message per schema. The file itself is the
//! memory of its field numbers.

mod model;
mod name;
mod number;
mod operation;
mod schema;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use number::Known;

const DOCUMENT: &str = "controlplane/openapi.json";
const PACKAGE: &str = "proto/proto/holdfast/v1";
const FILE: &str = "control.proto";

/// Writes the file, or with `check` says whether it is what would be written.
pub(crate) fn run(check: bool) -> Result<()> {
    let path = root().join(PACKAGE).join(FILE);
    let (existing, current) = both()?;
    if existing == current {
        println!("{} is current", path.display());
    } else if check {
        bail!(
            "{} is stale: run `cargo run -p xtask -- control-proto`",
            path.display()
        );
    } else {
        std::fs::write(&path, current).with_context(|| format!("write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// The file as it is and as it should be.
fn both() -> Result<(String, String)> {
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let document = serde_json::from_str(&read(root().join(DOCUMENT))?).context(DOCUMENT)?;
    let mut taken = Vec::new();
    let mut existing = String::new();
    for entry in std::fs::read_dir(root().join(PACKAGE)).context(PACKAGE)? {
        let path = entry?.path();
        if path.ends_with(FILE) {
            existing = read(path)?;
        } else {
            taken.extend(messages(&read(path)?));
        }
    }
    let current = generate(&document, &existing, &taken)?;
    Ok((existing, current))
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The messages and enumerations that a file of the package declares.
fn messages(text: &str) -> Vec<String> {
    let declared = text.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("message ")
            .or_else(|| line.strip_prefix("enum "))?;
        rest.split([' ', '{']).next()
    });
    declared.map(str::to_owned).collect()
}

/// The file that a document makes of the one that is there; `taken` are the
/// names that other files of the package use.
fn generate(document: &Value, existing: &str, taken: &[String]) -> Result<String> {
    let file = operation::file(document, taken)?;
    Ok(write::write(&file, &Known::read(existing)?))
}
