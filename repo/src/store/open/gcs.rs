//! Google Cloud Storage, by its XML API.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::{StoreOptions, client, retry, settings};

pub(super) fn open(bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = if options.credentials.is_empty() {
        GoogleCloudStorageBuilder::from_env()
    } else {
        GoogleCloudStorageBuilder::new()
    };
    for (key, value) in settings(options, "Google Cloud Storage", |_| None)? {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client(options, endpoint))
        .with_retry(retry(options))
        .build();
    Ok(Arc::new(store.map_err(|error| error.to_string())?))
}
