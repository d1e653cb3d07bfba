//! The long run of faults.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use holdfast_faults::run::{Options, Outcome, run};
use holdfast_faults::{privilege, report};
use jiff::Timestamp;

/// Break real nodes and agents, and check that they kept their promises
#[derive(Debug, Parser)]
struct Arguments {
    /// From which the plan of faults follows; by the clock when not said
    #[arg(long)]
    seed: Option<u64>,
    /// So many faults
    #[arg(long, default_value_t = 1000)]
    faults: usize,
    /// No new fault after so many minutes
    #[arg(long, default_value_t = 240)]
    minutes: u64,
    /// Write the result between the marks of this page
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(reason) = privilege::lacking() {
        eprintln!("error: faults cannot be tried here: {reason}");
        return ExitCode::FAILURE;
    }
    let now = Timestamp::now();
    let by_clock = u64::try_from(now.as_second()).unwrap_or_default();
    let outcome = run(&Options {
        seed: arguments.seed.unwrap_or(by_clock),
        faults: arguments.faults,
        at_most: Duration::from_secs(arguments.minutes * 60),
        first: Vec::new(),
    });
    finish(&arguments, &outcome, now)
}

fn finish(arguments: &Arguments, outcome: &Outcome, at: Timestamp) -> ExitCode {
    let told = report::markdown(outcome, at);
    println!("{told}");
    if let Some(path) = &arguments.report
        && let Err(error) = report::write(path, &told)
    {
        eprintln!(
            "error: the report cannot be written to {}: {error}",
            path.display()
        );
        return ExitCode::FAILURE;
    }
    if outcome.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "error: {} promises were broken with seed {}",
        outcome.violations.len(),
        outcome.seed
    );
    ExitCode::FAILURE
}
