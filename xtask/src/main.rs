//! Tasks of the project that are more than a line of make.

mod check_deps;
mod check_pitfalls;
mod control_proto;
mod demo;
mod seed;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Protect a real PostgreSQL, have an accident, bring it back
    Demo(demo::Options),
    /// End what the demo left running
    DemoStop,
    /// Make a control plane of thousands of clusters, for looking at the console with
    Seed(seed::Options),
    /// Check that crates depend on each other only as DESIGN allows
    CheckDeps,
    /// Check that each pitfall of docs/pitfalls.md is cited by the tests it names
    CheckPitfalls,
    /// Write control.proto from the OpenAPI document
    ControlProto {
        /// Only say whether it is current
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::DemoStop => demo::stop(),
        Task::Seed(options) => seed::run(&options),
        Task::CheckDeps => check_deps::run(),
        Task::CheckPitfalls => check_pitfalls::run(),
        Task::ControlProto { check } => control_proto::run(check),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
