//! `[telemetry]`: logs and traces.

use serde::{Deserialize, Serialize};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What a node tells about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Telemetry {
    /// How log lines look.
    pub format: LogFormat,
    /// What is logged, as `tracing` filters are written: `info`,
    /// `info,holdfastd=debug`.
    pub level: String,
    /// Where traces are sent by OTLP over gRPC; nowhere when it is not set.
    pub otlp_endpoint: Option<String>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            // openraft tells of every election step at info.
            level: "info,openraft=warn".to_owned(),
            otlp_endpoint: None,
        }
    }
}

impl Telemetry {
    pub(super) fn problem(&self) -> Option<String> {
        if let Err(error) = self.level.parse::<tracing_subscriber::EnvFilter>() {
            return Some(format!("telemetry.level: {error}"));
        }
        let endpoint = self.otlp_endpoint.as_deref()?;
        let http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        (!http).then(|| "telemetry.otlpEndpoint: it starts with http:// or https://".to_owned())
    }
}
