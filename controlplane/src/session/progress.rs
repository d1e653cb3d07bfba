//! How far running jobs are: shown, never replicated.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_proto::JobProgress;
use holdfast_types::{AssignmentId, Generation, JobPhase};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tick;

/// Log lines kept of a running job.
const LINES: usize = 1000;
/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 2000;

/// How long the progress of a job is kept of which nobody speaks.
const KEPT: Duration = Duration::from_secs(3600);

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobProgress)]
pub struct Progress {
    /// What it is doing.
    pub phase: JobPhase,
    /// Bytes done in this phase.
    pub bytes_done: u64,
    /// Bytes there are to do; null when not known.
    pub bytes_total: Option<u64>,
    /// Bytes per second, lately.
    pub rate: Option<f64>,
    /// How long the rest of this phase takes at that rate; null when the rate or the
    /// rest is not known.
    #[serde(default)]
    pub remaining_seconds: Option<f64>,
}

/// The progress of every running job. The log lines stay with the node that
/// has the agent's session.
#[derive(Debug, Default)]
pub struct ProgressBoard(Mutex<BTreeMap<AssignmentId, Live>>);

#[derive(Debug)]
struct Live {
    generation: Generation,
    progress: Progress,
    since: Instant,
    /// When it last got any further.
    advanced: Instant,
    lines: VecDeque<String>,
    /// 0 when another node told.
    changed: u64,
}

/// What a node tells the others of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToldProgress {
    assignment: AssignmentId,
    generation: Generation,
    progress: Progress,
}

impl ProgressBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AssignmentId, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an agent says. An older generation says nothing any more.
    pub fn record(&self, said: JobProgress) {
        let mut board = self.lock();
        let now = Instant::now();
        let progress = Progress {
            phase: said.phase,
            bytes_done: said.bytes_done,
            bytes_total: (said.bytes_total > 0).then_some(said.bytes_total),
            rate: None,
            remaining_seconds: None,
        };
        let live = board.entry(said.assignment).or_insert_with(|| Live {
            generation: said.generation,
            progress: progress.clone(),
            since: now,
            advanced: now,
            lines: VecDeque::new(),
            changed: 0,
        });
        if said.generation < live.generation {
            return;
        }
        if said.generation > live.generation {
            live.generation = said.generation;
            live.advanced = now;
            live.progress = progress;
            live.lines.clear();
        } else {
            let rate = live.rate(&progress, now);
            if live.progress.is_behind(&progress) {
                live.advanced = now;
            }
            live.progress = Progress { rate, ..progress };
        }
        live.since = now;
        live.changed = tick();
        for mut line in said.log {
            truncate(&mut line, LINE_BYTES);
            if live.lines.len() == LINES {
                live.lines.pop_front();
            }
            live.lines.push_back(line);
        }
    }

    /// How far the assignment is under this generation.
    pub fn progress(&self, assignment: AssignmentId, generation: Generation) -> Option<Progress> {
        let board = self.lock();
        let live = board.get(&assignment)?;
        (live.generation == generation).then(|| live.progress.estimated())
    }

    /// For how long the assignment got no further under this generation;
    /// `None` when nobody has spoken of it.
    pub(crate) fn idle_for(
        &self,
        assignment: AssignmentId,
        generation: Generation,
    ) -> Option<Duration> {
        let board = self.lock();
        let live = board.get(&assignment)?;
        (live.generation == generation).then(|| live.advanced.elapsed())
    }

    /// The latest lines of its log.
    pub fn lines(&self, assignment: AssignmentId, generation: Generation) -> Vec<String> {
        let board = self.lock();
        let live = board.get(&assignment);
        let live = live.filter(|live| live.generation == generation);
        live.map(|live| live.lines.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// What was said here after `since`, for the other nodes.
    pub(crate) fn changed_since(&self, since: u64) -> Vec<ToldProgress> {
        let board = self.lock();
        let changed = board.iter().filter(|(_, live)| live.changed > since);
        let told = changed.map(|(assignment, live)| ToldProgress {
            assignment: *assignment,
            generation: live.generation,
            progress: live.progress.clone(),
        });
        told.collect()
    }

    /// Notes what another node tells.
    pub(crate) fn mirror(&self, told: Vec<ToldProgress>) {
        let mut board = self.lock();
        for told in told {
            let known = board.get(&told.assignment);
            if known.is_some_and(|known| known.generation > told.generation) {
                continue;
            }
            let now = Instant::now();
            let same = known.filter(|known| {
                known.generation == told.generation && !known.progress.is_behind(&told.progress)
            });
            let live = Live {
                generation: told.generation,
                advanced: same.map_or(now, |known| known.advanced),
                progress: told.progress,
                since: now,
                lines: VecDeque::new(),
                changed: 0,
            };
            board.insert(told.assignment, live);
        }
    }

    /// Forgets jobs that nobody has spoken of for long: another node saw them
    /// end.
    pub(crate) fn forget_silent(&self) {
        self.lock().retain(|_, live| live.since.elapsed() < KEPT);
    }

    /// The assignment is over.
    pub fn forget(&self, assignment: AssignmentId) {
        self.lock().remove(&assignment);
    }
}

impl Progress {
    /// It with how long the rest takes.
    #[expect(clippy::cast_precision_loss, reason = "an estimate of seconds")]
    fn estimated(&self) -> Self {
        let left = self.bytes_total;
        let left = left.and_then(|total| total.checked_sub(self.bytes_done));
        let rate = self.rate.filter(|rate| *rate > 0.0);
        Self {
            remaining_seconds: left.zip(rate).map(|(left, rate)| left as f64 / rate),
            ..self.clone()
        }
    }

    /// Whether `next` is another place than this: in another phase, or with
    /// other bytes done. What is logged is no progress: an agent that tries
    /// the same for ever says so for ever.
    fn is_behind(&self, next: &Self) -> bool {
        (self.phase, self.bytes_done) != (next.phase, next.bytes_done)
    }
}

impl Live {
    /// Bytes per second, smoothed so that one slow read does not show.
    fn rate(&self, next: &Progress, now: Instant) -> Option<f64> {
        if next.phase != self.progress.phase {
            return None;
        }
        let seconds = now.duration_since(self.since).as_secs_f64();
        let bytes = next.bytes_done.checked_sub(self.progress.bytes_done)?;
        if seconds < 0.01 {
            return self.progress.rate;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is shown, not counted with"
        )]
        let lately = bytes as f64 / seconds;
        Some(
            self.progress
                .rate
                .map_or(lately, |before| before * 0.7 + lately * 0.3),
        )
    }
}

