//! Backups.

use holdfast_consensus::StateView;
use holdfast_state::query::{self, BackupFilter, BackupView, Page, PageRequest};
use holdfast_state::{Refusal, schema};
use holdfast_types::access::Permission;
use holdfast_types::resource::{Checkpoint, Cluster, Kind, Policy, Resource, Source};
use holdfast_types::{
    AgentId, BackupId, BackupKind, DumpOptions, InstanceFacts, InvalidDump, JobId, Name,
    Observation,
};
use jiff::Timestamp;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::expiry::Kept;
use super::job::WorkSpec;
use crate::plan::placement;

/// What an instance of another PostgreSQL is called, by us and by agents.
pub(crate) const FOREIGN: &str = "foreign_system_identifier";

/// The answer for a cluster that nobody says anything about.
pub(crate) fn no_policy(cluster: &Name) -> AppError {
    let message = format!("no policy selects the cluster \"{cluster}\"");
    AppError::new(Code::NO_POLICY, message)
}

/// What of a dump cannot be done.
pub(super) fn invalid_dump(error: InvalidDump) -> AppError {
    AppError::invalid(error.field, error.message)
}

/// Nodes of an earlier level do not know what they are to do: they would give an
/// incremental to an agent without a parent that is kept for it (I-06).
pub(super) async fn refuse_below(view: &StateView, needed: u32) -> Result<()> {
    let current = schema::version(view.connection()).await?;
    if current >= needed {
        return Ok(());
    }
    Err(Refusal::LevelTooLow { needed, current }.into())
}

/// A backup that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBackup {
    /// What it holds.
    pub kind: BackupKind,
    /// Of a dump, what is in it.
    pub dump: Option<DumpOptions>,
    /// From which server; the primary when it is not said.
    pub from: Option<Source>,
    /// How PostgreSQL begins it; at once when it is not said.
    pub checkpoint: Option<Checkpoint>,
}

impl App {
    /// One page of backups, newest first.
    pub async fn backups(
        &self,
        by: &Caller,
        filter: &BackupFilter,
        page: &PageRequest,
    ) -> Result<Page<(BackupView, Kept)>> {
        let view = self.read(by).await?;
        let filter = BackupFilter {
            visible: self.visible(&view, by, Permission::BackupsRead).await?,
            ..filter.clone()
        };
        let found = query::backups(view.connection(), &filter, page).await?;
        let mut kept = self.kept_of(&view, &found.items).await?;
        let with = |backup: BackupView| {
            let kept = kept.remove(&backup.id).unwrap_or_default();
            (backup, kept)
        };
        Ok(found.map(with))
    }

    /// One backup, and until when it is pinned.
    pub async fn backup(
        &self,
        by: &Caller,
        id: BackupId,
    ) -> Result<(BackupView, Kept, Option<Timestamp>)> {
        let view = self.read(by).await?;
        self.demand_backup(&view, by, Permission::BackupsRead, id)
            .await?;
        let found = query::backup(view.connection(), id).await?;
        let found = found.ok_or_else(|| AppError::not_found("backup", id))?;
        let pinned = query::pinned_until(view.connection(), id).await?;
        let pinned = pinned.filter(|until| *until > Timestamp::now());
        let mut kept = self.kept_of(&view, std::slice::from_ref(&found)).await?;
        let kept = kept.remove(&id).unwrap_or_default();
        Ok((found, kept, pinned))
    }

    /// Queues a backup of a cluster, into its policy's repository.
    pub async fn start_backup(
        &self,
        by: &Caller,
        name: Name,
        wanted: WantedBackup,
    ) -> Result<JobId> {
        let WantedBackup {
            kind,
            dump,
            from,
            checkpoint,
        } = wanted;
        let view = self.node.read().await?;
        self.demand_at(&view, by, Permission::BackupsWrite, &name)
            .await?;
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        if let Some(dump) = &dump {
            dump.check().map_err(invalid_dump)?;
        }
        match kind {
            BackupKind::Full => {}
            BackupKind::Incremental => refuse_below(&view, schema::PINS).await?,
            BackupKind::Logical => refuse_below(&view, schema::DUMPS).await?,
        }
        let cluster = self.cluster(&view, &name).await?;
        let policy = self.policy_of(&view, &name).await?;
        let carries = kind != BackupKind::Logical && !policy.receives_wal();
        let source = from.unwrap_or(Source::Primary);
        let chooses = source != Source::Primary || checkpoint == Some(Checkpoint::Spread);
        if carries || chooses {
            refuse_below(&view, schema::SOURCES).await?;
        }
        if source != Source::Primary {
            self.refuse_source(&view, (&name, &cluster), (kind, source), carries)
                .await?;
        }
        if kind == BackupKind::Logical && checkpoint.is_some() {
            let message = "a dump begins without a checkpoint; leave it out";
            return Err(AppError::invalid("checkpoint", message));
        }
        self.refuse_foreign(&view, &name, &cluster).await?;
        let work = WorkSpec::Backup {
            kind,
            dump,
            from,
            checkpoint,
        };
        // Who takes it is chosen when it is given out: the primary may move.
        let place = (name, policy.repository);
        self.create_job(by, place, None, work, self.config.jobs.attempts)
            .await
    }

    /// A cluster that exists.
    pub(crate) async fn cluster(&self, view: &StateView, name: &Name) -> Result<Cluster> {
        let found = query::resource(view.connection(), Kind::Cluster, name).await?;
        match found.map(|found| found.document.resource) {
            Some(Resource::Cluster(cluster)) => Ok(cluster),
            _ => Err(AppError::not_found("cluster", name)),
        }
    }

