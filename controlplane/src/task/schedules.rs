//! Decides on due times: which of them run, and what becomes of the others.
//!
//! The leader keeps in memory what it would otherwise parse every second: the
//! schedules of every cluster with their next due time. It is a cache of the
//! state; whenever a decision turns out to be taken from another state than
//! the current one, it is thrown away and made anew. What counts is settled
//! when the decision is applied (I-03, I-14).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{Mark, MissRuns, RecordRuns, Recorded, ScheduleDecision};
use holdfast_state::policy::effective;
use holdfast_state::query::{self, PageRequest, ResourceFilter, ResourceView, ScheduleBasis};
use holdfast_state::schema;
use holdfast_types::resource::{Drill, Kind, Policy, Resource, Schedule, drill_name, plan_name};
use holdfast_types::schedule::{RunId, Timetable, Timing, Unfinished};
use holdfast_types::{Name, RestoreTarget};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::drill::{Decided, WantedDrill};
use crate::app::error::Result;
use crate::app::job::{DrillSpec, JobSpec, WorkSpec};
use crate::plan::runs::{self, Work};

/// Decisions in one log entry.
const DECISIONS: usize = 200;
/// And due times, unless one decision has more.
const RUNS: usize = 2_000;
/// Runs that are given up in one log entry.
const MISSED: u64 = 1_000;

/// The feature level from which on agents follow schedules on their own.
const OFFLINE_LEVEL: u32 = 4;
/// Later than this, a due time was due while nobody decided on it, and an agent
/// may have followed its schedule on its own.
const OVERDUE: SignedDuration = SignedDuration::from_secs(5);
/// How long an agent is expected back for, once somebody decides again. What it
/// reports later is taken as it comes.
const BACK_WITHIN: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Schedules(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    calendar: Option<Calendar>,
    /// Since when some due time waits for its agent to come back.
    waiting: Option<Instant>,
}

impl Task for Schedules {
    const NAME: &'static str = "schedules";
    const PERIOD: Duration = Duration::from_secs(1);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let Some(basis) = query::schedule_basis(view.connection()).await? else {
            return Ok(0);
        };
        let now = runs::whole(Timestamp::now());
        // Taken out: what fails half-way is made anew.
        let mut kept = self.0.lock().await;
        let waited = kept.waiting.map_or(Duration::ZERO, |since| since.elapsed());
        let mut calendar = match kept
            .calendar
            .take()
            .filter(|calendar| calendar.basis == basis)
        {
            Some(calendar) => calendar,
            None => match Calendar::open(app, &view, basis, now).await? {
                Some(calendar) => calendar,
                None => return Ok(0),
            },
        };
        let mut done = 0;
        let mut current = true;
        let mut left = Left {
            app,
            waited,
            lines: Vec::new(),
            awaits_return: false,
        };
        // It sees what `view` does: thousands may be due, each a short look-up.
        let near = app.look_up();
        while current && let Some(due) = calendar.take_due(&near, now, &mut left).await? {
            done += due.iter().map(|(_, it)| it.runs.len() as u64).sum::<u64>();
            current = calendar.record(app, due).await?;
        }
        kept.waiting = left
            .awaits_return
            .then(|| kept.waiting.unwrap_or_else(Instant::now));
        if current {
            calendar.next.extend(left.lines);
            kept.calendar = Some(calendar);
        }
        drop(kept);
        Ok(done + give_up_late(app, &view).await?)
    }
}

/// Runs whose latest start has passed while they waited are missed.
async fn give_up_late(app: &App, view: &StateView) -> Result<u64> {
    let jobs = query::late_runs(view.connection(), Timestamp::now(), MISSED).await?;
    if jobs.is_empty() {
        return Ok(0);
    }
    app.propose_as(ProposeContext::internal(), MissRuns { jobs })
        .await
}

/// What an activation leaves for the next: due times that an agent may have
/// decided on while it was on its own, until it has said so or is not expected
/// any more. Whatever it says later still counts; this only spares the two from
/// deciding differently.
struct Left<'a> {
    app: &'a App,
    waited: Duration,
    lines: Vec<Reverse<(Timestamp, usize)>>,
    awaits_return: bool,
}

