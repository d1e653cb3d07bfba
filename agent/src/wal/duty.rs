//! The standing duty: attempts one after the other, watched for what
//! PostgreSQL keeps meanwhile, until it is stopped.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::{ConnectionInfo, Error as PgError, SlotName};
use holdfast_proto::{WalReport, WalWork};
use holdfast_types::{AssignmentId, Failure, Generation};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::archive::Archiving;
use super::attempt::Receiver;
use super::backoff::Backoff;
use super::copies::Shippers;
use super::mend::Mender;
use super::observe::{Hint, Observer};
use super::open;
use super::place::Begin;
use super::registry::Source;
use super::retention::{Exceeded, RetentionBound};
use super::slot;
use super::status::{Part, Status};
use super::trouble::Trouble;
use crate::failure;
use crate::host::Host;

/// How long an attempt that is told to end may take: the last slice, and a
/// goodbye. The whole agent has ten seconds.
const LAST_STEPS: Duration = Duration::from_secs(8);

/// What a duty does not learn from its assignment.
#[derive(Debug, Clone, Copy, Default)]
pub struct DutyOptions {
    /// What is received is for one backup that runs now: the slot goes with the
    /// connection, and WAL from before it is not wanted.
    pub for_one_backup: bool,
}

/// A running WAL duty. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Duty {
    id: AssignmentId,
    host: Host,
    status: Status,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    /// They end with it.
    _shippers: Shippers,
    slot: SlotName,
    info: Result<ConnectionInfo, Failure>,
}

impl Duty {
    /// Begins to receive. Nothing is waited for: whatever is in the way is
    /// reported, and tried again.
    pub fn start(id: AssignmentId, generation: Generation, work: WalWork, host: Host) -> Self {
        Self::start_with(id, generation, work, host, DutyOptions::default())
    }

    /// [`Duty::start`] with other options.
    pub fn start_with(
        id: AssignmentId,
        generation: Generation,
        work: WalWork,
        host: Host,
        options: DutyOptions,
    ) -> Self {
        let (pushing, pushed) = mpsc::unbounded_channel();
        let (streams, archives) = (work.mode.streams(), work.mode.archives());
        let status = Status::new(id, generation);
        let stop = CancellationToken::new();
        let slot = SlotName::for_cluster(&work.cluster);
        let instance = &work.instance;
        let info = ConnectionInfo::parse(&instance.connection, instance.password.clone());
        let info = info.map_err(|error| failure::of_postgres(&error));
        host.wal().add(
            id,
            Source {
                cluster: work.cluster.clone(),
                repository: work.repository.clone(),
                lineage: None,
                data_directory: directory(&work),
                codec: open::codec(work.compression),
                pushed: archives.then_some(pushing),
            },
        );
        let shippers = Shippers::start(id, &work, &host, &status);
        let task = match &info {
            Ok(info) => {
                let archiving = archives.then(|| Archiving {
                    id,
                    host: host.clone(),
                    work: work.clone(),
                    info: info.clone(),
                    slot: slot.clone(),
                    status: status.clone(),
                    pushed,
                    stop: stop.clone(),
                    streams,
                });
                let mender = Mender {
                    host: host.clone(),
                    work: work.clone(),
                    info: info.clone(),
                    status: status.clone(),
                };
                // What is for one backup has no past to mend.
                let mender = (!options.for_one_backup).then_some(mender);
                let supervisor = Supervisor::new(
                    (id, work, host.clone()),
                    (info.clone(), slot.clone()),
                    (status.clone(), stop.clone()),
                    options,
                );
                Some(tokio::spawn(supervisor.run(streams, archiving, mender)))
            }
            // Nothing but another assignment can help.
            Err(failure) => {
                status.trouble(Part::Stream, failure.clone());
                None
            }
        };
        Self {
            id,
            host,
            status,
            stop,
            task,
            _shippers: shippers,
            slot,
            info,
        }
    }

    /// Its state, and every change of it.
    pub fn report(&self) -> watch::Receiver<WalReport> {
        self.status.subscribe()
    }

    /// Ends it: what was received is stored as a slice if that is possible
    /// soon. The slot stays, so that receiving can go on later.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// Ends it for good: [`Duty::stop`], then the slot is dropped, for nobody
    /// would ever move it again (I-15).
    pub async fn drop_slot(mut self) -> Result<(), Failure> {
        self.end().await;
        slot::drop_of(&self.info, &self.slot).await
    }

