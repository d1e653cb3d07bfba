//! The agent's settings: `DIR/agent.toml`, then the environment as
//! `HOLDFAST_SECTION__KEY`, then flags. Keys that nobody knows are refused, so
//! that a typing error is never a default.

mod environment;
mod load;

use std::path::{Path, PathBuf};

use holdfast_types::{AgentId, Name, Span};
use serde::{Deserialize, Serialize};

pub(crate) use load::check_server;
pub use load::{ConfigError, load};

use crate::host::{Hooks, HostConfig, PostgresConfig};

/// The file's name in the agent's directory.
pub const FILE: &str = "agent.toml";

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Who this agent is.
    pub agent: AgentConfig,
    /// Where the control plane is.
    pub control: ControlConfig,
    /// PostgreSQL's own programs.
    #[serde(default)]
    pub postgres: PostgresConfig,
    /// Commands that restores may run on this host, by name.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// The log on stderr.
    #[serde(default)]
    pub log: LogConfig,
    /// Traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// Who this agent is, as the control plane enrolled it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// Its identity.
    pub id: AgentId,
    /// Its name.
    pub name: Name,
    /// What it fails together with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Where the control plane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlConfig {
    /// The gRPC URLs of its nodes; any of them will do.
    pub servers: Vec<String>,
    /// How long no quorum may be proved before the agent follows its schedules
    /// itself; each agent adds its own part of up to half of it.
    #[serde(default = "take_over_after", skip_serializing_if = "is_usual")]
    pub take_over_after: Span,
}

/// Longer than any restart of a node and any change of leader.
const TAKE_OVER_AFTER: Span = Span::from_secs(30);

/// What [`ControlConfig::take_over_after`] is when nobody says.
pub const fn take_over_after() -> Span {
    TAKE_OVER_AFTER
}

fn is_usual(span: &Span) -> bool {
    *span == TAKE_OVER_AFTER
}

/// The log on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: `info`, or directives such as `info,holdfast_agent=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Traces. Off unless an endpoint is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// An OTLP collector's gRPC URL, such as `http://127.0.0.1:4317`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl Config {
    /// The settings that jobs and duties depend on.
    pub fn host(&self) -> HostConfig {
        HostConfig {
            postgres: self.postgres.clone(),
            hooks: self.hooks.clone(),
        }
    }

    /// The text of a new `agent.toml`.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let settings = toml::to_string_pretty(self)?;
        Ok(format!(
            "# Written by `holdfast-agent enroll`. Every setting can also be given as\n\
             # HOLDFAST_SECTION__KEY, such as HOLDFAST_LOG__LEVEL=debug.\n\n{settings}"
        ))
    }
}

/// Settings given as flags; they win over file and environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// gRPC URL of a control-plane node, instead of those in agent.toml; may be
    /// repeated
    #[arg(long = "server", value_name = "URL")]
    pub servers: Vec<String>,
    /// Directory that holds PostgreSQL's programs; may be repeated
    #[arg(long = "bin-dir", value_name = "DIR")]
    pub bin_dirs: Vec<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, or directives such as
    /// info,holdfast_agent=debug
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Send traces to this OTLP collector, such as http://127.0.0.1:4317
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// Where the settings of the agent in `data` are.
pub fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}
