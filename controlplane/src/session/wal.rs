//! What WAL duties last said: live frontiers and troubles, never replicated.
//!
//! The log takes a checkpoint when ranges changed, at most one per duty in ten
//! seconds and no more than a hundred a second of all duties; between two
//! checkpoints the live frontier is the truth.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_compliance::Stretch;
use holdfast_proto::{LineageWal, ReportedFrontier, WalReport};
use holdfast_types::{Failure, Generation, Lineage, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fold::{Fold, Promised};
use super::tick;

/// How often a duty's ranges and frontier enter the log at most.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// With thousands of duties each waits longer, so that checkpoints leave the
/// log to those who wait for it: a second for so many.
const CHECKPOINTS_PER_SECOND: u32 = 100;

/// A duty: a cluster's WAL in a repository.
pub type WalKey = (Name, Name);

/// What a duty last said.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveWal {
    /// Under which generation.
    pub generation: Generation,
    /// Up to where WAL is complete.
    pub frontier: Option<ReportedFrontier>,
    /// Why none is being received.
    pub trouble: Option<Failure>,
    /// What is in the repository.
    pub wal: Option<LineageWal>,
}

/// What every duty last said.
#[derive(Debug, Default)]
pub struct WalBoard(Mutex<BTreeMap<WalKey, Entry>>);

#[derive(Debug)]
struct Entry {
    live: LiveWal,
    said: Instant,
    /// Since when this holder has been in trouble, as far as this process saw.
    troubled: Option<Instant>,
    /// 0 when another node told.
    changed: u64,
    recorded: Option<Recorded>,
    /// What it claimed, and when.
    fold: Fold,
}

/// What a node tells the others of a duty.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToldWal {
    key: WalKey,
    live: LiveWal,
    said_ms_ago: u64,
    /// Whoever goes on with the duty goes on with what it claimed.
    #[serde(default)]
    fold: Option<Fold>,
}

#[derive(Debug)]
struct Recorded {
    at: Instant,
    generation: Generation,
    wal: Option<LineageWal>,
    frontier: Option<ReportedFrontier>,
}

