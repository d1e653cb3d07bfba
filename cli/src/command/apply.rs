//! `holdfast apply`: resources from YAML, all or none.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome, promise, read_stdin};
use crate::cli::Apply;
use crate::failure::{Exit, Failure};
use crate::format::text;
use crate::output::{self, Format};

pub(super) async fn apply(cx: &mut Context, args: Apply) -> Outcome {
    let mut documents = Vec::new();
    for file in &args.files {
        documents.extend(read(file)?);
    }
    if documents.is_empty() {
        let message = "there is no document in what was given";
        return Err(Failure::new(
            Exit::Refused,
            "invalid_document",
            message,
            "check the file",
        ));
    }
    let body = json!({ "documents": documents, "dryRun": args.dry_run });
    let answer = cx.client.post("apply", body).await?;
    if cx.format != Format::Table {
        output::value(cx.format, &answer)?;
        return DONE;
    }
    let suffix = if args.dry_run { " (dry run)" } else { "" };
    for result in answer["results"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let kind = text(&result["kind"]).to_lowercase();
        println!(
            "{kind}/{} {}{suffix}",
            text(&result["name"]),
            text(&result["action"])
        );
        promise::warn(&kind, &text(&result["name"]), &result["lint"]);
    }
    if args.dry_run {
        println!("{}", promise::affected(&answer["affected"]));
        for line in promise::consent(&answer["consent"]) {
            println!("{line}");
        }
    }
    DONE
}

/// The documents of a YAML file; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let yaml = if file == Path::new("-") {
        read_stdin()?
    } else {
        std::fs::read_to_string(file).map_err(|error| Failure::file(file.display(), &error))?
    };
    let invalid = |number: usize, error: serde_yaml_ng::Error| {
        let message = format!("{}: document {number}: {error}", file.display());
        let hint = "mend the YAML; nothing was applied";
        Failure::new(Exit::Refused, "invalid_yaml", message, hint)
    };
    let mut documents = Vec::new();
    for (index, document) in serde_yaml_ng::Deserializer::from_str(&yaml).enumerate() {
        let value = Value::deserialize(document).map_err(|error| invalid(index + 1, error))?;
        // Between two `---` there may be nothing but comments.
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_and_their_faults() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        std::fs::write(&path, "kind: A\n---\n# nothing\n---\nkind: B\n").unwrap();
        assert_eq!(
            read(&path).unwrap(),
            [json!({"kind": "A"}), json!({"kind": "B"})]
        );
        std::fs::write(&path, "kind: A\n---\nkind: [B\n").unwrap();
        let failure = read(&path).unwrap_err();
        assert_eq!(
            (failure.exit, failure.code.as_str()),
            (Exit::Refused, "invalid_yaml")
        );
        assert!(
            failure.message.contains("document 2"),
            "{}",
            failure.message
        );
    }
}
