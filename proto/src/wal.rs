//! What an agent has proved of the WAL in a repository.

use holdfast_types::{
    AssignmentId, Coverage, Failure, Frontier, Generation, Lineage, Lsn, LsnRange, Name,
    RepositoryId, Timeline,
};
use serde::{Deserialize, Serialize};

use crate::access::non_empty;
use crate::invalid::{Invalid, from_json, from_micros, parse, some, to_json};
use crate::v1;

/// The state of a WAL duty. Each report stands alone: a lost one costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalReport {
    /// The duty.
    pub assignment: AssignmentId,
    /// Under which generation.
    pub generation: Generation,
    /// What is in the repository.
    pub wal: Option<LineageWal>,
    /// Up to where that is complete.
    pub frontier: Option<ReportedFrontier>,
    /// Why WAL is not being received.
    pub trouble: Option<Failure>,
    /// The repository that was opened, which holds the WAL.
    pub repository: Option<RepositoryId>,
    /// What is in each copy.
    pub copies: Vec<CopiedWal>,
}

/// The WAL of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedWal {
    /// The name of the repository copied to.
    pub name: Name,
    /// What is in it.
    pub wal: Option<LineageWal>,
    /// Up to where that is complete.
    pub frontier: Option<ReportedFrontier>,
    /// Why WAL is not being copied.
    pub trouble: Option<Failure>,
    /// The repository that was opened.
    pub repository: Option<RepositoryId>,
}

/// A frontier on its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFrontier {
    /// The timeline it is on.
    pub timeline: Timeline,
    /// The claim.
    pub frontier: Frontier,
}

/// The WAL of one lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageWal {
    /// The lineage.
    pub lineage: Lineage,
    /// Its timelines, ascending.
    pub timelines: Vec<TimelineWal>,
}

/// The WAL of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineWal {
    /// The timeline.
    pub timeline: Timeline,
    /// What is there.
    pub coverage: Coverage,
    /// Holes that were noticed, and why they came to be.
    pub gaps: Vec<WalGap>,
}

/// WAL that will never be in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalGap {
    /// The missing WAL.
    #[serde(flatten)]
    pub range: LsnRange,
    /// Why it is missing.
    pub reason: String,
}

impl From<LsnRange> for v1::LsnRange {
    fn from(range: LsnRange) -> Self {
        Self {
            from_lsn: range.from_lsn.get(),
            to_lsn: range.to_lsn.get(),
        }
    }
}

impl TryFrom<v1::LsnRange> for LsnRange {
    type Error = Invalid;

    fn try_from(range: v1::LsnRange) -> Result<Self, Invalid> {
        let (from, to) = (Lsn::new(range.from_lsn), Lsn::new(range.to_lsn));
        Self::new(from, to).ok_or_else(|| Invalid::new("range", format!("{from} to {to} is empty")))
    }
}

impl From<&LineageWal> for v1::LineageWal {
    fn from(wal: &LineageWal) -> Self {
        let gap = |gap: &WalGap| v1::WalGap {
            range: Some(gap.range.into()),
            reason: gap.reason.clone(),
        };
        let timeline = |timeline: &TimelineWal| v1::TimelineWal {
            timeline: timeline.timeline.get(),
            ranges: timeline
                .coverage
                .ranges()
                .iter()
                .copied()
                .map(Into::into)
                .collect(),
            gaps: timeline.gaps.iter().map(gap).collect(),
        };
        Self {
            lineage: wal.lineage.to_string(),
            timelines: wal.timelines.iter().map(timeline).collect(),
        }
    }
}

impl TryFrom<v1::LineageWal> for LineageWal {
    type Error = Invalid;

