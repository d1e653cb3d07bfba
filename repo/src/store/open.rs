//! Opening the store that a URL names.

mod azure;
mod gcs;
mod s3;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::Secret;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, RetryConfig};

use super::Store;
use super::directories::{Directories, create_root};
use super::failure::Failure;
use crate::url::{Place, Provider};
use crate::{Error, RepositoryUrl, Result};

/// What a URL does not say about a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The address of a store that is not the provider's own, or of a private
    /// endpoint; for Azure with the account, as clients of it are given it. Plain
    /// HTTP is used only when it says `http://`.
    pub endpoint: Option<String>,
    /// The region of the bucket, for S3.
    pub region: Option<String>,
    /// Credentials and settings under the names of the store's SDK, such as
    /// `AWS_ACCESS_KEY_ID`. When empty, they come from the environment.
    pub credentials: BTreeMap<String, Secret>,
    /// How long one operation is tried before the store counts as unreachable.
    pub retry_for: Duration,
    /// How long one request may take; it must be enough for one pack.
    pub request_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            credentials: BTreeMap::new(),
            retry_for: Duration::from_secs(30),
            request_timeout: Duration::from_secs(300),
        }
    }
}

/// Opens the store of `url`. Nothing is read or written yet; on `file://` the
/// directory may be missing, which [`crate::Repository::init`] changes.
pub fn open_store(url: &RepositoryUrl, options: &StoreOptions) -> Result<Store> {
    match url.place() {
        Place::File(root) => open_directory(url, root, options),
        Place::Bucket {
            provider,
            bucket,
            prefix,
        } => {
            let opened = match provider {
                Provider::S3 => s3::open(bucket, options),
                Provider::Gcs => gcs::open(bucket, options),
                Provider::Azure => azure::open(bucket, options),
            };
            let inner = opened.map_err(|reason| Error::InvalidOptions {
                repository: url.to_string(),
                reason,
            })?;
            Ok(Store {
                inner,
                url: url.clone(),
                prefix: prefix.clone(),
                directories: None,
                is_plain_files: false,
                retry_for: options.retry_for,
                pace: None,
            })
        }
    }
}

/// The client is rooted at `/`, so that it can be made before the directory.
fn open_directory(url: &RepositoryUrl, root: &Path, options: &StoreOptions) -> Result<Store> {
    let text = root.to_str().ok_or_else(|| Error::InvalidUrl {
        url: url.to_string(),
        reason: "the directory must be UTF-8",
    })?;
    let inner = LocalFileSystem::new().with_fsync(true);
    Ok(Store {
        inner: Arc::new(inner),
        url: url.clone(),
        prefix: text.trim_start_matches('/').to_owned(),
        directories: Some(Directories::new(root.to_path_buf())),
        is_plain_files: true,
        retry_for: options.retry_for,
        pace: None,
    })
}

/// How requests are made, over TLS unless the store's address says `http://`.
fn client(options: &StoreOptions, endpoint: Option<String>) -> ClientOptions {
    let plain_http = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    ClientOptions::new()
        .with_allow_http(plain_http)
        .with_connect_timeout(Duration::from_secs(5).min(options.retry_for))
        .with_timeout(options.request_timeout)
}

fn retry(options: &StoreOptions) -> RetryConfig {
    RetryConfig {
        retry_timeout: options.retry_for,
        ..RetryConfig::default()
    }
}

/// The settings that are given under the names of an SDK, by the client's names
/// for them. What a client does not know is refused by name, never by value.
fn settings<'a, K: FromStr>(
    options: &'a StoreOptions,
    of: &str,
    alias: impl Fn(&str) -> Option<K>,
) -> std::result::Result<Vec<(K, &'a str)>, String> {
    let mut known = Vec::new();
    for (name, value) in &options.credentials {
        let lower = name.to_ascii_lowercase();
        let key = alias(&lower).map_or_else(|| lower.parse(), Ok);
        let key = key.map_err(|_| format!("\"{name}\" is not a setting of {of} clients"))?;
        known.push((key, value.expose()));
    }
    Ok(known)
}

impl Store {
    /// Makes the directory of a `file://` repository, durably.
    pub(crate) async fn create_root(&self) -> Result<()> {
        let Some(root) = self.url.directory().map(Path::to_path_buf) else {
            return Ok(());
        };
        let made = tokio::task::spawn_blocking(move || create_root(&root)).await;
        let made = made.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        made.map_err(|error| Failure::of_io(&error).into_error(self, "", error))
    }
}
