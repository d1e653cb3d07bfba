//! Schedules without a control plane (I-08).
//!
//! While no quorum can be reached, the agent follows its standing orders: it
//! decides on due times with the planner that the leader uses, takes the
//! backups, and journals every decision before it acts on it. Once a quorum is
//! proved again it hands the schedules back, and everything it did is reported
//! from the journal. It condemns, deletes and overwrites nothing.
//!
//! One backup runs at a time: the limits of the fleet are the control plane's
//! to know.

mod plan;
mod take_over;

use std::time::{Duration, Instant};

use holdfast_proto::{
    Assignment, BackupWork, Held, OfflineBegan, StandingOrders, StandingSchedule, Work,
};
use holdfast_types::schedule::{Attempt, RunReason, RunState, Timetable};
use holdfast_types::{AgentId, BackupKind, Name, Span};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::host::{Host, SessionState};
use crate::journal::{Decided, Journal, JournalError, Own, OwnRun, OwnState};
use crate::work::Executor;
use plan::whole;
use take_over::TakeOver;

/// How often it is looked whether something is due.
const EVERY: Duration = Duration::from_secs(1);
/// How fresh the proof of a quorum is by which schedules are handed back.
const PROOF: Duration = Duration::from_secs(15);

/// Follows schedules while the agent is on its own.
#[derive(Debug)]
pub struct Offline {
    host: Host,
    journal: Journal,
    executor: Executor,
    agent: AgentId,
    after: Duration,
}

/// What it is made of.
#[derive(Debug)]
pub struct OfflineParts {
    /// The process.
    pub host: Host,
    /// Where everything is written first.
    pub journal: Journal,
    /// Who takes the backups.
    pub executor: Executor,
    /// This agent.
    pub agent: (AgentId, Name),
    /// How long no quorum may be proved before the agent is on its own. Agents
    /// add up to half of it, each its own part.
    pub take_over_after: Span,
}

impl Offline {
    /// One that has not looked yet.
    pub fn new(parts: OfflineParts) -> Self {
        let (agent, name) = parts.agent;
        let most = Span::from_millis(parts.take_over_after.millis() / 2);
        let spread = holdfast_types::schedule::take_over_jitter(&name, most);
        Self {
            host: parts.host,
            journal: parts.journal,
            executor: parts.executor,
            agent,
            after: parts.take_over_after.get() + spread.get(),
        }
    }

    /// Looks again and again, until `stop` fires.
    pub async fn run(self, stop: CancellationToken) {
        let resumes = match self.journal.own().await {
            Ok(own) => is_open(&own),
            Err(_) => false,
        };
        let mut take_over = TakeOver::new(self.after, Instant::now(), resumes);
        let mut alone = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let session = *self.host.session().borrow();
            let now_alone = take_over.is_on_its_own(session, Instant::now());
            if now_alone && !alone && !self.executor.orders().is_empty() {
                tracing::warn!("no quorum can be reached: the agent follows its schedules itself");
            }
            alone = now_alone;
            if let Err(error) = self.step(session, alone).await {
                // Nothing was begun that is not journaled; the next look tries again.
                tracing::error!(error = %chain(&error), "schedules are not followed");
            }
        }
    }

    async fn step(&self, session: SessionState, alone: bool) -> Result<(), JournalError> {
        let own = self.journal.own().await?;
        if alone {
            return self.follow(own).await;
        }
        if is_open(&own) && session.has_quorum_within(PROOF) {
            tracing::info!("a quorum can be reached again: the control plane decides from now on");
            self.journal.settle().await?;
        }
        Ok(())
    }

    async fn follow(&self, own: Own) -> Result<(), JournalError> {
        let now = whole(self.host.clock().now_or_local());
        let all = self.executor.orders();
        let mut decided = false;
        for orders in &all {
            for standing in &orders.schedules {
                decided |= self.decide(orders, standing, &own, now).await?;
            }
        }
        let own = if decided {
            self.journal.own().await?
        } else {
            own
        };
        self.start(&all, &own, now).await
    }

    /// Decides on what came due; whether anything was.
    async fn decide(
        &self,
        orders: &StandingOrders,
        standing: &StandingSchedule,
        own: &Own,
        now: Timestamp,
    ) -> Result<bool, JournalError> {
        let running = self.executor.jobs();
        let busy = |run: &holdfast_types::schedule::RunId| {
            let job = Some(run.job_id());
            running.iter().any(|running| running.backup == job)
        };
        let plan = match plan::plan(orders, standing, own, now, busy) {
            Ok(Some(plan)) => plan,
            Ok(None) => return Ok(false),
            Err(error) => {
                tracing::warn!(
                    cluster = %orders.cluster, schedule = %standing.schedule.name,
                    "a schedule cannot be followed: {error}"
                );
                return Ok(false);
            }
        };
        self.journal.decide(plan.decided).await?;
        for run in plan.cancel {
            let job = Some(run.job_id());
            for one in running.iter().filter(|running| running.backup == job) {
                self.executor.cancel(one.held);
            }
        }
        Ok(true)
    }

    /// Starts what may start: one backup at a time, the higher priority first.
    async fn start(
        &self,
        all: &[StandingOrders],
        own: &Own,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let waiting = own.runs.iter().filter(|run| run.state == OwnState::Waiting);
        let mut waiting: Vec<_> = waiting.filter_map(|run| find(all, run)).collect();
        waiting.sort_by_key(|(run, _, standing)| rank(run, standing));
        for (run, orders, standing) in waiting {
            if let Some(latest) = run
                .latest
                .filter(|latest| run.attempts == 0 && *latest < now)
            {
                self.give_up(run, own, latest).await?;
                continue;
            }
            let timetable = Timetable::new(&orders.cluster, &standing.schedule);
            let shut = timetable.is_ok_and(|timetable| timetable.blackout_until(now).is_some());
            if run.not_before > now || shut {
                continue;
            }
            let backups = self.executor.jobs();
            if backups.iter().any(|running| running.backup.is_some()) {
                return Ok(());
            }
            self.begin(run, orders, standing, now).await?;
        }
        Ok(())
    }

    /// Its window has passed before it could begin.
    async fn give_up(
        &self,
        run: &OwnRun,
        own: &Own,
        latest: Timestamp,
    ) -> Result<(), JournalError> {
        let stretch = own.stretches.iter().find(|stretch| {
            stretch.cluster == *run.run.cluster() && stretch.schedule == *run.run.schedule()
        });
        let Some(stretch) = stretch.cloned() else {
            return Ok(());
        };
        let reason = RunReason::WindowPassed { latest };
        let not = vec![plan::not(run.run.due(), RunState::Missed, reason)];
        let runs = Vec::new();
        self.journal.decide(Decided { stretch, runs, not }).await
    }

    async fn begin(
        &self,
        run: &OwnRun,
        orders: &StandingOrders,
        standing: &StandingSchedule,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let number = run.attempts + 1;
        let attempt = Attempt::Offline {
            agent: self.agent,
            number,
        };
        let held = Held {
            assignment: run.run.assignment_id(self.agent),
            generation: attempt.generation(),
        };
        let began = OfflineBegan {
            due: run.run.due(),
            assignment: held.assignment,
            number,
            late: run.late,
            began_at: now,
        };
        tracing::info!(run = %run.run, number, "a scheduled backup begins on its own");
        if !self.journal.begin_own(run.run.clone(), began, held).await? {
            return Ok(());
        }
        let work = BackupWork {
            job: run.run.job_id(),
            backup: run.run.backup_id(attempt),
            cluster: orders.cluster.clone(),
            kind: standing.schedule.kind,
            repository: orders.repository.clone(),
            instance: orders.instance.clone(),
            compression: orders.compression,
            incarnation: orders.incarnation,
            // What failed on a parent is not tried on it again.
            parent: orders.parent.filter(|_| number == 1),
            dump: standing.schedule.dump(),
            from: standing.schedule.from,
            checkpoint: standing.schedule.checkpoint,
            own_wal: orders.own_wal && standing.schedule.kind != BackupKind::Logical,
            // Jobs copy it, once it is reported.
            copies: Vec::new(),
        };
        self.executor.begin_own(&Assignment {
            id: held.assignment,
            generation: held.generation,
            traceparent: None,
            cancel_requested: false,
            work: Work::Backup(Box::new(work)),
        });
        Ok(())
    }
}

