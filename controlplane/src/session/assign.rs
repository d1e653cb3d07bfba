//! What an agent is to do now, computed from the applied state.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_proto::{
    Assignment, Assignments, BackupWork, CopyWork, DrillWork, DumpRestoreWork, KeptSlot,
    ObservedInstance, PinnedParent, RepositoryAccess, RestoreWork, WalWork, Work,
};
use holdfast_state::PinHolder;
use holdfast_state::query::{self, AgentView, AssignmentView, JobView};
use holdfast_types::drill::{DrillBefore, DrillOrder};
use holdfast_types::resource::{Checkpoint, Cluster, InstanceSpec, Policy, Source};
use holdfast_types::{
    AssignmentId, BackupId, BackupKind, DumpOptions, Generation, JobId, JobState, Name,
    Observation, RepositoryId,
};

use super::known::Known;
use super::orders;
use crate::app::App;
use crate::app::backup::no_policy;
use crate::app::error::{AppError, Result};
use crate::app::job::{DrillSpec, JobSpec, WorkSpec, backup_of};

/// The incarnation of every lineage until copies can archive.
pub(crate) const INCARNATION: u32 = 1;

/// What an agent holds, for pairing its reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holding {
    /// A job.
    Job(JobId),
    /// The WAL of a cluster, into a repository.
    Wal(Name, Name, Option<RepositoryId>),
}

/// Everything an agent is to do, and what each assignment is.
#[derive(Debug, Default)]
pub struct Set {
    pub(super) message: Assignments,
    pub(super) held: BTreeMap<AssignmentId, (Generation, Holding)>,
}

/// Computes an agent's assignments. One that cannot be computed, because a
/// secret it needs is broken, is left out and logged: the others go on.
pub async fn assignments_of(
    app: &App,
    view: &StateView,
    agent: &AgentView,
    interrupted: &[(AssignmentId, Generation)],
) -> Result<Set> {
    let mut set = Set::default();
    let mut known = Known::new(app, view);
    for assignment in query::assignments_of_agent(view.connection(), agent.id).await? {
        let holding = match &assignment.work {
            query::Work::Job(job) => Holding::Job(job.id),
            query::Work::Wal => {
                let (cluster, repository) = (&assignment.cluster, &assignment.repository);
                let known = query::repository_identity(view.connection(), repository).await?;
                Holding::Wal(cluster.clone(), repository.clone(), known)
            }
        };
        let key = (assignment.id, assignment.generation);
        set.held.insert(key.0, (key.1, holding));
        if interrupted.contains(&key) {
            // Its process is gone: it is taken back, never begun again.
            continue;
        }
        match work_of(&mut known, agent, &assignment).await {
            Ok(Some(work)) => set.message.assignments.push(work),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(assignment = %assignment.id, "an assignment cannot be given: {error}");
            }
        }
    }
    look_at_clusters(&mut known, agent, &mut set.message).await?;
    Ok(set)
}

async fn work_of(
    known: &mut Known<'_>,
    agent: &AgentView,
    assignment: &AssignmentView,
) -> Result<Option<Assignment>> {
    let (work, traceparent, cancel_requested) = match &assignment.work {
        query::Work::Wal => (wal(known, agent, assignment).await?, None, false),
        query::Work::Job(job) => {
            if job.state == JobState::Queued || job.state.is_terminal() {
                return Ok(None);
            }
            let spec = JobSpec::read(&job.spec)?;
            let work = match spec.work {
                WorkSpec::Backup {
                    kind,
                    dump,
                    from,
                    checkpoint,
                } => {
                    let order = BackupOrder {
                        kind,
                        dump,
                        from,
                        checkpoint,
                    };
                    backup(known, agent, (assignment, job), order).await?
                }
                WorkSpec::Restore { request, plan } => Work::Restore(Box::new(RestoreWork {
                    job: job.id,
                    repository: known.repository(&job.repository).await?,
                    request: *request,
                    plan: *plan,
                })),
                WorkSpec::RestoreDump {
                    request,
                    backup,
                    lineage,
                } => Work::RestoreDump(Box::new(DumpRestoreWork {
                    job: job.id,
                    repository: known.repository(&job.repository).await?,
                    backup,
                    lineage,
                    instance: known.instance(&job.cluster, agent).await?,
                    request: *request,
                })),
                WorkSpec::Copy {
                    backup,
                    lineage,
                    from,
                } => Work::Copy(Box::new(CopyWork {
                    job: job.id,
                    cluster: job.cluster.clone(),
                    backup,
                    lineage,
                    from: known.repository(&from).await?,
                    to: known.paced(&job.cluster, &job.repository).await?,
                })),
                WorkSpec::Drill(spec) => Work::Drill(Box::new(drill(known, job, *spec).await?)),
            };
            (work, spec.traceparent, job.cancel_requested)
        }
    };
    Ok(Some(Assignment {
        id: assignment.id,
        generation: assignment.generation,
        traceparent,
        cancel_requested,
        work,
    }))
}

