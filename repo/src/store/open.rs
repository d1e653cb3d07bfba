//! Opening the store that a URL names.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::Secret;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::Store;
use super::directories::{Directories, create_root};
use super::failure::Failure;
use crate::url::Place;
use crate::{Error, RepositoryUrl, Result};

/// What a URL does not say about a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The endpoint of an S3 server other than AWS. Plain HTTP is used only
    /// when it says `http://`.
    pub endpoint: Option<String>,
    /// The region of the bucket.
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
        Place::S3 { bucket, prefix } => {
            let inner = open_s3(url, bucket, options)?;
            Ok(Store {
                inner,
                url: url.clone(),
                prefix: prefix.clone(),
                directories: None,
                retry_for: options.retry_for,
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
        retry_for: options.retry_for,
    })
}

fn open_s3(
    url: &RepositoryUrl,
    bucket: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn ObjectStore>> {
    let invalid = |reason: String| Error::InvalidOptions {
        repository: url.to_string(),
        reason,
    };
    let mut builder = if options.credentials.is_empty() {
        AmazonS3Builder::from_env()
    } else {
        AmazonS3Builder::new()
    };
    for (name, value) in &options.credentials {
        let key = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase())
            .map_err(|_| invalid(format!("\"{name}\" is not a setting of S3 clients")))?;
        builder = builder.with_config(key, value.expose());
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let plain_http = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = ClientOptions::new()
        .with_allow_http(plain_http)
        .with_connect_timeout(Duration::from_secs(5).min(options.retry_for))
        .with_timeout(options.request_timeout);
    let retry = RetryConfig {
        retry_timeout: options.retry_for,
        ..RetryConfig::default()
    };
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
        .map_err(|error| invalid(error.to_string()))?;
    Ok(Arc::new(store))
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
