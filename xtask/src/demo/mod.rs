//! The demo: a policy goes in, a real PostgreSQL is protected, its accident is
//! undone, and the rows are checked.
//!
//! It does with the real programs what a person would do, and tells what it
//! does. Steps and their times go to `.demo/report.json`.

mod place;
mod report;
mod servers;
mod story;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use place::Place;
use report::Report;

/// How the demo is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// REST; + 1 gRPC, + 2 Raft, + 50 and up PostgreSQL
    #[arg(long, default_value_t = 18_400)]
    port_base: u16,
    /// Leave no process running
    #[arg(long)]
    once: bool,
    /// Nodes of the control plane
    #[arg(long, default_value_t = 1)]
    nodes: u16,
}

/// A deadline that only a broken system misses.
const LONG: Duration = Duration::from_secs(120);

/// Runs the demo.
pub(crate) fn run(options: &Options) -> Result<()> {
    if ![1, 3, 5].contains(&options.nodes) {
        bail!(
            "NODES={} is no size of a control plane: it has one, three or five nodes",
            options.nodes
        );
    }
    stop()?;
    let place = Place::prepare(options.port_base, options.nodes)?;
    let mut report = Report::new(place.path().join("report.json"));
    let outcome = story::tell(&place, &mut report);
    report.write()?;
    let running = match outcome {
        Ok(running) => running,
        Err(error) => {
            return Err(error.context("the demo failed; its logs are in .demo"));
        }
    };
    report.print();
    if options.once {
        running.end();
        place.release()?;
        return Ok(());
    }
    running.leave(&place)
}

/// Ends what an earlier demo left running.
pub(crate) fn stop() -> Result<()> {
    servers::end_left_over(&Place::folder()?)
}
