//! Secrets: sealed before they are proposed, and never shown.

use holdfast_state::command::{DeleteSecret, SecretSet, SetSecret};
use holdfast_state::query::{self, Page, PageRequest, SecretView};
use holdfast_types::{Name, Secret};

use super::App;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::secure::Purpose;

/// The longest secret: a JSON of credentials fits many times.
const LONGEST: usize = 64 << 10;

impl App {
    /// The names of every secret.
    pub async fn secrets(&self, by: &Caller, page: &PageRequest) -> Result<Page<SecretView>> {
        Ok(query::secrets(self.read(by).await?.connection(), page).await?)
    }

    /// Creates or replaces a secret.
    pub async fn set_secret(&self, by: &Caller, name: Name, value: &Secret) -> Result<SecretSet> {
        if value.expose().is_empty() || value.expose().len() > LONGEST {
            let message = format!("a secret has 1 to {LONGEST} bytes");
            return Err(AppError::invalid("value", message));
        }
        self.check_channel_secret(&self.local(), &name, value)
            .await?;
        let sealed = self
            .sealer
            .seal(&Purpose::Secret(&name), value.expose().as_bytes())?;
        self.propose(by, SetSecret { name, sealed }).await
    }

    /// Deletes a secret that nothing names.
    pub async fn delete_secret(&self, by: &Caller, name: Name) -> Result<()> {
        self.propose(by, DeleteSecret { name }).await
    }
}
