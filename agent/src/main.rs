//! `holdfast-agent`: wiring only.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_agent::repo_command::{self, RepoArgs};
use holdfast_agent::wal::{FetchArgs, fetch_command};

/// The agent on a database host
#[derive(Debug, Parser)]
#[command(name = "holdfast-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch a file of WAL: PostgreSQL's restore_command
    WalFetch(FetchArgs),
    /// Work on a repository without a control plane
    Repo(RepoArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::WalFetch(args) => fetch_command(args).await.into(),
        Command::Repo(args) => repo_command::run(args).await,
    }
}