/// A drill with what its agent compares with.
async fn drill(known: &Known<'_>, job: &JobView, spec: DrillSpec) -> Result<DrillWork> {
    let view = known.view;
    let before = query::drill_before(view.connection(), &job.cluster).await?;
    let frontier = known
        .app
        .frontier_of(view, &job.cluster, &job.repository)
        .await?;
    // What was due and spread over a while begins to wait when its start has come.
    let start = job.not_before.filter(|_| job.attempts <= 1);
    let asked_at = start.map_or(job.created_at, |start| start.max(job.created_at));
    Ok(DrillWork {
        job: job.id,
        repository: known.repository(&job.repository).await?,
        order: DrillOrder {
            cluster: job.cluster.clone(),
            at: spec.at,
            dump: spec.dump,
            asked_at,
            database: spec.database,
            checks: spec.checks,
            before: before.map(DrillBefore::of),
        },
        frontier,
    })
}

/// What was asked for of a backup.
struct BackupOrder {
    kind: BackupKind,
    dump: Option<DumpOptions>,
    from: Option<Source>,
    checkpoint: Option<Checkpoint>,
}

async fn backup(
    known: &mut Known<'_>,
    agent: &AgentView,
    (assignment, job): (&AssignmentView, &JobView),
    order: BackupOrder,
) -> Result<Work> {
    let cluster = known.cluster(&job.cluster).await?;
    let compression = cluster.compression();
    let own_wal = order.kind != BackupKind::Logical && cluster.lacks_wal();
    let policy = cluster.policy.clone();
    let holder = PinHolder::Assignment(assignment.id);
    Ok(Work::Backup(Box::new(BackupWork {
        job: job.id,
        backup: backup_of_attempt(known.view, job.id, assignment).await?,
        cluster: job.cluster.clone(),
        kind: order.kind,
        repository: known.paced(&job.cluster, &job.repository).await?,
        instance: known.instance(&job.cluster, agent).await?,
        compression,
        incarnation: INCARNATION,
        parent: pinned(known.view, &holder, &job.repository).await?,
        dump: order.dump,
        from: order.from,
        checkpoint: order.checkpoint,
        own_wal,
        copies: match policy {
            Some(policy) if policy.repository == job.repository => {
                let copies = copies(known, &job.cluster, &policy).await;
                let paced = |copy| RepositoryAccess {
                    bandwidth: policy.bandwidth(),
                    ..copy
                };
                copies.into_iter().map(paced).collect()
            }
            _ => Vec::new(),
        },
    })))
}

/// What a holder may build on. That the pin is in the applied state means that
/// it is replicated (I-06).
pub(super) async fn pinned(
    view: &StateView,
    holder: &PinHolder,
    repository: &Name,
) -> Result<Option<PinnedParent>> {
    let found = query::pinned_parent(view.connection(), holder).await?;
    let here = found.filter(|parent| parent.repository == *repository);
    Ok(here.and_then(|parent| {
        Some(PinnedParent {
            backup: parent.backup,
            job: parent.job,
            until: parent.until?,
        })
    }))
}

