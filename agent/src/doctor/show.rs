//! Showing what was found.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Diagnosis;

/// For people: what is missing, and the statements by themselves so that they
/// can be copied.
pub fn text(diagnoses: &[Diagnosis]) -> String {
    let mut text = String::new();
    for diagnosis in diagnoses {
        let name = diagnosis
            .cluster
            .as_ref()
            .map_or("instance", |cluster| cluster.as_str());
        let Diagnosis {
            connection,
            findings,
            ..
        } = diagnosis;
        if findings.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} ({connection}): ready");
            continue;
        }
        let _ = writeln!(text, "{name} ({connection}): {} missing", findings.len());
        for finding in findings {
            let _ = writeln!(text, "\n  {} [{}]", finding.message, finding.code);
            for line in &finding.fix {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// For scripts.
pub fn json(diagnoses: &[Diagnosis]) -> Value {
    json!({"items": diagnoses, "nextCursor": null})
}