impl WalBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WalKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a report and says whether the log should have it now: at once
    /// when a gap or a timeline is new or a silence has ended, else when the last
    /// one is old enough.
    pub(crate) fn record(&self, key: WalKey, report: &WalReport, promised: Promised) -> bool {
        let heard = Timestamp::now();
        let mut board = self.lock();
        let every = checkpoint_every(board.len());
        let live = LiveWal {
            generation: report.generation,
            frontier: report.frontier,
            trouble: report.trouble.clone(),
            wal: report.wal.clone(),
        };
        match board.get_mut(&key) {
            Some(entry) if entry.live.generation > report.generation => false,
            Some(entry) => {
                let cut = shape(entry.live.wal.as_ref()) != shape(report.wal.as_ref());
                entry.fold.take(report, heard, promised, cut);
                entry.troubled = troubled_since(Some(entry), &live);
                entry.live = live;
                entry.said = Instant::now();
                entry.changed = tick();
                entry.due(every)
            }
            None => {
                let mut fold = Fold::new(report.generation);
                fold.take(report, heard, promised, false);
                let entry = Entry {
                    troubled: troubled_since(None, &live),
                    live,
                    said: Instant::now(),
                    changed: tick(),
                    recorded: None,
                    fold,
                };
                let due = entry.due(every);
                board.insert(key, entry);
                due
            }
        }
    }

    /// What was claimed that the log may not have, and what goes on.
    pub(crate) fn stretches(&self, key: &WalKey) -> Vec<Stretch> {
        let board = self.lock();
        board
            .get(key)
            .map_or_else(Vec::new, |entry| entry.fold.stretches())
    }

    /// The log has this report, and these claims.
    pub(crate) fn recorded(&self, key: &WalKey, report: &WalReport, stretches: &[Stretch]) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.fold.recorded(stretches);
            entry.recorded = Some(Recorded {
                at: Instant::now(),
                generation: report.generation,
                wal: report.wal.clone(),
                frontier: report.frontier,
            });
        }
    }

    /// What was said here after `since`, for the other nodes.
    pub(crate) fn changed_since(&self, since: u64) -> Vec<ToldWal> {
        let board = self.lock();
        let changed = board.iter().filter(|(_, entry)| entry.changed > since);
        let told = changed.map(|(key, entry)| ToldWal {
            key: key.clone(),
            live: entry.live.clone(),
            said_ms_ago: u64::try_from(entry.said.elapsed().as_millis()).unwrap_or(u64::MAX),
            fold: Some(entry.fold.clone()),
        });
        told.collect()
    }

    /// Notes what another node tells: of two holders the later generation
    /// counts, of two words of one holder the later.
    pub(crate) fn mirror(&self, told: Vec<ToldWal>) {
        let mut board = self.lock();
        let now = Instant::now();
        for ToldWal {
            key,
            live,
            said_ms_ago,
            fold,
        } in told
        {
            let said = now.checked_sub(Duration::from_millis(said_ms_ago));
            let said = said.unwrap_or(now);
            let known = board.get(&key);
            let newer = known
                .is_none_or(|known| (live.generation, said) > (known.live.generation, known.said));
            if newer {
                let known = board.remove(&key);
                let troubled = troubled_since(known.as_ref(), &live);
                let (recorded, before) = match known {
                    Some(known) => (known.recorded, Some(known.fold)),
                    None => (None, None),
                };
                // A node of an earlier version does not tell it.
                let fold = fold.or(before);
                let fold = fold.unwrap_or_else(|| Fold::new(live.generation));
                // The other node has seen to it. When its agents come here, they
                // need not all be recorded anew in the same moment.
                let recorded = recorded.or_else(|| {
                    Some(Recorded {
                        at: now,
                        generation: live.generation,
                        wal: live.wal.clone(),
                        frontier: live.frontier,
                    })
                });
                let entry = Entry {
                    troubled,
                    live,
                    said,
                    changed: 0,
                    recorded,
                    fold,
                };
                board.insert(key, entry);
            }
        }
    }

    /// For how long the holder under this generation has been in trouble, and
    /// in which.
    pub fn troubled_for(
        &self,
        key: &WalKey,
        generation: Generation,
    ) -> Option<(Duration, Failure)> {
        let board = self.lock();
        let entry = board.get(key)?;
        let trouble = entry.live.trouble.clone()?;
        (entry.live.generation == generation).then_some((entry.troubled?.elapsed(), trouble))
    }

    /// For how long a duty has been in trouble, under whatever generation, and in
    /// which.
    pub fn trouble(&self, key: &WalKey) -> Option<(Duration, Failure)> {
        let board = self.lock();
        let entry = board.get(key)?;
        let trouble = entry.live.trouble.clone()?;
        Some((entry.troubled?.elapsed(), trouble))
    }

    /// What a duty last said.
    pub fn live(&self, key: &WalKey) -> Option<LiveWal> {
        self.lock().get(key).map(|entry| entry.live.clone())
    }
}

/// How long a duty waits between two checkpoints when there are so many.
fn checkpoint_every(duties: usize) -> Duration {
    let duties = u32::try_from(duties).unwrap_or(u32::MAX);
    CHECKPOINT_EVERY.max(Duration::from_secs(1) * (duties / CHECKPOINTS_PER_SECOND))
}

impl Entry {
    fn due(&self, every: Duration) -> bool {
        if self.live.wal.is_none() && self.live.frontier.is_none() {
            return false;
        }
        let Some(recorded) = &self.recorded else {
            return true;
        };
        if self.fold.is_due() {
            return true;
        }
        if recorded.generation != self.live.generation
            || shape(recorded.wal.as_ref()) != shape(self.live.wal.as_ref())
        {
            return true;
        }
        let changed = recorded.wal != self.live.wal || recorded.frontier != self.live.frontier;
        changed && recorded.at.elapsed() >= every
    }
}

