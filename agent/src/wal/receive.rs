//! One stream of one timeline: WAL comes in, goes to the store, and what the
//! store has made durable is confirmed to PostgreSQL.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use holdfast_pg::replication::{Client, StandbyStatus, TimelineEnd, WalEvent, WalStream};
use holdfast_proto::WalGap;
use holdfast_repo::failpoint;
use holdfast_types::{Lsn, Timeline};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::buffer::SegmentBuffer;
use super::known::Known;
use super::observe::Hint;
use super::status::Status;
use super::store::{Item, LAST_WORDS, Store, StoreState};
use super::trouble::{self, Trouble};

/// PostgreSQL gives up a receiver that is silent for `wal_sender_timeout`,
/// 60 seconds by default.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// The same while the store has no room: questions are not read then.
const SIGN_WHEN_DEAF: Duration = Duration::from_secs(1);
/// How long a flush waits for WAL up to a sampled position: PostgreSQL itself
/// writes asynchronous WAL every 200 ms, within three rounds.
const GRACE: Duration = Duration::from_millis(700);
/// How long the server may take to see us off.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a stream ended when nothing went wrong.
pub(super) enum Received {
    /// We were asked to end.
    Stopped,
    /// Another timeline continues.
    TimelineEnded(Box<Client>, TimelineEnd),
}

/// What a stream works with.
pub(super) struct Reception<'a> {
    pub(super) store: &'a Store,
    pub(super) status: &'a Status,
    /// Ends this stream.
    pub(super) end: &'a CancellationToken,
    pub(super) hints: watch::Receiver<Option<Hint>>,
    pub(super) flush: FlushPlan,
    pub(super) buffer: SegmentBuffer,
    pub(super) known: Known,
    /// The last position that PostgreSQL was told; it never goes back.
    pub(super) confirmed: Lsn,
    /// Gaps to be recorded as soon as WAL comes behind them.
    pub(super) gaps: Vec<(Timeline, WalGap)>,
    /// What the store has no room for yet.
    pub(super) waiting: VecDeque<Item>,
    /// When PostgreSQL last heard from us.
    pub(super) told: Instant,
}

