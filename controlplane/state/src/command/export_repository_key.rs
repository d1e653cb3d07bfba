//! Records that a repository's key was shown to somebody. The key itself is
//! unsealed by the node that answers; what counts here is the audit row.

use holdfast_types::Name;
use holdfast_types::resource::Kind;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::{Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRepositoryKey {
    /// The repository.
    pub repository: Name,
}

impl ReplicatedCommand for ExportRepositoryKey {
    type Outcome = ();
    const NAME: &'static str = "export_repository_key";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let found = cx.resource(Kind::Repository, &self.repository).await?;
        match found {
            Some(_) => Ok(()),
            None => Err(Refusal::not_found(Noun::Repository, self.repository).into()),
        }
    }
}
