//! What goes from the agent to the control plane, besides heartbeats.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use holdfast_proto::v1::agent_message::Message as Up;
use holdfast_proto::{Held, JobProgress, v1};
use holdfast_types::DiscoveredInstance;
use tokio_stream::StreamMap;
use tokio_stream::wrappers::WatchStream;

use crate::facts::Seen;
use crate::journal::{Journal, JournalError, Report};
use crate::work::{DutyReports, RunningJob};

/// Reports sent at once.
const BATCH: u32 = 64;
/// A report without an answer is sent again after this time.
const UNANSWERED: Duration = Duration::from_secs(10);

/// The reports of jobs on their way from the journal to an answer.
#[derive(Debug, Default)]
pub(super) struct JobReports {
    sent_up_to: u64,
    /// When the oldest unanswered report was sent.
    waiting_since: Option<Instant>,
    unanswered: usize,
}

impl JobReports {
    /// What is to be sent now: what this session has not sent yet, or, after a
    /// while without answers, everything again.
    pub(super) async fn due(&mut self, journal: &Journal) -> Result<Vec<Up>, JournalError> {
        if self
            .waiting_since
            .is_some_and(|since| since.elapsed() >= UNANSWERED)
        {
            *self = Self::default();
        }
        let reports = journal.unanswered(self.sent_up_to, BATCH).await?;
        if let Some(last) = reports.last() {
            self.sent_up_to = last.sequence();
            self.unanswered += reports.len();
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        let message = |report: &Report| match report {
            Report::Job(report) => Up::Job(report.into()),
            Report::Offline(report) => Up::Offline(report.into()),
        };
        Ok(reports.iter().map(message).collect())
    }

    /// Forgets a report that was answered, whatever the answer: a refusal is
    /// final (I-14).
    pub(super) async fn answered(
        &mut self,
        answer: &v1::ReportAnswer,
        journal: &Journal,
    ) -> Result<(), JournalError> {
        let v1::ReportAnswer {
            sequence,
            refused_code,
            refused_message,
        } = answer;
        if !refused_code.is_empty() {
            tracing::warn!(
                sequence,
                code = refused_code,
                "a report was refused: {refused_message}"
            );
        }
        journal.answered(*sequence).await?;
        self.unanswered = self.unanswered.saturating_sub(1);
        self.waiting_since = (self.unanswered > 0).then(Instant::now);
        Ok(())
    }
}

/// The progress of running jobs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Lines of each job's log that were sent.
    lines: HashMap<Held, u64>,
}

impl Progress {
    /// A message for each job that is in a phase.
    pub(super) fn of(&mut self, jobs: &[RunningJob]) -> Vec<v1::JobProgress> {
        self.lines
            .retain(|held, _| jobs.iter().any(|job| job.held == *held));
        jobs.iter().filter_map(|job| self.one(job)).collect()
    }

    fn one(&mut self, job: &RunningJob) -> Option<v1::JobProgress> {
        let state = job.context.state();
        let (bytes_done, bytes_total) = job.context.bytes();
        let sent = self.lines.insert(job.held, state.lines).unwrap_or(0);
        let fresh = usize::try_from(state.lines.saturating_sub(sent)).unwrap_or(usize::MAX);
        let known = state.log.len().saturating_sub(fresh);
        let progress = JobProgress {
            assignment: job.held.assignment,
            generation: job.held.generation,
            phase: state.phase?,
            bytes_done,
            bytes_total,
            log: state.log.into_iter().skip(known).collect(),
        };
        Some((&progress).into())
    }
}

/// The reports of WAL duties: each one's newest, as soon as it changes.
pub(super) type WalReports = StreamMap<Held, WatchStream<holdfast_proto::WalReport>>;

/// Follows exactly these duties. One that is followed already stays, so that
/// its report is not sent again for nothing.
pub(super) fn follow(reports: &mut WalReports, duties: &[DutyReports]) {
    let gone: Vec<Held> = reports
        .keys()
        .copied()
        .filter(|held| !duties.iter().any(|duty| duty.held == *held))
        .collect();
    for held in gone {
        reports.remove(&held);
    }
    for duty in duties {
        // A duty that began anew under the same generation has a new channel.
        reports.insert(duty.held, WatchStream::new(duty.report.clone()));
    }
}

/// The facts of all instances, and which servers there are, if the host has been
/// looked at.
pub(super) fn instances(
    seen: &[Seen],
    discovered: Option<&[DiscoveredInstance]>,
) -> Result<v1::InstanceReport, serde_json::Error> {
    let facts = seen.iter().map(|seen| serde_json::to_string(&seen.facts));
    let found = discovered.unwrap_or_default().iter();
    let found = found.map(serde_json::to_string);
    Ok(v1::InstanceReport {
        facts_json: facts.collect::<Result<_, _>>()?,
        discovered_json: found.collect::<Result<_, _>>()?,
        looked_around: discovered.is_some(),
    })
}
