//! The steps of the demo, told and timed.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

/// What `.demo/report.json` holds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    path: PathBuf,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    seconds: f64,
}

impl Report {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            steps: Vec::new(),
        }
    }

    /// Does a step: says what it is, does it, says how long it took.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        what: &str,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("\n▸ {what}");
        let started = Instant::now();
        let done = act();
        let seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.steps.push(Step {
            name,
            ok: done.is_ok(),
            seconds,
        });
        let mark = if done.is_ok() { "✓" } else { "✗" };
        println!("  {mark} {name}, {seconds:.1} s");
        done.with_context(|| format!("step {name}"))
    }

    pub(crate) fn write(&self) -> Result<()> {
        let json = serde_json::to_string_pretty(self).context("the report")?;
        std::fs::write(&self.path, json + "\n").context("write .demo/report.json")
    }

    pub(crate) fn print(&self) {
        println!("\nAll steps succeeded:");
        for step in &self.steps {
            println!("  {:<20} {:>7.1} s", step.name, step.seconds);
        }
    }
}
