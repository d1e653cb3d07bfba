//! Who is told of what changes: nobody hears of what he may not see.

use holdfast_consensus::StateView;
use holdfast_state::query;
use holdfast_types::access::Permission;
use holdfast_types::schedule::RunId;
use holdfast_types::{AlarmId, ApprovalId, BackupId, DrillId, ExemptionId, JobId, Name, RestoreId};
use jiff::Timestamp;

use super::caller::Caller;
use super::error::Result;
use super::{App, Changed};

impl App {
    async fn may_hear_of_approval(&self, view: &StateView, by: &Caller, key: &str) -> Result<bool> {
        let Ok(id) = key.parse::<ApprovalId>() else {
            return Ok(false);
        };
        match query::approval(view.connection(), id, Timestamp::now()).await? {
            Some(found) => self.may_see(view, by, &found).await,
            None => Ok(false),
        }
    }

    /// Whether a caller is told of a change, by what this node has applied: its
    /// roles may have changed since it began to listen.
    pub(crate) async fn may_hear(&self, by: &Caller, change: &Changed) -> Result<bool> {
        let view = self.local();
        // Its login or token may have ended.
        if self.still_counts(&view, by).await.is_err() {
            return Ok(false);
        }
        let rights = self.rights(&view, by).await?;
        let conn = view.connection();
        let key = change.key.as_str();
        let of_cluster = match change.plural {
            "clusters" | "exposure" => (Permission::ClustersRead, key.parse::<Name>().ok()),
            "jobs" => (Permission::JobsRead, cluster_of_job(&view, key).await?),
            "runs" => {
                let run = key.parse::<RunId>().ok();
                (Permission::JobsRead, run.map(|run| run.cluster().clone()))
            }
            "backups" => {
                let cluster = cluster_of_backup(&view, key).await?;
                (Permission::BackupsRead, cluster)
            }
            "exemptions" => {
                let cluster = cluster_of_exemption(&view, key).await?;
                (Permission::ClustersRead, cluster)
            }
            "drills" => (Permission::DrillsRead, cluster_of_drill(&view, key).await?),
            "restores" => {
                let cluster = cluster_of_restore(&view, key).await?;
                (Permission::RestoresRead, cluster)
            }
            "fleets" => {
                let visible = rights.visible(Permission::ClustersRead);
                let name = key.parse::<Name>().ok();
                let seen = query::fleets_seen(conn, &visible).await?;
                return Ok(visible.is_everything() || name.is_some_and(|name| seen.contains(&name)));
            }
            "policies" | "drill-plans" => return Ok(rights.somewhere(Permission::PoliciesRead)),
            "repositories" => return Ok(rights.somewhere(Permission::RepositoriesRead)),
            "approvals" => return self.may_hear_of_approval(&view, by, key).await,
            "agents" => {
                let visible = rights.visible(Permission::AgentsRead);
                let Ok(name) = key.parse::<Name>() else {
                    return Ok(visible.is_everything());
                };
                return self.sees_agent(&view, &visible, &name).await;
            }
            "alarms" => (Permission::AlarmsRead, cluster_of_alarm(&view, key).await?),
            "silences" => return Ok(rights.somewhere(Permission::AlarmsRead)),
            "notification-channels" => return Ok(rights.everywhere(Permission::ChannelsRead)),
            "users" | "tokens" => return Ok(rights.everywhere(Permission::UsersRead)),
            "secrets" => return Ok(rights.everywhere(Permission::SecretsRead)),
            "role-bindings" => return Ok(rights.everywhere(Permission::AccessRead)),
            _ => return Ok(rights.everywhere(Permission::NodesRead)),
        };
        let (permission, cluster) = of_cluster;
        if rights.everywhere(permission) {
            return Ok(true);
        }
        match cluster {
            Some(cluster) => {
                let visible = rights.visible(permission);
                Ok(query::sees_cluster(conn, &visible, &cluster).await?)
            }
            None => Ok(false),
        }
    }
}

async fn cluster_of_alarm(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<AlarmId>() else {
        return Ok(None);
    };
    let found = query::alarm(view.connection(), id).await?;
    Ok(found.and_then(|alarm| alarm.cluster))
}

async fn cluster_of_job(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<JobId>() else {
        return Ok(None);
    };
    let found = query::job(view.connection(), id).await?;
    Ok(found.map(|job| job.cluster))
}

async fn cluster_of_drill(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<DrillId>() else {
        return Ok(None);
    };
    let found = query::drill(view.connection(), id).await?;
    Ok(found.map(|drill| drill.cluster))
}

async fn cluster_of_exemption(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<ExemptionId>() else {
        return Ok(None);
    };
    let found = query::exemption(view.connection(), id).await?;
    Ok(found.map(|found| found.cluster))
}

async fn cluster_of_restore(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<RestoreId>() else {
        return Ok(None);
    };
    let found = query::restore(view.connection(), id).await?;
    Ok(found.map(|restore| restore.cluster))
}

async fn cluster_of_backup(view: &StateView, key: &str) -> Result<Option<Name>> {
    let Ok(id) = key.parse::<BackupId>() else {
        return Ok(None);
    };
    let found = query::backup(view.connection(), id).await?;
    Ok(found.map(|backup| backup.cluster))
}
