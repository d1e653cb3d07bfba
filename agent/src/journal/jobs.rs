//! Jobs: which ran, which ended, and what of it is still to be answered.

use std::sync::atomic::Ordering;

use holdfast_proto::{BackupStarted, Held, JobEvent, JobOutcome, JobReport, OfflineReport};
use holdfast_types::{AssignmentId, Failure, Generation, JobPhase};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Journal, JournalError, offline};

/// Ended jobs are remembered so long: a control plane that names one again
/// after that would have forgotten its own log.
const REMEMBER_DAYS: i64 = 90;

/// Whether a job may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It may: the journal says that it runs.
    Begun,
    /// It ran under this generation before; it is never run again (I-14).
    Known,
    /// It ran under a later generation; this assignment is stale (I-04).
    Stale,
}

/// Something to be reported until it is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// A transition of a job.
    Job(JobReport),
    /// What the agent did on its own.
    Offline(OfflineReport),
}

impl Report {
    /// Its place in the journal.
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Job(report) => report.sequence,
            Self::Offline(report) => report.sequence,
        }
    }
}

impl Journal {
    /// Records that a job begins, unless it did before.
    pub async fn begin(&self, job: Held) -> Result<Begin, JournalError> {
        let now = Timestamp::now();
        let begun = self.with(move |connection| {
            let transaction = connection.transaction()?;
            let query = "SELECT max(generation) FROM job WHERE assignment = ?1";
            let assignment = job.assignment.to_string();
            let latest: Option<i64> =
                transaction.query_row(query, [&assignment], |row| row.get(0))?;
            let generation = stored(job.generation)?;
            match latest {
                Some(latest) if latest == generation => return Ok((Begin::Known, None)),
                Some(latest) if latest > generation => return Ok((Begin::Stale, None)),
                _ => {}
            }
            insert(&transaction, job, now)?;
            let sequence = append(&transaction, job, &JobEvent::Started)?;
            transaction.commit()?;
            Ok((Begin::Begun, Some(sequence)))
        });
        let (begin, sequence) = begun.await?;
        sequence
            .into_iter()
            .for_each(|sequence| self.announce(sequence));
        Ok(begin)
    }

    /// Records that a running job entered a phase.
    pub async fn reached(&self, job: Held, phase: JobPhase) -> Result<(), JournalError> {
        self.tell(job, JobEvent::Phase(phase)).await
    }

    /// Records that PostgreSQL entered backup mode for a running job.
    pub async fn backup_started(
        &self,
        job: Held,
        phase: JobPhase,
        backup: BackupStarted,
    ) -> Result<(), JournalError> {
        self.tell(job, JobEvent::BackupStarted { phase, backup })
            .await
    }

    /// Records a transition of a job that has not ended.
    async fn tell(&self, job: Held, event: JobEvent) -> Result<(), JournalError> {
        let sequence = self.with(move |connection| {
            let transaction = connection.transaction()?;
            let sequence = match is_running(&transaction, job)? {
                true => Some(append(&transaction, job, &event)?),
                false => None,
            };
            transaction.commit()?;
            Ok(sequence)
        });
        sequence
            .await?
            .into_iter()
            .for_each(|sequence| self.announce(sequence));
        Ok(())
    }

    /// Records how a running job ended. One that has ended already keeps its
    /// first end (I-14).
    pub async fn finish(
        &self,
        job: Held,
        outcome: JobOutcome,
        log: Vec<String>,
    ) -> Result<(), JournalError> {
        let sequence = self.with(move |connection| {
            let transaction = connection.transaction()?;
            let sequence = end(&transaction, job, outcome, log)?;
            transaction.commit()?;
            Ok(sequence)
        });
        sequence
            .await?
            .into_iter()
            .for_each(|sequence| self.announce(sequence));
        Ok(())
    }

    /// Ends the jobs that were running when the process died, each under its
    /// own generation. Called once, before anything runs.
    pub async fn interrupt_all(&self, why: Failure) -> Result<Vec<Held>, JournalError> {
        let oldest = Timestamp::now().as_microsecond() - REMEMBER_DAYS * 86_400_000_000;
        let ended = self.with(move |connection| {
            let transaction = connection.transaction()?;
            let running = held(
                &transaction,
                "SELECT assignment, generation FROM job WHERE finished = 0",
            )?;
            let mut newest = None;
            for job in &running {
                newest = end(
                    &transaction,
                    *job,
                    JobOutcome::Interrupted(why.clone()),
                    Vec::new(),
                )?;
            }
            let forget = "DELETE FROM job WHERE finished = 1 AND began_at_us < ?1 AND NOT EXISTS \
                          (SELECT 1 FROM report WHERE report.assignment = job.assignment)";
            transaction.execute(forget, [oldest])?;
            transaction.commit()?;
            Ok((running, newest))
        });
        let (running, newest) = ended.await?;
        newest
            .into_iter()
            .for_each(|sequence| self.announce(sequence));
        Ok(running)
    }

