//! One logical PostgreSQL service and its instances.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Agents elsewhere that may receive its WAL over the network, in the
    /// order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<RelaySpec>,
}

/// What `dataDirectory` says where the agent cannot read it.
pub const REMOTE: &str = "remote";

/// An agent that may receive a cluster's WAL from another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RelaySpec {
    /// The agent.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agent: Name,
    /// How it reaches each instance, by the name of the instance's agent:
    /// libpq connection strings without passwords. It can stand in for those
    /// that are named.
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub connections: BTreeMap<Name, String>,
    /// The secret that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub password_secret: Option<Name>,
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
    /// Its data directory on that host. `auto` asks the server; `remote`: the
    /// agent cannot read it, and backups come over the replication protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
    /// Patroni's REST API on that host, such as `http://127.0.0.1:8008`: who
    /// leads is then what Patroni says, and not only what PostgreSQL does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "http://127.0.0.1:8008"))]
    pub patroni: Option<String>,
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

    /// Whether the agent does not read the data directory.
    pub fn is_remote(&self) -> bool {
        self.data_directory.as_deref() == Some(REMOTE)
    }
}

fn connection_problem(connection: &str) -> Option<ConnectionProblem> {
    // A URL can carry a password in many spellings; pairs are one.
    if connection.contains("://") || !connection.contains('=') {
        return Some(ConnectionProblem::NotKeyValue);
    }
    let lower = connection.to_ascii_lowercase();
    let spaceless: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    let secret = ["password=", "passfile=", "sslpassword="];
    secret
        .iter()
        .any(|key| spaceless.contains(key))
        .then_some(ConnectionProblem::HasPassword)
}

/// An address of Patroni: a scheme, a host, and nothing that hides a password.
fn is_patroni_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']))
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
            if let Some(problem) = connection_problem(&instance.connection) {
                return Err(InvalidDocument::new(
                    field("connection"),
                    problem.to_string(),
                ));
            }
            let relative = |path: &str| path != REMOTE && !path.starts_with('/');
            if instance.given_data_directory().is_some_and(relative) {
                let message = "a data directory is auto, remote or an absolute path";
                return Err(InvalidDocument::new(field("dataDirectory"), message));
            }
            if instance
                .patroni
                .as_deref()
                .is_some_and(|url| !is_patroni_url(url))
            {
                let message =
                    "the address of Patroni's REST API is http://HOST:PORT or https://HOST:PORT";
                return Err(InvalidDocument::new(field("patroni"), message));
            }
        }
        self.check_relays()
    }

    fn check_relays(&self) -> Result<(), InvalidDocument> {
        let instances: BTreeSet<&Name> = self.instances.iter().map(|one| &one.agent).collect();
        let mut seen = BTreeSet::new();
        for (index, relay) in self.relays.iter().enumerate() {
            let field = |name: &str| format!("spec.relays[{index}].{name}");
            if !seen.insert(&relay.agent) {
                let message = format!("the relay \"{}\" is named twice", relay.agent);
                return Err(InvalidDocument::new(field("agent"), message));
            }
            if relay.connections.is_empty() {
                let message = "name a connection for each instance that the relay can reach";
                return Err(InvalidDocument::new(field("connections"), message));
            }
            for (instance, connection) in &relay.connections {
                let field = || field(&format!("connections.{instance}"));
                if !instances.contains(instance) {
                    let message =
                        format!("the cluster has no instance at the agent \"{instance}\"");
                    return Err(InvalidDocument::new(field(), message));
                }
                if *instance == relay.agent {
                    let message = "an agent needs no relay to its own instance: leave it out";
                    return Err(InvalidDocument::new(field(), message));
                }
                if let Some(problem) = connection_problem(connection) {
                    return Err(InvalidDocument::new(field(), problem.to_string()));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(spec: Value) -> Option<String> {
        let cluster: Cluster = serde_json::from_value(spec).unwrap();
        cluster.check().err().map(|problem| problem.field)
    }

    #[test]
    fn passwords_are_refused_however_they_are_spelled() {
        assert_eq!(connection_problem("host=/run user=holdfast"), None);
        for bad in [
            "host=a password=b",
            "host=a PASSWORD = b",
            "user=a sslpassword=x",
        ] {
            let problem = Some(ConnectionProblem::HasPassword);
            assert_eq!(connection_problem(bad), problem, "{bad}");
        }
        let url = "postgres://u:p@h/db";
        assert_eq!(
            connection_problem(url),
            Some(ConnectionProblem::NotKeyValue)
        );
    }

    #[test]
    fn a_relay_reaches_instances_of_the_cluster_each_by_a_connection() {
        let with = |relays: Value| json!({"instances": [{"agent": "db1", "connection": "host=a"}], "relays": relays});
        let relay = |connections: Value| json!({"agent": "far", "connections": connections});
        assert_eq!(
            refused(with(json!([relay(json!({"db1": "host=a"}))]))),
            None
        );
        let field = |relay: Value| refused(with(json!([relay]))).unwrap();
        assert_eq!(field(relay(json!({}))), "spec.relays[0].connections");
        assert_eq!(
            field(relay(json!({"db2": "host=a"}))),
            "spec.relays[0].connections.db2"
        );
        assert_eq!(
            field(relay(json!({"db1": "host=a password=b"}))),
            "spec.relays[0].connections.db1"
        );
        let itself = json!({"agent": "db1", "connections": {"db1": "host=a"}});
        assert_eq!(field(itself), "spec.relays[0].connections.db1");
        let one = relay(json!({"db1": "host=a"}));
        assert_eq!(
            refused(with(json!([one, one]))).unwrap(),
            "spec.relays[1].agent"
        );
    }

    #[test]
    fn patroni_is_an_http_address_without_a_password() {
        let with = |url: &str| {
            refused(json!({"instances": [
                {"agent": "db1", "connection": "host=a", "patroni": url},
            ]}))
        };
        assert_eq!(with("http://127.0.0.1:8008"), None);
        for bad in ["127.0.0.1:8008", "http://", "http://me:word@host:8008"] {
            let field = Some("spec.instances[0].patroni".to_owned());
            assert_eq!(with(bad), field, "{bad}");
        }
    }
}
