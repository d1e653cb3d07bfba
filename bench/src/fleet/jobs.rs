//! The jobs in a simulated agent's hands, and what it reports of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use holdfast_proto::{
    Assignment, Assignments, BackupWork, Held, JobEvent, JobOutcome, JobReport, JobSuccess, Work,
};
use holdfast_types::{CommittedBackup, JobPhase, Lsn};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::server::Server;
use super::tally::{Lease, Tally};

/// A job that is being worked on.
#[derive(Debug)]
struct Running {
    work: BackupWork,
    began: Timestamp,
    ends: Option<tokio::time::Instant>,
    phase: JobPhase,
}

/// What an agent works on, over its sessions.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    running: BTreeMap<(String, u64), (Held, Running)>,
    /// Reports that were not answered yet, the first of them sent.
    reports: VecDeque<(JobReport, bool)>,
    sent: Option<Instant>,
    sequence: u64,
    /// The standing duty, if it has one.
    pub(super) duty: Option<Held>,
}

fn key(held: Held) -> (String, u64) {
    (held.assignment.to_string(), held.generation.0)
}

impl Jobs {
    /// For the Hello.
    pub(super) fn held(&self) -> Vec<Held> {
        self.running.values().map(|(held, _)| *held).collect()
    }

    /// Takes what is assigned; a backup takes `lasts`, or never ends.
    pub(super) fn assign(
        &mut self,
        assignments: Assignments,
        lasts: Option<Duration>,
        tally: &Tally,
    ) {
        let Assignments { assignments, .. } = assignments;
        let named: Vec<_> = assignments.iter().map(of).collect();
        self.running.retain(|_, (held, _)| named.contains(held));
        let before = self.duty.take();
        for assignment in assignments {
            let held = of(&assignment);
            match assignment.work {
                Work::ReceiveWal(_) => {
                    self.duty = Some(held);
                    if before.is_none() {
                        tally.duty();
                    }
                }
                Work::Backup(work) => self.begin(held, *work, lasts, tally),
                Work::Restore(_) | Work::RestoreDump(_) | Work::Copy(_) | Work::Drill(_) => {}
            }
        }
    }

    fn begin(&mut self, held: Held, work: BackupWork, lasts: Option<Duration>, tally: &Tally) {
        if self.running.contains_key(&key(held)) {
            return;
        }
        let lease = Lease {
            cluster: work.cluster.to_string(),
            repository: work.repository.name.to_string(),
            at: Instant::now(),
            ended: None,
        };
        tally.leased(key(held), lease);
        let running = Running {
            work,
            began: Timestamp::now(),
            ends: lasts.map(|lasts| tokio::time::Instant::now() + lasts),
            phase: JobPhase::Prepare,
        };
        self.running.insert(key(held), (held, running));
        if lasts.is_some() {
            self.report(held, JobEvent::Started, false);
        }
    }

    /// When the next backup ends.
    pub(super) fn next_end(&self) -> Option<tokio::time::Instant> {
        let ends = self.running.values().filter_map(|(_, job)| job.ends);
        ends.min()
    }

    /// Ends what is to end by now.
    pub(super) fn end_due(&mut self, server: &Server) {
        let now = tokio::time::Instant::now();
        let mut ended = Vec::new();
        for (held, job) in self.running.values_mut() {
            if job.ends.is_some_and(|end| end <= now) {
                job.ends = None;
                ended.push((*held, succeeded(job, server)));
            }
        }
        for (held, event) in ended {
            self.report(held, event, false);
        }
    }

    /// Whether a transition can be reported for being measured: there is a job
    /// and nothing is under way.
    pub(super) fn drive(&mut self) {
        if !self.reports.is_empty() {
            return;
        }
        let Some((held, job)) = self.running.values_mut().next() else {
            return;
        };
        job.phase = match job.phase {
            JobPhase::Copy => JobPhase::Wal,
            _ => JobPhase::Copy,
        };
        let (held, event) = (*held, JobEvent::Phase(job.phase));
        self.report(held, event, true);
    }

    fn report(&mut self, held: Held, event: JobEvent, driven: bool) {
        self.sequence += 1;
        let report = JobReport {
            sequence: self.sequence,
            assignment: held.assignment,
            generation: held.generation,
            event,
        };
        self.reports.push_back((report, driven));
    }

    /// A new session: what was not answered is sent again.
    pub(super) fn begin_session(&mut self) {
        self.sent = None;
    }

    /// The report to be sent now: one at a time.
    pub(super) fn next_report(&mut self) -> Option<&JobReport> {
        if self.sent.is_some() {
            return None;
        }
        let (report, _) = self.reports.front()?;
        self.sent = Some(Instant::now());
        Some(report)
    }

    /// An answer came.
    pub(super) fn answered(&mut self, sequence: u64, refusal: &str, tally: &Tally) {
        let first = self.reports.front();
        if first.is_none_or(|(report, _)| report.sequence != sequence) {
            return;
        }
        let (Some((report, driven)), Some(sent)) = (self.reports.pop_front(), self.sent.take())
        else {
            return;
        };
        tally.report_answered(sent.elapsed(), refusal, driven);
        if matches!(report.event, JobEvent::Finished { .. }) {
            let held = Held {
                assignment: report.assignment,
                generation: report.generation,
            };
            tally.ended(&key(held));
            self.running.remove(&key(held));
        }
    }
}

fn of(assignment: &Assignment) -> Held {
    Held {
        assignment: assignment.id,
        generation: assignment.generation,
    }
}

/// A backup that went well.
fn succeeded(job: &Running, server: &Server) -> JobEvent {
    let work = &job.work;
    let stop = server.position();
    let backup = CommittedBackup {
        id: work.backup,
        job: work.job,
        cluster: work.cluster.clone(),
        repository: work.repository.name.clone(),
        kind: work.kind,
        parent: None,
        lineage: server.lineage(),
        timeline: holdfast_types::Timeline::FIRST,
        start_lsn: Lsn::new(stop.get() - 1024),
        stop_lsn: stop,
        started_at: job.began,
        finished_at: Timestamp::now(),
        database_bytes: 40 << 30,
        added_bytes: 4 << 30,
        server_version: 150_018,
    };
    let success = JobSuccess {
        result: serde_json::json!({"backup": backup.id}),
        backup: Some(Box::new(backup)),
        wal: Some(server.wal()),
        repository: None,
    };
    JobEvent::Finished {
        outcome: Box::new(JobOutcome::Succeeded(success)),
        log: vec!["copied 40 GiB".to_owned()],
    }
}

/// Sends without waiting for ever on a session that is stuck.
pub(super) type Outbox = mpsc::Sender<holdfast_proto::v1::AgentMessage>;
