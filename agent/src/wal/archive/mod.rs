//! The duty for WAL that `archive_command` pushes.
//!
//! It receives nothing: PostgreSQL calls `wal-push`, and the duty counts what
//! became durable by it, claims a frontier only where that is proved (I-13),
//! and says what keeps the archiver from working. It needs no slot: PostgreSQL
//! removes no segment that it has not archived, so the WAL of a backup is in
//! `pg_wal` or in the repository. A slot that was there from streaming is
//! dropped once the archiver is seen to be set up, for nobody would ever move
//! it again (I-15).

mod counted;
mod settings;
mod watch;

pub(crate) use settings::ArchiveSettings;

use std::path::PathBuf;

use holdfast_pg::{ConnectionInfo, SlotName};
use holdfast_proto::WalWork;
use holdfast_repo::{Fetched, LineageFacts, WalRepository};
use holdfast_types::{AssignmentId, Failure, Lineage, Timeline, TimelineHistory, WalSegment};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::counted::Counted;
use super::backoff::Backoff;
use super::open::codec;
use super::push::{Pushed, ready_segments};
use super::status::{Part, Status};
use super::stored::Stored;
use super::trouble::Trouble;
use crate::failure;
use crate::host::Host;

/// What the duty needs.
pub(super) struct Archiving {
    pub(super) id: AssignmentId,
    pub(super) host: Host,
    pub(super) work: WalWork,
    pub(super) info: ConnectionInfo,
    pub(super) slot: SlotName,
    pub(super) status: Status,
    pub(super) pushed: mpsc::UnboundedReceiver<Pushed>,
    pub(super) stop: CancellationToken,
    /// WAL is streamed as well: the stream's end is what is claimed, and its
    /// slot stays.
    pub(super) streams: bool,
}

/// The lineage that is archived.
struct Opened {
    directory: PathBuf,
    wal: WalRepository,
    counted: Counted,
    history: TimelineHistory,
}

