//! What each command does: a file per noun.

mod agent;
mod alarm;
mod apply;
mod approval;
mod audit;
mod backup;
mod channel;
mod compliance;
mod coverage;
mod drill;
mod exposure;
mod job;
mod login;
mod node;
mod policy;
mod promise;
mod report;
mod repository;
mod resource;
mod restore;
mod role;
mod secret;
mod snapshot;
mod status;
mod token;
mod unprotected;
mod user;

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::json;

use crate::cli::{Cli, Command, Report};
use crate::client::Client;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::{self, Format, Wanted};

/// A command under way: the client and how to print.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) format: Format,
}

type Outcome = Result<ExitCode, Failure>;

const DONE: Outcome = Ok(ExitCode::SUCCESS);

/// Runs the command that was given.
pub(crate) async fn run(cli: Cli) -> Outcome {
    let wanted = cli.global.output;
    let format = wanted.format();
    match &cli.command {
        Command::Version => return version(format),
        Command::Completion { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(*shell, &mut command, "holdfast", &mut std::io::stdout());
            return DONE;
        }
        // Whoever has the file and the CA's certificate needs no server.
        Command::Report(Report::Verify { file }) => return report::verify(&cli.global, file),
        Command::Report(_) => {}
        _ if matches!(wanted, Wanted::Csv | Wanted::Pdf) => {
            let message = format!("only reports are written as {}", wanted.word());
            return Err(Failure::usage(message, "use -o table, json or yaml"));
        }
        _ => {}
    }
    let client = Client::new(Config::load(&cli.global)?)?;
    let client = client.because(cli.global.because.as_deref())?;
    let mut cx = Context { client, format };
    match cli.command {
        Command::Version | Command::Completion { .. } => DONE,
        Command::Login(args) => login::login(&mut cx, args).await,
        Command::Logout => login::logout(&mut cx).await,
        Command::Status => status::status(&mut cx).await,
        Command::Apply(args) => apply::apply(&mut cx, args).await,
        Command::Get {
            kind,
            name,
            effective,
        } => resource::get(&mut cx, &kind, name.as_ref(), effective).await,
        Command::Delete { kind, name } => resource::delete(&mut cx, &kind, &name).await,
        Command::Secret(command) => secret::run(&mut cx, command).await,
        Command::User(command) => user::run(&mut cx, command).await,
        Command::Token(command) => token::run(&mut cx, command).await,
        Command::Repository(command) => repository::run(&mut cx, command).await,
        Command::Agent(command) => agent::run(&mut cx, command).await,
        Command::Node(command) => node::run(&mut cx, command).await,
        Command::Snapshot(command) => snapshot::run(&mut cx, command).await,
        Command::Policy(command) => policy::run(&mut cx, command).await,
        Command::Backup(command) => backup::run(&mut cx, command).await,
        Command::Restore(command) => restore::run(&mut cx, *command).await,
        Command::Drill(command) => drill::run(&mut cx, *command).await,
        Command::Job(command) => job::run(&mut cx, command).await,
        Command::Exposure { cluster, fleet } => exposure::run(&mut cx, cluster, fleet).await,
        Command::Coverage {
            cluster,
            from,
            to,
            repository,
        } => coverage::run(&mut cx, &cluster, (from, to), repository).await,
        Command::Compliance(command) => compliance::run(&mut cx, command).await,
        Command::Exemption(command) => compliance::exemption(&mut cx, command).await,
        Command::Alarm(command) => alarm::run(&mut cx, command).await,
        Command::Channel(command) => channel::run(&mut cx, command).await,
        Command::Unprotected(command) => unprotected::run(&mut cx, command).await,
        Command::Approval(command) => approval::run(&mut cx, command).await,
        Command::Role(command) => role::run(&mut cx, command).await,
        Command::Report(command) => report::run(&mut cx, wanted, command).await,
        Command::Audit(command) => audit::run(&mut cx, command).await,
    }
}

fn version(format: Format) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    match format {
        Format::Table => println!("holdfast {version}"),
        Format::Json | Format::Yaml => output::value(format, &json!({ "version": version }))?,
    }
    DONE
}

/// A password, from standard input or typed where nobody else sees it.
fn password(stdin: bool, prompt: &str) -> Result<String, Failure> {
    if stdin {
        let text = read_stdin()?;
        return Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        let message = "there is no terminal to ask for the password";
        return Err(Failure::usage(message, "pipe it in with --password-stdin"));
    }
    let asked = dialoguer::Password::new().with_prompt(prompt).interact();
    asked.map_err(|error| Failure::usage(error.to_string(), "use --password-stdin"))
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::file("standard input", &error))?;
    Ok(text)
}

/// Says what was done: a line for people, the answer for scripts.
fn done(cx: &Context, body: &serde_json::Value, text: &str) -> Outcome {
    match cx.format {
        Format::Table => println!("{text}"),
        Format::Json | Format::Yaml => output::value(cx.format, body)?,
    }
    DONE
}