    async fn end(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the WAL duty ended badly");
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.stop.cancel();
        self.host.wal().remove(self.id);
    }
}

fn directory(work: &WalWork) -> Option<PathBuf> {
    work.instance.told_directory().map(PathBuf::from)
}

struct Supervisor {
    receiver: Receiver,
    observer: Option<Observer>,
    exceeded: watch::Receiver<Option<Exceeded>>,
    stop: CancellationToken,
    status: Status,
}

/// Why waiting ended.
#[derive(Debug, Clone, Copy)]
enum Woken {
    Stop,
    Exceeded(Exceeded),
    Elapsed,
}

impl Supervisor {
    fn new(
        (id, work, host): (AssignmentId, WalWork, Host),
        (info, slot): (ConnectionInfo, SlotName),
        (status, stop): (Status, CancellationToken),
        options: DutyOptions,
    ) -> Self {
        let (hints, hinted) = watch::channel::<Option<Hint>>(None);
        let (exceeding, exceeded) = watch::channel(None);
        let (using, slot_in_use) = watch::channel(false);
        let observer = Observer {
            id,
            host: host.clone(),
            info: info.clone(),
            slot: slot.clone(),
            status: status.clone(),
            every: work.flush_every.get(),
            bound: RetentionBound {
                max: work.max_retained,
                when_full: work.when_full,
            },
            system_identifier: work.instance.system_identifier,
            directory: directory(&work),
            volume_bytes: work.volume_bytes,
            hints,
            exceeded: exceeding,
            slot_in_use: using,
            reads_quiet_wal: !work.mode.streams(),
        };
        let receiver = Receiver {
            id,
            host,
            work,
            info,
            slot,
            status: status.clone(),
            hints: hinted,
            opened: None,
            kept: None,
            begin: Begin::default(),
            loss: None,
            streamed: false,
            slotless: false,
            for_one_backup: options.for_one_backup,
            slot_in_use,
        };
        Self {
            receiver,
            observer: Some(observer),
            exceeded,
            stop,
            status,
        }
    }

    async fn run(mut self, streams: bool, archiving: Option<Archiving>, mender: Option<Mender>) {
        let observing = self
            .observer
            .take()
            .map(|observer| tokio::spawn(observer.run()));
        let archiving = async {
            if let Some(archiving) = archiving {
                archiving.run().await;
            }
        };
        let streaming = async {
            match streams {
                true => self.attempts().await,
                false => self.bound_old_slot().await,
            }
        };
        let mending = mender.map(|mender| tokio::spawn(mender.run()));
        tokio::join!(archiving, streaming);
        if let Some(mending) = mending {
            mending.abort();
        }
        if let Some(observing) = observing {
            observing.abort();
        }
    }

    /// A slot of the time when WAL was streamed is bounded until it goes
    /// (I-15).
    async fn bound_old_slot(&mut self) {
        let stop = self.stop.clone();
        loop {
            let exceeded = tokio::select! {
                () = stop.cancelled() => return,
                exceeded = bound_passed(&mut self.exceeded) => exceeded,
            };
            self.status.trouble(Part::Retention, exceeded.failure());
            let receiver = &self.receiver;
            match slot::drop(&receiver.info, &receiver.slot).await {
                Ok(()) => self.status.well(Part::Retention),
                Err(error) => {
                    let failure = failure::of_postgres(&error);
                    tracing::error!(%failure, "the slot at its bound could not be dropped");
                }
            }
        }
    }

    async fn attempts(&mut self) {
        let mut backoff = Backoff::patient();
        loop {
            let (trouble, exceeded) = self.attempt().await;
            if self.stop.is_cancelled() {
                return;
            }
            if self.receiver.streamed {
                backoff.reset();
            }
            if let Some(exceeded) = exceeded {
                self.give_up_slot(exceeded).await;
                continue;
            }
            let Some(trouble) = trouble else { continue };
            if self.go_slotless(&trouble) || self.begin_elsewhere(&trouble) {
                continue;
            }
            let part = match &trouble {
                Trouble::Repository(_) => Part::Store,
                _ => Part::Stream,
            };
            self.status.trouble(part, trouble.failure());
            let pause = match trouble {
                // Never by itself: but what PostgreSQL keeps is still bounded.
                Trouble::Refused(_) => None,
                _ => Some(backoff.pause()),
            };
            match self.wait(pause).await {
                Woken::Stop => return,
                Woken::Exceeded(exceeded) => self.give_up_slot(exceeded).await,
                Woken::Elapsed => {}
            }
        }
    }

