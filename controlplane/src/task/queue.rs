//! The queue: which waiting job goes next, and what each waits for.
//!
//! Limits hold backups up and nothing else: a restore is what backups are
//! for, and waits for no place. Everything in an agent's hands takes a place,
//! whoever asked for it. A copy takes and needs one at its repository only.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_consensus::StateView;
use holdfast_state::policy::effective;
use holdfast_state::query::{
    self, AgentEntry, AssignmentView, JobView, PageRequest, QueuedRun, ResourceFilter,
    ResourceView, Work,
};
use holdfast_types::resource::{Kind, Policy, Resource, Source};
use holdfast_types::schedule::{Timetable, Timing};
use holdfast_types::{AgentId, JobId, JobKind, JobState, Name};
use jiff::Timestamp;

use crate::app::App;
use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec};
use crate::plan::drill::{Candidate, place};

/// What is in agents' hands and what is in force, read once for many jobs.
#[derive(Debug)]
pub(crate) struct Queue {
    held: Held,
    runs: BTreeMap<JobId, QueuedRun>,
    policies: Vec<(Name, Policy)>,
    clusters: BTreeMap<Name, Option<ResourceView>>,
    timings: BTreeMap<(Name, Name), Option<Arc<Timing>>>,
    /// Every agent, when there is more to look up than one by one.
    agents: Option<BTreeMap<Name, AgentEntry>>,
    /// Every agent that a drill could be made on, once one is to be placed.
    candidates: Option<Vec<Candidate>>,
}

/// From so many jobs on, all clusters and agents are read at once: thousands
/// of jobs that are due at the same moment ask for thousands of each.
const MANY: usize = 200;

/// Jobs of which the place in the queue is told.
const PLACES_MOST: u64 = 2000;

/// What is in agents' hands, counted: a long queue asks for each of its jobs.
#[derive(Debug, Default)]
struct Held {
    all: u64,
    /// The backup of each cluster that is backed up.
    backups: BTreeMap<Name, JobId>,
    /// The drill of each cluster that is rehearsed.
    drills: BTreeMap<Name, JobId>,
    repositories: BTreeMap<Name, u64>,
    fleets: BTreeMap<Name, u64>,
    agents: BTreeMap<AgentId, AtAgent>,
}

#[derive(Debug, Default)]
struct AtAgent {
    all: u64,
    backup: Option<JobId>,
    drill: Option<JobId>,
}

/// Something to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// A stable code.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) text: String,
}

