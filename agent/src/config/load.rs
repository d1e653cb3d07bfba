//! Reading the settings, and saying which one is wrong.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use holdfast_types::{Failure, Span};

use super::{Config, Flags, environment, path};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// This directory is no agent's.
    #[error("{} is not the directory of an enrolled agent: it has no agent.toml", .0.display())]
    NotEnrolled(PathBuf),
    /// The file is no TOML.
    #[error("{place} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        place: String,
        /// Why.
        reason: String,
    },
    /// A setting is wrong or unknown.
    #[error("the setting {key} in {place} is wrong: {reason}")]
    Invalid {
        /// Which.
        key: String,
        /// Where it was given.
        place: String,
        /// Why.
        reason: String,
    },
}

impl ConfigError {
    /// What a person is told.
    pub fn failure(&self) -> Failure {
        let message = self.to_string();
        match self {
            Self::NotEnrolled(_) => Failure::permanent(
                "not_enrolled",
                message,
                "check --data, or enrol with `holdfast-agent enroll --server URL --token T --name N \
                 --data DIR`",
            ),
            Self::Unreadable { .. } | Self::Invalid { .. } => Failure::permanent(
                "config_invalid",
                message,
                "correct it; `holdfast-agent config check` says whether all is well",
            ),
        }
    }

    fn invalid(key: &str, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.to_owned(),
            place: place.into(),
            reason: reason.into(),
        }
    }
}

/// The settings of the agent in `data`.
pub fn load(data: &Path, flags: &Flags) -> Result<Config, ConfigError> {
    let file = path(data);
    if !file.is_file() {
        return Err(ConfigError::NotEnrolled(data.to_path_buf()));
    }
    let figment = with_flags(
        Figment::from(Toml::file_exact(&file)).merge(environment::settings()),
        flags,
    );
    let config: Config = figment.extract().map_err(|error| explain(&error, &file))?;
    check(&config, &file)?;
    Ok(config)
}

fn with_flags(mut figment: Figment, flags: &Flags) -> Figment {
    let Flags {
        servers,
        bin_dirs,
        log_format,
        log_level,
        otlp_endpoint,
    } = flags;
    if !servers.is_empty() {
        figment = figment.merge(Serialized::default("control.servers", servers));
    }
    if !bin_dirs.is_empty() {
        figment = figment.merge(Serialized::default("postgres.binDirs", bin_dirs));
    }
    if let Some(format) = log_format {
        figment = figment.merge(Serialized::default("log.format", format));
    }
    if let Some(level) = log_level {
        figment = figment.merge(Serialized::default("log.level", level));
    }
    if let Some(endpoint) = otlp_endpoint {
        figment = figment.merge(Serialized::default("telemetry.otlpEndpoint", endpoint));
    }
    figment
}

fn explain(error: &figment::Error, file: &Path) -> ConfigError {
    let place = match &error.metadata {
        Some(metadata) if metadata.name.contains("environment") => "the environment".to_owned(),
        Some(metadata) if metadata.name.contains("TOML") => file.display().to_string(),
        Some(metadata) => metadata.name.to_string(),
        None => file.display().to_string(),
    };
    // figment's path ends at the table that lacks a key or has one too many.
    let mut key = error.path.clone();
    match &error.kind {
        Kind::UnknownField(name, _) => key.push(name.clone()),
        Kind::MissingField(name) => key.push(name.clone().into_owned()),
        _ => {}
    }
    let reason = error.kind.to_string();
    if key.is_empty() {
        return ConfigError::Unreadable { place, reason };
    }
    ConfigError::invalid(&key.join("."), place, reason)
}

/// What types cannot say.
fn check(config: &Config, file: &Path) -> Result<(), ConfigError> {
    let place = file.display().to_string();
    if config.control.servers.is_empty() {
        return Err(ConfigError::invalid(
            "control.servers",
            place,
            "it names no server",
        ));
    }
    for server in &config.control.servers {
        check_server(server)
            .map_err(|reason| ConfigError::invalid("control.servers", &*place, reason))?;
    }
    if config.control.take_over_after < Span::from_secs(1) {
        return Err(ConfigError::invalid(
            "control.takeOverAfter",
            place,
            "not shorter than 1s: every reconnect would count",
        ));
    }
    for (name, hook) in &config.hooks {
        hook.check().map_err(|(key, reason)| {
            ConfigError::invalid(&format!("hooks.{name}.{key}"), &*place, reason)
        })?;
    }
    if let Err(error) = config
        .log
        .level
        .parse::<tracing_subscriber::filter::Targets>()
    {
        return Err(ConfigError::invalid("log.level", place, error.to_string()));
    }
    Ok(())
}

/// Only TLS can prove who answers.
pub(crate) fn check_server(url: &str) -> Result<(), String> {
    let parsed: Result<tonic::transport::Uri, _> = url.parse();
    let uri = parsed.map_err(|error| format!("\"{url}\" is not a URL: {error}"))?;
    if uri.scheme_str() != Some("https") || uri.host().is_none() {
        return Err(format!(
            "\"{url}\" is not a URL such as https://control.example:8443"
        ));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(format!("\"{url}\" must end after the port"));
    }
    Ok(())
}