/// Since when a holder has been in trouble, given what it said before.
fn troubled_since(known: Option<&Entry>, live: &LiveWal) -> Option<Instant> {
    live.trouble.as_ref()?;
    let same = known.filter(|known| known.live.generation == live.generation);
    let since = same.and_then(|known| known.troubled);
    Some(since.unwrap_or_else(Instant::now))
}

#[derive(PartialEq, Eq)]
struct Shape {
    lineage: Lineage,
    /// Timeline, runs, gaps.
    timelines: Vec<(u32, usize, usize)>,
}

/// What of the WAL is worth a log entry at once: which timelines there are,
/// how many runs each has, and which gaps are known.
fn shape(wal: Option<&LineageWal>) -> Option<Shape> {
    let wal = wal?;
    let timelines = wal.timelines.iter().map(|timeline| {
        let runs = timeline.coverage.ranges().len();
        (timeline.timeline.get(), runs, timeline.gaps.len())
    });
    Some(Shape {
        lineage: wal.lineage,
        timelines: timelines.collect(),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_proto::TimelineWal;
    use holdfast_types::{AssignmentId, Lsn, LsnRange, Timeline};

    use super::*;

    const PROMISED: Promised = Promised {
        since: None,
        tolerance: Duration::from_secs(15),
    };

    fn report(generation: u64, ranges: &[(u64, u64)]) -> WalReport {
        let ranges = ranges
            .iter()
            .map(|(from, to)| LsnRange::new(Lsn::new(*from), Lsn::new(*to)).unwrap());
        WalReport {
            assignment: AssignmentId::from_uuid(uuid::Uuid::from_u128(1)),
            generation: Generation(generation),
            wal: Some(LineageWal {
                lineage: Lineage {
                    system_identifier: 7,
                    incarnation: 1,
                },
                timelines: vec![TimelineWal {
                    timeline: Timeline::FIRST,
                    coverage: ranges.collect(),
                    gaps: Vec::new(),
                }],
            }),
            frontier: None,
            trouble: None,
            repository: None,
            copies: Vec::new(),
        }
    }

    #[test]
    fn many_duties_wait_longer_each() {
        assert_eq!(checkpoint_every(0), CHECKPOINT_EVERY);
        assert_eq!(checkpoint_every(999), CHECKPOINT_EVERY);
        assert_eq!(checkpoint_every(10_000), Duration::from_secs(100));
    }

    /// A node that dies sends thousands of agents to the others at once.
    #[test]
    fn what_another_node_told_is_not_recorded_again_at_once() {
        let (here, there) = (WalBoard::default(), WalBoard::default());
        let key: WalKey = ("orders".parse().unwrap(), "eu".parse().unwrap());
        assert!(there.record(key.clone(), &report(1, &[(1, 10)]), PROMISED));
        here.mirror(there.changed_since(0));
        assert!(!here.record(key.clone(), &report(1, &[(1, 20)]), PROMISED));
        assert!(here.record(key, &report(1, &[(1, 20), (30, 40)]), PROMISED));
    }

    #[test]
    fn only_what_is_new_enters_the_log_at_once() {
        let board = WalBoard::default();
        let key: WalKey = ("orders".parse().unwrap(), "eu".parse().unwrap());
        let feed = |report: WalReport| {
            let due = board.record(key.clone(), &report, PROMISED);
            if due {
                board.recorded(&key, &report, &[]);
            }
            due
        };
        assert!(feed(report(1, &[(1, 10)])));
        assert!(
            !feed(report(1, &[(1, 20)])),
            "more of the same run can wait"
        );
        assert!(feed(report(1, &[(1, 20), (30, 40)])), "a hole cannot");
        assert!(
            feed(report(2, &[(1, 20), (30, 40)])),
            "nor can another holder"
        );
        assert!(!feed(report(1, &[(1, 99)])), "an older holder is not heard");
        assert_eq!(board.live(&key).unwrap().generation, Generation(2));
    }
}