async fn wal(
    known: &mut Known<'_>,
    agent: &AgentView,
    assignment: &AssignmentView,
) -> Result<Work> {
    let name = &assignment.cluster;
    let policy = known.cluster(name).await?.policy.clone();
    let policy = policy.ok_or_else(|| no_policy(name))?;
    let repository = &assignment.repository;
    let source = query::wal_source(known.view.connection(), name, repository).await?;
    let (instance_agent, instance, volume_bytes) = match source {
        None => (agent.name.clone(), known.instance(name, agent).await?, None),
        Some(source) => {
            let instance = known.through_relay(name, agent, &source).await?;
            let volume = volume_of(known.app, known.view, name, &source).await?;
            (source, instance, volume)
        }
    };
    Ok(Work::ReceiveWal(Box::new(WalWork {
        cluster: name.clone(),
        repository: known.repository(repository).await?,
        instance,
        instance_agent: Some(instance_agent),
        volume_bytes,
        flush_every: policy.flush_every(),
        compression: policy.compression(),
        incarnation: INCARNATION,
        mode: policy.wal_mode(),
        copies: copies(known, name, &policy).await,
        max_retained: policy.max_retained(),
        when_full: policy.when_full(),
    })))
}

/// Where what is stored is copied to. One that cannot be given now holds up no
/// other, and least of all the original.
async fn copies(known: &Known<'_>, cluster: &Name, policy: &Policy) -> Vec<RepositoryAccess> {
    let mut copies = Vec::new();
    for copy in &policy.copies {
        match known.repository(&copy.repository).await {
            Ok(access) => copies.push(access),
            Err(error) => tracing::warn!(
                %cluster, repository = %copy.repository, "a copy cannot be given: {error}"
            ),
        }
    }
    copies
}

pub(super) fn instance_at<'a>(cluster: &'a Cluster, agent: &AgentView) -> Result<&'a InstanceSpec> {
    let here = |instance: &&InstanceSpec| instance.agent == agent.name;
    let found = cluster.instances.iter().find(here);
    found.ok_or_else(|| AppError::not_found("instance at agent", &agent.name))
}

/// The backup that an attempt makes; one that an agent began on its own has
/// named it.
async fn backup_of_attempt(
    view: &StateView,
    job: JobId,
    assignment: &AssignmentView,
) -> Result<BackupId> {
    let key = (assignment.id, assignment.generation);
    let lease = query::lease(view.connection(), key.0, key.1).await?;
    let named = lease.and_then(|lease| lease.backup);
    Ok(named.unwrap_or_else(|| backup_of(job, key.1)))
}

/// The instances that an agent observes, all that are declared with it, and
/// what it is to do for their clusters on its own.
async fn look_at_clusters(
    known: &mut Known<'_>,
    agent: &AgentView,
    message: &mut Assignments,
) -> Result<()> {
    let view = known.view;
    let ordered = orders::in_force(view).await?;
    // Its instances, and those that it is a relay for.
    for name in query::cluster_names_at_agent(view.connection(), &agent.name).await? {
        let Some(cluster) = known.in_force(&name).await? else {
            continue;
        };
        let declared = cluster.declared().clone();
        let policy = cluster.policy.clone();
        let kept = kept_slots(view, agent, &name, &declared).await?;
        message.kept_slots.extend(kept);
        match slot(known, agent, &name).await {
            Ok(slot) => message.slots.extend(slot),
            Err(error) => tracing::warn!(cluster = %name, "a slot cannot be kept: {error}"),
        }
        let Ok(spec) = instance_at(&declared, agent) else {
            continue;
        };
        let instance = match known.instance(&name, agent).await {
            Ok(instance) => instance,
            Err(error) => {
                tracing::warn!(cluster = %name, "an instance cannot be observed: {error}");
                continue;
            }
        };
        if ordered {
            let subject = (&name, &declared, policy);
            match orders::of_cluster(known, agent, subject, &instance).await {
                Ok(orders) => message.orders.extend(orders),
                Err(error) => tracing::warn!(
                    cluster = %name, "its schedules cannot be given to its agent: {error}"
                ),
            }
        }
        message.instances.push(ObservedInstance {
            cluster: name,
            instance,
            patroni: spec.patroni.clone(),
        });
    }
    Ok(())
}

