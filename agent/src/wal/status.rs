//! What a duty says of itself. Every part of it reports here; the report that
//! others see is made of all parts and stands alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_proto::{LineageWal, ReportedFrontier, TimelineWal, WalGap, WalReport};
use holdfast_types::{
    AssignmentId, Coverage, Failure, Generation, Lineage, LsnRange, Name, RepositoryId, Timeline,
};
use tokio::sync::watch;

use super::Position;
use super::copies::CopyState;
use super::frontier::{FrontierTracker, Sampled};
use super::refetch::Hole;

/// The parts that can be in trouble, the one to be told first being first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// PostgreSQL kept more for us than it may.
    Retention,
    /// The repository.
    Store,
    /// The stream from PostgreSQL.
    Stream,
    /// The SQL session that samples the server.
    Observer,
    /// PostgreSQL's archiver, beside a stream.
    Archiver,
}

/// The state of one duty. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Status {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    assignment: AssignmentId,
    generation: Generation,
    state: Mutex<State>,
    report: watch::Sender<WalReport>,
}

#[derive(Debug, Default)]
struct State {
    repository: Option<RepositoryId>,
    lineage: Option<Lineage>,
    timelines: BTreeMap<Timeline, OfTimeline>,
    frontier: FrontierTracker,
    troubles: BTreeMap<Part, Failure>,
    copies: BTreeMap<Name, CopyState>,
    /// The frontier that the copies were told last.
    told: Option<ReportedFrontier>,
}

#[derive(Debug, Default)]
struct OfTimeline {
    coverage: Coverage,
    gaps: Vec<WalGap>,
}

impl Status {
    pub(super) fn new(assignment: AssignmentId, generation: Generation) -> Self {
        let report = WalReport {
            assignment,
            generation,
            wal: None,
            frontier: None,
            trouble: None,
            repository: None,
            copies: Vec::new(),
        };
        let report = watch::Sender::new(report);
        let inner = Inner {
            assignment,
            generation,
            state: Mutex::default(),
            report,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The report, and every change of it.
    pub(super) fn subscribe(&self) -> watch::Receiver<WalReport> {
        self.inner.report.subscribe()
    }

    /// The lineage, once it is known whose WAL this is.
    pub(super) fn lineage(&self) -> Option<Lineage> {
        self.with(|state| state.lineage)
    }

    /// What a listing of the repository has found.
    pub(super) fn listed(
        &self,
        repository: RepositoryId,
        lineage: Lineage,
        timelines: &BTreeMap<Timeline, Coverage>,
    ) {
        self.update(|state| {
            state.repository = Some(repository);
            state.lineage = Some(lineage);
            for (timeline, coverage) in timelines {
                let known = state.timelines.entry(*timeline).or_default();
                for range in coverage.ranges() {
                    known.coverage.insert(*range);
                }
            }
        });
    }

    /// WAL that became durable. A gap that is filled is one no more.
    pub(super) fn stored(&self, timeline: Timeline, range: LsnRange) {
        self.update(|state| {
            let known = state.timelines.entry(timeline).or_default();
            known.coverage.insert(range);
            let OfTimeline { coverage, gaps } = known;
            gaps.retain(|gap| !coverage.covers(gap.range));
        });
    }

    /// What of the gaps is still missing, ascending.
    pub(super) fn holes(&self) -> Vec<Hole> {
        self.with(|state| {
            let missing = |(timeline, known): (&Timeline, &OfTimeline)| {
                let gaps: Coverage = known.gaps.iter().map(|gap| gap.range).collect();
                let missing = gaps
                    .ranges()
                    .iter()
                    .flat_map(|gap| known.coverage.gaps(*gap));
                let of = |range| Hole {
                    timeline: *timeline,
                    range,
                };
                missing.map(of).collect::<Vec<_>>()
            };
            state.timelines.iter().flat_map(missing).collect()
        })
    }

    /// The stream's WAL is durable without a gap up to here.
    pub(super) fn durable(&self, position: Position) {
        self.update(|state| state.frontier.durable(position));
    }

    /// Up to where it was last said to be durable.
    pub(super) fn durable_to(&self) -> Option<Position> {
        self.with(|state| state.frontier.durable_to())
    }

    /// WAL that will not come.
    pub(super) fn gap(&self, timeline: Timeline, gap: WalGap) {
        let LsnRange { from_lsn, to_lsn } = gap.range;
        let reason = &gap.reason;
        tracing::error!(wal.timeline = %timeline, %from_lsn, %to_lsn, reason, "WAL gap");
        self.update(|state| {
            let gaps = &mut state.timelines.entry(timeline).or_default().gaps;
            // A gap that was found again may have grown meanwhile.
            let holds = |gap: &WalGap, other: &WalGap| {
                gap.range.from_lsn <= other.range.from_lsn && other.range.to_lsn <= gap.range.to_lsn
            };
            if !gaps.iter().any(|known| holds(known, &gap)) {
                gaps.retain(|known| !holds(&gap, known));
                gaps.push(gap);
                gaps.sort_by_key(|gap| gap.range);
            }
        });
    }

    /// The server's position at a time.
    pub(super) fn sampled(&self, sample: Sampled) {
        self.update(|state| state.frontier.sampled(sample));
    }

    /// Something is known of a copy.
    pub(super) fn copy(&self, name: &Name, act: impl FnOnce(&mut CopyState)) {
        self.update(|state| {
            let told = state.told;
            let copy = state.copies.entry(name.clone()).or_insert_with(|| {
                let mut copy = CopyState::default();
                told.into_iter().for_each(|frontier| copy.claimed(frontier));
                copy
            });
            act(copy);
        });
    }

    /// A part does not do its work.
    pub(super) fn trouble(&self, part: Part, failure: Failure) {
        self.update(|state| {
            if state
                .troubles
                .get(&part)
                .is_none_or(|known| known.code != failure.code)
            {
                tracing::warn!(wal.part = ?part, code = failure.code, "{}", failure.message);
            }
            state.troubles.insert(part, failure);
        });
    }

    /// A part does its work.
    pub(super) fn well(&self, part: Part) {
        self.update(|state| {
            if state.troubles.remove(&part).is_some() {
                tracing::info!(wal.part = ?part, "works again");
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut state)
    }

    fn update(&self, act: impl FnOnce(&mut State)) {
        // Published under the lock, so that an older state never comes last.
        self.with(|state| {
            act(state);
            let frontier = state.frontier.frontier();
            if frontier != state.told {
                state.told = frontier;
                let copies = state.copies.values_mut();
                if let Some(frontier) = frontier {
                    copies.for_each(|copy| copy.claimed(frontier));
                }
            }
            let report = self.report(state);
            self.inner.report.send_if_modified(|known| {
                let changed = *known != report;
                *known = report;
                changed
            });
        });
    }

    fn report(&self, state: &State) -> WalReport {
        let of_timeline = |(timeline, known): (&Timeline, &OfTimeline)| TimelineWal {
            timeline: *timeline,
            coverage: known.coverage.clone(),
            gaps: known.gaps.clone(),
        };
        WalReport {
            assignment: self.inner.assignment,
            generation: self.inner.generation,
            wal: state.lineage.map(|lineage| LineageWal {
                lineage,
                timelines: state.timelines.iter().map(of_timeline).collect(),
            }),
            frontier: state.frontier.frontier(),
            trouble: state.troubles.values().next().cloned(),
            repository: state.repository,
            copies: state
                .copies
                .iter()
                .map(|(name, copy)| copy.report(name))
                .collect(),
        }
    }
}