/// Its place among those that wait: the higher priority first, then what was
/// due earlier.
fn rank(run: &OwnRun, standing: &StandingSchedule) -> impl Ord + use<> {
    let priority = standing.schedule.priority();
    (std::cmp::Reverse(priority), run.run.due())
}

/// Whether the agent has taken over and not handed back.
fn is_open(own: &Own) -> bool {
    own.stretches.iter().any(|stretch| !stretch.settled)
}

/// What the orders say of a run; `None` when they name its schedule no more.
fn find<'a>(
    all: &'a [StandingOrders],
    run: &'a OwnRun,
) -> Option<(&'a OwnRun, &'a StandingOrders, &'a StandingSchedule)> {
    let orders = all.iter().find(|one| one.cluster == *run.run.cluster())?;
    let mut schedules = orders.schedules.iter();
    let standing = schedules.find(|one| one.schedule.name == *run.run.schedule())?;
    Some((run, orders, standing))
}

#[cfg(test)]
mod tests {
    use holdfast_types::schedule::RunId;
    use serde_json::json;

    use super::*;

    fn waits(schedule: &str, priority: i32, minute: i64) -> (OwnRun, StandingSchedule) {
        let due = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute);
        let name: Name = schedule.parse().unwrap();
        let run = OwnRun {
            run: RunId::new("orders".parse().unwrap(), name, due),
            state: OwnState::Waiting,
            not_before: due,
            latest: None,
            late: false,
            attempts: 0,
            attempts_max: 1,
        };
        let schedule =
            json!({"name": schedule, "kind": "full", "cron": "* * * * *", "priority": priority});
        let standing = StandingSchedule {
            schedule: serde_json::from_value(schedule).unwrap(),
            anchor: String::new(),
            decided_until: due,
            open: Vec::new(),
        };
        (run, standing)
    }

    #[test]
    fn the_higher_priority_begins_first_then_what_was_due_earlier() {
        let mut waiting = [
            waits("early", 0, 1),
            waits("urgent-late", 5, 4),
            waits("last", -1, 0),
            waits("urgent", 5, 3),
            waits("late", 0, 2),
        ];
        waiting.sort_by_key(|(run, standing)| rank(run, standing));
        let order = waiting
            .each_ref()
            .map(|(run, _)| run.run.schedule().as_str());
        assert_eq!(order, ["urgent", "urgent-late", "early", "late", "last"]);
    }
}
