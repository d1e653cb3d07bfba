//! Schedules that the agent follows on its own: up to where it has decided,
//! which runs it is to take, and what of it is still to be answered (I-08).
//!
//! Everything is written before it is acted upon. What is reported goes into
//! the one sequence of reports that jobs use, so the control plane hears of an
//! attempt before it hears how that went.

use std::sync::atomic::Ordering;

use holdfast_proto::{
    Held, JobEvent, JobOutcome, OfflineBegan, OfflineDecision, OfflineEvent, OfflineSettled,
};
use holdfast_types::Name;
use holdfast_types::schedule::RunId;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use super::{Journal, JournalError, jobs};

/// How long after a failure that may pass a run is tried again, at first, and
/// at most: as the control plane would.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(15);
const RETRY_AFTER_MOST: SignedDuration = SignedDuration::from_secs(600);

/// Up to where a schedule is decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The cluster.
    pub cluster: Name,
    /// The schedule.
    pub schedule: Name,
    /// Which times it is for.
    pub anchor: String,
    /// Where the agent began to decide.
    pub from: Timestamp,
    /// How far it has.
    pub until: Timestamp,
    /// It was handed back. The orders may not know of it yet: what is decided
    /// stays decided.
    pub settled: bool,
}

/// Where a run is that the agent is to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnState {
    /// It waits for its first attempt, or for another.
    Waiting,
    /// It is under way.
    Running,
    /// It is over, one way or the other.
    Ended,
}

/// A run that the agent is to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRun {
    /// Which.
    pub run: RunId,
    /// Where it is.
    pub state: OwnState,
    /// Not before this.
    pub not_before: Timestamp,
    /// Not for the first time after this.
    pub latest: Option<Timestamp>,
    /// It makes up for a time at which nobody could serve it.
    pub late: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it may be.
    pub attempts_max: u32,
}

/// Everything that the agent does on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Up to where it has decided.
    pub stretches: Vec<Stretch>,
    /// The runs, by due time.
    pub runs: Vec<OwnRun>,
}

/// A decision on a stretch of a schedule.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Up to where, from now on.
    pub stretch: Stretch,
    /// Runs that are to be taken. One that is known already stays as it is.
    pub runs: Vec<OwnRun>,
    /// Due times that do not run; of those that waited, they do no longer.
    pub not: Vec<OfflineDecision>,
}

impl Journal {
    /// What the agent does on its own.
    pub async fn own(&self) -> Result<Own, JournalError> {
        self.with(|connection| {
            Ok(Own {
                stretches: stretches(connection)?,
                runs: runs(connection)?,
            })
        })
        .await
    }

    /// Whether the agent has decided on due times on its own, and not all of
    /// that is reported and answered.
    pub fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    /// Records a decision, before anything is done about it.
    pub async fn decide(&self, decided: Decided) -> Result<(), JournalError> {
        self.own_change(move |transaction| {
            let Stretch {
                cluster,
                schedule,
                anchor,
                from,
                until,
                settled: _,
            } = &decided.stretch;
            let upsert = "INSERT INTO stretch (cluster, schedule, anchor, from_us, until_us) \
                          VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (cluster, schedule) \
                          DO UPDATE SET anchor = excluded.anchor, from_us = excluded.from_us, \
                          until_us = excluded.until_us, settled = 0";
            let (from, until) = (from.as_microsecond(), until.as_microsecond());
            let (cluster, schedule) = (cluster.as_str(), schedule.as_str());
            transaction.execute(upsert, params![cluster, schedule, anchor, from, until])?;
            for run in &decided.runs {
                insert(transaction, run)?;
            }
            for not in &decided.not {
                let run = RunId::new(
                    decided.stretch.cluster.clone(),
                    decided.stretch.schedule.clone(),
                    not.due,
                );
                forget(transaction, &run)?;
            }
            if decided.not.is_empty() {
                return Ok(());
            }
            let key = (&decided.stretch.cluster, &decided.stretch.schedule);
            append(transaction, key, &OfflineEvent::Decided(decided.not))
        })
        .await
    }

