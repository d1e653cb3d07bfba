//! The audit log.

use holdfast_state::audit::AuditView;
use holdfast_state::query::{self, AuditFilter, Page, PageRequest};

use super::App;
use super::caller::Caller;
use super::error::Result;

impl App {
    /// One page of the audit log, newest first.
    pub async fn audit(
        &self,
        by: &Caller,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditView>> {
        Ok(query::audit(self.read(by).await?.connection(), filter, page).await?)
    }
}
