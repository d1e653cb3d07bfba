//! The agent's own commands, from the parsed command line to the exit code.

use std::process::ExitCode;

use holdfast_types::{Failure, Secret};
use serde_json::json;

use crate::cli::{ConfigCheckArgs, DoctorArgs, EnrollArgs, RunArgs};
use crate::command_error::CommandError;
use crate::config::{self, Config, Flags};
use crate::doctor::{self, Examine};
use crate::enroll::{self, Enrol};
use crate::identity::Identity;
use crate::{run, telemetry};

/// `enroll`.
pub async fn enroll(arguments: EnrollArgs) -> Result<ExitCode, CommandError> {
    let EnrollArgs {
        server,
        token,
        name,
        data,
        region,
        output,
    } = arguments;
    let token = token.parse().map_err(enroll::invalid_token)?;
    let enrol = Enrol {
        server,
        token,
        name,
        region,
        data,
    };
    let enrolled = enroll::enrol(&enrol).await?;
    if output.is_json() {
        println!("{}", json!(enrolled));
    } else {
        eprintln!("enrolled as {} ({})", enrolled.name, enrolled.agent_id);
        if let Some(expires_at) = enrolled.certificate_expires_at {
            eprintln!("the certificate is valid until {expires_at}");
        }
        eprintln!(
            "start the agent with: holdfast-agent run --data {}",
            enrolled.data.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// `run`.
pub async fn run(arguments: RunArgs) -> Result<ExitCode, CommandError> {
    let config = load(&arguments.data, &arguments.flags)?;
    let telemetry = telemetry::start(&config).map_err(CommandError::failed)?;
    let done = Box::pin(run::run(&arguments.data, config)).await;
    telemetry.stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// `config check`.
pub fn config_check(arguments: &ConfigCheckArgs) -> Result<ExitCode, CommandError> {
    let config = load(&arguments.data, &Flags::default())?;
    let identity =
        Identity::read(&arguments.data).map_err(|error| CommandError::failed(error.failure()))?;
    if arguments.output.is_json() {
        let expires_at = identity.expires_at();
        println!(
            "{}",
            json!({"config": config, "certificateExpiresAt": expires_at})
        );
    } else {
        let file = config::path(&arguments.data);
        eprintln!("{} is valid", file.display());
        eprintln!("agent {} ({})", config.agent.name, config.agent.id);
        eprintln!("control plane {}", config.control.servers.join(", "));
        if let Some(expires_at) = identity.expires_at() {
            eprintln!("the certificate is valid until {expires_at}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `doctor`: 1 when something is missing.
pub async fn doctor(arguments: DoctorArgs) -> Result<ExitCode, CommandError> {
    let DoctorArgs {
        data,
        connection,
        password_file,
        bin_dirs,
        output,
    } = arguments;
    let password = match (&connection, password_file) {
        (None, _) => None,
        (Some(_), Some(file)) => Some(password(&file)?),
        (Some(_), None) => std::env::var("PGPASSWORD").ok().map(Secret::new),
    };
    let config = match config::load(&data, &Flags::default()) {
        Ok(config) => Some(config),
        // A host that is not enrolled yet can be looked at all the same.
        Err(config::ConfigError::NotEnrolled(_)) if connection.is_some() => None,
        Err(error) => return Err(CommandError::failed(error.failure())),
    };
    let examine = Examine {
        data,
        connection,
        password,
        bin_dirs,
    };
    let diagnoses = Box::pin(doctor::examine(&examine, config.as_ref())).await?;
    if output.is_json() {
        println!("{}", doctor::json(&diagnoses));
    } else if diagnoses.is_empty() {
        eprintln!("the agent knows no instance yet: apply a cluster, or give --connection");
    } else {
        print!("{}", doctor::text(&diagnoses));
    }
    let ready = diagnoses.iter().all(|diagnosis| diagnosis.ready);
    Ok(if ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn load(data: &std::path::Path, flags: &Flags) -> Result<Config, CommandError> {
    config::load(data, flags).map_err(|error| CommandError::failed(error.failure()))
}

fn password(file: &std::path::Path) -> Result<Secret, CommandError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CommandError::usage(Failure::permanent(
            "password_file_unreadable",
            format!("{} cannot be read: {error}", file.display()),
            "give a file that holds the password and nothing else",
        ))
    })?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}