    /// Records that an attempt begins, so that it is known before it runs. One
    /// that was made before is not made again (I-14): then this is `false`.
    pub async fn begin_own(
        &self,
        run: RunId,
        began: OfflineBegan,
        held: Held,
    ) -> Result<bool, JournalError> {
        self.own_change(move |transaction| {
            if jobs::is_known(transaction, held)? {
                forget(transaction, &run)?;
                return Ok(false);
            }
            let update = "UPDATE own_run SET state = 'running', attempts = ?2, assignment = ?3 \
                          WHERE run = ?1";
            let assignment = began.assignment.to_string();
            transaction.execute(update, params![run.to_string(), began.number, assignment])?;
            let key = (run.cluster(), run.schedule());
            append(transaction, key, &OfflineEvent::Began(began))?;
            jobs::insert(transaction, held, began.began_at)?;
            jobs::append(transaction, held, &JobEvent::Started)?;
            Ok(true)
        })
        .await
    }

    /// Hands the schedules back: the control plane decides again. Runs that
    /// have not begun are its matter from now on, so nothing is decided beyond
    /// the first of them.
    pub async fn settle(&self) -> Result<(), JournalError> {
        self.own_change(|transaction| {
            let runs = runs(transaction)?;
            let all = stretches(transaction)?.into_iter();
            for stretch in all.filter(|stretch| !stretch.settled) {
                let waits = |run: &&OwnRun| {
                    run.state == OwnState::Waiting
                        && run.attempts == 0
                        && *run.run.cluster() == stretch.cluster
                        && *run.run.schedule() == stretch.schedule
                        && run.run.due() > stretch.from
                };
                let first = runs.iter().filter(waits).map(|run| run.run.due()).min();
                let before = first.map(|due| due - SignedDuration::from_secs(1));
                let settled = OfflineSettled {
                    anchor: stretch.anchor,
                    from: stretch.from,
                    until: before.map_or(stretch.until, |before| before.min(stretch.until)),
                };
                let key = (&stretch.cluster, &stretch.schedule);
                let update = "UPDATE stretch SET settled = 1, until_us = ?3 \
                              WHERE cluster = ?1 AND schedule = ?2";
                let until = settled.until.as_microsecond();
                let names = (stretch.cluster.as_str(), stretch.schedule.as_str());
                transaction.execute(update, params![names.0, names.1, until])?;
                append(transaction, key, &OfflineEvent::Settled(settled))?;
            }
            transaction.execute("DELETE FROM own_run", [])?;
            Ok(())
        })
        .await
    }

    async fn own_change<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let owes = self.owes.clone();
        let newest = self.with(move |connection| {
            let transaction = connection.transaction()?;
            let done = act(&transaction)?;
            let now = owes_now(&transaction)?;
            transaction.commit()?;
            owes.store(now, Ordering::Release);
            Ok((done, jobs::newest(connection)?))
        });
        let (done, newest) = newest.await?;
        self.announce(newest);
        Ok(done)
    }
}

/// Whether anything that the agent did on its own is not answered.
pub(super) fn owes_now(connection: &Connection) -> Result<bool, JournalError> {
    let query = "SELECT EXISTS (SELECT 1 FROM stretch WHERE settled = 0) \
                 OR EXISTS (SELECT 1 FROM report WHERE own = 1)";
    Ok(connection.query_row(query, [], |row| row.get(0))?)
}