impl Left<'_> {
    /// Whether to leave what is due at `at`, and at `now` waits for a decision.
    async fn leaves(
        &mut self,
        view: &StateView,
        cluster: &Name,
        (at, now): (Timestamp, Timestamp),
    ) -> Result<bool> {
        let overdue = now.duration_since(at) > OVERDUE;
        if !overdue && !self.app.sessions.anyone_owes() {
            return Ok(false);
        }
        if schema::version(view.connection()).await? < OFFLINE_LEVEL {
            return Ok(false);
        }
        let found = query::resource(view.connection(), Kind::Cluster, cluster).await?;
        let Some(Resource::Cluster(declared)) = found.map(|found| found.document.resource) else {
            return Ok(false);
        };
        let name = self.app.primary_agent(view, cluster, &declared).await?;
        let Some(name) = name else {
            return Ok(false);
        };
        let agent = query::agent_named(view.connection(), &name).await?;
        let Some(agent) = agent.filter(|agent| agent.revoked_at.is_none()) else {
            return Ok(false);
        };
        if self.app.sessions.owes(agent.id) {
            return Ok(true);
        }
        let gone = !self.app.sessions.is_online(agent.id);
        if !overdue || !gone || self.waited > BACK_WITHIN {
            return Ok(false);
        }
        self.awaits_return = true;
        Ok(true)
    }
}

/// A schedule of a policy, read.
#[derive(Debug)]
struct Plan {
    schedule: Schedule,
    timing: Arc<Timing>,
    repository: Name,
    anchor: String,
    /// What is rehearsed; without it, a backup is taken.
    drill: Option<WantedDrill>,
}

/// A schedule of a cluster.
#[derive(Debug)]
struct Line {
    cluster: Name,
    timetable: Timetable,
    plan: Arc<Plan>,
    mark: Mark,
}

/// Every schedule of every cluster, and when each is due next.
#[derive(Debug)]
struct Calendar {
    basis: ScheduleBasis,
    lines: Vec<Line>,
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

type Decisions = Vec<(usize, ScheduleDecision)>;

impl Calendar {
    /// Reads what is in force. Schedules that are new, changed or gone are put
    /// on record first; `None` when that has to be tried again.
    async fn open(
        app: &App,
        view: &StateView,
        basis: ScheduleBasis,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let mut opening = Opening::read(view, basis, now).await?;
        let mut page = PageRequest::longest();
        loop {
            let filter = ResourceFilter::default();
            let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
            for cluster in &found.items {
                opening.add(cluster);
            }
            match found.next_cursor {
                None => break,
                cursor => page.cursor = cursor,
            }
        }
        opening.forget_rest();
        let (lines, decisions) = (opening.lines, opening.decisions);
        for schedules in decisions.chunks(DECISIONS) {
            let command = RecordRuns {
                schedules: schedules.to_vec(),
            };
            let recorded = app.propose_as(ProposeContext::internal(), command).await?;
            if recorded.contains(&Recorded::Stale) {
                return Ok(None);
            }
        }
        let mut calendar = Self {
            basis,
            lines,
            next: BinaryHeap::new(),
        };
        for index in 0..calendar.lines.len() {
            calendar.await_next(index);
        }
        tracing::debug!(schedules = calendar.lines.len(), "schedules were read");
        Ok(Some(calendar))
    }

    fn await_next(&mut self, index: usize) {
        let line = &self.lines[index];
        if let Some(due) = line.timetable.next_due(line.mark.until) {
            self.next.push(Reverse((due.at, index)));
        }
    }

    /// Decisions on what is due by now, as many as fit one entry; `None` when
    /// nothing is left.
    async fn take_due(
        &mut self,
        view: &StateView,
        now: Timestamp,
        left: &mut Left<'_>,
    ) -> Result<Option<Decisions>> {
        let (mut due, mut runs) = (Vec::new(), 0);
        while due.len() < DECISIONS && runs < RUNS {
            let Some(Reverse((at, index))) = self.next.peek().copied() else {
                break;
            };
            if at > now {
                break;
            }
            self.next.pop();
            let line = &self.lines[index];
            if left.leaves(view, &line.cluster, (at, now)).await? {
                left.lines.push(Reverse((at, index)));
                continue;
            }
            let schedule = &line.plan.schedule.name;
            let unfinished =
                query::unfinished_runs(view.connection(), &line.cluster, schedule).await?;
            let drill = line.decide_drill(left.app, view).await;
            let decision = line.decide(now, unfinished, drill.as_ref());
            runs += decision.runs.len();
            due.push((index, decision));
        }
        Ok((!due.is_empty()).then_some(due))
    }

