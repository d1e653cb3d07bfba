//! `holdfast`: the operator's command line.
//!
//! It is a client of the public REST API and has no rights of its own. Data
//! goes to stdout, everything for people to stderr; the exit codes are those of
//! the contract.

mod cli;
mod client;
mod command;
mod config;
mod failure;
mod format;
mod output;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = cli.global.output.format();
    match command::run(cli).await {
        Ok(code) => code,
        Err(failure) => {
            failure.print(output);
            failure.exit_code()
        }
    }
}
