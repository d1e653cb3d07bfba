//! Drills: ordered, placed and shown.

use holdfast_consensus::StateView;
use holdfast_state::query::{self, BackupView, DrillFilter, Page, PageRequest, ResourceView};
use holdfast_state::schema;
use holdfast_types::access::Permission;
use holdfast_types::drill::{CheckResult, DrillKind, DrillPoint, DrillVerdict, DumpToDrill};
use holdfast_types::resource::{Check, Cluster, Drill, Kind, Policy, Resource, check_all};
use holdfast_types::{
    BackupId, BackupKind, DrillId, Failure, InstanceFacts, JobId, Lsn, Name, Observation,
    PhaseTime, RestoreTarget, Span, Timeline,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use super::job::{DrillSpec, WorkSpec};
use crate::plan::drill::{Candidate, Need, one_of, place, point_in};

/// A drill that somebody asks for.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DrillRequest)]
pub struct WantedDrill {
    /// To which point: `latest`, `random` or the target of a restore; `latest` when it
    /// is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "latest")]
    pub at: DrillPoint,
    /// From a base backup and WAL or from a dump; from whatever there is when it is not
    /// said, the former first.
    #[serde(default)]
    pub kind: Option<DrillKind>,
    /// The repository to restore from; the policy's when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub repository: Option<Name>,
    /// On which agent's host, the primary's own too; when neither this nor `region` is
    /// said, on one that can and that is not the primary's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<Name>,
    /// On a host of this region.
    #[serde(default)]
    pub region: Option<String>,
    /// In which database queries are asked that name none.
    #[serde(default)]
    pub database: Option<String>,
    /// What is checked; what the policy's first drill checks when it is not said.
    #[serde(default)]
    pub checks: Option<Vec<Check>>,
}

impl WantedDrill {
    /// What a schedule asks for.
    pub(crate) fn of(drill: &Drill) -> Self {
        Self {
            at: drill.at(),
            kind: drill.kind,
            repository: drill.repository.clone(),
            agent: drill.agent.clone(),
            region: drill.region.clone(),
            database: drill.database.clone(),
            checks: Some(drill.checks.clone()),
        }
    }
}

/// What a drill showed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrillResult)]
pub struct DrillView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: DrillId,
    /// The job that made it.
    #[schema(value_type = String)]
    pub job: JobId,
    /// Of which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// In which fleet that was.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// The schedule that ordered it; null when a person did.
    #[schema(value_type = Option<String>)]
    pub schedule: Option<Name>,
    /// How it ended.
    pub verdict: DrillVerdict,
    /// Why it did not pass.
    pub cause: Option<Failure>,
    /// From which repository.
    #[schema(value_type = String)]
    pub repository: Name,
    /// On whose host.
    #[schema(value_type = String)]
    pub agent: Name,
    /// From a base backup and WAL, or from a dump.
    pub kind: Option<DrillKind>,
    /// From which backup.
    #[schema(value_type = Option<String>)]
    pub backup: Option<BackupId>,
    /// To which point.
    #[schema(value_type = Option<String>)]
    pub at: Option<RestoreTarget>,
    /// The time that this meant.
    pub target_at: Option<Timestamp>,
    /// Every commit up to then was in what was restored.
    pub reached_at: Option<Timestamp>,
    /// The position it reached.
    #[schema(value_type = Option<String>)]
    pub reached_lsn: Option<Lsn>,
    /// The timeline that it replayed.
    #[schema(value_type = Option<u32>)]
    pub timeline: Option<Timeline>,
    /// The last commit in it, where one is known.
    pub last_commit_at: Option<Timestamp>,
    /// PostgreSQL's `server_version_num`.
    pub server_version: Option<u32>,
    /// Bytes that were restored.
    pub database_bytes: Option<u64>,
    /// Since when somebody waited for it.
    pub asked_at: Timestamp,
    /// When its agent began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// From when it was asked for until PostgreSQL answered with what it was to have.
    pub achieved_rto_seconds: Option<f64>,
    /// What would have been lost, had all else been lost when it was asked for.
    pub achieved_rpo_seconds: Option<f64>,
    /// How long it waited for an agent; a part of the former.
    pub queued_seconds: f64,
    /// What its agent did, with how long that took.
    pub phases: Vec<PhaseTime>,
    /// What each check saw.
    pub checks: Vec<CheckResult>,
    /// Rows by database, schema and table, where they were counted; only when one drill
    /// is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_counts: Option<std::collections::BTreeMap<String, u64>>,
}

