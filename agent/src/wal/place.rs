//! Finding the place where receiving begins, and what lies lost before it.

use holdfast_pg::replication::SystemIdentity;
use holdfast_pg::sql;
use holdfast_proto::WalGap;
use holdfast_repo::Fetched;
use holdfast_types::{Failure, Lsn, LsnRange, SegmentSize, Timeline, TimelineHistory, WalSegment};

use super::Position;
use super::attempt::Receiver;
use super::divergence;
use super::refetch::oldest_file;
use super::resume::{self, Resume, Server};
use super::slot::EnsuredSlot;
use super::trouble::{self, Trouble};

/// Where to begin when WAL from the stored end is gone: each step that fails
/// too leads to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Begin {
    /// At the end of what is stored.
    #[default]
    Stored,
    /// With the oldest WAL file that is followed by all others.
    OldestFile,
    /// Where the slot keeps WAL from.
    Slot,
    /// Where the server is now.
    Now,
}

impl Begin {
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Stored => Some(Self::OldestFile),
            Self::OldestFile => Some(Self::Slot),
            Self::Slot => Some(Self::Now),
            Self::Now => None,
        }
    }
}

/// Where an attempt begins to stream.
pub(super) struct Place {
    pub(super) start: Position,
    /// Told as soon as WAL comes behind them.
    pub(super) gaps: Vec<(Timeline, WalGap)>,
}

impl Receiver {
    /// Decides where to begin.
    pub(super) async fn place(
        &self,
        in_recovery: bool,
        identity: SystemIdentity,
        slot: EnsuredSlot,
        history: &TimelineHistory,
    ) -> Result<Place, Trouble> {
        let opened = self.opened()?;
        let (tip, size) = (opened.tip(), opened.size);
        let server = Server {
            history,
            flushed: identity.flushed,
            in_recovery,
            kept_from: slot.kept_from,
        };
        let start = match resume::resume(tip, server, size) {
            Resume::At { start, overhang } => {
                if let Some(overhang) = overhang {
                    self.require_no_record(start.timeline, overhang).await?;
                }
                start
            }
            Resume::Behind => return Err(Trouble::Waiting(standby_behind(identity, tip))),
            Resume::Diverged(reason) => return Err(Trouble::Refused(trouble::diverged(&reason))),
        };
        if opened.store.durable().is_none() {
            for (timeline, range) in opened.stored.holes(history) {
                let reason = "found missing in the repository when receiving began".to_owned();
                self.status.gap(timeline, WalGap { range, reason });
            }
        }
        let Some(available) = self.available(identity, slot, size).await else {
            return Ok(Place {
                start,
                gaps: Vec::new(),
            });
        };
        let lost = Position {
            timeline: history.timeline_at(available),
            lsn: size.start_of(available),
        };
        let Some(tip) = tip else {
            return Ok(Place {
                start: lost,
                gaps: Vec::new(),
            });
        };
        let reason = self.loss.clone();
        let reason = reason.unwrap_or_else(|| "PostgreSQL had removed it".to_owned());
        let gaps = resume::missing(history, tip, lost).into_iter();
        let gaps = gaps.map(|(timeline, range)| {
            (
                timeline,
                WalGap {
                    range,
                    reason: reason.clone(),
                },
            )
        });
        let mut place = Place {
            start: lost,
            gaps: gaps.collect(),
        };
        if lost.lsn >= identity.flushed {
            // Nothing more may come for long, and the gap is there already.
            place
                .gaps
                .drain(..)
                .for_each(|(timeline, gap)| self.status.gap(timeline, gap));
        }
        Ok(place)
    }

    /// Stored WAL that the server's timeline does not have must be nothing but
    /// the beginning of a record.
    async fn require_no_record(
        &self,
        timeline: Timeline,
        overhang: LsnRange,
    ) -> Result<(), Trouble> {
        let opened = self.opened()?;
        if !divergence::holds_record(&opened.wal, timeline, overhang, opened.size).await? {
            return Ok(());
        }
        let reason = format!(
            "it left timeline {timeline} at {}, the repository holds WAL of that timeline to {}",
            overhang.from_lsn, overhang.to_lsn
        );
        Err(Trouble::Refused(trouble::diverged(&reason)))
    }

    /// From where WAL can be had, when it is gone at the stored end.
    async fn available(
        &self,
        identity: SystemIdentity,
        slot: EnsuredSlot,
        size: SegmentSize,
    ) -> Option<Lsn> {
        match self.begin {
            Begin::Stored if self.for_one_backup => {
                // What was written since the last backup is nobody's.
                let tip = self.opened().ok()?.tip();
                let ahead = |tip: Position| tip.lsn < slot.kept_from;
                tip.is_some_and(ahead).then_some(slot.kept_from)
            }
            Begin::Stored => None,
            Begin::OldestFile => match self.oldest(identity.flushed, size).await {
                Ok(Some(oldest)) => Some(oldest),
                Ok(None) => Some(slot.kept_from),
                Err(error) => {
                    tracing::debug!(%error, "the server's WAL files are not visible");
                    Some(slot.kept_from)
                }
            },
            Begin::Slot => Some(slot.kept_from),
            Begin::Now => Some(identity.flushed),
        }
    }

    async fn oldest(
        &self,
        flushed: Lsn,
        size: SegmentSize,
    ) -> Result<Option<Lsn>, holdfast_pg::Error> {
        let session = sql::Session::connect(&self.info).await?;
        oldest_file(&session, flushed, size).await
    }

    /// What a listing shows may not be durable yet when its writer was killed
    /// in between. If streaming begins behind a full segment, that segment is
    /// put again, which settles it, before its end is confirmed (I-07).
    pub(super) async fn prove_tip(&self, start: Position) -> Result<(), Trouble> {
        let opened = self.opened()?;
        if opened.store.durable().is_some() || opened.tip() != Some(start) {
            return Ok(());
        }
        let Some(before) = start.lsn.get().checked_sub(1) else {
            return Ok(());
        };
        let segment = WalSegment::containing(start.timeline, Lsn::new(before), opened.size);
        let bytes = match opened.wal.fetch_segment(segment).await? {
            Fetched::Full(bytes) => bytes,
            // All of it is there, and whoever would have joined it was killed.
            Fetched::Assembled { bytes, valid_to } if valid_to == segment.end() => {
                opened.store.clean([segment]);
                bytes
            }
            Fetched::Assembled { .. } | Fetched::Absent => return Ok(()),
        };
        opened.wal.put_segment(segment, bytes).await?;
        opened.store.assume_durable(start);
        self.status.durable(start);
        Ok(())
    }
}

fn standby_behind(identity: SystemIdentity, tip: Option<Position>) -> Failure {
    let stored = tip.map_or(Lsn::INVALID, |tip| tip.lsn);
    Failure::transient(
        "standby_behind",
        format!(
            "this standby has WAL to {}, the repository holds it to {stored}",
            identity.flushed
        ),
        "receiving goes on when the standby has caught up with its primary",
    )
}
