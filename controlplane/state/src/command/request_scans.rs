//! Asks for repositories to be compared with the catalog: one, or all of them,
//! which makes a lost catalog anew.

use holdfast_types::Name;
use holdfast_types::resource::Kind;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{repository_scans, resources};
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;
use crate::{Noun, Refusal, TaskName};

/// Since level 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestScans {
    /// Which; all when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Name>,
}

impl ReplicatedCommand for RequestScans {
    /// Which will be compared.
    type Outcome = Vec<Name>;
    const NAME: &'static str = "request_scans";

    fn target(&self) -> String {
        match &self.repository {
            Some(name) => format!("repositories/{name}"),
            None => "repositories".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"scan": true})
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Vec<Name>, Stop> {
        let mut wanted = resources::Entity::find()
            .filter(resources::Column::Kind.eq(Text(Kind::Repository)))
            .order_by_asc(resources::Column::Name);
        if let Some(name) = &self.repository {
            wanted = wanted.filter(resources::Column::Name.eq(name.as_str()));
        }
        let rows = wanted.all(cx.tx()).await?;
        if let (Some(name), true) = (self.repository, rows.is_empty()) {
            return Err(Refusal::not_found(Noun::Repository, name).into());
        }
        let mut names = Vec::new();
        for row in rows {
            let name = row.name;
            let known = repository_scans::Entity::find_by_id(name.clone());
            let known = known.only(cx.tx()).await?;
            let scan = known.unwrap_or_else(|| new(name.clone()));
            cx.put(repository_scans::Model {
                requested_at: Some(Moment(cx.now())),
                ..scan
            })
            .await?;
            names.push(name.0);
        }
        cx.activate(TaskName::Scans);
        Ok(names)
    }
}

/// Of a repository that was never compared.
pub(super) fn new(repository: Text<Name>) -> repository_scans::Model {
    repository_scans::Model {
        repository,
        requested_at: None,
        scanned_at: None,
        backups: Count(0),
        adopted: Count(0),
        tried_at: None,
        failure: None,
    }
}
