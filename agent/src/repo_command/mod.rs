//! `holdfast-agent repo`: everything about a repository with nothing but its
//! URL and its key. No agent runs, no control plane is asked (I-09).

mod archive;
mod copy;
mod dump;
mod init;
mod keys;
mod list;
mod open;
mod output;
mod restore;
mod verify;

use std::process::ExitCode;

use crate::command_error::CommandError;

pub use copy::CopyArgs;
pub use open::Place;
pub use restore::RestoreArgs;

/// What `repo` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct RepoArgs {
    #[command(subcommand)]
    command: RepoCommand,
}

/// What is to be done with a repository.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum RepoCommand {
    /// Make a repository, and its key file if that is absent
    Init(Place),
    /// List the backups it holds
    List(ListArgs),
    /// Check that what it holds can be restored
    Verify(VerifyArgs),
    /// List the keys it holds, never their bytes
    Keys(Place),
    /// Copy backups and WAL to another repository, without opening them
    Copy(Box<CopyArgs>),
    /// Restore a cluster into a new directory
    Restore(Box<RestoreArgs>),
}

/// What `repo list` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// One cluster only
    #[arg(long, value_name = "NAME")]
    cluster: Option<holdfast_types::Name>,
}

/// What `repo verify` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// One cluster only
    #[arg(long, value_name = "NAME")]
    cluster: Option<holdfast_types::Name>,
    /// Read and check every byte, not only what must be there
    #[arg(long)]
    deep: bool,
}

impl RepoCommand {
    fn is_json(&self) -> bool {
        match self {
            Self::Init(place) | Self::Keys(place) => place.is_json(),
            Self::List(args) => args.place.is_json(),
            Self::Verify(args) => args.place.is_json(),
            Self::Copy(args) => args.is_json(),
            Self::Restore(args) => args.place().is_json(),
        }
    }
}

/// Runs the command, prints what it found on stdout, and what went wrong on
/// stderr.
pub async fn run(args: RepoArgs) -> ExitCode {
    let json = args.command.is_json();
    let done: Result<ExitCode, CommandError> = match args.command {
        RepoCommand::Init(place) => init::run(&place).await,
        RepoCommand::List(args) => list::run(&args).await,
        RepoCommand::Verify(args) => verify::run(&args).await,
        RepoCommand::Keys(place) => keys::run(&place).await,
        RepoCommand::Copy(args) => copy::run(&args).await,
        RepoCommand::Restore(args) => restore::run(*args).await,
    };
    done.unwrap_or_else(|error| {
        error.report(json);
        error.exit_code()
    })
}