    /// The policy in force for a cluster.
    pub(crate) async fn policy_of(&self, view: &StateView, cluster: &Name) -> Result<Policy> {
        let found = query::effective_policy(view.connection(), cluster).await?;
        found
            .map(|(_, policy)| policy)
            .ok_or_else(|| no_policy(cluster))
    }

    /// The instances of a cluster with the names of their agents, as they were
    /// last seen.
    pub(crate) async fn instances(
        &self,
        view: &StateView,
        cluster: &Name,
    ) -> Result<Vec<(AgentId, Name, InstanceFacts)>> {
        let mut seen = Vec::new();
        for instance in query::instances_of_cluster(view.connection(), cluster).await? {
            let Some(agent) = query::agent(view.connection(), instance.agent).await? else {
                continue;
            };
            let live = self.facts.live(agent.id, cluster);
            seen.push((agent.id, agent.name, live.unwrap_or(instance.facts)));
        }
        Ok(seen)
    }

    /// The agent where a cluster's primary is.
    pub(crate) async fn primary_agent(
        &self,
        view: &StateView,
        cluster: &Name,
        declared: &Cluster,
    ) -> Result<Option<Name>> {
        if let [only] = declared.instances.as_slice() {
            // Whatever was seen and wherever it was: there is no other.
            return Ok(Some(only.agent.clone()));
        }
        let seen = self.instances(view, cluster).await?;
        let seen = seen.iter().map(|(_, name, facts)| (name, facts));
        if let Some(primary) = placement::primary(declared, seen) {
            return Ok(Some(primary.clone()));
        }
        // None is seen, as in a restart: then where it was, or the first.
        let before = self.receives_from(view, cluster).await?;
        let declares = |name: &Name| declared.instances.iter().any(|one| one.agent == *name);
        let first = || declared.instances.first().map(|one| one.agent.clone());
        Ok(before.filter(declares).or_else(first))
    }

    /// The agents that a backup can be taken by, the best first: of the
    /// primary, or of those that are seen as standbys, in the order in which
    /// they are declared.
    pub(crate) async fn source_agents(
        &self,
        view: &StateView,
        (cluster, declared): (&Name, &Cluster),
        from: Source,
    ) -> Result<Vec<Name>> {
        let mut agents = Vec::new();
        if from != Source::Primary {
            let seen = self.instances(view, cluster).await?;
            let seen = seen.iter().map(|(_, name, facts)| (name, facts));
            agents.extend(placement::standbys(declared, seen).into_iter().cloned());
        }
        if from != Source::Standby {
            agents.extend(self.primary_agent(view, cluster, declared).await?);
        }
        Ok(agents)
    }

    /// Refuses a source that is not there, or not built yet.
    async fn refuse_source(
        &self,
        view: &StateView,
        (name, declared): (&Name, &Cluster),
        (kind, source): (BackupKind, Source),
        carries: bool,
    ) -> Result<()> {
        let not_yet = |what: &str| {
            let message = format!("{what} from a standby is not supported yet");
            AppError::new(Code::NOT_SUPPORTED_YET, message).with_field("from")
        };
        if kind == BackupKind::Logical {
            return Err(not_yet("a dump"));
        }
        if carries {
            return Err(not_yet(
                "a backup that carries its own WAL (wal.mode: none)",
            ));
        }
        let agents = self.source_agents(view, (name, declared), source).await?;
        if agents.is_empty() {
            let message = format!("no instance of \"{name}\" is seen as a standby now");
            return Err(AppError::new(Code::NO_STANDBY, message).with_field("from"));
        }
        Ok(())
    }

    /// The instance that a cluster's WAL is received from.
    async fn receives_from(&self, view: &StateView, cluster: &Name) -> Result<Option<Name>> {
        let duties = query::duties_of_cluster(view.connection(), cluster).await?;
        let Some(duty) = duties.iter().find(|duty| duty.active) else {
            return Ok(None);
        };
        let conn = view.connection();
        if let Some(instance) = query::wal_source(conn, cluster, &duty.repository).await? {
            return Ok(Some(instance));
        }
        let agent = query::agent(conn, duty.agent).await?;
        Ok(agent.map(|agent| agent.name))
    }

    /// Refuses to back up a PostgreSQL that is not the one this cluster was.
    async fn refuse_foreign(
        &self,
        view: &StateView,
        name: &Name,
        declared: &Cluster,
    ) -> Result<()> {
        let known = self.known_identifier(view, name).await?;
        let primary = self.primary_agent(view, name, declared).await?;
        let seen = self.instances(view, name).await?;
        let facts = seen
            .iter()
            .find(|(_, agent, _)| Some(agent) == primary.as_ref());
        let problem = match facts.map(|(_, _, facts)| &facts.observation) {
            Some(Observation::Reachable(server)) if known != Some(server.system_identifier) => {
                known.map(|known| {
                    format!(
                        "the PostgreSQL of \"{name}\" has the system identifier {}, the cluster is {known}",
                        server.system_identifier
                    )
                })
            }
            Some(Observation::Unreachable(failure)) if failure.code == FOREIGN => {
                Some(failure.message.clone())
            }
            _ => None,
        };
        match problem {
            Some(message) => Err(AppError::new(Code::FOREIGN_SYSTEM_IDENTIFIER, message)),
            None => Ok(()),
        }
    }
}