impl Archiving {
    /// Counts until it is stopped.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.count() => {}
        }
    }

    async fn count(&mut self) {
        if self.streams {
            return self.count_beside().await;
        }
        let mut backoff = Backoff::patient();
        let mut opened = loop {
            match self.open().await {
                Ok(opened) => break opened,
                Err(trouble) => {
                    let part = match trouble {
                        Trouble::Repository(_) => Part::Store,
                        _ => Part::Stream,
                    };
                    self.status.trouble(part, trouble.failure());
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        };
        self.status.well(Part::Store);
        self.status.well(Part::Stream);
        let watching = self.watch(Some(opened.directory.clone())).run();
        tokio::pin!(watching);
        loop {
            let pushed = tokio::select! {
                () = &mut watching => unreachable!("it watches for ever"),
                pushed = self.pushed.recv() => pushed,
            };
            let Some(pushed) = pushed else {
                // The host is gone, and we are about to.
                return std::future::pending().await;
            };
            self.counts(&mut opened, pushed).await;
        }
    }

    /// With a stream beside it, what is pushed is there, and no more is said.
    async fn count_beside(&mut self) {
        let watching = self.watch(None).run();
        tokio::pin!(watching);
        loop {
            let pushed = tokio::select! {
                () = &mut watching => unreachable!("it watches for ever"),
                pushed = self.pushed.recv() => pushed,
            };
            let Some(pushed) = pushed else {
                return std::future::pending().await;
            };
            // What is stored ahead would look like WAL behind a gap.
            if pushed.asked {
                self.status.stored(pushed.timeline, pushed.range);
            }
        }
    }

    fn watch(&self, data_directory: Option<PathBuf>) -> watch::Watch {
        watch::Watch {
            data_directory,
            info: self.info.clone(),
            slot: self.slot.clone(),
            status: self.status.clone(),
            program: self.host.executable().to_path_buf(),
            keep_slot: self.streams,
            part: match self.streams {
                true => Part::Archiver,
                false => Part::Stream,
            },
        }
    }

    /// Opens the lineage of the server and lists what is there.
    async fn open(&self) -> Result<Opened, Trouble> {
        let session = holdfast_pg::sql::Session::connect(&self.info).await?;
        let facts = session.facts().await?;
        let found = facts.system_identifier;
        if let Some(expected) = self.work.instance.system_identifier
            && expected != found
        {
            return Err(Trouble::Waiting(Failure::permanent(
                "foreign_system_identifier",
                format!("the server has system identifier {found}, not {expected}"),
                "the address leads to another database, or this one was created anew: correct \
                 the connection, or enrol it as a new lineage",
            )));
        }
        let lineage = Lineage {
            system_identifier: found,
            incarnation: self.work.incarnation,
        };
        let lineage_facts = LineageFacts {
            postgres_version: u32::try_from(facts.server_version_num).unwrap_or_default(),
            segment_size: facts.segment_size,
            block_size: facts.block_size,
        };
        let repository = self.host.repository(&self.work.repository).await?;
        let open = repository
            .create_or_open_lineage(&self.work.cluster, lineage, lineage_facts)
            .await?;
        let wal = open.wal(codec(self.work.compression));
        let stored = Stored::load(&wal, facts.segment_size).await?;
        let directory = self.directory(&facts.data_directory);
        let ready = ready_segments(&directory.join("pg_wal").join("archive_status"));
        let ready = ready
            .iter()
            .filter_map(|name| WalSegment::parse(name, facts.segment_size).ok())
            .collect::<Vec<_>>();
        let counted = Counted::begin(stored, &ready, facts.segment_size);
        self.status
            .listed(open.repository().id(), lineage, &counted.claimed());
        let history = wal.history(facts.timeline).await?;
        self.host.wal().update(self.id, |source| {
            source.lineage = Some(lineage);
            source.data_directory = Some(directory.clone());
        });
        let mut opened = Opened {
            directory,
            wal,
            counted,
            history,
        };
        self.settle(&mut opened).await?;
        Ok(opened)
    }

    fn directory(&self, seen: &std::path::Path) -> PathBuf {
        let told = self.work.instance.data_directory.as_deref();
        let told = told.filter(|path| *path != "auto").map(PathBuf::from);
        let directory = told.unwrap_or_else(|| seen.to_path_buf());
        // As the operating system names it: the path may hold links.
        std::fs::canonicalize(&directory).unwrap_or(directory)
    }

    /// What a listing shows may not be durable yet when its writer was killed
    /// in between: the last segment is put again before its end is claimed
    /// (I-07).
    async fn settle(&self, opened: &mut Opened) -> Result<(), Trouble> {
        let Some(position) = opened.counted.durable() else {
            return Ok(());
        };
        if let Some(last) = opened.counted.last_whole()
            && let Fetched::Full(bytes) = opened.wal.fetch_segment(last).await?
        {
            opened.wal.put_segment(last, bytes).await?;
        }
        self.status.durable(position);
        for (timeline, range) in opened.counted.holes(&opened.history) {
            let reason = "found missing in the repository when archiving began".to_owned();
            self.status
                .gap(timeline, holdfast_proto::WalGap { range, reason });
        }
        Ok(())
    }

    async fn counts(&self, opened: &mut Opened, pushed: Pushed) {
        opened.counted.add(pushed);
        if let Some(coverage) = opened.counted.claimed().get(&pushed.timeline) {
            for range in coverage.ranges() {
                self.status.stored(pushed.timeline, *range);
            }
        }
        if pushed.asked {
            if let Err(error) = follow(opened, pushed.timeline).await {
                // A gap that is not seen now is seen when the duty begins anew.
                let failure = failure::of_repository(&error);
                tracing::warn!(%failure, "a timeline's history cannot be read");
            }
            for (timeline, range) in opened.counted.holes(&opened.history) {
                let reason = "PostgreSQL never archived it, and pg_wal has it no more".to_owned();
                self.status
                    .gap(timeline, holdfast_proto::WalGap { range, reason });
            }
        }
        if let Some(position) = opened.counted.durable() {
            self.status.durable(position);
        }
        self.host.wal().announce();
    }
}

/// The history of the timeline that is archived now.
async fn follow(opened: &mut Opened, timeline: Timeline) -> Result<(), holdfast_repo::Error> {
    if opened.history.timeline < timeline {
        opened.history = opened.wal.history(timeline).await?;
    }
    Ok(())
}