impl DrillView {
    fn of(view: query::DrillView, whole: bool) -> Self {
        let evidence = view.evidence;
        let known = evidence.as_ref();
        Self {
            id: view.id,
            job: view.job,
            cluster: view.cluster,
            fleet: view.fleet,
            schedule: view.schedule,
            verdict: view.verdict,
            cause: view.cause,
            repository: view.repository,
            agent: view.agent,
            kind: view.kind,
            backup: view.backup,
            at: view.target,
            target_at: view.target_at,
            reached_at: view.reached_at,
            reached_lsn: view.reached_lsn,
            timeline: known.and_then(|known| known.timeline),
            last_commit_at: known.and_then(|known| known.last_commit_at),
            server_version: known.and_then(|known| known.server_version),
            database_bytes: known.and_then(|known| known.database_bytes),
            asked_at: view.asked_at,
            started_at: view.started_at,
            finished_at: view.finished_at,
            achieved_rto_seconds: view.rto.map(Span::as_secs_f64),
            achieved_rpo_seconds: view.rpo.map(Span::as_secs_f64),
            queued_seconds: view.queued.as_secs_f64(),
            phases: known.map(|known| known.phases.clone()).unwrap_or_default(),
            checks: known.map(|known| known.checks.clone()).unwrap_or_default(),
            row_counts: evidence.filter(|_| whole).map(|known| known.row_counts),
        }
    }
}

/// What a drill restores, once that is decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decided {
    /// From where.
    pub(crate) repository: Name,
    /// On which agent, if one was named.
    pub(crate) agent: Option<Name>,
    /// What exactly.
    pub(crate) spec: DrillSpec,
}

impl App {
    /// One page of drills that have ended, the latest first.
    pub async fn drills(
        &self,
        by: &Caller,
        filter: &DrillFilter,
        page: &PageRequest,
    ) -> Result<Page<DrillView>> {
        let view = self.read(by).await?;
        let filter = DrillFilter {
            visible: self.visible(&view, by, Permission::DrillsRead).await?,
            ..filter.clone()
        };
        let found = query::drills(view.connection(), &filter, page).await?;
        Ok(found.map(|drill| DrillView::of(drill, false)))
    }

    /// One drill with everything that it showed.
    pub async fn drill(&self, by: &Caller, id: DrillId) -> Result<DrillView> {
        let view = self.read(by).await?;
        let found = query::drill(view.connection(), id).await?;
        let unseen = || AppError::not_found("drill", id);
        let found = found.ok_or_else(unseen)?;
        let needs = (Permission::DrillsRead, Permission::DrillsRead);
        self.demand_of(&view, by, needs, &found.cluster, unseen)
            .await?;
        Ok(DrillView::of(found, true))
    }

    /// Queues a drill of a cluster.
    pub async fn start_drill(&self, by: &Caller, name: Name, wanted: WantedDrill) -> Result<JobId> {
        let view = self.node.read().await?;
        let needed = Permission::DrillsWrite;
        self.demand_at(&view, by, needed, &name).await?;
        if let Some(agent) = &wanted.agent {
            self.demand_agent(&view, by, needed, agent).await?;
        }
        if let Some(repository) = &wanted.repository {
            let place = (&name, repository);
            self.demand_repository(&view, by, needed, place).await?;
        }
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        check(&wanted)?;
        refuse_below(&view, schema::DRILLS).await?;
        let found = query::resource(view.connection(), Kind::Cluster, &name).await?;
        let found = found.ok_or_else(|| AppError::not_found("cluster", &name))?;
        let policy = query::effective_policy(view.connection(), &name).await?;
        let policy = policy.map(|(_, policy)| policy);
        let wanted = with_usual_checks(wanted, policy.as_ref());
        let random = Uuid::new_v4().as_u64_pair().0;
        let decided = self
            .decide_drill(&view, &found, policy.as_ref(), &wanted, random)
            .await?;
        if decided.spec.dump.is_none() {
            refuse_without_backup(&view, &name).await?;
        }
        if decided.agent.is_none() {
            // Now, and not in the queue for ever: it may be that nobody ever can.
            let need = self
                .drill_need(
                    &view,
                    &found,
                    &decided.repository,
                    decided.spec.region.clone(),
                )
                .await?;
            let candidates = self.drill_candidates(&view).await?;
            place(&candidates, &need).map_err(|why| {
                AppError::new(Code::NO_DRILL_AGENT, format!("it waits for {why}"))
            })?;
        }
        let place = (name, decided.repository);
        let work = WorkSpec::Drill(Box::new(decided.spec));
        self.create_job(by, place, decided.agent, work, self.config.jobs.attempts)
            .await
    }

