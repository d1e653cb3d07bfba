//! The keys of repositories.

use holdfast_state::command::ExportRepositoryKey;
use holdfast_types::{Name, Secret};

use super::App;
use super::caller::Caller;
use super::error::Result;
use crate::session::access;

impl App {
    /// Shows a repository's key. The audit log has it before the caller does.
    pub async fn export_key(&self, by: &Caller, repository: Name) -> Result<Secret> {
        let command = ExportRepositoryKey {
            repository: repository.clone(),
        };
        self.propose(by, command).await?;
        let view = self.node.read().await?;
        access::key(self, &view, &repository).await
    }
}
