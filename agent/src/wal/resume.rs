//! Where receiving goes on: a decision from what is stored and what the server
//! says, without doing anything.

use holdfast_types::{Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory};

use super::Position;

/// What the server says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    /// The history of the timeline it is on.
    pub(super) history: &'a TimelineHistory,
    /// How far its WAL goes.
    pub(super) flushed: Lsn,
    /// Whether it is a standby.
    pub(super) in_recovery: bool,
    /// The oldest WAL that our slot keeps.
    pub(super) kept_from: Lsn,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resume {
    /// Stream from the start of a segment.
    At {
        /// Where.
        start: Position,
        /// Stored WAL of that timeline past the place where the server left
        /// it: harmless if it is the beginning of one record.
        overhang: Option<LsnRange>,
    },
    /// A standby that has not received yet what is stored.
    Behind,
    /// The server does not continue what is stored.
    Diverged(String),
}

/// Decides where to go on. Streaming always begins at the start of a segment,
/// so that the segment is whole in the end and what is stored of it is
/// compared.
pub(super) fn resume(tip: Option<Position>, server: Server<'_>, size: SegmentSize) -> Resume {
    let Server {
        history,
        flushed,
        in_recovery,
        kept_from,
    } = server;
    let at = |timeline, lsn| Position {
        timeline,
        lsn: size.start_of(lsn),
    };
    let Some(tip) = tip else {
        let start = at(history.timeline_at(kept_from), kept_from);
        return Resume::At {
            start,
            overhang: None,
        };
    };
    let stored = tip.timeline;
    if stored == history.timeline {
        return match tip.lsn <= flushed {
            true => Resume::At {
                start: at(stored, tip.lsn),
                overhang: None,
            },
            false if in_recovery => Resume::Behind,
            false => Resume::Diverged(format!(
                "its WAL on timeline {stored} ends at {flushed}, the repository holds it to {}",
                tip.lsn
            )),
        };
    }
    match history.switchpoint_of(stored) {
        Some(switch) => Resume::At {
            start: at(stored, tip.lsn.min(switch)),
            overhang: LsnRange::new(switch, tip.lsn),
        },
        None => Resume::Diverged(format!(
            "it is on timeline {}, which does not descend from the stored timeline {stored}",
            history.timeline
        )),
    }
}

/// What is missing when streaming can only begin at `start` and everything up
/// to `tip` is stored, by timeline.
pub(super) fn missing(
    history: &TimelineHistory,
    tip: Position,
    start: Position,
) -> Vec<(Timeline, LsnRange)> {
    let open = [(history.timeline, Lsn::new(u64::MAX))];
    let ancestors = history
        .ancestors
        .iter()
        .map(|switch| (switch.timeline, switch.switchpoint));
    let mut from = Lsn::INVALID;
    let mut gaps = Vec::new();
    for (timeline, end) in ancestors.chain(open) {
        if (tip.timeline..=start.timeline).contains(&timeline) {
            let begin = if timeline == tip.timeline {
                tip.lsn
            } else {
                from
            };
            let end = if timeline == start.timeline {
                start.lsn
            } else {
                end
            };
            gaps.extend(LsnRange::new(begin, end).map(|range| (timeline, range)));
        }
        from = end;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn size() -> SegmentSize {
        SegmentSize::new(SIZE).unwrap()
    }

    fn timeline(number: u32) -> Timeline {
        Timeline::new(number).unwrap()
    }

    fn position(number: u32, lsn: u64) -> Position {
        Position {
            timeline: timeline(number),
            lsn: Lsn::new(lsn),
        }
    }

    /// Timeline 3; 1 ended at 5.5 segments, 2 at 8 segments.
    fn history() -> TimelineHistory {
        TimelineHistory::parse(timeline(3), "1\t0/580000\tx\n2\t0/800000\ty\n").unwrap()
    }

    fn decide(tip: Option<Position>, flushed: u64, in_recovery: bool) -> Resume {
        let history = history();
        let kept_from = Lsn::new(2 * SIZE + 40);
        let server = Server {
            history: &history,
            flushed: Lsn::new(flushed),
            in_recovery,
            kept_from,
        };
        resume(tip, server, size())
    }

    fn at(number: u32, lsn: u64) -> Resume {
        Resume::At {
            start: position(number, lsn),
            overhang: None,
        }
    }

    #[test]
    fn an_empty_lineage_begins_with_the_slot() {
        assert_eq!(decide(None, 9 * SIZE, false), at(1, 2 * SIZE));
    }

    // Pitfall 19
    #[test]
    fn receiving_goes_on_at_the_start_of_the_segment() {
        assert_eq!(
            decide(Some(position(3, 9 * SIZE + 7)), 10 * SIZE, false),
            at(3, 9 * SIZE)
        );
        assert_eq!(
            decide(Some(position(1, 4 * SIZE + 7)), 10 * SIZE, false),
            at(1, 4 * SIZE)
        );
        let whole = position(2, 8 * SIZE);
        assert_eq!(decide(Some(whole), 10 * SIZE, false), at(2, 8 * SIZE));
    }

    // Pitfall 19
    #[test]
    fn stored_wal_past_the_switch_is_pointed_out() {
        let decided = decide(Some(position(1, 7 * SIZE)), 10 * SIZE, false);
        let overhang = LsnRange::new(Lsn::new(5 * SIZE + SIZE / 2), Lsn::new(7 * SIZE));
        assert_eq!(
            decided,
            Resume::At {
                start: position(1, 5 * SIZE),
                overhang
            }
        );
    }

    #[test]
    fn a_server_that_does_not_descend_is_refused() {
        let other = decide(Some(position(4, 9 * SIZE)), 10 * SIZE, false);
        assert!(matches!(other, Resume::Diverged(_)), "{other:?}");
        let set_back = decide(Some(position(3, 9 * SIZE + 7)), 9 * SIZE + 6, false);
        assert!(matches!(set_back, Resume::Diverged(_)), "{set_back:?}");
        let standby = decide(Some(position(3, 9 * SIZE + 7)), 9 * SIZE + 6, true);
        assert_eq!(standby, Resume::Behind);
    }

    // Pitfall 19
    #[test]
    fn a_gap_is_named_on_each_timeline_it_touches() {
        let history = history();
        let half = 5 * SIZE + SIZE / 2;
        let gaps = |tip, start| -> Vec<_> {
            missing(&history, tip, start)
                .into_iter()
                .map(|(timeline, gap)| (timeline.get(), gap.from_lsn.get(), gap.to_lsn.get()))
                .collect()
        };
        assert_eq!(
            gaps(position(3, 9 * SIZE), position(3, 12 * SIZE)),
            [(3, 9 * SIZE, 12 * SIZE)]
        );
        assert_eq!(
            gaps(position(1, 4 * SIZE), position(3, 12 * SIZE)),
            [
                (1, 4 * SIZE, half),
                (2, half, 8 * SIZE),
                (3, 8 * SIZE, 12 * SIZE)
            ]
        );
        // The first segment of a timeline repeats the WAL before the switch.
        assert_eq!(gaps(position(1, half), position(2, 5 * SIZE)), []);
    }
}
