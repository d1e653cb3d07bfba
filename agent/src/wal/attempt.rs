//! One attempt to receive: connect, find the place, stream across timelines
//! until something ends it.

use std::collections::{BTreeSet, VecDeque};

use holdfast_pg::replication::{Client, Start, StartedStream, StreamOptions, SystemIdentity};
use holdfast_pg::{ConnectionInfo, SlotName, sql};
use holdfast_proto::{WalGap, WalWork};
use holdfast_repo::{Codec, Fetched, LineageFacts, WalRepository};
use holdfast_types::resource::{self, Compression};
use holdfast_types::{
    AssignmentId, Failure, Lineage, Lsn, SegmentSize, Timeline, TimelineHistory, WalSegment,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Position;
use super::buffer::SegmentBuffer;
use super::divergence;
use super::known::Known;
use super::observe::Hint;
use super::receive::{FlushPlan, Received, Reception};
use super::resume::{self, Resume, Server};
use super::slot::{self, EnsuredSlot};
use super::status::{Part, Status};
use super::store::Store;
use super::stored::Stored;
use super::trouble::{self, Trouble};
use crate::host::Host;

/// Segments that may wait to be stored, beside the one being received.
const WAITING_SEGMENTS: u64 = 2;

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

/// What receiving needs, and what it keeps between attempts.
pub(super) struct Receiver {
    pub(super) id: AssignmentId,
    pub(super) host: Host,
    pub(super) work: WalWork,
    pub(super) info: ConnectionInfo,
    pub(super) slot: SlotName,
    pub(super) status: Status,
    pub(super) hints: watch::Receiver<Option<Hint>>,
    pub(super) opened: Option<Opened>,
    /// The buffer of the stream that ended: it need not be read back.
    pub(super) kept: Option<SegmentBuffer>,
    pub(super) begin: Begin,
    /// Why WAL may be missing.
    pub(super) loss: Option<String>,
    /// Whether the last attempt came to stream.
    pub(super) streamed: bool,
}

/// The lineage in the repository, open.
pub(super) struct Opened {
    lineage: Lineage,
    size: SegmentSize,
    wal: WalRepository,
    pub(super) store: Store,
    stored: Stored,
    /// Timelines whose history file is stored.
    histories: BTreeSet<Timeline>,
}

impl Opened {
    /// Up to where the stream's WAL is in the repository.
    fn tip(&self) -> Option<Position> {
        self.store.durable().or_else(|| self.stored.tip(self.size))
    }
}

/// Where an attempt begins to stream.
struct Place {
    start: Position,
    gaps: Vec<(Timeline, WalGap)>,
}

impl Receiver {
    /// Receives until `end` fires. Every other end is a trouble.
    pub(super) async fn attempt(&mut self, end: &CancellationToken) -> Result<(), Trouble> {
        self.streamed = false;
        let prepared = tokio::select! {
            biased;
            () = end.cancelled() => return Ok(()),
            prepared = self.prepare() => prepared?,
        };
        let (mut client, mut place) = prepared;
        let mut confirmed = Lsn::INVALID;
        loop {
            let start = place.start;
            // Before the server begins to send: reading slices may take long.
            let known = tokio::select! {
                biased;
                () = end.cancelled() => return Ok(()),
                known = self.known(start) => known?,
            };
            let streamed = tokio::select! {
                biased;
                () = end.cancelled() => return Ok(()),
                started = self.start(client, start) => started?,
            };
            let (streamed_client, ended) = match streamed {
                StartedStream::Ended(client, ended) => (client, ended),
                StartedStream::Streaming(stream) => {
                    let mut reception = self.reception(start, known, end, place.gaps)?;
                    reception.confirmed = confirmed;
                    let received = reception.run(stream).await;
                    confirmed = reception.confirmed;
                    let buffer = reception.buffer;
                    if buffer.received() > start.lsn {
                        // It goes on from here: what was lost is told.
                        self.begin = Begin::default();
                        self.loss = None;
                    }
                    self.kept = Some(buffer);
                    match received? {
                        Received::Stopped => return Ok(()),
                        Received::TimelineEnded(client, ended) => (*client, ended),
                    }
                }
            };
            client = streamed_client;
            // The server names the next timeline; it is never counted up.
            let (from, next) = (start.timeline, ended.next);
            tracing::info!(wal.timeline = %from, next = %next, switchpoint = %ended.switchpoint, "timeline ended");
            self.store_history(&mut client, next).await?;
            let lsn = self.opened()?.size.start_of(ended.switchpoint);
            place = Place {
                start: Position {
                    timeline: next,
                    lsn,
                },
                gaps: Vec::new(),
            };
        }
    }

    /// Everything before streaming. The slot comes first, so that PostgreSQL
    /// keeps WAL from the moment the duty is known.
    async fn prepare(&mut self) -> Result<(Client, Place), Trouble> {
        let mut client = Client::connect(&self.info).await?;
        let identity = self.identify(&mut client).await?;
        let slot = slot::ensure(&mut client, &self.slot).await?;
        if let Some(reason) = slot.made_because {
            self.loss.get_or_insert_with(|| reason.to_owned());
        }
        self.open(&mut client, identity).await?;
        self.opened()?
            .store
            .drained()
            .await
            .map_err(Trouble::Refused)?;
        self.status.well(Part::Store);
        let history = match client.timeline_history(identity.timeline).await? {
            Some(file) => file.history,
            None => TimelineHistory::root(identity.timeline),
        };
        let in_recovery = client.in_recovery();
        let place = self.place(in_recovery, identity, slot, &history).await?;
        // After the decision: what is refused leaves no trace.
        for ancestor in history.ancestors.iter().map(|switch| switch.timeline) {
            self.store_ancestor(&mut client, ancestor).await?;
        }
        self.store_history(&mut client, identity.timeline).await?;
        self.prove_tip(place.start).await?;
        Ok((client, place))
    }

    async fn identify(&self, client: &mut Client) -> Result<SystemIdentity, Trouble> {
        let known = self
            .opened
            .as_ref()
            .map(|opened| opened.lineage.system_identifier);
        Ok(match known.or(self.work.instance.system_identifier) {
            Some(expected) => client.require_system(expected).await?,
            None => client.identify_system().await?,
        })
    }

    /// Opens the lineage and lists it, once in the life of the duty.
    async fn open(&mut self, client: &mut Client, identity: SystemIdentity) -> Result<(), Trouble> {
        if self.opened.is_some() {
            return Ok(());
        }
        let lineage = Lineage {
            system_identifier: identity.system_identifier,
            incarnation: self.work.incarnation,
        };
        let size = client.segment_size().await?;
        let block_size = client.show("block_size").await?.parse().ok();
        let version = client.server_version_num();
        let (Some(block_size), Some(postgres_version)) = (block_size, version) else {
            return Err(Trouble::Waiting(Failure::transient(
                "pg_protocol_error",
                "PostgreSQL did not say its version and block size in a way we understand",
                "look at the server's log",
            )));
        };
        let facts = LineageFacts {
            postgres_version,
            segment_size: size,
            block_size,
        };
        let repository = self.host.repository(&self.work.repository).await?;
        let cluster = &self.work.cluster;
        let repository = repository
            .create_or_open_lineage(cluster, lineage, facts)
            .await?;
        let wal = repository.wal(codec(self.work.compression));
        let stored = Stored::load(&wal, size).await?;
        self.status.listed(lineage, &stored.timelines);
        self.host
            .wal()
            .update(self.id, |source| source.lineage = Some(lineage));
        let room = WAITING_SEGMENTS * size.bytes();
        let store = Store::start(wal.clone(), self.status.clone(), self.host.clone(), room);
        store.clean(stored.superfluous.iter().copied());
        let histories = BTreeSet::new();
        self.opened = Some(Opened {
            lineage,
            size,
            wal,
            store,
            stored,
            histories,
        });
        Ok(())
    }

    fn opened(&self) -> Result<&Opened, Trouble> {
        self.opened.as_ref().ok_or_else(|| {
            Trouble::Waiting(Failure::transient(
                "repository_not_open",
                "the repository is not open yet",
                "it is tried again",
            ))
        })
    }

    /// Decides where to begin.
    async fn place(
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
        overhang: holdfast_types::LsnRange,
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
            Begin::Stored => None,
            Begin::OldestFile => match self.oldest_file(identity.flushed, size).await {
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

    /// The start of the oldest WAL file from which no file is missing up to
    /// the one that holds `flushed`.
    async fn oldest_file(
        &self,
        flushed: Lsn,
        size: SegmentSize,
    ) -> Result<Option<Lsn>, holdfast_pg::Error> {
        let session = sql::Session::connect(&self.info).await?;
        let rows = session.rows("SELECT name FROM pg_ls_waldir()", &[]).await?;
        let names = rows
            .iter()
            .filter_map(|row| row.try_get::<_, String>(0).ok());
        let segments = names.filter_map(|name| WalSegment::parse(&name, size).ok());
        let numbers: BTreeSet<u64> = segments.map(WalSegment::number).collect();
        let mut oldest = size.number_of(flushed);
        while oldest > 0 && numbers.contains(&(oldest - 1)) {
            oldest -= 1;
        }
        Ok(numbers
            .contains(&oldest)
            .then(|| Lsn::new(oldest * size.bytes())))
    }

    /// Stores the history of the timeline that follows, before its first WAL.
    async fn store_history(
        &mut self,
        client: &mut Client,
        timeline: Timeline,
    ) -> Result<(), Trouble> {
        if self.opened()?.histories.contains(&timeline) {
            return Ok(());
        }
        if let Some(file) = client.timeline_history(timeline).await? {
            match self.opened()?.wal.put_history(timeline, file.content).await {
                Err(holdfast_repo::Error::Conflict { .. }) => {
                    let reason = format!("the repository holds another history of {timeline}");
                    return Err(Trouble::Refused(trouble::diverged(&reason)));
                }
                put => put?,
            };
        }
        if let Some(opened) = &mut self.opened {
            opened.histories.insert(timeline);
        }
        Ok(())
    }

    /// An older history may be gone from the server; then what the newer one
    /// says of it must do.
    async fn store_ancestor(
        &mut self,
        client: &mut Client,
        timeline: Timeline,
    ) -> Result<(), Trouble> {
        match self.store_history(client, timeline).await {
            Err(Trouble::Postgres(error @ holdfast_pg::Error::Server { .. })) => {
                tracing::debug!(%error, wal.timeline = %timeline, "the server lacks a history file");
                Ok(())
            }
            stored => stored,
        }
    }

    /// What a listing shows may not be durable yet when its writer was killed
    /// in between. If streaming begins behind a full segment, that segment is
    /// put again, which settles it, before its end is confirmed (I-07).
    async fn prove_tip(&self, start: Position) -> Result<(), Trouble> {
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

    async fn start(&mut self, client: Client, start: Position) -> Result<StartedStream, Trouble> {
        let Position {
            timeline,
            lsn: from,
        } = start;
        let request = Start {
            slot: Some(&self.slot),
            from,
            timeline,
        };
        let started = client
            .start_replication(request, StreamOptions::default())
            .await?;
        tracing::info!(wal.timeline = %timeline, wal.from = %from, "WAL streaming");
        self.streamed = true;
        self.status.well(Part::Stream);
        Ok(started)
    }

    async fn known(&mut self, start: Position) -> Result<Known, Trouble> {
        let kept = self.kept.take();
        let opened = self.opened()?;
        let segment = WalSegment::containing(start.timeline, start.lsn, opened.size);
        Ok(Known::load(&opened.wal, segment, opened.store.durable(), kept).await?)
    }

    fn reception<'a>(
        &'a self,
        start: Position,
        known: Known,
        end: &'a CancellationToken,
        gaps: Vec<(Timeline, WalGap)>,
    ) -> Result<Reception<'a>, Trouble> {
        let opened = self.opened()?;
        let segment = WalSegment::containing(start.timeline, start.lsn, opened.size);
        Ok(Reception {
            store: &opened.store,
            status: &self.status,
            end,
            hints: self.hints.clone(),
            flush: FlushPlan::new(self.work.flush_every.get()),
            buffer: SegmentBuffer::new(segment),
            known,
            confirmed: Lsn::INVALID,
            gaps,
            waiting: VecDeque::new(),
        })
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

fn codec(compression: Compression) -> Codec {
    match compression.codec {
        resource::Codec::Zstd => Codec::Zstd {
            level: compression.level(),
        },
        resource::Codec::Lz4 => Codec::Lz4,
        resource::Codec::None => Codec::None,
    }
}
