//! Azure Blob Storage.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::{StoreOptions, client, retry, settings};

pub(super) fn open(
    container: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = if options.credentials.is_empty() {
        from_environment()
    } else {
        MicrosoftAzureBuilder::new()
    };
    for (key, value) in settings(options, "Azure", of_command_line)? {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    let store = builder
        .with_container_name(container)
        .with_client_options(client(options, endpoint))
        .with_retry(retry(options))
        .build();
    Ok(Arc::new(store.map_err(|error| error.to_string())?))
}

/// The client knows the names of the SDKs; those of Azure's command line, which
/// people have set already, mean the same.
fn of_command_line(name: &str) -> Option<AzureConfigKey> {
    match name {
        "azure_storage_account" => Some(AzureConfigKey::AccountName),
        "azure_storage_key" => Some(AzureConfigKey::AccessKey),
        _ => None,
    }
}

fn from_environment() -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::from_env();
    for name in ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"] {
        let key = of_command_line(&name.to_ascii_lowercase());
        if let (Some(key), Ok(value)) = (key, std::env::var(name))
            && builder.get_config_value(&key).is_none()
        {
            builder = builder.with_config(key, value);
        }
    }
    builder
}