    /// Reports after `sequence` that are not answered, oldest first.
    pub async fn unanswered(&self, after: u64, most: u32) -> Result<Vec<Report>, JournalError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let reports = self.with(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT sequence, assignment, generation, event, own, cluster, schedule \
                 FROM report WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, most], |row| Ok(report(row)))?;
            rows.map(|row| row?).collect()
        });
        reports.await
    }

    /// Forgets a report: the control plane accepted it, or refused it for good.
    pub async fn answered(&self, sequence: u64) -> Result<(), JournalError> {
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let owes = self.owes.clone();
        let done = self.with(move |connection| {
            connection.execute("DELETE FROM report WHERE sequence = ?1", [sequence])?;
            if owes.load(Ordering::Acquire) {
                owes.store(offline::owes_now(connection)?, Ordering::Release);
            }
            Ok(())
        });
        done.await.map(drop)
    }

    /// Jobs in this agent's hands: those that run, and those of which the
    /// control plane has not heard everything yet.
    pub async fn held(&self) -> Result<Vec<Held>, JournalError> {
        let query = "SELECT assignment, generation FROM job WHERE finished = 0 \
                     UNION SELECT assignment, generation FROM report WHERE own = 0 ORDER BY 1, 2";
        self.with(move |connection| held(connection, query)).await
    }
}

pub(super) fn newest(connection: &Connection) -> Result<u64, JournalError> {
    let query = "SELECT seq FROM sqlite_sequence WHERE name = 'report'";
    let newest: Option<i64> = connection
        .query_row(query, [], |row| row.get(0))
        .optional()?;
    Ok(newest
        .and_then(|sequence| u64::try_from(sequence).ok())
        .unwrap_or(0))
}

fn end(
    transaction: &Transaction<'_>,
    job: Held,
    outcome: JobOutcome,
    log: Vec<String>,
) -> Result<Option<u64>, JournalError> {
    if !is_running(transaction, job)? {
        return Ok(None);
    }
    let update = "UPDATE job SET finished = 1 WHERE assignment = ?1 AND generation = ?2";
    transaction.execute(
        update,
        params![job.assignment.to_string(), stored(job.generation)?],
    )?;
    offline::ended(transaction, job, &outcome)?;
    let event = JobEvent::Finished {
        outcome: Box::new(outcome),
        log,
    };
    append(transaction, job, &event).map(Some)
}

fn is_running(transaction: &Transaction<'_>, job: Held) -> Result<bool, JournalError> {
    let query = "SELECT 1 FROM job WHERE assignment = ?1 AND generation = ?2 AND finished = 0";
    let parameters = params![job.assignment.to_string(), stored(job.generation)?];
    Ok(transaction
        .query_row(query, parameters, |_| Ok(()))
        .optional()?
        .is_some())
}

/// Whether a job ran under this generation, or a later one.
pub(super) fn is_known(transaction: &Transaction<'_>, job: Held) -> Result<bool, JournalError> {
    let query = "SELECT 1 FROM job WHERE assignment = ?1 AND generation >= ?2";
    let parameters = params![job.assignment.to_string(), stored(job.generation)?];
    let found = transaction.query_row(query, parameters, |_| Ok(()));
    Ok(found.optional()?.is_some())
}

/// Writes that a job runs.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    job: Held,
    began_at: Timestamp,
) -> Result<(), JournalError> {
    let insert = "INSERT INTO job (assignment, generation, began_at_us) VALUES (?1, ?2, ?3)";
    let (assignment, generation) = (job.assignment.to_string(), stored(job.generation)?);
    let began_at = began_at.as_microsecond();
    transaction.execute(insert, params![assignment, generation, began_at])?;
    Ok(())
}

pub(super) fn append(
    transaction: &Transaction<'_>,
    job: Held,
    event: &JobEvent,
) -> Result<u64, JournalError> {
    let insert = "INSERT INTO report (assignment, generation, event) VALUES (?1, ?2, ?3)";
    let event = serde_json::to_string(event)?;
    let generation = stored(job.generation)?;
    transaction.execute(
        insert,
        params![job.assignment.to_string(), generation, event],
    )?;
    counted(transaction.last_insert_rowid())
}

fn held(connection: &Connection, query: &str) -> Result<Vec<Held>, JournalError> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok(job(row, 0)))?;
    rows.map(|row| row?).collect()
}

fn report(row: &Row<'_>) -> Result<Report, JournalError> {
    if row.get(4)? {
        return Ok(Report::Offline(OfflineReport {
            sequence: counted(row.get(0)?)?,
            cluster: offline::read(row, 5)?,
            schedule: offline::read(row, 6)?,
            event: serde_json::from_str(&row.get::<_, String>(3)?)?,
        }));
    }
    let Held {
        assignment,
        generation,
    } = job(row, 1)?;
    let event = serde_json::from_str(&row.get::<_, String>(3)?)?;
    Ok(Report::Job(JobReport {
        sequence: counted(row.get(0)?)?,
        assignment,
        generation,
        event,
    }))
}

fn job(row: &Row<'_>, column: usize) -> Result<Held, JournalError> {
    let text: String = row.get(column)?;
    let assignment: AssignmentId = text
        .parse()
        .map_err(|error| JournalError::Damaged(format!("{error}")))?;
    Ok(Held {
        assignment,
        generation: Generation(counted(row.get(column + 1)?)?),
    })
}

/// SQLite has no unsigned integers.
fn stored(generation: Generation) -> Result<i64, JournalError> {
    i64::try_from(generation.0).map_err(|error| JournalError::Damaged(error.to_string()))
}

fn counted(number: i64) -> Result<u64, JournalError> {
    u64::try_from(number).map_err(|error| JournalError::Damaged(error.to_string()))
}
