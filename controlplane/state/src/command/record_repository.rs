//! Records which repository was found at a declared place: the id its marker
//! object carries. The first report counts; another id is refused, for then
//! the place holds another repository.

use holdfast_types::resource::Kind;
use holdfast_types::{Name, RepositoryId};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::repository_identities;
use crate::lookup::Lookup;
use crate::{Noun, Refusal};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRepository {
    /// The declared repository.
    pub repository: Name,
    /// What was found there.
    pub identity: RepositoryId,
}

impl ReplicatedCommand for RecordRepository {
    type Outcome = ();
    const NAME: &'static str = "record_repository";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<(), Stop> {
        let Self {
            repository,
            identity,
        } = self;
        let declared = cx.resource(Kind::Repository, &repository).await?;
        if declared.is_none() {
            return Err(Refusal::not_found(Noun::Repository, repository).into());
        }
        let key = Text(repository.clone());
        let known = repository_identities::Entity::find_by_id(key.clone());
        if let Some(known) = known.only(cx.tx()).await? {
            let expected = known.identity.0;
            if expected == identity {
                return Ok(());
            }
            return Err(Refusal::RepositoryMismatch {
                repository,
                expected,
                found: identity,
            }
            .into());
        }
        cx.insert(repository_identities::Model {
            repository: key,
            identity: Text(identity),
            recorded_at: Moment(cx.now()),
        })
        .await?;
        cx.changed(Kind::Repository.plural(), repository);
        cx.wake_working_agents().await?;
        Ok(())
    }
}
