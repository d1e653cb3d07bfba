//! What an agent needs to reach a repository or an instance.
//!
//! These carry secrets: they travel over mutual TLS only, are kept by the agent
//! in files of mode 0600, and their `Debug` shows none (I-10).

use std::collections::BTreeMap;

use holdfast_types::resource::REMOTE;
use holdfast_types::{Name, Secret};
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, parse};
use crate::v1;

/// Access to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryAccess {
    /// Its name in the control plane.
    pub name: Name,
    /// Its URL.
    pub url: String,
    /// Its region.
    pub region: Option<String>,
    /// The object store's address when it is not the provider's own.
    pub endpoint: Option<String>,
    /// Credentials under the SDKs' environment names.
    pub credentials: BTreeMap<String, Secret>,
    /// Its key: 64 hex characters.
    pub key: Secret,
    /// How many bytes a second all that has this access may send there together, from
    /// one agent; `None` is without a limit.
    #[serde(default)]
    pub bandwidth: Option<u64>,
}

impl From<&RepositoryAccess> for v1::RepositoryAccess {
    fn from(access: &RepositoryAccess) -> Self {
        let exposed =
            |(name, secret): (&String, &Secret)| (name.clone(), secret.expose().to_owned());
        Self {
            name: access.name.to_string(),
            url: access.url.clone(),
            region: access.region.clone().unwrap_or_default(),
            endpoint: access.endpoint.clone().unwrap_or_default(),
            credentials: access.credentials.iter().map(exposed).collect(),
            key: access.key.expose().to_owned(),
            bandwidth: access.bandwidth.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::RepositoryAccess> for RepositoryAccess {
    type Error = Invalid;

    fn try_from(access: v1::RepositoryAccess) -> Result<Self, Invalid> {
        let credentials = access.credentials.into_iter();
        Ok(Self {
            name: parse("repository.name", &access.name)?,
            url: access.url,
            region: non_empty(access.region),
            endpoint: non_empty(access.endpoint),
            credentials: credentials
                .map(|(name, secret)| (name, Secret::new(secret)))
                .collect(),
            key: Secret::new(access.key),
            bandwidth: (access.bandwidth != 0).then_some(access.bandwidth),
        })
    }
}

/// Access to a PostgreSQL instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAccess {
    /// A libpq connection string without a password.
    pub connection: String,
    /// The password.
    pub password: Option<Secret>,
    /// The data directory; `None` asks the server.
    pub data_directory: Option<String>,
    /// The system identifier it must have, once one is known.
    pub system_identifier: Option<u64>,
}

impl InstanceAccess {
    /// The data directory that was given: neither `auto`, which asks the
    /// server, nor `remote`.
    pub fn told_directory(&self) -> Option<&str> {
        let told = self.data_directory.as_deref();
        told.filter(|path| *path != "auto" && *path != REMOTE)
    }

    /// Whether the agent does not read the data directory: backups come over
    /// the replication protocol.
    pub fn is_remote(&self) -> bool {
        self.data_directory.as_deref() == Some(REMOTE)
    }
}

impl From<&InstanceAccess> for v1::InstanceAccess {
    fn from(access: &InstanceAccess) -> Self {
        let password = access.password.as_ref();
        Self {
            connection: access.connection.clone(),
            password: password
                .map(|secret| secret.expose().to_owned())
                .unwrap_or_default(),
            data_directory: access.data_directory.clone().unwrap_or_default(),
            system_identifier: access.system_identifier.unwrap_or_default(),
        }
    }
}

impl From<v1::InstanceAccess> for InstanceAccess {
    fn from(access: v1::InstanceAccess) -> Self {
        let identifier = access.system_identifier;
        Self {
            connection: access.connection,
            password: non_empty(access.password).map(Secret::new),
            data_directory: non_empty(access.data_directory),
            system_identifier: (identifier != 0).then_some(identifier),
        }
    }
}

pub(crate) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
