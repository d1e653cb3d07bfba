//! Amazon S3, and what speaks its protocol.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};

use super::{StoreOptions, client, retry, settings};

pub(super) fn open(bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = if options.credentials.is_empty() {
        AmazonS3Builder::from_env()
    } else {
        AmazonS3Builder::new()
    };
    for (key, value) in settings(options, "S3", |_| None)? {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client(options, endpoint))
        .with_retry(retry(options))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build();
    Ok(Arc::new(store.map_err(|error| error.to_string())?))
}
