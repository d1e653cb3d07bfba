//! One task for each copy: what was stored before is listed and copied, then what
//! is stored now is put as it comes, and again from the list when some was missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_proto::{RepositoryAccess, WalWork};
use holdfast_repo::{CopyProgress, LineageCopy, LineageRepository, SealedWal};
use holdfast_types::{AssignmentId, Coverage, Failure, Name, Timeline, WalSegment};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::super::backoff::Backoff;
use super::super::cleaner::Cleaner;
use super::super::status::Status;
use super::super::store::StoreState;
use super::super::stored::Stored;
use super::{Lane, Route, Shipping};
use crate::failure;
use crate::host::Host;

/// The tasks of one duty. They end with it.
#[derive(Debug)]
pub(in crate::wal) struct Shippers {
    duty: AssignmentId,
    shipping: Shipping,
    tasks: Vec<JoinHandle<()>>,
}

impl Shippers {
    /// Begins to copy what `work` stores to where it says.
    pub(in crate::wal) fn start(
        duty: AssignmentId,
        work: &WalWork,
        host: &Host,
        status: &Status,
    ) -> Self {
        let shipping = host.wal().shipping().clone();
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for copy in &work.copies {
            let (lane, queue) = Lane::new();
            status.copy(&copy.name, |_| {});
            let shipper = Shipper {
                cluster: work.cluster.clone(),
                from: work.repository.clone(),
                to: copy.clone(),
                host: host.clone(),
                status: status.clone(),
                lane: lane.clone(),
                queue,
            };
            lanes.push(lane);
            tasks.push(tokio::spawn(shipper.run()));
        }
        if !lanes.is_empty() {
            let route = Route {
                cluster: work.cluster.clone(),
                repository: work.repository.name.clone(),
                lanes,
            };
            shipping.add(duty, route);
        }
        Self {
            duty,
            shipping,
            tasks,
        }
    }
}

impl Drop for Shippers {
    fn drop(&mut self) {
        self.shipping.remove(self.duty);
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Shipper {
    cluster: Name,
    from: RepositoryAccess,
    to: RepositoryAccess,
    host: Host,
    status: Status,
    lane: Lane,
    queue: mpsc::UnboundedReceiver<SealedWal>,
}

impl Shipper {
    async fn run(mut self) {
        let mut backoff = Backoff::patient();
        loop {
            let Err(error) = self.ship(&mut backoff).await else {
                // Nobody stores any more, and we are about to be ended.
                return;
            };
            let trouble = failure::of_repository(&error);
            tracing::warn!(
                copy = %self.to.name, code = trouble.code,
                "WAL is not copied for now: {}", trouble.message
            );
            self.trouble(trouble);
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Copies until something fails.
    async fn ship(&mut self, backoff: &mut Backoff) -> Result<(), holdfast_repo::Error> {
        let from = self.source().await?;
        let to = self.host.repository(&self.to).await?;
        let progress = Arc::<CopyProgress>::default();
        let copy = LineageCopy::begin(&from, &to, progress).await?;
        let size = copy.to().facts().segment_size;
        let wal = copy.to().wal(super::super::open::codec(
            holdfast_types::resource::Compression::DEFAULT,
        ));
        let state = watch::Sender::new(StoreState::default());
        let cleaner = Cleaner::start(wal.clone(), self.host.clone(), state);
        loop {
            // What is stored from here on waits in the queue; what waits now was
            // stored before, and is listed.
            self.lane.begin();
            while let Ok(object) = self.queue.try_recv() {
                self.lane.taken(&object);
            }
            copy.copy_needed_wal().await?;
            let listed = Stored::load(&wal, size).await?;
            for segment in listed.superfluous {
                cleaner.add(segment);
            }
            self.listed(&copy, listed.timelines);
            backoff.reset();
            while !self.lane.has_missed() {
                let Some(object) = self.queue.recv().await else {
                    return Ok(());
                };
                self.lane.taken(&object);
                copy.ship(&object).await?;
                let Some(range) = object.range() else {
                    continue;
                };
                let timeline = object.timeline();
                self.status
                    .copy(&self.to.name, |copy| copy.stored(timeline, range));
                if range.bytes() == size.bytes() {
                    let segment = WalSegment::containing(timeline, range.from_lsn, size);
                    cleaner.add(segment);
                }
            }
        }
    }

    /// The original's lineage, once the duty knows whose WAL it is.
    async fn source(&self) -> Result<LineageRepository, holdfast_repo::Error> {
        let mut reports = self.status.subscribe();
        // The sender lives as long as the status that we hold.
        let _ = reports.wait_for(|report| report.wal.is_some()).await;
        let lineage = self.status.lineage();
        let repository = self.host.repository(&self.from).await?;
        let lineage = lineage.ok_or_else(|| holdfast_repo::Error::Unfinished("no lineage"))?;
        repository.lineage(&self.cluster, lineage).await
    }

    fn listed(&self, copy: &LineageCopy, timelines: BTreeMap<Timeline, Coverage>) {
        let repository = copy.to().repository().id();
        let lineage = copy.to().lineage();
        self.status.copy(&self.to.name, |state| {
            state.listed((repository, lineage), timelines);
        });
    }

    fn trouble(&self, trouble: Failure) {
        self.status
            .copy(&self.to.name, |copy| copy.trouble(trouble));
    }
}
