//! Deletes a declared resource that nothing depends on. A cluster that has
//! backups is retired instead: its backups stay, its duties end.

use holdfast_types::resource::Kind;
use holdfast_types::{JobId, JobState, Name, Revision};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::apply_documents::{DEFAULT_FLEET, forget_references, noun};
use super::consent::{demand, for_cluster, for_policy};
use super::document_check::{holds_data, refuse_if_named};
use super::request_cancel::cancel;
use super::role_bindings::refuse_without;
use super::withdraw_duty::withdraw;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::{AssignmentKind, AssignmentState, ReferenceKind};
use crate::entity::{assignments, jobs, resources};
use crate::{
    Noun, Refusal, StateError, TaskName, alarms, facts, leases, revisions, schedules, schema,
    state_snapshots,
};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteResource {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// What the caller had read; `None` deletes whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Revision>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// It is gone.
    Deleted,
    /// It has backups, which stay.
    Retired,
}

impl ReplicatedCommand for DeleteResource {
    type Outcome = Deleted;
    const NAME: &'static str = "delete_resource";

    fn target(&self) -> String {
        format!("{}/{}", self.kind.plural(), self.name)
    }

    fn level(&self) -> u32 {
        match self.kind {
            Kind::Repository | Kind::Fleet | Kind::Cluster | Kind::Policy => schema::VERSION,
            Kind::DrillPlan => schema::DRILLS,
            Kind::RoleBinding => schema::ACCESS,
            Kind::NotificationChannel => schema::NOTICES,
        }
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Deleted, Stop> {
        let Self {
            kind,
            name,
            expected,
        } = self;
        let Some(row) = cx.resource(kind, &name).await? else {
            return Err(Refusal::not_found(noun(kind), name).into());
        };
        let current = Revision::from(row.revision);
        if expected.is_some_and(|expected| expected != current) {
            return Err(Refusal::StaleRevision {
                what: noun(kind),
                name: name.to_string(),
                current: Some(current),
            }
            .into());
        }
        let deleted = match kind {
            Kind::Cluster => delete_cluster(cx, row).await?,
            Kind::Fleet => delete_fleet(cx, &name).await?,
            Kind::Repository => delete_repository(cx, &name).await?,
            Kind::Policy => {
                demand(cx, &for_policy(cx, &name).await?)?;
                revisions::record(cx, &name, None).await?;
                delete_row(cx, kind, &name).await?
            }
            Kind::DrillPlan => delete_row(cx, kind, &name).await?,
            Kind::RoleBinding => {
                refuse_without(cx, &[&name]).await?;
                delete_row(cx, kind, &name).await?
            }
            Kind::NotificationChannel => {
                alarms::forget_channel(cx, &name).await?;
                delete_row(cx, kind, &name).await?
            }
        };
        settle_facts(cx, kind, &name).await?;
        cx.changed(kind.plural(), name);
        let scheduled = matches!(kind, Kind::Cluster | Kind::Policy | Kind::DrillPlan);
        if scheduled && cx.has_level(schedules::LEVEL).await? {
            schedules::touched(cx, kind != Kind::Cluster).await?;
            cx.activate(TaskName::Schedules);
        }
        cx.wake_working_agents().await?;
        cx.activate(TaskName::Duties);
        cx.activate(TaskName::Exposure);
        Ok(deleted)
    }
}

/// What was promised, and what was there, may be no more.
async fn settle_facts(
    cx: &mut ApplyContext<'_>,
    kind: Kind,
    name: &Name,
) -> Result<(), StateError> {
    match kind {
        Kind::Policy => facts::promises(cx, &facts::About::Everything).await,
        Kind::Cluster => {
            let about = facts::About::Clusters([name.clone()].into());
            facts::promises(cx, &about).await?;
            facts::holes_of_cluster(cx, name).await
        }
        Kind::Repository
        | Kind::Fleet
        | Kind::DrillPlan
        | Kind::NotificationChannel
        | Kind::RoleBinding => Ok(()),
    }
}

async fn delete_row(cx: &ApplyContext<'_>, kind: Kind, name: &Name) -> Result<Deleted, StateError> {
    forget_references(cx, kind, name).await?;
    let key = (Text(kind), Text(name.clone()));
    resources::Entity::delete_by_id(key).exec(cx.tx()).await?;
    Ok(Deleted::Deleted)
}

async fn delete_fleet(cx: &ApplyContext<'_>, name: &Name) -> Result<Deleted, Stop> {
    if name.as_str() == DEFAULT_FLEET {
        return Err(Refusal::Immutable {
            document: format!("{}/{name}", Kind::Fleet),
            field: "metadata.name".to_owned(),
            because: "clusters without a fleet are in it".to_owned(),
        }
        .into());
    }
    refuse_if_named(cx, Noun::Fleet, ReferenceKind::Fleet, name).await?;
    Ok(delete_row(cx, Kind::Fleet, name).await?)
}

async fn delete_repository(cx: &mut ApplyContext<'_>, name: &Name) -> Result<Deleted, Stop> {
    refuse_if_named(cx, Noun::Repository, ReferenceKind::Repository, name).await?;
    let in_use = |by: String| Refusal::InUse {
        what: Noun::Repository,
        name: name.to_string(),
        by: vec![by],
    };
    if holds_data(cx, name).await? {
        return Err(in_use("backups or WAL in it".to_owned()).into());
    }
    if cx.has_level(state_snapshots::LEVEL).await? {
        let settings = state_snapshots::settings(cx.tx()).await?;
        let sql = "SELECT 1 FROM state_snapshots WHERE repository = ?";
        let named = settings.is_some_and(|settings| settings.repository == *name);
        if named || cx.exists(sql, [Text(name.clone()).into()]).await? {
            let by = "snapshots of the control plane's own state".to_owned();
            return Err(in_use(by).into());
        }
    }
    refuse_if_working(cx, (jobs::Column::Repository, &OPEN), name, in_use).await?;
    for duty in active_duties(cx, assignments::Column::Repository, name).await? {
        // No policy names the repository any more; its leader is yet to notice.
        withdraw(cx, duty).await?;
    }
    let mut tables = vec!["repository_keys", "repository_identities"];
    if cx.has_level(state_snapshots::LEVEL).await? {
        tables.extend(["repository_scans", "findings"]);
    }
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE repository = ?");
        cx.execute(&sql, [Text(name.clone()).into()]).await?;
    }
    Ok(delete_row(cx, Kind::Repository, name).await?)
}