    /// One attempt, ended early by a stop or by the bound on what PostgreSQL
    /// keeps.
    async fn attempt(&mut self) -> (Option<Trouble>, Option<Exceeded>) {
        let end = self.stop.child_token();
        let mut exceeded = None;
        let mut attempt = Box::pin(self.receiver.attempt(&end));
        let ended = tokio::select! {
            ended = &mut attempt => Some(ended),
            () = self.stop.cancelled() => None,
            passed = bound_passed(&mut self.exceeded) => {
                exceeded = Some(passed);
                None
            }
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                end.cancel();
                tokio::time::timeout(LAST_STEPS, attempt)
                    .await
                    .unwrap_or(Ok(()))
            }
        };
        (ended.err(), exceeded)
    }

    /// Another receiver has the slot: an agent that we stand in for and that
    /// nobody can reach, or our own last connection of which the server does
    /// not know yet that it is dead. Receiving goes on beside it: what it has
    /// confirmed is in the same repository, and the same bytes twice are no
    /// harm (DESIGN, safe duplicates).
    fn go_slotless(&mut self, trouble: &Trouble) -> bool {
        let in_use = matches!(trouble, Trouble::Postgres(PgError::SlotInUse { .. }));
        if !in_use || self.receiver.slotless {
            return false;
        }
        tracing::info!(slot = %self.receiver.slot, "the slot is in use: streaming without it");
        self.receiver.slotless = true;
        true
    }

    /// WAL is gone at the place where we wanted to begin: whether there is
    /// another place to try.
    fn begin_elsewhere(&mut self, trouble: &Trouble) -> bool {
        let receiver = &mut self.receiver;
        let gone = matches!(trouble, Trouble::Postgres(PgError::WalRemoved { .. }));
        if !gone {
            // The next trouble of that kind is another story.
            receiver.begin = Begin::default();
            return false;
        }
        if receiver.slotless {
            // Whoever has the slot has moved it on, for the repository has
            // more than when it was listed.
            receiver.slotless = false;
            receiver.opened = None;
            return true;
        }
        let next = receiver.begin.next();
        receiver.begin = next.unwrap_or_default();
        tracing::warn!(begin = ?receiver.begin, "the WAL to go on with is gone");
        next.is_some()
    }

    /// I-15: at the bound the slot goes, the database stays. Receiving begins
    /// again when what was received before could be stored.
    async fn give_up_slot(&mut self, exceeded: Exceeded) {
        self.status.trouble(Part::Retention, exceeded.failure());
        let receiver = &mut self.receiver;
        if let Err(error) = slot::drop(&receiver.info, &receiver.slot).await {
            let failure = failure::of_postgres(&error);
            tracing::error!(%failure, "the slot at its bound could not be dropped");
            self.status.trouble(Part::Stream, failure);
            return;
        }
        receiver.loss = Some(exceeded.reason());
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        loop {
            let works = self.repository_works();
            tokio::select! {
                () = self.stop.cancelled() => return,
                works = works => if works { break },
            }
            if let Woken::Stop = self.sleep(backoff.pause()).await {
                return;
            }
        }
        // What was seen before the slot went says nothing about the next one.
        self.exceeded.mark_unchanged();
        self.status.well(Part::Retention);
    }

    /// Whether the repository takes what is waiting.
    async fn repository_works(&self) -> bool {
        match &self.receiver.opened {
            Some(opened) => opened.store.drained().await.is_ok(),
            None => self
                .receiver
                .host
                .repository(&self.receiver.work.repository)
                .await
                .is_ok(),
        }
    }

    async fn sleep(&self, pause: Duration) -> Woken {
        tokio::select! {
            () = self.stop.cancelled() => Woken::Stop,
            () = tokio::time::sleep(pause) => Woken::Elapsed,
        }
    }

    /// Waits for something to happen, or for `pause`, or for ever.
    async fn wait(&mut self, pause: Option<Duration>) -> Woken {
        let elapsed = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => Woken::Stop,
            exceeded = bound_passed(&mut self.exceeded) => Woken::Exceeded(exceeded),
            () = elapsed => Woken::Elapsed,
        }
    }
}

async fn bound_passed(exceeded: &mut watch::Receiver<Option<Exceeded>>) -> Exceeded {
    loop {
        if exceeded.changed().await.is_err() {
            // The observer has ended, and we are about to.
            std::future::pending::<()>().await;
        }
        if let Some(exceeded) = *exceeded.borrow_and_update() {
            return exceeded;
        }
    }
}
