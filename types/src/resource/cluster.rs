//! One logical PostgreSQL service and its instances.

use serde::{Deserialize, Serialize};

use super::InvalidDocument;
use crate::Name;

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ClusterSpec))]
pub struct Cluster {
    /// Its servers, each on a host with an agent.
    pub instances: Vec<InstanceSpec>,
}

/// One server of a cluster, as its agent reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InstanceSpec {
    /// The agent on its host.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agent: Name,
    /// A libpq connection string without a password.
    #[cfg_attr(
        feature = "schema",
        schema(example = "host=/run/postgresql port=5432 user=holdfast")
    )]
    pub connection: String,
    /// The secret that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub password_secret: Option<Name>,
    /// Its data directory on that host; `auto` asks the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
}

/// What is wrong with a connection string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionProblem {
    /// It holds a password.
    #[error(
        "a password does not belong into the connection string: put it into a secret and name that in passwordSecret"
    )]
    HasPassword,
    /// It is not `key=value` pairs.
    #[error(
        "a connection string is key=value pairs such as \"host=/run/postgresql port=5432 user=holdfast\""
    )]
    NotKeyValue,
}

impl InstanceSpec {
    /// The data directory that was given; `None` asks the server.
    pub fn given_data_directory(&self) -> Option<&str> {
        self.data_directory
            .as_deref()
            .filter(|path| *path != "auto")
    }

    fn connection_problem(&self) -> Option<ConnectionProblem> {
        // A URL can carry a password in many spellings; pairs are one.
        if self.connection.contains("://") || !self.connection.contains('=') {
            return Some(ConnectionProblem::NotKeyValue);
        }
        let lower = self.connection.to_ascii_lowercase();
        let spaceless: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
        let secret = ["password=", "passfile=", "sslpassword="];
        secret
            .iter()
            .any(|key| spaceless.contains(key))
            .then_some(ConnectionProblem::HasPassword)
    }
}

impl Cluster {
    pub(super) fn check(&self) -> Result<(), InvalidDocument> {
        if self.instances.is_empty() {
            return Err(InvalidDocument::new(
                "spec.instances",
                "a cluster has at least one instance",
            ));
        }
        for (index, instance) in self.instances.iter().enumerate() {
            let field = |name: &str| format!("spec.instances[{index}].{name}");
            if let Some(problem) = instance.connection_problem() {
                return Err(InvalidDocument::new(
                    field("connection"),
                    problem.to_string(),
                ));
            }
            let relative = |path: &str| !path.starts_with('/');
            if instance.given_data_directory().is_some_and(relative) {
                let message = "a data directory is auto or an absolute path";
                return Err(InvalidDocument::new(field("dataDirectory"), message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(connection: &str) -> Option<ConnectionProblem> {
        let agent = "db1".parse().unwrap();
        let connection = connection.to_owned();
        InstanceSpec {
            agent,
            connection,
            password_secret: None,
            data_directory: None,
        }
        .connection_problem()
    }

    #[test]
    fn passwords_are_refused_however_they_are_spelled() {
        assert_eq!(problem("host=/run user=holdfast"), None);
        for bad in [
            "host=a password=b",
            "host=a PASSWORD = b",
            "user=a sslpassword=x",
        ] {
            assert_eq!(problem(bad), Some(ConnectionProblem::HasPassword), "{bad}");
        }
        let url = "postgres://u:p@h/db";
        assert_eq!(problem(url), Some(ConnectionProblem::NotKeyValue));
    }
}
