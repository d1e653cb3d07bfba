//! What a job's code sees of the agent that runs it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdfast_proto::BackupStarted;
use holdfast_types::{BackupKind, JobPhase, PhaseTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Lines of a job's log that are kept.
const LOG_LINES: usize = 500;

/// What a job has said of itself so far.
#[derive(Debug, Clone, Default)]
pub struct JobState {
    /// The phase it is in.
    pub phase: Option<JobPhase>,
    /// The backup it takes, once PostgreSQL is in backup mode for it.
    pub backup: Option<BackupStarted>,
    /// Lines logged since the job began; older ones may be gone from `log`.
    pub lines: u64,
    /// The last lines of its log.
    pub log: VecDeque<String>,
}

/// Handed to a job: where it reports, and how it learns that it must stop.
///
/// Cheap to clone; counters may be advanced from any thread.
#[derive(Debug, Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<JobState>,
    changed: watch::Sender<()>,
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    cancel: CancellationToken,
    /// When it entered which phase.
    entered: Mutex<Vec<(JobPhase, Instant)>>,
}

impl JobContext {
    /// The context of a new job that ends when `cancel` fires.
    pub fn new(cancel: CancellationToken) -> Self {
        let inner = Inner {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            bytes_done: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
            cancel,
            entered: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Enters a phase: its byte counters start anew.
    pub fn enter(&self, phase: JobPhase) {
        tracing::info!(job.phase = %phase, "job phase");
        self.inner.bytes_done.store(0, Ordering::Relaxed);
        self.inner.bytes_total.store(0, Ordering::Relaxed);
        self.with_state(|state| state.phase = Some(phase));
        self.entered().push((phase, Instant::now()));
        self.log(format!("phase {phase}"));
    }

    /// How long each phase took so far, the last one until now.
    pub fn phase_times(&self) -> Vec<PhaseTime> {
        let entered = self.entered();
        let left = entered.iter().skip(1).map(|(_, at)| *at);
        let took = entered.iter().zip(left.chain([Instant::now()]));
        let times = took.map(|((phase, at), left)| PhaseTime {
            phase: *phase,
            milliseconds: u64::try_from(left.duration_since(*at).as_millis()).unwrap_or(u64::MAX),
        });
        times.collect()
    }

    /// Says that there is a backup from now on: PostgreSQL is in backup mode, or
    /// has given a snapshot to dump.
    pub fn backup_started(&self, backup: BackupStarted) {
        let start_lsn = backup.start_lsn;
        let line = match backup.kind {
            BackupKind::Logical => format!("first snapshot at {start_lsn}"),
            BackupKind::Full | BackupKind::Incremental => {
                format!("backup mode since {start_lsn}")
            }
        };
        self.with_state(|state| state.backup = Some(backup));
        self.log(line);
    }

    /// Says how many bytes this phase is about.
    pub fn expect_bytes(&self, total: u64) {
        self.inner.bytes_total.store(total, Ordering::Relaxed);
    }

    /// Counts bytes that are done.
    pub fn add_bytes(&self, bytes: u64) {
        self.inner.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes done and bytes expected in this phase.
    pub fn bytes(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.inner.bytes_done), load(&self.inner.bytes_total))
    }

    /// Adds a line to the job's log, which people read: no secrets (I-10).
    pub fn log(&self, line: impl Into<String>) {
        let line = line.into();
        tracing::debug!(line, "job log");
        self.with_state(|state| {
            if state.log.len() == LOG_LINES {
                state.log.pop_front();
            }
            state.log.push_back(line);
            state.lines += 1;
        });
        self.inner.changed.send_replace(());
    }

    /// What the job has said so far.
    pub fn state(&self) -> JobState {
        self.with_state(|state| state.clone())
    }

    /// Wakes whenever the phase or the log changes.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Fires when the job must stop.
    pub fn cancel(&self) -> &CancellationToken {
        &self.inner.cancel
    }

    fn entered(&self) -> MutexGuard<'_, Vec<(JobPhase, Instant)>> {
        let entered = self.inner.entered.lock();
        entered.unwrap_or_else(PoisonError::into_inner)
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut JobState) -> T) -> T {
        let mut state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut state)
    }
}
