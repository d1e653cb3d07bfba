//! `holdfast-agent`: wiring only.

use std::process::ExitCode;

use clap::Parser;
use holdfast_agent::cli::{Cli, Command, ConfigCommand};
use holdfast_agent::command_error::CommandError;
use holdfast_agent::wal::fetch::FetchExit;
use holdfast_agent::{command, repo_command, wal};
use holdfast_types::Failure;

fn main() -> ExitCode {
    let fetches = std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "wal-fetch");
    if fetches {
        wal_fetch()
    } else {
        start(Cli::parse())
    }
}

/// PostgreSQL takes codes up to 125 for "there is no such file" and ends
/// recovery there: a misspelt option must not say that.
fn wal_fetch() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => start(cli),
        Err(error) => {
            let shown = error.print();
            let only_help = !error.use_stderr() && shown.is_ok();
            if only_help {
                ExitCode::SUCCESS
            } else {
                FetchExit::Failed.into()
            }
        }
    }
}

fn start(cli: Cli) -> ExitCode {
    let fetches = matches!(cli.command, Command::WalFetch(_));
    let mut runtime = match cli.command {
        // PostgreSQL starts one for each segment, and threads of its own are half of
        // what it does; what is much work is done by blocking threads in any case.
        Command::WalPush(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(Box::pin(perform(cli.command)));
            // A job that did not end in time must not keep the process.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            let failure = CommandError::failed(Failure::permanent(
                "runtime_unusable",
                format!("no threads can be started: {error}"),
                "check the limits of processes and memory",
            ));
            failure.report(false);
            if fetches {
                FetchExit::Failed.into()
            } else {
                failure.exit_code()
            }
        }
    }
}

async fn perform(command: Command) -> ExitCode {
    match command {
        Command::Enroll(arguments) => {
            let json = arguments.output.is_json();
            code(command::enroll(arguments).await, json)
        }
        Command::Run(arguments) => code(command::run(arguments).await, false),
        Command::Config(ConfigCommand::Check(arguments)) => code(
            command::config_check(&arguments),
            arguments.output.is_json(),
        ),
        Command::Doctor(arguments) => {
            let json = arguments.output.is_json();
            code(command::doctor(arguments).await, json)
        }
        Command::Repo(arguments) => repo_command::run(arguments).await,
        Command::WalPush(arguments) => wal::push_command(arguments).await.into(),
        Command::WalFetch(arguments) => wal::fetch_command(arguments).await.into(),
    }
}

/// The exit code; a failure is told on stderr.
fn code(done: Result<ExitCode, CommandError>, json: bool) -> ExitCode {
    done.unwrap_or_else(|error| {
        error.report(json);
        error.exit_code()
    })
}