/// A job has ended: if it is an attempt at a run of ours, that is over, or
/// tried again when its failure may pass.
pub(super) fn ended(
    transaction: &Transaction<'_>,
    job: Held,
    outcome: &JobOutcome,
) -> Result<(), JournalError> {
    let again = match outcome {
        JobOutcome::Interrupted(_) => Some(SignedDuration::ZERO),
        JobOutcome::Failed(failure) if failure.retryable => Some(RETRY_AFTER),
        JobOutcome::Succeeded(_)
        | JobOutcome::Superseded(_)
        | JobOutcome::Cancelled
        | JobOutcome::Failed(_) => None,
    };
    let assignment = job.assignment.to_string();
    let over = "UPDATE own_run SET state = 'ended' WHERE assignment = ?1 AND state = 'running'";
    let Some(first) = again else {
        transaction.execute(over, [&assignment])?;
        return Ok(());
    };
    let query = "SELECT attempts FROM own_run WHERE assignment = ?1 AND state = 'running' \
                 AND attempts < attempts_max";
    let tried: Option<u32> = {
        let mut statement = transaction.prepare_cached(query)?;
        let mut rows = statement.query([&assignment])?;
        rows.next()?.map(|row| row.get(0)).transpose()?
    };
    let Some(tried) = tried else {
        transaction.execute(over, [&assignment])?;
        return Ok(());
    };
    let factor = 1i32 << tried.saturating_sub(1).min(16);
    let after = first.saturating_mul(factor).min(RETRY_AFTER_MOST);
    let at = Timestamp::now()
        .saturating_add(after)
        .unwrap_or(Timestamp::MAX);
    let wait = "UPDATE own_run SET state = 'waiting', not_before_us = ?2 \
                WHERE assignment = ?1 AND state = 'running'";
    transaction.execute(wait, params![assignment, at.as_microsecond()])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, run: &OwnRun) -> Result<(), JournalError> {
    let insert = "INSERT INTO own_run (run, cluster, schedule, due_us, state, not_before_us, \
                  latest_us, late, attempts, attempts_max) \
                  VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7, 0, ?8) ON CONFLICT DO NOTHING";
    let id = run.run.to_string();
    let (cluster, schedule) = (run.run.cluster().as_str(), run.run.schedule().as_str());
    transaction.execute(
        insert,
        params![
            id,
            cluster,
            schedule,
            run.run.due().as_microsecond(),
            run.not_before.as_microsecond(),
            run.latest.map(Timestamp::as_microsecond),
            run.late,
            run.attempts_max,
        ],
    )?;
    Ok(())
}

fn forget(transaction: &Transaction<'_>, run: &RunId) -> Result<(), JournalError> {
    let update = "UPDATE own_run SET state = 'ended' WHERE run = ?1 AND state = 'waiting'";
    transaction.execute(update, [run.to_string()])?;
    Ok(())
}

fn append(
    transaction: &Transaction<'_>,
    (cluster, schedule): (&Name, &Name),
    event: &OfflineEvent,
) -> Result<(), JournalError> {
    let insert = "INSERT INTO report (assignment, generation, event, own, cluster, schedule) \
                  VALUES ('', 0, ?1, 1, ?2, ?3)";
    let event = serde_json::to_string(event)?;
    transaction.execute(insert, params![event, cluster.as_str(), schedule.as_str()])?;
    Ok(())
}

fn stretches(connection: &Connection) -> Result<Vec<Stretch>, JournalError> {
    let query = "SELECT cluster, schedule, anchor, from_us, until_us, settled FROM stretch \
                 ORDER BY 1, 2";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok(stretch(row)))?;
    rows.map(|row| row?).collect()
}

fn stretch(row: &Row<'_>) -> Result<Stretch, JournalError> {
    Ok(Stretch {
        cluster: read(row, 0)?,
        schedule: read(row, 1)?,
        anchor: row.get(2)?,
        from: moment(row.get(3)?)?,
        until: moment(row.get(4)?)?,
        settled: row.get(5)?,
    })
}

fn runs(connection: &Connection) -> Result<Vec<OwnRun>, JournalError> {
    let query = "SELECT run, state, not_before_us, latest_us, late, attempts, attempts_max \
                 FROM own_run ORDER BY due_us, run";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok(own_run(row)))?;
    rows.map(|row| row?).collect()
}

fn own_run(row: &Row<'_>) -> Result<OwnRun, JournalError> {
    let state: String = row.get(1)?;
    let state = match state.as_str() {
        "waiting" => OwnState::Waiting,
        "running" => OwnState::Running,
        "ended" => OwnState::Ended,
        other => return Err(JournalError::Damaged(format!("\"{other}\" is no state"))),
    };
    let latest: Option<i64> = row.get(3)?;
    Ok(OwnRun {
        run: read(row, 0)?,
        state,
        not_before: moment(row.get(2)?)?,
        latest: latest.map(moment).transpose()?,
        late: row.get(4)?,
        attempts: row.get(5)?,
        attempts_max: row.get(6)?,
    })
}

pub(super) fn read<T>(row: &Row<'_>, column: usize) -> Result<T, JournalError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error: T::Err| JournalError::Damaged(error.to_string()))
}

fn moment(micros: i64) -> Result<Timestamp, JournalError> {
    Timestamp::from_microsecond(micros).map_err(|error| JournalError::Damaged(error.to_string()))
}