    /// Puts decisions on record; `false` when some were taken from a state
    /// that is no more.
    async fn record(&mut self, app: &App, due: Decisions) -> Result<bool> {
        let (indexes, schedules): (Vec<usize>, Vec<ScheduleDecision>) = due.into_iter().unzip();
        let marks: Vec<Option<Mark>> = schedules.iter().map(|one| one.to.clone()).collect();
        let command = RecordRuns { schedules };
        let recorded = app.propose_as(ProposeContext::internal(), command).await?;
        if recorded.contains(&Recorded::Stale) {
            tracing::debug!("schedules are looked at anew: the state has moved on");
            return Ok(false);
        }
        for (index, mark) in indexes.into_iter().zip(marks) {
            if let Some(mark) = mark {
                self.lines[index].mark = mark;
            }
            self.await_next(index);
        }
        Ok(true)
    }
}

impl Line {
    /// What a drill that is due restores. What cannot be decided is restored from what
    /// is newest: whoever does it finds that there is nothing, and that is evidence.
    async fn decide_drill(&self, app: &App, view: &StateView) -> Option<Decided> {
        let wanted = self.plan.drill.as_ref()?;
        match self.try_drill(app, view, wanted).await {
            Ok(Some(decided)) => return Some(decided),
            Ok(None) => {}
            Err(error) => tracing::warn!(cluster = %self.cluster, "a drill is undecided: {error}"),
        }
        Some(Decided {
            repository: self.plan.repository.clone(),
            agent: wanted.agent.clone(),
            spec: DrillSpec {
                at: RestoreTarget::Latest,
                asked: wanted.at.clone(),
                dump: None,
                database: wanted.database.clone(),
                region: wanted.region.clone(),
                checks: wanted.checks.clone().unwrap_or_default(),
            },
        })
    }

    async fn try_drill(
        &self,
        app: &App,
        view: &StateView,
        wanted: &WantedDrill,
    ) -> Result<Option<Decided>> {
        let found = query::resource(view.connection(), Kind::Cluster, &self.cluster).await?;
        let Some(cluster) = found else {
            return Ok(None);
        };
        let policy = query::effective_policy(view.connection(), &self.cluster).await?;
        let policy = policy.map(|(_, policy)| policy);
        let random = Uuid::new_v4().as_u64_pair().0;
        let decided = app.decide_drill(view, &cluster, policy.as_ref(), wanted, random);
        Ok(Some(decided.await?))
    }

    fn decide(
        &self,
        now: Timestamp,
        unfinished: Unfinished,
        drill: Option<&Decided>,
    ) -> ScheduleDecision {
        let schedule = &self.plan.schedule;
        let spec = |due| self.spec(due, drill);
        let work = Work {
            schedule,
            repository: drill.map_or(&self.plan.repository, |drill| &drill.repository),
            spec: &spec,
            drill: drill.map(|drill| drill.agent.as_ref()),
        };
        let stretch = (self.mark.until, now);
        ScheduleDecision {
            cluster: self.cluster.clone(),
            schedule: schedule.name.clone(),
            from: Some(self.mark.clone()),
            to: Some(Mark {
                anchor: self.mark.anchor.clone(),
                until: now,
            }),
            unfinished: Some(unfinished),
            runs: runs::decide(&self.timetable, work, stretch, unfinished),
        }
    }

    fn spec(&self, due: Timestamp, drill: Option<&Decided>) -> Value {
        let (cluster, schedule) = (self.cluster.clone(), self.plan.schedule.name.clone());
        let spec = JobSpec {
            traceparent: None,
            run: Some(RunId::new(cluster, schedule, due)),
            because: None,
            work: match drill {
                Some(drill) => WorkSpec::Drill(Box::new(drill.spec.clone())),
                None => WorkSpec::Backup {
                    kind: self.plan.schedule.kind,
                    dump: self.plan.schedule.dump(),
                    from: self.plan.schedule.from,
                    checkpoint: self.plan.schedule.checkpoint,
                },
            },
        };
        serde_json::to_value(&spec).expect("a spec is JSON with text keys")
    }
}

/// A calendar in the making.
struct Opening {
    basis: ScheduleBasis,
    now: Timestamp,
    marks: BTreeMap<(Name, Name), Mark>,
    policies: Vec<(Name, Policy)>,
    plans: BTreeMap<Name, Vec<Arc<Plan>>>,
    drills: BTreeMap<Name, Drill>,
    lines: Vec<Line>,
    decisions: Vec<ScheduleDecision>,
}

impl Opening {
    async fn read(view: &StateView, basis: ScheduleBasis, now: Timestamp) -> Result<Self> {
        let policies = query::policies(view.connection()).await?;
        let plans = policies
            .iter()
            .map(|(name, policy)| (name.clone(), plans_of(name, policy)));
        let plans = plans.collect();
        Ok(Self {
            basis,
            now,
            marks: query::schedule_marks(view.connection()).await?,
            policies,
            plans,
            drills: query::drill_plans(view.connection()).await?,
            lines: Vec::new(),
            decisions: Vec::new(),
        })
    }