    /// Decides what a drill restores: from where, from which dump or to which point.
    pub(crate) async fn decide_drill(
        &self,
        view: &StateView,
        cluster: &ResourceView,
        policy: Option<&Policy>,
        wanted: &WantedDrill,
        random: u64,
    ) -> Result<Decided> {
        let name = cluster.name();
        let available = query::available_backups(view.connection(), name).await?;
        let newest = available.iter().max_by_key(|one| one.finished_at);
        let repository = wanted
            .repository
            .clone()
            .or_else(|| policy.map(|policy| policy.repository.clone()))
            .or_else(|| newest.and_then(|one| one.repositories.first().cloned()))
            .ok_or_else(|| no_backup(name))?;
        let here: Vec<&BackupView> = available
            .iter()
            .filter(|one| one.repositories.contains(&repository))
            .collect();
        let (dumps, bases): (Vec<&BackupView>, Vec<&BackupView>) = here
            .into_iter()
            .partition(|one| one.kind == BackupKind::Logical);
        let of_dump = match (&wanted.at, wanted.kind) {
            (_, Some(kind)) => kind == DrillKind::Logical,
            (DrillPoint::At(RestoreTarget::Backup(id)), None) => {
                dumps.iter().any(|one| one.id == *id)
            }
            (_, None) => bases.is_empty() && !dumps.is_empty(),
        };
        let (at, dump) = if of_dump {
            let dump = choose_dump(&dumps, &wanted.at, random, name)?;
            let lineage = dump.lineage.ok_or_else(|| no_backup(name))?;
            let backup = dump.id;
            // The words of the request, but for a number that only chose.
            let at = match &wanted.at {
                DrillPoint::Random => RestoreTarget::Backup(backup),
                DrillPoint::At(target) => target.clone(),
            };
            (at, Some(DumpToDrill { backup, lineage }))
        } else {
            let receives = policy.is_none_or(Policy::receives_wal);
            let window = match &wanted.at {
                DrillPoint::Random if receives => {
                    self.drill_window(view, cluster, &repository).await?
                }
                _ => None,
            };
            (
                choose_point(&bases, &wanted.at, (receives, window), random),
                None,
            )
        };
        Ok(Decided {
            repository,
            agent: wanted.agent.clone(),
            spec: DrillSpec {
                at,
                asked: wanted.at.clone(),
                dump,
                database: wanted.database.clone(),
                region: wanted.region.clone(),
                checks: wanted.checks.clone().unwrap_or_default(),
            },
        })
    }

    /// What a drill of a cluster needs.
    pub(crate) async fn drill_need(
        &self,
        view: &StateView,
        cluster: &ResourceView,
        repository: &Name,
        region: Option<String>,
    ) -> Result<Need> {
        let Resource::Cluster(declared) = &cluster.document.resource else {
            return Ok(Need::default());
        };
        let name = cluster.name();
        let found = query::resource(view.connection(), Kind::Repository, repository).await?;
        let (near, is_directory) = match found.map(|found| found.document.resource) {
            Some(Resource::Repository(spec)) => {
                let is_directory = spec.url.starts_with("file:");
                (spec.region, is_directory)
            }
            _ => (None, false),
        };
        let seen = self.instances(view, name).await?;
        let servers = seen.iter().filter_map(|(_, _, facts)| server_of(facts));
        let (mut major, mut bytes) = (None, 0);
        for server in servers {
            major = major.max(Some(server.server_version / 10_000));
            bytes = bytes.max(server.database_bytes);
        }
        Ok(Need {
            primary: self.primary_agent(view, name, declared).await?,
            own: own_agents(declared),
            region,
            near,
            is_directory,
            major,
            bytes,
        })
    }

    /// Every agent that a drill could be made on.
    pub(crate) async fn drill_candidates(&self, view: &StateView) -> Result<Vec<Candidate>> {
        let held = query::active_job_assignments(view.connection()).await?;
        let mut candidates = Vec::new();
        let mut page = PageRequest::longest();
        loop {
            let found = query::agents(view.connection(), &page).await?;
            for agent in found.items {
                if agent.revoked_at.is_some() {
                    continue;
                }
                let jobs = held.iter().filter(|one| one.agent == agent.id);
                let (mut load, mut drills) = (0, false);
                for assignment in jobs {
                    load += 1;
                    drills |= matches!(&assignment.work, query::Work::Job(job)
                        if job.kind == holdfast_types::JobKind::Drill);
                }
                let live = agent.instances.iter().map(|facts| {
                    let live = self.facts.live(agent.id, &facts.cluster);
                    live.unwrap_or_else(|| facts.clone())
                });
                let live: Vec<InstanceFacts> = live.collect();
                let servers = || live.iter().filter_map(server_of);
                let free = servers().filter_map(|server| server.disk.as_ref());
                candidates.push(Candidate {
                    id: agent.id,
                    ready: self.sessions.is_online(agent.id) && !self.sessions.owes(agent.id),
                    majors: servers()
                        .map(|server| server.server_version / 10_000)
                        .collect(),
                    free_bytes: free.map(|disk| disk.free_bytes).max(),
                    name: agent.name,
                    region: agent.region,
                    load,
                    drills,
                });
            }
            match found.next_cursor {
                None => return Ok(candidates),
                cursor => page.cursor = cursor,
            }
        }
    }
}

