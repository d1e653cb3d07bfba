//! One attempt to receive: connect, find the place, stream across timelines
//! until something ends it.

use std::collections::VecDeque;

use holdfast_pg::replication::{Client, Start, StartedStream, StreamOptions};
use holdfast_pg::{ConnectionInfo, SlotName};
use holdfast_proto::{WalGap, WalWork};
use holdfast_types::{AssignmentId, Lsn, Timeline, TimelineHistory, WalSegment};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Position;
use super::buffer::SegmentBuffer;
use super::known::Known;
use super::observe::Hint;
use super::open::Opened;
use super::place::{Begin, Place};
use super::receive::{FlushPlan, Received, Reception};
use super::slot;
use super::status::{Part, Status};
use super::trouble::Trouble;
use crate::host::Host;

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
    /// Whether to stream without the slot, for another receiver has it.
    pub(super) slotless: bool,
    /// Whether what is received is for one backup alone.
    pub(super) for_one_backup: bool,
    /// Whether anybody streams from the slot, as last seen.
    pub(super) slot_in_use: watch::Receiver<bool>,
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
                    let until = end.child_token();
                    let mut reception = self.reception(start, known, &until, place.gaps)?;
                    reception.confirmed = confirmed;
                    let received = {
                        let mut running = std::pin::pin!(reception.run(stream));
                        tokio::select! {
                            received = &mut running => received,
                            () = slot_left(self.slot_in_use.clone()), if self.slotless => {
                                until.cancel();
                                running.await
                            }
                        }
                    };
                    confirmed = reception.confirmed;
                    let buffer = reception.buffer;
                    if buffer.received() > start.lsn {
                        // It goes on from here: what was lost is told.
                        self.begin = Begin::default();
                        self.loss = None;
                    }
                    self.kept = Some(buffer);
                    match received? {
                        Received::Stopped => {
                            // If it was for the slot, the next attempt takes it.
                            self.slotless = false;
                            return Ok(());
                        }
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
        let slot = slot::ensure(&mut client, &self.slot, self.for_one_backup).await?;
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

    async fn start(&mut self, client: Client, start: Position) -> Result<StartedStream, Trouble> {
        let Position {
            timeline,
            lsn: from,
        } = start;
        let request = Start {
            slot: (!self.slotless).then_some(&self.slot),
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
            told: Instant::now(),
        })
    }
}

/// Waits until nobody streams from the slot.
async fn slot_left(mut in_use: watch::Receiver<bool>) {
    // What was seen before is about the time before this stream.
    in_use.mark_unchanged();
    loop {
        if in_use.changed().await.is_err() {
            // The observer has ended, and we are about to.
            std::future::pending::<()>().await;
        }
        if !*in_use.borrow_and_update() {
            return;
        }
    }
}