/// An instance as a relay reaches it.
pub(super) fn through_relay(
    cluster: &Cluster,
    agent: &AgentView,
    instance: &Name,
) -> Result<InstanceSpec> {
    let mut relays = cluster.relays.iter();
    let relay = relays.find(|relay| relay.agent == agent.name);
    let relay = relay.ok_or_else(|| AppError::not_found("relay at agent", &agent.name))?;
    let connection = relay.connections.get(instance);
    let connection = connection.ok_or_else(|| AppError::not_found("instance", instance))?;
    Ok(InstanceSpec {
        agent: instance.clone(),
        connection: connection.clone(),
        password_secret: relay.password_secret.clone(),
        data_directory: None,
        patroni: None,
    })
}

/// The size of the volume under an instance, as its own agent last saw it.
async fn volume_of(
    app: &App,
    view: &StateView,
    cluster: &Name,
    instance: &Name,
) -> Result<Option<u64>> {
    let seen = app.instances(view, cluster).await?;
    let mut seen = seen.into_iter();
    let facts = seen.find(|(_, agent, _)| agent == instance);
    let server = match facts.map(|(_, _, facts)| facts.observation) {
        Some(Observation::Reachable(server)) => server,
        Some(Observation::Unreachable(_)) | None => return Ok(None),
    };
    Ok(server.disk.map(|disk| disk.total_bytes))
}

/// The slot that an agent keeps at its instance of a cluster: every instance has
/// one, for any may be promoted. From one of them WAL is received, and whoever
/// does that moves the slot.
async fn slot(known: &mut Known<'_>, agent: &AgentView, name: &Name) -> Result<Option<WalWork>> {
    let view = known.view;
    let cluster = known.cluster(name).await?;
    let Some(policy) = cluster.policy.clone() else {
        return Ok(None);
    };
    let declared = cluster.declared();
    let alone = declared.instances.len() == 1;
    if !policy.wal_mode().streams() || alone || instance_at(declared, agent).is_err() {
        return Ok(None);
    }
    let mut received = false;
    for duty in query::duties_of_cluster(view.connection(), name).await? {
        if !duty.active {
            continue;
        }
        received |= duty.repository == policy.repository;
        let from = query::wal_source(view.connection(), name, &duty.repository).await?;
        let here = match from {
            Some(instance) => instance == agent.name,
            None => duty.agent == agent.id,
        };
        if here {
            return Ok(None);
        }
    }
    if !received {
        return Ok(None);
    }
    Ok(Some(WalWork {
        cluster: name.clone(),
        repository: known.repository(&policy.repository).await?,
        instance: known.instance(name, agent).await?,
        instance_agent: Some(agent.name.clone()),
        volume_bytes: None,
        flush_every: policy.flush_every(),
        compression: policy.compression(),
        incarnation: INCARNATION,
        mode: policy.wal_mode(),
        copies: Vec::new(),
        max_retained: policy.max_retained(),
        when_full: policy.when_full(),
    }))
}

/// The slots of a cluster that other agents use: when the duty of this one
/// ends, they are not its to drop.
async fn kept_slots(
    view: &StateView,
    agent: &AgentView,
    name: &Name,
    cluster: &Cluster,
) -> Result<BTreeSet<KeptSlot>> {
    let mut kept = BTreeSet::new();
    if cluster.relays.is_empty() {
        // Whoever else receives does so from an instance of its own.
        return Ok(kept);
    }
    for duty in query::duties_of_cluster(view.connection(), name).await? {
        if !duty.active || duty.agent == agent.id {
            continue;
        }
        let conn = view.connection();
        let instance = match query::wal_source(conn, name, &duty.repository).await? {
            Some(instance) => Some(instance),
            None => query::agent(conn, duty.agent).await?.map(|one| one.name),
        };
        kept.extend(instance.map(|instance| KeptSlot {
            cluster: name.clone(),
            instance,
        }));
    }
    Ok(kept)
}
