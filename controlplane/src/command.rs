//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_proto::join::{InvalidToken, JoinToken};
use holdfast_types::{ControlPlaneId, Name, StateSnapshotId};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError, Flags};
use crate::server::{
    self, JoinError, RebuildError, RebuildFrom, Rebuilt, RestoreError, RestoreFrom, StartError,
};
use crate::{secure, telemetry};

/// How long the process may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(9);

/// The exit code of a rebuild that could not take in everything.
const NOT_WHOLE: u8 = 5;

/// A node of Holdfast's control plane.
#[derive(Debug, Parser)]
#[command(name = "holdfastd", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Run(RunArguments),
    /// Make the node of an empty data directory a member of a control plane
    Join(JoinArguments),
    /// Make a lost control plane anew from a snapshot of its state
    RestoreState(RestoreArguments),
    /// Make a lost control plane's catalog anew from its repositories alone
    ///
    /// For when every node and every snapshot of the state is lost; with a
    /// snapshot, `restore-state` brings back everything. A new control plane is
    /// founded whose catalog holds the clusters, backups and WAL that the
    /// repositories show. Users, agents, policies, schedules, jobs and the audit
    /// log are in no repository: declare them again, and enrol the agents anew.
    Rebuild(RebuildArguments),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the OpenAPI document of REST
    #[command(hide = true)]
    Openapi,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the configuration and print what is in force
    Check(ConfigArguments),
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Found a new control plane in an empty data directory
    #[arg(long)]
    bootstrap: bool,
}

#[derive(Debug, Args)]
struct JoinArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The gRPC URL of a node of the control plane
    #[arg(long, value_name = "URL")]
    server: String,
    /// The token that `holdfast node add` printed
    #[arg(
        long,
        value_name = "TOKEN",
        env = "HOLDFAST_NODE_TOKEN",
        hide_env_values = true
    )]
    token: String,
    /// The node's name [default: node-ID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct RestoreArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The repository that holds the snapshots. The store's credentials come
    /// from its SDK's environment variables
    #[arg(long, value_name = "URL")]
    from: String,
    /// The repository's key, as `holdfast repository key export` wrote it
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The copy of DATA/sealing.key of one of the lost nodes
    #[arg(long, value_name = "FILE")]
    sealing_key_file: PathBuf,
    /// Whose state, when the repository holds that of several control planes
    #[arg(long, value_name = "ID")]
    control_plane: Option<ControlPlaneId>,
    /// Which snapshot [default: the newest]
    #[arg(long, value_name = "ID")]
    snapshot: Option<StateSnapshotId>,
    /// The node's name [default: node-ID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct RebuildArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The documents of the repositories, as `holdfast apply` takes them;
    /// those of other kinds are passed over
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// The key of a repository, as `holdfast repository key export` wrote it
    #[arg(long, value_name = "REPOSITORY=FILE", value_parser = named_file)]
    key_file: Vec<(Name, PathBuf)>,
    /// A secret that the documents name
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    secret: Vec<(Name, PathBuf)>,
    /// Make a catalog also if something in a repository cannot be taken in;
    /// exits with 5 then
    #[arg(long)]
    partial: bool,
    /// Print what was made as JSON
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
    /// The node's name [default: node-1]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Json,
}

