//! The configuration of a node: defaults, then its TOML file, then
//! `HOLDFAST_SECTION__KEY` variables, then flags; the later wins.
//!
//! Unknown keys are refused. What operators change at run time lives in the
//! replicated state, not here, and no secret is a setting.

mod access;
mod alarms;
mod expiry;
mod jobs;
mod listen;
mod node;
mod telemetry;

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use access::Access;
pub use alarms::Alarms;
pub use expiry::Expiry;
pub use jobs::Jobs;
pub use listen::Listen;
pub use node::Node;
pub use telemetry::{LogFormat, Telemetry};

/// Everything a node is told when it starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// The node itself.
    pub node: Node,
    /// Where it listens.
    pub listen: Listen,
    /// What it tells about itself.
    pub telemetry: Telemetry,
    /// Logins and tokens.
    pub access: Access,
    /// Jobs and agents.
    pub jobs: Jobs,
    /// Alarms and what is told of them.
    pub alarms: Alarms,
    /// What policies keep no longer.
    pub expiry: Expiry,
}

/// Settings given as flags of `holdfastd run`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Flags {
    /// `[node]`.
    #[serde(skip_serializing_if = "NodeFlags::is_empty")]
    pub node: NodeFlags,
    /// `[listen]`.
    #[serde(skip_serializing_if = "ListenFlags::is_empty")]
    pub listen: ListenFlags,
}

/// Flags of the section `node`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeFlags {
    /// `--data`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
}

/// Flags of the section `listen`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListenFlags {
    /// `--rest`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<String>,
    /// `--grpc`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
    /// `--raft`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raft: Option<String>,
    /// `--advertise`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
}

impl NodeFlags {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ListenFlags {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file is not there.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A key is unknown, or a value does not fit it.
    #[error("the configuration cannot be used: {0}")]
    Invalid(String),
}

impl Config {
    /// Reads the configuration and checks it.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_from(file, variables(), flags)
    }

    fn load_from(file: Option<&Path>, variables: Env, flags: &Flags) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            // Figment takes a file that is not there for an empty one.
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
            figment = figment.merge(Toml::string(&text));
        }
        let config: Self = figment
            .merge(variables)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ConfigError::Invalid(explain(&error)))?;
        config.check()?;
        Ok(config)
    }

    /// Checks what serde cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self {
            node,
            listen,
            telemetry,
            access,
            alarms,
            jobs,
            expiry,
        } = self;
        let problems = [
            node.problem(),
            listen.problem(),
            telemetry.problem(),
            access.problem(),
            alarms.problem(),
            jobs.problem(),
            expiry.problem(),
        ];
        if let Some(problem) = problems.into_iter().flatten().next() {
            return Err(ConfigError::Invalid(problem));
        }
        Ok(())
    }
}

/// `HOLDFAST_LISTEN__REST` is `listen.rest`, `HOLDFAST_TELEMETRY__OTLP_ENDPOINT`
/// is `telemetry.otlpEndpoint`. Names without `__` belong to other programs.
fn variables() -> Env {
    Env::prefixed("HOLDFAST_")
        .filter(|key| key.as_str().contains("__"))
        .map(|key| camel(key.as_str()).into())
        .split("__")
        // Keys are camelCase. Last, for every step before sets it back.
        .lowercase(false)
}

fn camel(key: &str) -> String {
    let sections = key.split("__").map(|section| {
        let mut words = section.split('_');
        let mut name = words.next().unwrap_or_default().to_ascii_lowercase();
        for word in words {
            let word = word.to_ascii_lowercase();
            let mut letters = word.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
        name
    });
    sections.collect::<Vec<_>>().join("__")
}

fn explain(error: &figment::Error) -> String {
    let problems = error.clone().into_iter().map(|error| {
        let path = error.path.join(".");
        if path.is_empty() {
            error.kind.to_string()
        } else {
            format!("{path}: {}", error.kind)
        }
    });
    problems.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holdfastd.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let (_dir, path) = written("[listen]\nrest = \"127.0.0.1:1\"\ngrpc = \"127.0.0.1:2\"\n");
        let mut flags = Flags::default();
        flags.listen.rest = Some("127.0.0.1:3".to_owned());
        let config = Config::load(Some(&path), &flags).unwrap();
        assert_eq!(config.listen.rest.to_string(), "127.0.0.1:3");
        assert_eq!(config.listen.grpc.to_string(), "127.0.0.1:2");
        assert_eq!(config.listen.raft.to_string(), "127.0.0.1:8444");
    }

    #[test]
    fn variables_name_sections_and_keys() {
        assert_eq!(camel("TELEMETRY__OTLP_ENDPOINT"), "telemetry__otlpEndpoint");
        assert_eq!(camel("LISTEN__REST"), "listen__rest");
    }

    #[test]
    fn unknown_keys_are_refused_with_their_path() {
        let (_dir, path) = written("[listen]\nrets = \"127.0.0.1:1\"\n");
        let error = Config::load(Some(&path), &Flags::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("listen") && text.contains("rets"), "{text}");
        let (_dir, path) = written("[jobs]\nattempts = 0\n");
        let error = Config::load(Some(&path), &Flags::default()).unwrap_err();
        assert!(error.to_string().contains("jobs.attempts"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let missing = Path::new("/nonexistent/holdfastd.toml");
        let error = Config::load(Some(missing), &Flags::default()).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    }
}
