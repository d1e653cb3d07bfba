//! What is checked in agrees with the program.

use std::collections::BTreeSet;
use std::path::Path;

use crate::node::{Node, answer};

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

/// Every code that the control plane itself answers or keeps on record.
fn codes() -> BTreeSet<String> {
    let mut codes: BTreeSet<String> = holdfastd::app::code::Code::ALL
        .iter()
        .map(|code| code.name.to_owned())
        .collect();
    for source in [
        "src/server/rebuild/error.rs",
        "src/server/restore_state.rs",
        "state/src/refusal/mod.rs",
        "consensus/src/error/call.rs",
        "consensus/src/error/membership.rs",
        "consensus/src/error/open.rs",
        "consensus/src/error/propose.rs",
        "consensus/src/error/read.rs",
        "consensus/src/fault.rs",
    ] {
        codes.extend(codes_of(source));
    }
    for code in [
        "interrupted",
        "agent_lost",
        "wal_gap",
        "wal_behind",
        "backup_overdue",
        "wal_lost",
    ] {
        codes.insert(code.to_owned());
    }
    codes
}

#[test]
fn every_code_has_its_page() {
    let pages = root().join("../docs/errors");
    for code in codes() {
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

#[tokio::test]
async fn every_page_is_served_to_anybody() {
    let mut node = Node::start().await;
    let mut codes = codes();
    // What agents report is explained too.
    for entry in std::fs::read_dir(root().join("../docs/errors")).unwrap() {
        let path = entry.unwrap().path();
        codes.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    for code in codes {
        let url = format!("{}/errors/{code}", node.rest);
        let page = node.http.get(url).send().await.unwrap();
        assert_eq!(page.status(), 200, "{code}");
        let kind = &page.headers()["content-type"];
        assert_eq!(kind, "text/markdown; charset=utf-8");
        let text = page.text().await.unwrap();
        assert!(text.starts_with(&format!("# `{code}`: ")), "{text}");
    }
    for (path, code) in [
        ("/errors/no_such_code", "not_found"),
        ("/errors/not_found.md", "not_found"),
        ("/errors/..%2F..%2FREADME", "not_found"),
        ("/errors", "no_such_path"),
        ("/errors/", "no_such_path"),
    ] {
        let problem = answer(node.http.get(format!("{}{path}", node.rest)))
            .await
            .refused(404, code);
        // Where a problem's type leads is a page.
        let url = format!("{}{}", node.rest, problem["type"].as_str().unwrap());
        assert_eq!(node.http.get(url).send().await.unwrap().status(), 200);
    }
    node.stop().await;
}