fn server_of(facts: &InstanceFacts) -> Option<&holdfast_types::ServerFacts> {
    match &facts.observation {
        Observation::Reachable(server) => Some(server),
        Observation::Unreachable(_) => None,
    }
}

fn own_agents(cluster: &Cluster) -> Vec<Name> {
    let instances = cluster.instances.iter().map(|one| one.agent.clone());
    let relays = cluster.relays.iter().map(|one| one.agent.clone());
    instances.chain(relays).collect()
}

/// What the shape of a request alone cannot say.
fn check(wanted: &WantedDrill) -> Result<()> {
    if wanted.agent.is_some() && wanted.region.is_some() {
        let message = "an agent is in one region: name the agent or a region";
        return Err(AppError::invalid("region", message));
    }
    let checks = wanted.checks.as_deref().unwrap_or_default();
    check_all(checks, "checks").map_err(|error| AppError::invalid(error.field, error.message))
}

/// Whoever names no checks means those that the policy makes.
fn with_usual_checks(mut wanted: WantedDrill, policy: Option<&Policy>) -> WantedDrill {
    if wanted.checks.is_some() {
        return wanted;
    }
    let usual = policy.and_then(|policy| policy.drills.first());
    wanted.checks = usual.map(|drill| drill.checks.clone());
    if wanted.database.is_none() {
        wanted.database = usual.and_then(|drill| drill.database.clone());
    }
    wanted
}

fn no_backup(cluster: &Name) -> AppError {
    let message = format!("\"{cluster}\" has no backup and no policy");
    AppError::new(Code::NO_BACKUP, message)
}

async fn refuse_without_backup(view: &StateView, cluster: &Name) -> Result<()> {
    let available = query::available_backups(view.connection(), cluster).await?;
    let is_base = |one: &BackupView| one.kind != BackupKind::Logical;
    if available.iter().any(is_base) {
        return Ok(());
    }
    let message = format!("\"{cluster}\" has no available backup to rehearse a restore from");
    Err(AppError::new(Code::NO_BACKUP, message))
}

fn choose_dump<'a>(
    dumps: &[&'a BackupView],
    at: &DrillPoint,
    random: u64,
    cluster: &Name,
) -> Result<&'a BackupView> {
    let by_time = |until: Option<Timestamp>| {
        let fits = dumps
            .iter()
            .filter(|one| until.is_none_or(|until| one.finished_at.is_some_and(|at| at <= until)));
        fits.max_by_key(|one| one.finished_at).copied()
    };
    let found = match at {
        DrillPoint::Random => one_of(dumps, random).copied(),
        DrillPoint::At(RestoreTarget::Latest | RestoreTarget::Immediate) => by_time(None),
        DrillPoint::At(RestoreTarget::Time(time)) => by_time(Some(*time)),
        DrillPoint::At(RestoreTarget::Backup(id)) => {
            let found = dumps.iter().find(|one| one.id == *id).copied();
            return found.ok_or_else(|| AppError::not_found("dump", id).with_field("at"));
        }
        DrillPoint::At(RestoreTarget::Lsn(_) | RestoreTarget::Xid(_) | RestoreTarget::Name(_)) => {
            let message = "a dump is as of its own moment: latest, random, a time or backup:ID";
            return Err(AppError::invalid("at", message));
        }
    };
    found.ok_or_else(|| {
        let message = format!("\"{cluster}\" has no available dump for that in its repository");
        AppError::new(Code::NO_BACKUP, message)
    })
}

/// The target of a drill of a base backup. Where no WAL is received, every point is
/// that of a backup.
fn choose_point(
    bases: &[&BackupView],
    at: &DrillPoint,
    (receives, window): (bool, Option<(Timestamp, Timestamp)>),
    random: u64,
) -> RestoreTarget {
    let newest = || bases.iter().max_by_key(|one| one.finished_at);
    let point_of = |backup: Option<&&BackupView>| match backup {
        Some(backup) => RestoreTarget::Backup(backup.id),
        // There is none: whoever does it finds that, and says so.
        None => RestoreTarget::Latest,
    };
    match at {
        DrillPoint::Random => match window {
            Some(window) => RestoreTarget::Time(point_in(window, random)),
            None => point_of(one_of(bases, random)),
        },
        DrillPoint::At(RestoreTarget::Latest) if !receives => point_of(newest()),
        DrillPoint::At(target) => target.clone(),
    }
}