    fn try_from(wal: v1::LineageWal) -> Result<Self, Invalid> {
        let gap = |gap: v1::WalGap| {
            let range = some("gap.range", gap.range)?.try_into()?;
            Ok(WalGap {
                range,
                reason: gap.reason,
            })
        };
        let one = |wal: v1::TimelineWal| {
            let ranges = wal.ranges.into_iter().map(LsnRange::try_from);
            Ok(TimelineWal {
                timeline: timeline(wal.timeline)?,
                coverage: ranges.collect::<Result<_, Invalid>>()?,
                gaps: wal
                    .gaps
                    .into_iter()
                    .map(gap)
                    .collect::<Result<_, Invalid>>()?,
            })
        };
        Ok(Self {
            lineage: parse("lineage", &wal.lineage)?,
            timelines: wal
                .timelines
                .into_iter()
                .map(one)
                .collect::<Result<_, Invalid>>()?,
        })
    }
}

impl From<ReportedFrontier> for v1::Frontier {
    fn from(reported: ReportedFrontier) -> Self {
        Self {
            timeline: reported.timeline.get(),
            lsn: reported.frontier.lsn.get(),
            time_us: reported.frontier.time.as_microsecond(),
        }
    }
}

impl TryFrom<v1::Frontier> for ReportedFrontier {
    type Error = Invalid;

    fn try_from(frontier: v1::Frontier) -> Result<Self, Invalid> {
        let time = from_micros("frontier.time_us", frontier.time_us)?;
        Ok(Self {
            timeline: timeline(frontier.timeline)?,
            frontier: Frontier {
                time,
                lsn: Lsn::new(frontier.lsn),
            },
        })
    }
}

impl From<&WalReport> for v1::WalReport {
    fn from(report: &WalReport) -> Self {
        Self {
            assignment_id: report.assignment.to_string(),
            generation: report.generation.0,
            wal: report.wal.as_ref().map(Into::into),
            frontier: report.frontier.map(Into::into),
            trouble_json: report.trouble.as_ref().map(to_json).unwrap_or_default(),
            repository_id: id_text(report.repository),
            copies: report.copies.iter().map(Into::into).collect(),
        }
    }
}

impl From<&CopiedWal> for v1::CopiedWal {
    fn from(copy: &CopiedWal) -> Self {
        Self {
            repository: copy.name.to_string(),
            wal: copy.wal.as_ref().map(Into::into),
            frontier: copy.frontier.map(Into::into),
            trouble_json: copy.trouble.as_ref().map(to_json).unwrap_or_default(),
            repository_id: id_text(copy.repository),
        }
    }
}

impl TryFrom<v1::CopiedWal> for CopiedWal {
    type Error = Invalid;

    fn try_from(copy: v1::CopiedWal) -> Result<Self, Invalid> {
        Ok(Self {
            name: parse("copies.repository", &copy.repository)?,
            wal: copy.wal.map(TryInto::try_into).transpose()?,
            frontier: copy.frontier.map(TryInto::try_into).transpose()?,
            trouble: non_empty(copy.trouble_json)
                .map(|json| from_json("copies.trouble_json", &json))
                .transpose()?,
            repository: non_empty(copy.repository_id)
                .map(|id| parse("copies.repository_id", &id))
                .transpose()?,
        })
    }
}

impl TryFrom<v1::WalReport> for WalReport {
    type Error = Invalid;

    fn try_from(report: v1::WalReport) -> Result<Self, Invalid> {
        let trouble = non_empty(report.trouble_json);
        Ok(Self {
            assignment: parse("assignment_id", &report.assignment_id)?,
            generation: Generation(report.generation),
            wal: report.wal.map(TryInto::try_into).transpose()?,
            frontier: report.frontier.map(TryInto::try_into).transpose()?,
            trouble: trouble
                .map(|json| from_json("trouble_json", &json))
                .transpose()?,
            repository: non_empty(report.repository_id)
                .map(|id| parse("repository_id", &id))
                .transpose()?,
            copies: report
                .copies
                .into_iter()
                .map(CopiedWal::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// An id that may not be said.
pub(crate) fn id_text(id: Option<RepositoryId>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

pub(crate) fn timeline(number: u32) -> Result<Timeline, Invalid> {
    Timeline::new(number).ok_or_else(|| Invalid::new("timeline", "is zero"))
}
