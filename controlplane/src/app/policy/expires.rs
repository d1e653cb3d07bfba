//! The backups that a change of policies would cost.
//!
//! By the plan that the leader condemns by, so that what a preview shows is what
//! would happen within the hour.

use holdfast_consensus::StateView;
use holdfast_types::policy::{Affected, Declared};
use holdfast_types::{BackupId, Name};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::error::Result;
use crate::app::expiry::{plan_expiry, plan_expiry_under};

/// How many clusters are looked at: each takes some look-ups.
const CLUSTERS_MAX: usize = 500;

/// What a change would cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreviewedExpiry)]
pub struct Expiring {
    /// The clusters of which more would expire than does now.
    pub clusters: Vec<ExpiringOfCluster>,
    /// How many further clusters might be among them.
    pub not_looked_at: u64,
}

/// What a change would cost a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreviewedExpiryOfCluster)]
pub struct ExpiringOfCluster {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Its backups that would be condemned.
    #[schema(value_type = Vec<String>)]
    pub backups: Vec<BackupId>,
}

/// What would be condemned under the policies of `after` and is not under those in
/// force.
pub(super) async fn expiring(
    view: &StateView,
    affected: &[Affected],
    after: &Declared,
    now: Timestamp,
) -> Result<Expiring> {
    let mut found = Expiring::default();
    let mut looked_at = 0;
    for group in affected.iter().filter(|group| keeps_otherwise(group)) {
        let to = group.to.as_ref();
        let policy = to.and_then(|name| after.policies.get_key_value(name));
        // Without `retention` nothing expires.
        let Some((name, policy)) = policy.filter(|(_, policy)| policy.retention.is_some()) else {
            continue;
        };
        for cluster in &group.clusters {
            if looked_at == CLUSTERS_MAX {
                found.not_looked_at += 1;
                continue;
            }
            looked_at += 1;
            let then = Some((name.clone(), policy.clone()));
            let then = plan_expiry_under(view, cluster, then, now)
                .await?
                .expiring();
            let today = plan_expiry(view, cluster, now).await?.expiring();
            let backups: Vec<BackupId> = then.difference(&today).copied().collect();
            if !backups.is_empty() {
                found.clusters.push(ExpiringOfCluster {
                    cluster: cluster.clone(),
                    backups,
                });
            }
        }
    }
    Ok(found)
}

/// Whether something is kept otherwise: another policy, or other rules.
fn keeps_otherwise(group: &Affected) -> bool {
    let rule = |field: &str| field.starts_with("retention") || field == "objectives.window";
    group.from != group.to || group.changes.iter().any(|change| rule(&change.field))
}
