//! PostgreSQL servers that an agent finds on its host, declared or not.

use serde::{Deserialize, Serialize};

/// A PostgreSQL server on an agent's host, as it can be seen from outside: by its
/// process and its files, without a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DiscoveredInstance {
    /// Its data directory, without symbolic links where the agent may look.
    #[cfg_attr(feature = "schema", schema(example = "/var/lib/postgresql/15/main"))]
    pub data_directory: String,
    /// Whether it runs.
    pub running: bool,
    /// The major version of the data directory, such as `15`; absent where the agent
    /// may not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its system identifier; absent where the agent may not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The port of one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The directory of its socket, of one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket_directory: Option<String>,
}

/// How many of one host are told: more are a mistake, and not worth a log entry.
pub const DISCOVERED_MAX: usize = 256;

impl DiscoveredInstance {
    /// Why it cannot be recorded: what an agent says is bounded.
    pub fn problem(&self) -> Option<&'static str> {
        const PATH_MAX: usize = 4096;
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > PATH_MAX);
        if !self.data_directory.starts_with('/') || self.data_directory.len() > PATH_MAX {
            return Some("dataDirectory is no absolute path");
        }
        let others = [
            &self.version,
            &self.system_identifier,
            &self.socket_directory,
        ];
        others
            .into_iter()
            .any(long)
            .then_some("a field is longer than a path may be")
    }

    /// How an agent on its host would reach it.
    pub fn connection(&self) -> String {
        let host = self.socket_directory.as_deref();
        let host = host.unwrap_or("/var/run/postgresql");
        // libpq's quoting: a path may hold a space or a quote.
        let quoted = if host.contains([' ', '\'', '\\']) {
            format!("'{}'", host.replace('\\', "\\\\").replace('\'', "\\'"))
        } else {
            host.to_owned()
        };
        format!(
            "host={quoted} port={} user=holdfast",
            self.port.unwrap_or(5432)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(socket: Option<&str>) -> DiscoveredInstance {
        DiscoveredInstance {
            data_directory: "/d".to_owned(),
            running: true,
            version: None,
            system_identifier: None,
            port: Some(5433),
            socket_directory: socket.map(str::to_owned),
        }
    }

    #[test]
    fn the_connection_is_one_that_libpq_reads() {
        assert_eq!(
            found(Some("/run/pg")).connection(),
            "host=/run/pg port=5433 user=holdfast"
        );
        assert_eq!(
            found(Some("/run/o'pg x")).connection(),
            r"host='/run/o\'pg x' port=5433 user=holdfast"
        );
        let stopped = DiscoveredInstance {
            port: None,
            ..found(None)
        };
        assert_eq!(
            stopped.connection(),
            "host=/var/run/postgresql port=5432 user=holdfast"
        );
    }

    #[test]
    fn what_no_server_is_like_is_not_taken() {
        assert_eq!(found(None).problem(), None);
        let relative = DiscoveredInstance {
            data_directory: "d".to_owned(),
            ..found(None)
        };
        assert!(relative.problem().is_some());
        assert!(found(Some(&"x".repeat(5000))).problem().is_some());
    }
}