/// Shortens text to at most `most` bytes, at a character.
pub(crate) fn truncate(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(generation: u64, bytes_done: u64, line: &str) -> JobProgress {
        JobProgress {
            assignment: AssignmentId::from_uuid(uuid::Uuid::from_u128(1)),
            generation: Generation(generation),
            phase: JobPhase::Copy,
            bytes_done,
            bytes_total: 0,
            log: vec![line.to_owned()],
        }
    }

    #[test]
    fn an_older_generation_says_nothing_any_more() {
        let board = ProgressBoard::default();
        let id = said(1, 0, "").assignment;
        board.record(said(1, 10, "one"));
        board.record(said(2, 5, "two"));
        board.record(said(1, 99, "late"));
        assert_eq!(board.lines(id, Generation(2)), ["two"]);
        assert_eq!(board.progress(id, Generation(1)), None);
        let progress = board.progress(id, Generation(2)).unwrap();
        assert_eq!(progress.bytes_total, None);
        board.forget(id);
        assert_eq!(board.progress(id, Generation(2)), None);
    }

    #[test]
    fn the_rest_is_estimated_from_the_rate_or_not_at_all() {
        let progress = |total, rate| Progress {
            phase: JobPhase::Copy,
            bytes_done: 400,
            bytes_total: total,
            rate,
            remaining_seconds: None,
        };
        let rest = |total, rate| progress(total, rate).estimated().remaining_seconds;
        assert_eq!(rest(Some(1000), Some(60.0)), Some(10.0));
        assert_eq!(rest(Some(400), Some(60.0)), Some(0.0));
        assert_eq!(rest(None, Some(60.0)), None);
        assert_eq!(rest(Some(1000), None), None);
        assert_eq!(rest(Some(1000), Some(0.0)), None);
        // More was done than there was to do: nobody knows what is left.
        assert_eq!(rest(Some(300), Some(60.0)), None);
    }

    #[test]
    fn only_another_phase_or_other_bytes_are_progress() {
        let board = ProgressBoard::default();
        let id = said(1, 0, "").assignment;
        let generation = Generation(1);
        let advanced = || board.lock()[&id].advanced;
        board.record(said(1, 10, "copies"));
        let first = advanced();
        board.record(said(1, 10, "tries again"));
        let told = board.changed_since(0);
        board.mirror(told);
        assert_eq!(advanced(), first);
        assert!(board.idle_for(id, generation).is_some());
        assert_eq!(board.idle_for(id, Generation(2)), None);
        board.record(said(1, 11, ""));
        assert!(advanced() > first);
    }

    #[test]
    fn lines_are_cut_at_a_character() {
        let mut line = "aä".to_owned();
        truncate(&mut line, 2);
        assert_eq!(line, "a");
    }
}
