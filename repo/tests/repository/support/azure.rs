//! A repository in a real Azure Blob server.

use std::sync::Arc;
use std::time::Duration;

use holdfast_repo::StoreOptions;
use holdfast_repo::testkit::azurite::{ACCOUNT, KEY, endpoint};
use holdfast_types::Secret;
use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;

pub fn options() -> StoreOptions {
    let credentials = [
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
    ];
    StoreOptions {
        endpoint: Some(endpoint()),
        credentials: credentials
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into(),
        retry_for: Duration::from_secs(20),
        ..StoreOptions::default()
    }
}

pub fn raw(container: &str) -> Arc<dyn ObjectStore> {
    let store = MicrosoftAzureBuilder::new()
        .with_account(ACCOUNT)
        .with_access_key(KEY)
        .with_container_name(container)
        .with_endpoint(endpoint())
        .with_allow_http(true)
        .build();
    Arc::new(store.unwrap())
}
