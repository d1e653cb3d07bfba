//! What a row leaves behind: one JSON file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::machine::Machine;

/// One thing that had to be reached.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What, in words.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What it had to be.
    pub target: f64,
    /// Whether that is the most or the least it might be.
    pub bound: Bound,
    /// Whether it was met.
    pub ok: bool,
}

/// On which side of a target one must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// The most.
    AtMost,
    /// The least.
    AtLeast,
}

impl Target {
    /// No more than `target`.
    pub fn at_most(what: &str, measured: f64, target: f64) -> Self {
        Self::new(what, measured, target, Bound::AtMost)
    }

    /// No less than `target`.
    pub fn at_least(what: &str, measured: f64, target: f64) -> Self {
        Self::new(what, measured, target, Bound::AtLeast)
    }

    fn new(what: &str, measured: f64, target: f64, bound: Bound) -> Self {
        let ok = match bound {
            Bound::AtMost => measured <= target,
            Bound::AtLeast => measured >= target,
        };
        Self {
            what: what.to_owned(),
            measured,
            target,
            bound,
            ok,
        }
    }
}

/// What a row measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What had to be reached.
    pub targets: Vec<Target>,
    /// Everything else worth knowing.
    pub details: Value,
}

/// Where results go, and what they are of.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The folder of the results.
    pub results: PathBuf,
    /// The commit that was built.
    pub commit: String,
    /// When the run began.
    pub date: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sheet<'a> {
    row: &'a str,
    commit: &'a str,
    date: &'a str,
    machine: &'a Machine,
    ok: bool,
    #[serde(flatten)]
    measured: &'a Measured,
}

impl Desk {
    /// Writes the row's file and tells people.
    pub fn write(&self, row: &str, machine: &Machine, measured: &Measured) -> Result<()> {
        let sheet = Sheet {
            row,
            commit: &self.commit,
            date: &self.date,
            machine,
            ok: measured.targets.iter().all(|target| target.ok),
            measured,
        };
        fs::create_dir_all(&self.results).context("make the folder of the results")?;
        let path = self.results.join(format!("{row}.json"));
        let mut text = serde_json::to_string_pretty(&sheet)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        show(row, &path, measured);
        Ok(())
    }
}

fn show(row: &str, path: &Path, measured: &Measured) {
    println!("{row} ({})", path.display());
    for target in &measured.targets {
        let Target {
            what,
            measured,
            target: wanted,
            bound,
            ok,
        } = target;
        let bound = match bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        let verdict = if *ok { "ok    " } else { "MISSED" };
        println!("  {verdict} {what}: {measured} ({bound} {wanted})");
    }
}
