//! What agents need to reach repositories and instances. Secrets are unsealed
//! here, in memory, on their way to the agent over mutual TLS (I-10).

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_proto::{InstanceAccess, RepositoryAccess};
use holdfast_state::query::{self, RepositoryKey};
use holdfast_types::resource::{InstanceSpec, Kind, Resource};
use holdfast_types::{Name, Secret};

use crate::app::App;
use crate::app::code::Code;
use crate::app::error::{AppError, Result};
use crate::secure::Purpose;

/// Access to a repository.
pub(crate) async fn repository(
    app: &App,
    view: &StateView,
    name: &Name,
) -> Result<RepositoryAccess> {
    let found = query::resource(view.connection(), Kind::Repository, name).await?;
    let Some(Resource::Repository(repository)) = found.map(|found| found.document.resource) else {
        return Err(AppError::not_found("repository", name).with_field("repository"));
    };
    let credentials = match &repository.credentials {
        None => BTreeMap::new(),
        Some(reference) => {
            let text = secret(app, view, &reference.secret).await?;
            serde_json::from_str(text.expose()).map_err(|_| {
                // What the parser says could show a part of the secret.
                let message = format!(
                    "the secret \"{}\" is not a JSON object of texts under the SDKs' names",
                    reference.secret
                );
                AppError::new(Code::BAD_CREDENTIALS, message)
            })?
        }
    };
    Ok(RepositoryAccess {
        name: name.clone(),
        url: repository.url,
        region: repository.region,
        endpoint: repository.endpoint,
        credentials,
        key: key(app, view, name).await?,
        bandwidth: None,
    })
}

/// The key of a repository: 64 hexadecimal characters.
pub(crate) async fn key(app: &App, view: &StateView, name: &Name) -> Result<Secret> {
    let key = match query::repository_key(view.connection(), name).await? {
        None => return Err(AppError::not_found("repository", name)),
        Some(RepositoryKey::Made(sealed)) => app
            .sealer
            .unseal_text(&Purpose::RepositoryKey(name), &sealed)?,
        Some(RepositoryKey::Secret { name, sealed }) => {
            app.sealer.unseal_text(&Purpose::Secret(&name), &sealed)?
        }
    };
    let text = key.expose().trim_end();
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text, &mut *bytes).is_err() {
        let message = format!("the key of \"{name}\" is not 64 hexadecimal characters");
        return Err(AppError::new(Code::BAD_REPOSITORY_KEY, message));
    }
    Ok(Secret::new(text))
}

/// Access to an instance.
pub(crate) async fn instance(
    app: &App,
    view: &StateView,
    declared: &InstanceSpec,
    system_identifier: Option<u64>,
) -> Result<InstanceAccess> {
    let password = match &declared.password_secret {
        Some(name) => Some(secret(app, view, name).await?),
        None => None,
    };
    Ok(InstanceAccess {
        connection: declared.connection.clone(),
        password,
        data_directory: declared.given_data_directory().map(str::to_owned),
        system_identifier,
    })
}

/// A secret, in memory.
pub(crate) async fn secret(app: &App, view: &StateView, name: &Name) -> Result<Secret> {
    let sealed = query::sealed_secret(view.connection(), name).await?;
    let sealed = sealed.ok_or_else(|| AppError::not_found("secret", name))?;
    Ok(app.sealer.unseal_text(&Purpose::Secret(name), &sealed)?)
}