fn named_file(text: &str) -> Result<(Name, PathBuf), String> {
    let (name, path) = text
        .split_once('=')
        .ok_or("it is NAME=FILE, such as eu=eu.key")?;
    let name = name.parse().map_err(|_| format!("\"{name}\" is no name"))?;
    Ok((name, PathBuf::from(path)))
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory [default: /var/lib/holdfast]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where REST listens [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    rest: Option<String>,
    /// Where gRPC listens [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
    /// Where Raft listens [default: 127.0.0.1:8444]
    #[arg(long, value_name = "ADDR")]
    raft: Option<String>,
    /// The host under which others reach this node
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
}

impl ConfigArguments {
    fn load(self) -> Result<Config, ConfigError> {
        let mut flags = Flags::default();
        flags.node.data = self.data;
        flags.listen.rest = self.rest;
        flags.listen.grpc = self.grpc;
        flags.listen.raft = self.raft;
        flags.listen.advertise = self.advertise;
        Config::load(self.config.as_deref(), &flags)
    }
}

/// Why the program did not do what it was told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the token cannot be used: {0}")]
    Token(#[from] InvalidToken),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("the state is not restored ({code})", code = .0.code())]
    Restore(#[from] RestoreError),
    #[error("no catalog was made ({code})", code = .0.code())]
    Rebuild(#[from] Box<RebuildError>),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(arguments) => run(arguments),
        Command::Join(arguments) => join(arguments),
        Command::RestoreState(arguments) => restore_state(arguments),
        Command::Rebuild(arguments) => match rebuild(arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::from(NOT_WHOLE),
            Err(failure) => Err(failure),
        },
        Command::Config {
            command: ConfigCommand::Check(arguments),
        } => check(arguments),
        Command::Openapi => print_openapi(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            match failure {
                Failure::Config(_) | Failure::Token(_) => ExitCode::from(2),
                Failure::Join(error) if error.is_refusal() => ExitCode::from(4),
                Failure::Restore(error) if error.is_refusal() => ExitCode::from(4),
                Failure::Rebuild(error) if error.is_refusal() => ExitCode::from(4),
                Failure::Join(_)
                | Failure::Restore(_)
                | Failure::Rebuild(_)
                | Failure::Start(_)
                | Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "the program's own last words")]
fn complain(failure: &Failure) {
    use std::error::Error as _;

    let mut text = format!("error: {failure}");
    let mut cause = failure.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    eprintln!("{text}");
    match failure {
        Failure::Start(error) => eprintln!("hint: {}", error.hint()),
        Failure::Join(error) => eprintln!("hint: {}", error.hint()),
        Failure::Restore(error) => eprintln!("hint: {}", error.hint()),
        Failure::Rebuild(error) => eprintln!("hint: {}", error.hint()),
        Failure::Token(_) => eprintln!("hint: copy the whole token of `holdfast node add`"),
        Failure::Config(_) | Failure::Other(_) => {}
    }
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn check(arguments: ConfigArguments) -> Result<(), Failure> {
    let config = arguments.load()?;
    let text = toml::to_string_pretty(&config).map_err(anyhow::Error::from)?;
    print!("{text}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn print_openapi() -> Result<(), Failure> {
    println!("{}", crate::api::rest::openapi_json());
    Ok(())
}

#[expect(clippy::print_stderr, reason = "what the command tells people")]
fn join(arguments: JoinArguments) -> Result<(), Failure> {
    let token: JoinToken = arguments.token.parse()?;
    let mut config = arguments.config.load()?;
    config.node.name = arguments.name.or(config.node.name);
    config.check()?;
    secure::install_provider();
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from)?;
    let (id, name) = runtime.block_on(server::join(&config, &arguments.server, &token))?;
    eprintln!(
        "{} is node {id}, \"{name}\"; start it with `holdfastd run`",
        config.node.data.display()
    );
    Ok(())
}

#[expect(clippy::print_stderr, reason = "what the command tells people")]
fn restore_state(arguments: RestoreArguments) -> Result<(), Failure> {
    let mut config = arguments.config.load()?;
    config.node.name = arguments.name.or(config.node.name);
    config.check()?;
    let from = RestoreFrom {
        url: arguments.from,
        key_file: arguments.key_file,
        sealing_key_file: arguments.sealing_key_file,
        control_plane: arguments.control_plane,
        snapshot: arguments.snapshot,
    };
    secure::install_provider();
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from)?;
    let restored = runtime.block_on(server::restore_state(&config, &from))?;
    let facts = &restored.mark.facts;
    eprintln!(
        "{} is node {}, \"{}\", with the state of {} ({}, entry {}); {} jobs were under way then",
        config.node.data.display(),
        restored.node,
        restored.name,
        facts.taken_at,
        restored.mark.id,
        facts.index,
        restored.ended
    );
    eprintln!(
        "make sure that no node from before runs any more, start this one with `holdfastd run`, \
         and let the others join it"
    );
    Ok(())
}

/// Whether all of the repositories is in the new catalog.
#[expect(clippy::print_stdout, reason = "what the command is for")]
fn rebuild(arguments: RebuildArguments) -> Result<bool, Failure> {
    let mut config = arguments.config.load()?;
    config.node.name = arguments.name.or(config.node.name);
    config.check()?;
    let from = RebuildFrom {
        documents: arguments.file,
        keys: arguments.key_file.into_iter().collect(),
        secrets: arguments.secret.into_iter().collect(),
        partial: arguments.partial,
    };
    secure::install_provider();
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from)?;
    let rebuilt = runtime.block_on(server::rebuild(&config, &from));
    let rebuilt = rebuilt.map_err(Box::new)?;
    match arguments.output {
        Some(OutputFormat::Json) => {
            let text = serde_json::to_string(&rebuilt).map_err(anyhow::Error::from)?;
            println!("{text}");
        }
        None => tell_rebuilt(&config, &rebuilt),
    }
    Ok(rebuilt.findings.is_empty())
}

#[expect(clippy::print_stderr, reason = "what the command tells people")]
fn tell_rebuilt(config: &Config, rebuilt: &Rebuilt) {
    let data = config.node.data.display();
    eprintln!(
        "{data} is node {}, \"{}\", of a new control plane",
        rebuilt.node, rebuilt.name
    );
    for repository in &rebuilt.repositories {
        let (name, url) = (&repository.name, &repository.url);
        eprintln!(
            "repository {name}, {url}: {} backups taken in",
            repository.backups
        );
        for control_plane in &repository.state_snapshots_of {
            eprintln!(
                "  it holds snapshots of the state of {control_plane}: with its sealing key, \
                 `holdfastd restore-state` brings back everything else too"
            );
        }
    }
    for cluster in &rebuilt.clusters {
        let lineages: Vec<String> = cluster.lineages.iter().map(ToString::to_string).collect();
        let newest = cluster
            .newest_backup
            .map(|at| format!(", the newest of {at}"));
        eprintln!(
            "cluster {} ({}): {} backups{}",
            cluster.name,
            lineages.join(", "),
            cluster.backups,
            newest.unwrap_or_default()
        );
    }
    for finding in &rebuilt.findings {
        let server::RebuiltFinding {
            repository,
            kind,
            subject,
            detail,
        } = finding;
        eprintln!("NOT taken in, {repository}: {kind} {subject}: {detail}");
    }
    eprintln!(
        "no repository knows users, agents, policies, schedules, fleets, labels, secrets, jobs, \
         failed backups, frontiers, violations or the audit log: none of it is here"
    );
    if !rebuilt.not_applied.is_empty() {
        eprintln!("not applied yet: {}", rebuilt.not_applied.join(", "));
    }
    eprintln!(
        "start it with `holdfastd run`, log in with the password in {data}/bootstrap-admin, enrol \
         the agents anew, and declare the clusters under these names: their backups and WAL go on"
    );
}

fn run(arguments: RunArguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    secure::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let ended = runtime.block_on(serve(config, arguments.bootstrap));
    // A blocked thread must not hold up the end of the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended
}

async fn serve(config: Config, bootstrap: bool) -> Result<(), Failure> {
    let guard = telemetry::install(&config.telemetry)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let asked = async {
        tokio::select! {
            _ = terminate.recv() => {},
            _ = interrupt.recv() => {},
        }
    };
    tokio::pin!(asked);
    let running = tokio::select! {
        started = server::start(config, bootstrap) => started?,
        () = &mut asked => return Ok(()),
    };
    notify(sd_notify::NotifyState::Ready);
    let failed = tokio::select! {
        () = &mut asked => None,
        why = running.failed() => Some(why),
    };
    notify(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping");
    if tokio::time::timeout(GRACE, running.stop()).await.is_err() {
        // Nothing acknowledged is lost by this: the log is durable.
        tracing::warn!("not everything ended in time");
    }
    let flushed = tokio::time::timeout(Duration::from_millis(500), guard.shutdown());
    if flushed.await.is_err() {
        tracing::warn!("the last traces were not sent in time");
    }
    match failed {
        None => Ok(()),
        Some(why) => Err(why.into()),
    }
}

fn notify(state: sd_notify::NotifyState<'_>) {
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "failed to notify systemd");
    }
}
