//! Dependencies between our crates point one way (docs/architecture.md).

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Every crate and what it may depend on. An agent never depends on the control
/// plane, nor the control plane on an agent; only `consensus` names openraft.
const ALLOWED: &[(&str, &[&str])] = &[
    ("holdfast-types", &[]),
    ("holdfast-proto", &["holdfast-types"]),
    ("holdfast-repo", &["holdfast-types"]),
    ("holdfast-report", &["holdfast-types"]),
    ("holdfast-pg", &["holdfast-types"]),
    ("holdfast-compliance", &["holdfast-types"]),
    // Facts are kept as the engine reads them.
    ("holdfast-state", &["holdfast-types", "holdfast-compliance"]),
    (
        "holdfast-consensus",
        &["holdfast-types", "holdfast-state", "holdfast-proto"],
    ),
    (
        "holdfastd",
        &[
            "holdfast-types",
            "holdfast-proto",
            "holdfast-compliance",
            "holdfast-state",
            "holdfast-consensus",
            "holdfast-repo",
            "holdfast-report",
        ],
    ),
    (
        "holdfast-agent",
        &[
            "holdfast-types",
            "holdfast-proto",
            "holdfast-repo",
            "holdfast-pg",
        ],
    ),
    (
        "holdfast",
        &["holdfast-types", "holdfast-repo", "holdfast-report"],
    ),
    (
        "holdfast-tests",
        &["holdfast-types", "holdfast-pg", "holdfast-repo"],
    ),
    // Only for measuring: nothing depends on it.
    (
        "holdfast-bench",
        &[
            "holdfast-types",
            "holdfast-pg",
            "holdfast-proto",
            "holdfast-state",
            "holdfast-tests",
        ],
    ),
    (
        "holdfast-faults",
        &[
            "holdfast-types",
            "holdfast-pg",
            "holdfast-state",
            "holdfast-tests",
        ],
    ),
    (
        "xtask",
        &["holdfast-types", "holdfast-pg", "holdfast-tests"],
    ),
];

/// Third-party crates that only one of ours may name.
const OWNED: &[(&str, &str)] = &[
    ("openraft", "holdfast-consensus"),
    ("sea-orm", "holdfast-state"),
];

/// `sea-orm` is also the connection that `consensus` hands to `state`, and that
/// `faults` opens to compare databases.
const SHARED: &[(&str, &str)] = &[
    ("sea-orm", "holdfast-consensus"),
    ("sea-orm", "holdfast-faults"),
];

/// Compares `cargo metadata` with the rules.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists packages")?;
    let broken: Vec<String> = packages.iter().flat_map(breaches).collect();
    if !broken.is_empty() {
        bail!("dependencies against the rules:\n  {}", broken.join("\n  "));
    }
    println!("{} crates depend on each other as they may", packages.len());
    ship_no_failpoints()
}

/// What is shipped.
const PROGRAMS: &[&str] = &["holdfastd", "holdfast-agent", "holdfast"];

/// A program that is built to be used has no failpoints: what makes them do anything
/// is not among its dependencies.
fn ship_no_failpoints() -> Result<()> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    for program in PROGRAMS {
        tree.args(["--package", program]);
    }
    let output = tree.output().context("cargo tree")?;
    if !output.status.success() {
        bail!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    if tree.lines().any(|line| line.starts_with("fail v")) {
        bail!("a program would be shipped with failpoints: see repo/src/failpoint.rs");
    }
    println!("no program is shipped with failpoints");
    Ok(())
}

fn breaches(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{name} has no rule yet: add it to xtask/src/check_deps.rs"
        )];
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let names = dependencies.filter_map(|dependency| dependency["name"].as_str());
    let wrong = |dependency: &&str| {
        let ours = ALLOWED.iter().any(|(known, _)| known == dependency);
        let owner = OWNED
            .iter()
            .find(|(owned, _)| owned == dependency)
            .map(|(_, owner)| *owner);
        let foreign =
            owner.is_some_and(|owner| owner != name) && !SHARED.contains(&(*dependency, name));
        (ours && *dependency != name && !allowed.contains(dependency)) || foreign
    };
    names
        .filter(wrong)
        .map(|dependency| format!("{name} must not depend on {dependency}"))
        .collect()
}
