//! Timelines, segments and timeline history: how PostgreSQL names its log.
//!
//! The names follow `src/include/access/xlog_internal.h`: a segment file is
//! eight hexadecimal digits of timeline, eight of log, eight of segment. The
//! segment size is never assumed: initdb lets it be 1 MiB to 1 GiB.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Lsn;

/// A timeline of a PostgreSQL cluster. Timeline 0 does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(u32);

impl Timeline {
    /// The timeline that initdb starts.
    pub const FIRST: Self = Self(1);

    /// Timeline `number`; `None` for 0, which PostgreSQL never uses.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The name of its history file, such as `00000002.history`.
    pub fn history_file(self) -> String {
        format!("{:08X}.history", self.0)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that is not a valid WAL name or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWal {
    /// Not a segment file name of this segment size.
    #[error("\"{0}\" is not the name of a WAL segment")]
    SegmentName(String),
    /// Not a power of two from 1 MiB to 1 GiB.
    #[error("{0} bytes is not a WAL segment size: it is a power of two from 1 MiB to 1 GiB")]
    SegmentSize(u64),
    /// A line of a history file that cannot be read.
    #[error("line {line} of the timeline history cannot be read: \"{text}\"")]
    History {
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
}

/// The size of this cluster's WAL segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SegmentSize(u64);

impl SegmentSize {
    /// What initdb chooses when it is not told.
    pub const DEFAULT: Self = Self(16 << 20);

    /// A segment of `bytes`.
    pub fn new(bytes: u64) -> Result<Self, InvalidWal> {
        let valid = bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes);
        if valid {
            Ok(Self(bytes))
        } else {
            Err(InvalidWal::SegmentSize(bytes))
        }
    }

    /// Its bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The segment number that holds `lsn`.
    pub const fn number_of(self, lsn: Lsn) -> u64 {
        lsn.get() / self.0
    }

    /// Where the segment that holds `lsn` starts.
    pub const fn start_of(self, lsn: Lsn) -> Lsn {
        Lsn::new(lsn.get() - lsn.get() % self.0)
    }

    const fn per_log(self) -> u64 {
        0x1_0000_0000 / self.0
    }
}

impl<'de> Deserialize<'de> for SegmentSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One segment of the log: which timeline, which number, of which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WalSegment {
    timeline: Timeline,
    number: u64,
    size: SegmentSize,
}

impl WalSegment {
    /// The segment of `timeline` that holds `lsn`.
    pub const fn containing(timeline: Timeline, lsn: Lsn, size: SegmentSize) -> Self {
        Self {
            timeline,
            number: size.number_of(lsn),
            size,
        }
    }

    /// Parses a file name such as `000000010000000A000000FF`.
    pub fn parse(name: &str, size: SegmentSize) -> Result<Self, InvalidWal> {
        let invalid = || InvalidWal::SegmentName(name.to_owned());
        let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if name.len() != 24 || !name.bytes().all(upper_hex) {
            return Err(invalid());
        }
        let part = |range: std::ops::Range<usize>| {
            u32::from_str_radix(&name[range], 16).map_err(|_| invalid())
        };
        let timeline = Timeline::new(part(0..8)?).ok_or_else(invalid)?;
        let (log, segment) = (u64::from(part(8..16)?), u64::from(part(16..24)?));
        if segment >= size.per_log() {
            return Err(invalid());
        }
        Ok(Self {
            timeline,
            number: log * size.per_log() + segment,
            size,
        })
    }

    /// Its timeline.
    pub const fn timeline(self) -> Timeline {
        self.timeline
    }

    /// Its number since the start of the log.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Its size.
    pub const fn size(self) -> SegmentSize {
        self.size
    }

    /// Its first byte.
    pub const fn start(self) -> Lsn {
        Lsn::new(self.number * self.size.0)
    }

    /// The byte after its last.
    pub const fn end(self) -> Lsn {
        Lsn::new((self.number + 1) * self.size.0)
    }

    /// The segment after it on the same timeline.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            timeline: self.timeline,
            number: self.number + 1,
            size: self.size,
        }
    }

    /// The segment of the same number on another timeline.
    #[must_use]
    pub const fn on(self, timeline: Timeline) -> Self {
        Self {
            timeline,
            number: self.number,
            size: self.size,
        }
    }
}

impl fmt::Display for WalSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_log = self.size.per_log();
        let (log, segment) = (self.number / per_log, self.number % per_log);
        write!(f, "{:08X}{log:08X}{segment:08X}", self.timeline.get())
    }
}

/// Where one timeline ended because another began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineSwitch {
    /// The timeline that ended.
    pub timeline: Timeline,
    /// The first position that no longer belongs to it.
    pub switchpoint: Lsn,
}

/// The ancestry of a timeline, oldest first, as its `.history` file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineHistory {
    /// The timeline whose history this is.
    pub timeline: Timeline,
    /// Its ancestors and where each ended.
    pub ancestors: Vec<TimelineSwitch>,
}