impl Reception<'_> {
    /// Receives until the timeline ends, somebody ends it, or something is
    /// wrong. What was received by then has been handed to the store.
    pub(super) async fn run(&mut self, stream: WalStream) -> Result<Received, Trouble> {
        let received = self.receive(stream).await;
        // The server may be gone for good: this may be the only copy.
        self.hand_over_all();
        received
    }

    async fn receive(&mut self, mut stream: WalStream) -> Result<Received, Trouble> {
        let mut state = self.store.state();
        state.mark_changed();
        let mut hinted = true;
        loop {
            self.hand_over();
            let reading = self.waiting.is_empty();
            let due = self.flush.due();
            let sign = self.told
                + if reading {
                    SIGN_OF_LIFE
                } else {
                    SIGN_WHEN_DEAF
                };
            tokio::select! {
                biased;
                () = self.end.cancelled() => {
                    self.finish(stream, state).await;
                    return Ok(Received::Stopped);
                }
                changed = state.changed() => {
                    changed.expect("the store lives as long as we borrow it");
                    self.stored(&mut stream, &mut state).await?;
                }
                () = tokio::time::sleep_until(sign) => self.tell(&mut stream).await?,
                changed = self.hints.changed(), if hinted => {
                    hinted = changed.is_ok();
                    self.aim();
                }
                () = tokio::time::sleep_until(due) => self.flush.now(),
                event = stream.next(), if reading => match event? {
                    WalEvent::Data { bytes, .. } => self.take(&bytes)?,
                    WalEvent::Keepalive { reply_requested: true, .. } => {
                        self.tell(&mut stream).await?;
                    }
                    WalEvent::Keepalive { .. } => {}
                    WalEvent::TimelineEnded(end) => {
                        let client = stream.into_client().expect("the stream has ended");
                        return Ok(Received::TimelineEnded(Box::new(client), end));
                    }
                },
            }
        }
    }

    /// WAL became durable, or will not any more.
    async fn stored(
        &mut self,
        stream: &mut WalStream,
        state: &mut watch::Receiver<StoreState>,
    ) -> Result<(), Trouble> {
        let (durable, halted) = {
            let state = state.borrow_and_update();
            (state.durable, state.halted.clone())
        };
        if let Some(failure) = halted {
            return Err(Trouble::Refused(failure));
        }
        let ours = durable.filter(|durable| durable.timeline == self.timeline());
        if let Some(durable) = ours.filter(|durable| durable.lsn > self.confirmed) {
            // I-07: the only place that moves the slot, behind the repository.
            failpoint!("receive::confirm::before");
            self.confirmed = durable.lsn;
            self.tell(stream).await?;
            failpoint!("receive::confirm::done");
        }
        Ok(())
    }

    /// Tells PostgreSQL how far we are.
    async fn tell(&mut self, stream: &mut WalStream) -> Result<(), Trouble> {
        self.told = Instant::now();
        let (write, flush) = (self.buffer.received(), self.confirmed);
        let status = StandbyStatus {
            write,
            flush,
            apply: Lsn::INVALID,
        };
        Ok(stream.send_status(status).await?)
    }

    fn timeline(&self) -> Timeline {
        self.buffer.segment().timeline()
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Trouble> {
        for (timeline, gap) in self.gaps.drain(..) {
            self.status.gap(timeline, gap);
        }
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let at = self.buffer.received();
            let taken = self.buffer.append(rest);
            self.compare(at, &rest[..taken])?;
            rest = &rest[taken..];
            if self.buffer.is_full() {
                let (segment, bytes) = self.buffer.take_full();
                failpoint!("receive::segment::sealed");
                self.waiting.push_back(Item::Segment { segment, bytes });
                self.known = Known::default();
            }
        }
        self.flush.reached(self.buffer.received());
        Ok(())
    }

    /// What the server sends again must be what is stored.
    fn compare(&mut self, at: Lsn, received: &[u8]) -> Result<(), Trouble> {
        let segment = self.buffer.segment();
        if at >= self.known.durable_to {
            return Ok(());
        }
        if !self.known.agrees(at.bytes_since(segment.start()), received) {
            let place = format!("segment {segment}, at or after {at}");
            return Err(Trouble::Refused(trouble::conflict(&place)));
        }
        if self.buffer.received() >= self.known.durable_to {
            self.buffer.skip_to(self.known.durable_to);
            self.known.expected = Bytes::new();
            if let Some(range) = self.known.last_slice.take() {
                let bytes = Bytes::copy_from_slice(self.buffer.range(range));
                self.store.put(Item::Slice {
                    timeline: segment.timeline(),
                    range,
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// The server is at a position: what follows should hold it.
    fn aim(&mut self) {
        let hint = *self.hints.borrow_and_update();
        let ours = hint.filter(|hint| hint.position.timeline == self.timeline());
        if let Some(hint) = ours {
            self.flush.aim(hint.position.lsn, hint.at);
            self.flush.reached(self.buffer.received());
        }
    }

    /// Gives the store what it has room for.
    fn hand_over(&mut self) {
        while let Some(item) = self.waiting.front()
            && self.store.has_room(item.bytes())
        {
            self.waiting
                .pop_front()
                .into_iter()
                .for_each(|item| self.store.put(item));
        }
        // A slice behind another would only be more objects, no sooner.
        if self.flush.is_wanted() && self.waiting.is_empty() && self.store.is_idle() {
            self.hand_over_slice();
            self.flush.done();
        }
    }

    fn hand_over_slice(&mut self) {
        // While stored WAL is being compared there is nothing new.
        if self.buffer.received() <= self.known.durable_to {
            return;
        }
        if let Some((range, bytes)) = self.buffer.take_slice() {
            self.store.put(Item::Slice {
                timeline: self.timeline(),
                range,
                bytes,
            });
        }
    }

    fn hand_over_all(&mut self) {
        self.waiting.drain(..).for_each(|item| self.store.put(item));
        self.hand_over_slice();
    }

    /// Stores what was received, confirms it, and says goodbye.
    async fn finish(&mut self, mut stream: WalStream, mut state: watch::Receiver<StoreState>) {
        self.hand_over_all();
        let settled = |state: &StoreState| state.items == 0 || state.halted.is_some();
        if tokio::time::timeout(LAST_WORDS, state.wait_for(settled))
            .await
            .is_err()
        {
            tracing::warn!("the last WAL received is not stored yet; it will be received again");
        }
        let goodbye = async {
            self.stored(&mut stream, &mut state).await?;
            let (client, _) = stream.stop().await?;
            client.close().await;
            Ok::<(), Trouble>(())
        };
        match tokio::time::timeout(FAREWELL, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the stream did not end politely"),
            Err(_) => tracing::debug!("the server did not see us off in time"),
        }
    }
}

/// When to store what is not a whole segment yet.
///
/// A flush follows each sample of the server's position, once WAL up to it is
/// here: so what becomes durable proves that very sample. Without samples it
/// follows the clock.
#[derive(Debug)]
pub(super) struct FlushPlan {
    every: Duration,
    /// At the latest.
    due: Instant,
    /// Sampled position, and how long to wait for it.
    target: Option<(Lsn, Instant)>,
    wanted: bool,
}

impl FlushPlan {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            due: Instant::now() + every + GRACE,
            target: None,
            wanted: false,
        }
    }

    fn aim(&mut self, lsn: Lsn, at: Instant) {
        self.target = Some((lsn, at + GRACE));
    }

    fn reached(&mut self, received: Lsn) {
        self.wanted |= self.target.is_some_and(|(lsn, _)| lsn <= received);
    }

    fn due(&self) -> Instant {
        if self.wanted {
            // It waits for the store, whose changes wake us.
            return Instant::now() + self.every;
        }
        self.target
            .map_or(self.due, |(_, patience)| patience.min(self.due))
    }

    const fn now(&mut self) {
        self.wanted = true;
    }

    const fn is_wanted(&self) -> bool {
        self.wanted
    }

    fn done(&mut self) {
        *self = Self::new(self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsn(position: u64) -> Lsn {
        Lsn::new(position)
    }

    #[test]
    fn a_flush_waits_for_the_sampled_position_but_not_for_long() {
        let mut plan = FlushPlan::new(Duration::from_secs(5));
        plan.reached(lsn(50));
        assert!(!plan.is_wanted(), "nobody asked");
        let asked_at = Instant::now();
        plan.aim(lsn(100), asked_at);
        plan.reached(lsn(99));
        assert!(!plan.is_wanted());
        assert_eq!(plan.due(), asked_at + GRACE);
        plan.reached(lsn(100));
        assert!(plan.is_wanted());
    }

    #[test]
    fn without_samples_the_clock_decides() {
        let every = Duration::from_secs(5);
        let before = Instant::now();
        let mut plan = FlushPlan::new(every);
        assert!(plan.due() >= before + every + GRACE);
        plan.now();
        assert!(plan.is_wanted());
        let before = Instant::now();
        plan.done();
        assert!(!plan.is_wanted());
        assert!(plan.due() >= before + every + GRACE);
    }
}