impl Wait {
    fn of(code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// An agent, or something to wait for first.
type Choice = std::result::Result<AgentId, Wait>;

impl Queue {
    /// Reads it.
    pub(crate) async fn load(view: &StateView, held: &[AssignmentView]) -> Result<Self> {
        Self::load_for(view, held, 0).await
    }

    /// The same, for choosing agents for so many jobs.
    pub(super) async fn load_for(
        view: &StateView,
        held: &[AssignmentView],
        jobs: usize,
    ) -> Result<Self> {
        let mut queue = Self {
            held: Held::default(),
            runs: query::job_queue(view.connection()).await?,
            policies: query::policies(view.connection()).await?,
            clusters: BTreeMap::new(),
            timings: BTreeMap::new(),
            agents: None,
            candidates: None,
        };
        if jobs >= MANY || held.len() >= MANY {
            queue.clusters = all_clusters(view).await?;
        }
        if jobs >= MANY {
            queue.agents = Some(query::agent_directory(view.connection()).await?);
        }
        for assignment in held {
            if let Work::Job(job) = &assignment.work {
                queue.know(view, &job.cluster).await?;
                queue.give(job, assignment.agent);
            }
        }
        Ok(queue)
    }

    /// Its place in the queue: restores first, then what has the higher
    /// priority, then what was due or asked for earlier.
    pub(super) fn rank(&self, job: &JobView) -> impl Ord + use<> {
        let run = self.runs.get(&job.id);
        let priority = run.map_or(0, |run| run.priority);
        let due = run.map_or(job.created_at, |run| run.run.due());
        (job.kind != JobKind::Restore, Reverse(priority), due, job.id)
    }

    /// The places of queued jobs, from 1; none when nobody asks, or too many wait.
    pub(crate) async fn places(
        &self,
        view: &StateView,
        asked: bool,
    ) -> Result<BTreeMap<JobId, u64>> {
        if !asked {
            return Ok(BTreeMap::new());
        }
        let conn = view.connection();
        let mut queued = query::queued_jobs(conn, Timestamp::now(), PLACES_MOST + 1).await?;
        if queued.len() as u64 > PLACES_MOST {
            return Ok(BTreeMap::new());
        }
        queued.sort_by_cached_key(|job| self.rank(job));
        Ok(queued.into_iter().map(|job| job.id).zip(1..).collect())
    }

    /// Notes that the agent has the job, or is to have it.
    pub(super) fn give(&mut self, job: &JobView, agent: AgentId) {
        let fleet = self.fleet(&job.cluster).cloned();
        let held = &mut self.held;
        *held.repositories.entry(job.repository.clone()).or_default() += 1;
        if job.kind == JobKind::Copy {
            // It may last, and holds no backup up but at the repository it fills.
            return;
        }
        held.all += 1;
        if let Some(fleet) = fleet {
            *held.fleets.entry(fleet).or_default() += 1;
        }
        let here = held.agents.entry(agent).or_default();
        here.all += 1;
        if job.kind == JobKind::Backup {
            here.backup = Some(job.id);
            held.backups.insert(job.cluster.clone(), job.id);
        }
        if job.kind == JobKind::Drill {
            here.drill = Some(job.id);
            held.drills.insert(job.cluster.clone(), job.id);
        }
    }

    /// What a job waits for, while it does.
    pub(crate) async fn waiting_for(
        &mut self,
        app: &App,
        view: &StateView,
        job: &JobView,
    ) -> Result<Option<Wait>> {
        if job.state != JobState::Queued {
            return Ok(None);
        }
        Ok(self.choose(app, view, job, Timestamp::now()).await?.err())
    }

    /// The agent for a queued job, or what it waits for. What is cheap to know
    /// is asked first: most of a long queue waits for a place.
    pub(super) async fn choose(
        &mut self,
        app: &App,
        view: &StateView,
        job: &JobView,
        now: Timestamp,
    ) -> Result<Choice> {
        self.know(view, &job.cluster).await?;
        let free = self
            .wait_for_time(job, now)
            .or_else(|| self.wait_for_cluster(job))
            .or_else(|| self.wait_for_place(app, job));
        if let Some(wait) = free {
            return Ok(Err(wait));
        }
        if job.kind == JobKind::Drill && job.wanted_agent.is_none() {
            return self.place_drill(app, view, job).await;
        }
        let chosen = self.agent_for(app, view, job).await?;
        Ok(chosen.map(|(agent, _)| agent))
    }

    async fn know(&mut self, view: &StateView, cluster: &Name) -> Result<()> {
        if !self.clusters.contains_key(cluster) {
            let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
            self.clusters.insert(cluster.clone(), found);
        }
        Ok(())
    }

    fn cluster(&self, job: &JobView) -> Option<&ResourceView> {
        self.clusters.get(&job.cluster)?.as_ref()
    }

    fn fleet(&self, cluster: &Name) -> Option<&Name> {
        self.clusters.get(cluster)?.as_ref()?.fleet.as_ref()
    }

    fn policy(&self, job: &JobView) -> Option<(&Name, &Policy)> {
        let cluster = self.cluster(job)?;
        let pairs = self.policies.iter().map(|(name, policy)| (name, policy));
        effective(pairs, cluster.labels())
    }

    fn wait_for_time(&mut self, job: &JobView, now: Timestamp) -> Option<Wait> {
        let run = self.runs.get(&job.id).cloned();
        if let Some(time) = job.not_before.filter(|time| *time > now) {
            let (code, what) = if run.is_some() && job.attempts == 0 {
                ("start", "its start")
            } else {
                ("retry", "its next attempt")
            };
            return Some(Wait::of(code, format!("{what}, at {time:.0}")));
        }
        let run = run?;
        if let Some(latest) = run.latest
            && job.attempts == 0
            && latest < now
        {
            let text = format!("nothing: its latest start was {latest:.0}");
            return Some(Wait::of("too_late", text));
        }
        let end = self.timetable(job, &run)?.blackout_until(now)?;
        let text = format!("the end of a blackout, at {end:.0}");
        Some(Wait::of("blackout", text))
    }

    /// The timetable of a run's schedule; `None` when that is no more.
    fn timetable(&mut self, job: &JobView, run: &QueuedRun) -> Option<Timetable> {
        let schedule = run.run.schedule();
        let (policy, spec) = self.policy(job)?;
        let key = (policy.clone(), schedule.clone());
        let timing = match self.timings.get(&key) {
            Some(timing) => timing.clone(),
            None => {
                let named = spec.schedules.iter().find(|one| one.name == *schedule);
                let timing = named.and_then(|one| Timing::of(one).ok()).map(Arc::new);
                self.timings.insert(key, timing.clone());
                timing
            }
        };
        Some(Timetable::with_timing(&job.cluster, schedule, timing?))
    }

    /// The agent for a drill that may be made anywhere.
    async fn place_drill(&mut self, app: &App, view: &StateView, job: &JobView) -> Result<Choice> {
        let Some(cluster) = self.cluster(job) else {
            let text = format!("the cluster \"{}\" is gone", job.cluster);
            return Ok(Err(Wait::of("cluster_gone", text)));
        };
        let region = match JobSpec::read(&job.spec)?.work {
            WorkSpec::Drill(spec) => spec.region,
            _ => None,
        };
        let need = app
            .drill_need(view, cluster, &job.repository, region)
            .await?;
        if self.candidates.is_none() {
            self.candidates = Some(app.drill_candidates(view).await?);
        }
        let mut candidates = self.candidates.clone().unwrap_or_default();
        for candidate in &mut candidates {
            // With what was given out since they were read.
            if let Some(here) = self.held.agents.get(&candidate.id) {
                candidate.load = here.all;
                candidate.drills = here.drill.is_some();
            }
        }
        let placed = place(&candidates, &need).map(|(agent, _)| agent);
        Ok(placed.map_err(|text| Wait::of("drill_host", text)))
    }

    fn wait_for_cluster(&self, job: &JobView) -> Option<Wait> {
        if job.kind == JobKind::Drill {
            let other = self.held.drills.get(&job.cluster)?;
            let text = format!("{other} rehearses the same cluster");
            return Some(Wait::of("cluster_busy", text));
        }
        if job.kind != JobKind::Backup {
            return None;
        }
        // PostgreSQL allows more, but the second reads all the same bytes.
        let other = self.held.backups.get(&job.cluster)?;
        let text = format!("{other} backs up the same cluster");
        Some(Wait::of("cluster_busy", text))
    }

    fn wait_for_place(&self, app: &App, job: &JobView) -> Option<Wait> {
        if job.kind == JobKind::Restore {
            return None;
        }
        let (running, most) = (self.held.all, app.config.jobs.max_running);
        if running >= most && job.kind == JobKind::Backup {
            let text = format!(
                "a place: {running} jobs are in agents' hands, and jobs.maxRunning is {most}"
            );
            return Some(Wait::of("limit", text));
        }
        let (policy, spec) = self.policy(job)?;
        let limits = spec.limits.as_ref()?;
        let full = |limit: Option<u32>, running: Option<&u64>| {
            let running = running.copied().unwrap_or_default();
            limit.filter(|most| running >= u64::from(*most))
        };
        let here = self.held.repositories.get(&job.repository);
        if let Some(most) = full(limits.jobs_per_repository, here) {
            let text = format!(
                "a place at the repository \"{}\": that many run as the policy \"{policy}\" \
                 allows (limits.jobsPerRepository: {most})",
                job.repository
            );
            return Some(Wait::of("limit", text));
        }
        let fleet = self.fleet(&job.cluster);
        let fleet = fleet.filter(|_| job.kind == JobKind::Backup)?;
        let most = full(limits.jobs_per_fleet, self.held.fleets.get(fleet))?;
        let text = format!(
            "a place in the fleet \"{fleet}\": that many run as the policy \"{policy}\" \
             allows (limits.jobsPerFleet: {most})"
        );
        Some(Wait::of("limit", text))
    }

    /// Without a limit a host takes one backup at a time.
    fn wait_for_host(&self, job: &JobView, agent: AgentId, name: &Name) -> Option<Wait> {
        if job.kind == JobKind::Drill {
            let other = self.held.agents.get(&agent)?.drill?;
            let text = format!(
                "a place at the agent \"{name}\": {other} runs there, and a host makes one \
                 drill at a time"
            );
            return Some(Wait::of("agent_busy", text));
        }
        if job.kind != JobKind::Backup {
            return None;
        }
        let here = self.held.agents.get(&agent)?;
        let limit = self.policy(job).and_then(|(policy, spec)| {
            let limit = spec.limits.as_ref()?.jobs_per_host?;
            Some((policy, u64::from(limit)))
        });
        let (code, text) = match (limit, here.backup) {
            (Some((policy, most)), _) if here.all >= most => (
                "limit",
                format!(
                    "a place at the agent \"{name}\": that many run there as the policy \
                     \"{policy}\" allows (limits.jobsPerHost: {most})"
                ),
            ),
            (None, Some(other)) => (
                "agent_busy",
                format!(
                    "a place at the agent \"{name}\": {other} runs there, and without \
                     limits.jobsPerHost a host takes one backup at a time"
                ),
            ),
            (Some(_), _) | (None, None) => return None,
        };
        Some(Wait::of(code, text))
    }

    /// The agent that a job belongs to, when it is there: of several that
    /// would do, the first that can take it now.
    async fn agent_for(
        &self,
        app: &App,
        view: &StateView,
        job: &JobView,
    ) -> Result<std::result::Result<(AgentId, Name), Wait>> {
        let (wanted, source) = match (&job.wanted_agent, self.cluster(job)) {
            (Some(name), _) => (vec![name.clone()], Source::Primary),
            (None, Some(found)) => match &found.document.resource {
                Resource::Cluster(cluster) => {
                    let source = source_of(job)?;
                    let place = (&job.cluster, cluster);
                    (app.source_agents(view, place, source).await?, source)
                }
                Resource::Repository(_)
                | Resource::Fleet(_)
                | Resource::Policy(_)
                | Resource::DrillPlan(_)
                | Resource::RoleBinding(_)
                | Resource::NotificationChannel(_) => (Vec::new(), Source::Primary),
            },
            (None, None) => (Vec::new(), Source::Primary),
        };
        let mut waits = Vec::new();
        for name in wanted {
            match self.ready(app, view, name).await? {
                Ok((agent, name)) => match self.wait_for_host(job, agent, &name) {
                    None => return Ok(Ok((agent, name))),
                    Some(wait) => waits.push(wait),
                },
                Err(wait) => waits.push(wait),
            }
        }
        Ok(Err(match waits.into_iter().next() {
            Some(wait) => wait,
            None if source == Source::Standby => Wait::of(
                "no_standby",
                format!(
                    "a standby: no instance of the cluster \"{}\" is seen as one now",
                    job.cluster
                ),
            ),
            None => Wait::of(
                "no_instance",
                format!("the cluster \"{}\" has no instance", job.cluster),
            ),
        }))
    }

    /// The agent of that name, when it can be given something.
    async fn ready(
        &self,
        app: &App,
        view: &StateView,
        name: Name,
    ) -> Result<std::result::Result<(AgentId, Name), Wait>> {
        let Some(agent) = self.agent(view, &name).await? else {
            let text = format!("the agent \"{name}\" is not enrolled");
            return Ok(Err(Wait::of("agent_missing", text)));
        };
        if agent.revoked {
            let text = format!("the agent \"{name}\" is revoked");
            return Ok(Err(Wait::of("agent_revoked", text)));
        }
        if !app.sessions.is_online(agent.id) {
            let text = format!("the agent \"{name}\" is offline");
            return Ok(Err(Wait::of("agent_offline", text)));
        }
        if app.sessions.owes(agent.id) {
            // It may have done this very run on its own.
            let text =
                format!("the agent \"{name}\" to report what it did while it was on its own");
            return Ok(Err(Wait::of("agent_reporting", text)));
        }
        Ok(Ok((agent.id, name)))
    }

    async fn agent(&self, view: &StateView, name: &Name) -> Result<Option<AgentEntry>> {
        if let Some(agents) = &self.agents {
            return Ok(agents.get(name).copied());
        }
        let found = query::agent_named(view.connection(), name).await?;
        Ok(found.map(|agent| AgentEntry {
            id: agent.id,
            revoked: agent.revoked_at.is_some(),
        }))
    }
}

/// From which server a job is to read. Restores read none.
fn source_of(job: &JobView) -> Result<Source> {
    if job.kind != JobKind::Backup {
        return Ok(Source::Primary);
    }
    Ok(match JobSpec::read(&job.spec)?.work {
        WorkSpec::Backup { from, .. } => from.unwrap_or(Source::Primary),
        WorkSpec::Restore { .. }
        | WorkSpec::RestoreDump { .. }
        | WorkSpec::Copy { .. }
        | WorkSpec::Drill(_) => Source::Primary,
    })
}

/// Every cluster, retired ones too.
async fn all_clusters(view: &StateView) -> Result<BTreeMap<Name, Option<ResourceView>>> {
    let mut clusters = BTreeMap::new();
    let mut page = PageRequest::longest();
    let filter = ResourceFilter {
        retired: true,
        ..ResourceFilter::default()
    };
    loop {
        let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
        let named = |cluster: ResourceView| (cluster.name().clone(), Some(cluster));
        clusters.extend(found.items.into_iter().map(named));
        match found.next_cursor {
            None => return Ok(clusters),
            cursor => page.cursor = cursor,
        }
    }
}