impl TimelineHistory {
    /// The history of a timeline that descends from nothing.
    pub const fn root(timeline: Timeline) -> Self {
        Self {
            timeline,
            ancestors: Vec::new(),
        }
    }

    /// Parses the text of `<timeline>.history` (PostgreSQL's `timeline.c`):
    /// a line is the parent, the switchpoint and a reason; `#` starts a comment.
    pub fn parse(timeline: Timeline, text: &str) -> Result<Self, InvalidWal> {
        let mut ancestors: Vec<TimelineSwitch> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let invalid = || InvalidWal::History {
                line: index + 1,
                text: line.to_owned(),
            };
            let mut words = content.split_whitespace();
            let parent = words.next().and_then(|word| u32::from_str(word).ok());
            let parent = parent.and_then(Timeline::new).ok_or_else(invalid)?;
            let switchpoint = words
                .next()
                .and_then(|word| word.parse().ok())
                .ok_or_else(invalid)?;
            let ascending = ancestors.last().is_none_or(|last| last.timeline < parent);
            if !ascending || parent >= timeline {
                return Err(invalid());
            }
            ancestors.push(TimelineSwitch {
                timeline: parent,
                switchpoint,
            });
        }
        Ok(Self {
            timeline,
            ancestors,
        })
    }

    /// The timeline that `lsn` belongs to on the way to this one. A position
    /// at a switchpoint belongs to the newer timeline.
    pub fn timeline_at(&self, lsn: Lsn) -> Timeline {
        let older = self
            .ancestors
            .iter()
            .find(|switch| lsn < switch.switchpoint);
        older.map_or(self.timeline, |switch| switch.timeline)
    }

    /// Where `timeline` ended on the way to this one: `None` when it is this
    /// one (still open) or no ancestor of it.
    pub fn switchpoint_of(&self, timeline: Timeline) -> Option<Lsn> {
        let switch = self
            .ancestors
            .iter()
            .find(|switch| switch.timeline == timeline)?;
        Some(switch.switchpoint)
    }

    /// Whether `(timeline, lsn)` lies on the path to this timeline.
    pub fn contains(&self, timeline: Timeline, lsn: Lsn) -> bool {
        if timeline == self.timeline {
            return true;
        }
        self.switchpoint_of(timeline).is_some_and(|end| lsn <= end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Pitfall 14
    #[test]
    fn segment_names_follow_the_segment_size() {
        let small = SegmentSize::new(1 << 20).unwrap();
        let lsn: Lsn = "1/00300000".parse().unwrap();
        let timeline = Timeline::new(10).unwrap();
        let name = WalSegment::containing(timeline, lsn, small).to_string();
        assert_eq!(name, "0000000A0000000100000003");
        assert!(WalSegment::parse("0000000A0000000100000100", SegmentSize::DEFAULT).is_err());
        assert!(WalSegment::parse("0000000a0000000100000003", small).is_err());
        assert!(WalSegment::parse("000000000000000100000003", small).is_err());
        assert!(SegmentSize::new(3 << 20).is_err());
    }

    #[test]
    fn history_knows_which_timeline_a_position_is_on() {
        let text = "1\t0/3000000\tno recovery target specified\n\n# note\n2\t0/5000000\tx\n";
        let three = Timeline::new(3).unwrap();
        let history = TimelineHistory::parse(three, text).unwrap();
        let at = |lsn: &str| history.timeline_at(lsn.parse().unwrap()).get();
        assert_eq!(
            (at("0/2FFFFFF"), at("0/3000000"), at("0/5000000")),
            (1, 2, 3)
        );
        let one = Timeline::FIRST;
        assert!(history.contains(one, "0/3000000".parse().unwrap()));
        assert!(!history.contains(one, "0/3000001".parse().unwrap()));
        assert!(TimelineHistory::parse(three, "3\t0/1\tself").is_err());
        assert!(TimelineHistory::parse(three, "2\t0/1\tx\n1\t0/2\tx").is_err());
        assert!(TimelineHistory::parse(three, "zwei\t0/1").is_err());
    }

    proptest! {
        // Pitfall 14
        #[test]
        fn names_round_trip(number in 0u64..1 << 40, shift in 20u32..=30, timeline in 1u32..) {
            let size = SegmentSize::new(1 << shift).unwrap();
            let timeline = Timeline::new(timeline).unwrap();
            let lsn = Lsn::new(number % (u64::MAX >> shift) * size.bytes());
            let segment = WalSegment::containing(timeline, lsn, size);
            prop_assume!(segment.number() / size.per_log() <= u64::from(u32::MAX));
            prop_assert_eq!(WalSegment::parse(&segment.to_string(), size).unwrap(), segment);
            prop_assert_eq!(segment.start(), lsn);
        }
    }
}
