//! The command line of `holdfast-agent`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_types::Name;

use crate::config::Flags;
use crate::repo_command::RepoArgs;
use crate::wal::{FetchArgs, PushArgs};

/// Where an agent keeps its files unless it is told otherwise.
const DATA: &str = "/var/lib/holdfast-agent";

/// Holdfast's agent: one per database host. It receives WAL, takes backups and
/// restores, and needs the control plane only to be told what to do.
#[derive(Debug, Parser)]
#[command(name = "holdfast-agent", version, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What it can be told.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Join a control plane: exchange a one-time token for a certificate
    ///
    /// The token comes from `holdfast agent token create` and names the control
    /// plane's CA by its hash, so a server that cannot show that CA is refused
    /// before anything is sent. Run this as the user that will run the agent,
    /// or as root in a directory that belongs to that user.
    Enroll(EnrollArgs),
    /// Run the agent until SIGTERM
    ///
    /// Needs a directory made by `enroll`. Run it as the owner of the data
    /// directories, usually postgres. As root it runs PostgreSQL's programs as
    /// the owner of the data directory.
    Run(RunArgs),
    /// Look at the agent's settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what this host lacks, as exact statements, and change nothing
    ///
    /// Looks at every instance that the agent knows, and at the one given by
    /// --connection. Exits with 1 when something is missing.
    Doctor(DoctorArgs),
    /// Work with a repository directly; needs no control plane
    Repo(RepoArgs),
    /// Store one WAL file for PostgreSQL's archive_command
    ///
    /// Exits with 0 only when the repository holds the file durably. The same
    /// bytes again are no error; other bytes of the same name, another system
    /// and a history that does not continue the stored one are refused with 4,
    /// and anything else is 1: PostgreSQL keeps the file and asks again.
    WalPush(PushArgs),
    /// Fetch one WAL file for PostgreSQL's restore_command
    ///
    /// Exits with 0 when the file was written, 1 when it is proved not to
    /// exist, and 130 for anything else, so that PostgreSQL never takes a
    /// broken network for the end of WAL.
    WalFetch(FetchArgs),
}

/// `enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// gRPC URL of a control-plane node, such as https://control.example:8443
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// The join token: hfj1.<id>.<secret>.<CA sha256>
    // Also from the environment, where other users cannot see it.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "HOLDFAST_JOIN_TOKEN",
        hide_env_values = true
    )]
    pub token: String,
    /// The agent's name: 1 to 63 of a-z, 0-9 and -
    #[arg(long)]
    pub name: Name,
    /// The agent's directory; made when it does not exist
    #[arg(long, value_name = "DIR", env = "HOLDFAST_DATA", default_value = DATA)]
    pub data: PathBuf,
    /// What this host fails together with, such as eu-west-1; the token's
    /// region when not given
    #[arg(long)]
    pub region: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the help of --output says it")]
    pub output: OutputArgs,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The agent's directory
    #[arg(long, value_name = "DIR", env = "HOLDFAST_DATA", default_value = DATA)]
    pub data: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "each flag has its help")]
    pub flags: Flags,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether agent.toml, the environment and the certificate can be used
    Check(ConfigCheckArgs),
}

/// `config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// The agent's directory
    #[arg(long, value_name = "DIR", env = "HOLDFAST_DATA", default_value = DATA)]
    pub data: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the help of --output says it")]
    pub output: OutputArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The agent's directory
    #[arg(long, value_name = "DIR", env = "HOLDFAST_DATA", default_value = DATA)]
    pub data: PathBuf,
    /// Look at this instance too: "host=/run/postgresql port=5432 user=holdfast"
    #[arg(long, value_name = "CONNINFO")]
    pub connection: Option<String>,
    /// File with the password for --connection; else PGPASSWORD is used
    #[arg(long, value_name = "FILE", requires = "connection")]
    pub password_file: Option<PathBuf>,
    /// Directory that holds PostgreSQL's programs; may be repeated
    #[arg(long = "bin-dir", value_name = "DIR")]
    pub bin_dirs: Vec<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the help of --output says it")]
    pub output: OutputArgs,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print for people, or one JSON value for scripts
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub output: Output,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

impl OutputArgs {
    /// Whether a script reads it.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }
}