    /// Adds the schedules of a cluster.
    fn add(&mut self, cluster: &ResourceView) {
        let pairs = self.policies.iter().map(|(name, policy)| (name, policy));
        let policy = effective(pairs, cluster.labels());
        let of_policy = policy.and_then(|(name, _)| self.plans.get(name));
        let mut plans = of_policy.cloned().unwrap_or_default();
        for (name, drill) in query::plans_for(&self.drills, cluster.labels()) {
            let repository = drill.repository.as_ref();
            let repository = repository.or(policy.map(|(_, policy)| &policy.repository));
            // What nobody protects cannot be rehearsed, and is shown as that.
            if let Some(repository) = repository {
                plans.extend(plan_of(drill, plan_name(name), repository));
            }
        }
        for plan in plans {
            let mark = self.mark_of(cluster, &plan);
            let (name, timing) = (cluster.name(), plan.timing.clone());
            self.lines.push(Line {
                cluster: name.clone(),
                timetable: Timetable::with_timing(name, &plan.schedule.name, timing),
                plan,
                mark,
            });
        }
    }

    /// From where on a schedule of a cluster is decided on. One that is new or
    /// has other times begins when that came about, and not before.
    fn mark_of(&mut self, cluster: &ResourceView, plan: &Plan) -> Mark {
        let (name, schedule) = (cluster.name().clone(), plan.schedule.name.clone());
        let known = self.marks.remove(&(name.clone(), schedule.clone()));
        if let Some(mark) = &known
            && mark.anchor == plan.anchor
        {
            return mark.clone();
        }
        let since = self.basis.policies_at.max(cluster.updated_at).min(self.now);
        let mark = Mark {
            anchor: plan.anchor.clone(),
            until: runs::whole(since),
        };
        let left = known.as_ref().map(|before| {
            let stretch = (before.until, mark.until);
            runs::abandoned(&name, &schedule, &before.anchor, stretch)
        });
        self.decisions.push(ScheduleDecision {
            cluster: name,
            schedule,
            from: known,
            to: Some(mark.clone()),
            unfinished: None,
            runs: left.unwrap_or_default(),
        });
        mark
    }

    /// What has a mark and is no schedule any more is forgotten, so that it
    /// begins anew when it comes back.
    fn forget_rest(&mut self) {
        for ((cluster, schedule), mark) in std::mem::take(&mut self.marks) {
            let stretch = (mark.until, self.now);
            let left = runs::abandoned(&cluster, &schedule, &mark.anchor, stretch);
            self.decisions.push(ScheduleDecision {
                cluster,
                schedule,
                from: Some(mark),
                to: None,
                unfinished: None,
                runs: left,
            });
        }
    }
}

fn plans_of(name: &Name, policy: &Policy) -> Vec<Arc<Plan>> {
    let mut plans = Vec::with_capacity(policy.schedules.len());
    for schedule in &policy.schedules {
        match Timing::of(schedule) {
            Ok(timing) => plans.push(Arc::new(Plan {
                anchor: runs::anchor(schedule),
                schedule: schedule.clone(),
                timing: Arc::new(timing),
                repository: policy.repository.clone(),
                drill: None,
            })),
            // It was valid when it was applied: another release judged it.
            Err(error) => tracing::warn!(
                policy = %name, schedule = %schedule.name,
                "a schedule cannot be followed: {error}"
            ),
        }
    }
    for (index, drill) in policy.drills.iter().enumerate() {
        plans.extend(plan_of(drill, drill_name(index, drill), &policy.repository));
    }
    plans
}

/// A drill as a schedule of its own, of this name.
fn plan_of(drill: &Drill, name: Name, repository: &Name) -> Option<Arc<Plan>> {
    let schedule = drill.schedule(name);
    match Timing::of(&schedule) {
        Ok(timing) => Some(Arc::new(Plan {
            anchor: runs::anchor(&schedule),
            timing: Arc::new(timing),
            repository: drill.repository.as_ref().unwrap_or(repository).clone(),
            drill: Some(WantedDrill::of(drill)),
            schedule,
        })),
        // As with a schedule: another release judged it.
        Err(error) => {
            let name = &schedule.name;
            tracing::warn!(schedule = %name, "a drill cannot be followed: {error}");
            None
        }
    }
}
