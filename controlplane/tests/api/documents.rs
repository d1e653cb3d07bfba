//! What is checked in agrees with the program.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn openapi_json_is_current() {
    let path = root().join("openapi.json");
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    let current = holdfastd::api::rest::openapi_json();
    assert!(
        checked_in.trim_end() == current.trim_end(),
        "{} is stale: run `cargo run -p holdfastd -- openapi > controlplane/openapi.json`",
        path.display(),
    );
}

/// The codes that a source names in its `code` functions.
fn codes_of(source: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(source)).unwrap();
    let mut codes = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        inside = (inside || line.contains("fn code(")) && !line.starts_with("    }");
        let code = line
            .split("=> \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        if inside {
            codes.extend(code.map(str::to_owned));
        }
    }
    assert!(codes.len() > 3, "{source} names no codes any more");
    codes
}

#[test]
fn every_code_has_its_page() {
    let mut codes: BTreeSet<String> = holdfastd::app::code::Code::ALL
        .iter()
        .map(|code| code.name.to_owned())
        .collect();
    for source in [
        "state/src/refusal.rs",
        "consensus/src/error.rs",
        "consensus/src/fault.rs",
    ] {
        codes.extend(codes_of(source));
    }
    for code in ["interrupted", "agent_lost", "wal_gap", "wal_behind"] {
        codes.insert(code.to_owned());
    }
    let pages = root().join("../docs/errors");
    for code in codes {
        let page = pages.join(format!("{code}.md"));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            text.starts_with(&format!("# `{code}`")),
            "{} is missing",
            page.display()
        );
        assert!(
            text.contains("**What to do.**"),
            "{} says not what to do",
            page.display()
        );
    }
}
