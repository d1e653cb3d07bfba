//! The first command of a control plane whose catalog is made anew from
//! repositories alone: no snapshot of the state was left.
//!
//! - Every cluster that a repository names gets its row, as one that is
//!   retired: it has backups, and nobody declared it here. Who declares it
//!   under its name goes on with it. Nothing about it is invented.
//! - No generation that the lost control plane can have given is given again
//!   (I-04, I-14): its agents may still run.
//! - What the repositories hold is recorded by the same commands as ever.

use holdfast_types::resource::{Cluster, Document, Kind, Labels, Metadata, Resource};
use holdfast_types::{Name, RepositoryId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::apply_documents::resource_row;
use crate::column::Moment;
use crate::context::{ApplyContext, Stop};
use crate::entity::resources;
use crate::schema::REBUILDS;
use crate::{Refusal, generations};

/// Since level 7. Only a control plane that has done nothing yet takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuildCatalog {
    /// Where the catalog is made from.
    pub repositories: Vec<RebuiltFrom>,
    /// The clusters that they name.
    pub clusters: Vec<Name>,
    /// Above every generation that the lost control plane can have given.
    pub generation_floor: u64,
    /// Who did it, on which host.
    pub by: String,
}

/// A repository that a catalog is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuiltFrom {
    /// As it is declared now.
    pub name: Name,
    /// What its marker object says it is.
    pub identity: RepositoryId,
    /// Where it is, without anything secret.
    pub url: String,
}

impl ReplicatedCommand for RebuildCatalog {
    /// How many clusters are new.
    type Outcome = u64;
    const NAME: &'static str = "rebuild_catalog";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    fn audit_detail(&self) -> Value {
        json!({"repositories": self.repositories, "clusters": self.clusters, "by": self.by})
    }

    fn level(&self) -> u32 {
        REBUILDS
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        refuse_unless_new(cx).await?;
        if generations::floor(cx.tx()).await? < self.generation_floor {
            generations::raise_floor(cx.tx(), self.generation_floor).await?;
        }
        let mut made = 0;
        for name in self.clusters {
            if cx.resource(Kind::Cluster, &name).await?.is_some() {
                continue;
            }
            let row = resource_row(cx, undeclared(name.clone()), None);
            cx.insert(resources::Model {
                retired_at: Some(Moment(cx.now())),
                ..row
            })
            .await?;
            cx.changed(Kind::Cluster.plural(), name);
            made += 1;
        }
        Ok(made)
    }
}

/// Agents and jobs know generations of this control plane: then it is too late
/// to begin anew.
async fn refuse_unless_new(cx: &ApplyContext<'_>) -> Result<(), Stop> {
    let used = "SELECT 1 FROM agents UNION ALL SELECT 1 FROM jobs UNION ALL SELECT 1 FROM backups";
    if cx.exists(used, []).await? {
        return Err(Refusal::AlreadyBootstrapped.into());
    }
    Ok(())
}

/// What is known of a cluster that nobody has declared: its name.
fn undeclared(name: Name) -> Document {
    Document {
        metadata: Metadata {
            name,
            fleet: None,
            labels: Labels::new(),
        },
        resource: Resource::Cluster(Cluster {
            instances: Vec::new(),
            relays: Vec::new(),
        }),
    }
}
