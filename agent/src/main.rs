//! `holdfast-agent`: wiring only.

use std::process::ExitCode;

use clap::Parser;
use holdfast_agent::cli::{Cli, Command, ConfigCommand};
use holdfast_agent::command_error::CommandError;
use holdfast_agent::{command, repo_command, wal};

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Enroll(args) => {
            let json = args.output.is_json();
            code(Box::pin(command::enroll(args)).await, json)
        }
        Command::Run(args) => code(Box::pin(command::run(args)).await, false),
        Command::Config(ConfigCommand::Check(args)) => {
            code(command::config_check(&args), args.output.is_json())
        }
        Command::Doctor(args) => {
            let json = args.output.is_json();
            code(Box::pin(command::doctor(args)).await, json)
        }
        Command::Repo(args) => repo_command::run(args).await,
        Command::WalFetch(args) => wal::fetch_command(args).await.into(),
    }
}

/// The exit code; a failure is told on stderr.
fn code(done: Result<ExitCode, CommandError>, json: bool) -> ExitCode {
    done.unwrap_or_else(|error| {
        error.report(json);
        error.exit_code()
    })
}
