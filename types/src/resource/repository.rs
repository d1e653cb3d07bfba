//! A place for backups.

use serde::{Deserialize, Serialize};

use super::{InvalidDocument, NotYet};
use crate::Name;

/// A reference to a secret by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SecretReference {
    /// The secret's name.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub secret: Name,
}

/// Where a repository's key comes from.
pub type KeyReference = SecretReference;

/// A repository: an object store or a directory, in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RepositorySpec))]
pub struct Repository {
    /// `file:///path` (a path on the agents), `s3://bucket/prefix`,
    /// `gs://bucket/prefix` or `az://container/prefix`.
    #[cfg_attr(feature = "schema", schema(example = "s3://bucket/prefix"))]
    pub url: String,
    /// What fails together; also the region of the S3 API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The object store's address when it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// JSON under the SDKs' environment names, such as `AWS_ACCESS_KEY_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretReference>,
    /// The key, 64 hex characters; made by the control plane when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyReference>,
    #[serde(default, skip_serializing_if = "NotYet::skip")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[doc(hidden)]
    pub lock: NotYet,
}

impl Repository {
    /// Whether it is in a store that agents and nodes of the first releases do not
    /// know: neither a directory nor S3.
    pub fn is_in_other_cloud(&self) -> bool {
        ["gs://", "az://"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme))
    }

    pub(super) fn check(&self) -> Result<(), InvalidDocument> {
        self.lock.refuse("spec.lock")?;
        let invalid = |message: &str| Err(InvalidDocument::new("spec.url", message));
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return invalid(
                "a repository URL is file:///path, s3://bucket/prefix, gs://bucket/prefix or \
                 az://container/prefix",
            );
        };
        if rest.contains('@') || rest.contains('?') || rest.contains('#') {
            return invalid("credentials and options do not belong into the URL");
        }
        match scheme {
            "file" if !rest.starts_with('/') => invalid("file:// needs an absolute path"),
            "file" if rest.split('/').any(|part| part == "..") => invalid("\"..\" is not allowed"),
            "file" if rest.trim_matches('/').is_empty() => {
                invalid("the root cannot be a repository")
            }
            "s3" | "gs" | "az" if rest.split('/').next().is_none_or(str::is_empty) => {
                let message = format!("{scheme}:// needs a bucket or container");
                Err(InvalidDocument::new("spec.url", message))
            }
            "file" | "s3" | "gs" | "az" => Ok(()),
            _ => invalid("a repository URL starts with file://, s3://, gs:// or az://"),
        }
    }
}