async fn delete_cluster(cx: &mut ApplyContext<'_>, row: resources::Model) -> Result<Deleted, Stop> {
    let name = row.name.0.clone();
    let in_use = |by: String| Refusal::InUse {
        what: Noun::Cluster,
        name: name.to_string(),
        by: vec![by],
    };
    // Of what only waits nobody has to be asked: an agent that is away for ever
    // must not keep the cluster for ever.
    let cancels = cx.has_level(leases::LEVEL).await?;
    let working = if cancels { &OPEN[1..] } else { &OPEN };
    refuse_if_working(cx, (jobs::Column::Cluster, working), &name, in_use).await?;
    demand(cx, &for_cluster(cx, &name).await?)?;
    if cancels {
        cancel_waiting(cx, &name).await?;
    }
    for duty in active_duties(cx, assignments::Column::Cluster, &name).await? {
        withdraw(cx, duty).await?; // I-15: its slots are dropped by the agent
    }
    let sql = "SELECT 1 FROM backups WHERE cluster = ? \
               AND state IN ('running', 'available', 'condemned')";
    let key = Text(name.clone());
    if cx.exists(sql, [key.clone().into()]).await? {
        if row.retired_at.is_none() {
            forget_references(cx, Kind::Cluster, &name).await?;
            cx.put(resources::Model {
                retired_at: Some(Moment(cx.now())),
                updated_at: Moment(cx.now()),
                revision: cx.revision().into(),
                ..row
            })
            .await?;
        }
        return Ok(Deleted::Retired);
    }
    for table in ["instances", "wal_ranges", "wal_gaps", "frontiers"] {
        let sql = format!("DELETE FROM {table} WHERE cluster = ?");
        cx.execute(&sql, [key.clone().into()]).await?;
    }
    Ok(delete_row(cx, Kind::Cluster, &name).await?)
}

/// The standing duties that are in force for it.
async fn active_duties(
    cx: &ApplyContext<'_>,
    column: assignments::Column,
    name: &Name,
) -> Result<Vec<assignments::Model>, StateError> {
    use assignments::{Column, Entity};
    Ok(Entity::find()
        .filter(column.eq(name.as_str()))
        .filter(Column::State.eq(Text(AssignmentState::Active)))
        .filter(Column::Kind.eq(Text(AssignmentKind::Wal)))
        .order_by_asc(Column::Subject)
        .all(cx.tx())
        .await?)
}

/// Cancels the backups of a cluster that no agent has begun or has in its hands.
async fn cancel_waiting(cx: &mut ApplyContext<'_>, name: &Name) -> Result<(), Stop> {
    let waiting = jobs::Entity::find()
        .filter(jobs::Column::Cluster.eq(name.as_str()))
        .filter(jobs::Column::State.eq(Text(JobState::Queued)))
        .order_by_asc(jobs::Column::Id)
        .all(cx.tx())
        .await?;
    for job in waiting {
        cancel(cx, job).await?;
    }
    Ok(())
}

/// The states of a job that is not over, the one first in which it only waits.
const OPEN: [&str; 4] = ["queued", "leased", "running", "committing"];

/// Refuses while a job still works on it.
async fn refuse_if_working(
    cx: &ApplyContext<'_>,
    (column, states): (jobs::Column, &[&str]),
    name: &Name,
    refusal: impl FnOnce(String) -> Refusal,
) -> Result<(), Stop> {
    let job: Option<Text<JobId>> = jobs::Entity::find()
        .select_only()
        .column(jobs::Column::Id)
        .filter(column.eq(name.as_str()))
        .filter(jobs::Column::State.is_in(states.iter().copied()))
        .order_by_asc(jobs::Column::Id)
        .into_tuple()
        .one(cx.tx())
        .await?;
    match job {
        None => Ok(()),
        Some(job) => Err(refusal(format!("jobs/{}", job.0)).into()),
    }
}
