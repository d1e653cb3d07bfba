//! Watching PostgreSQL's archiver: whether it is set up, and whether it works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_pg::{ConnectionInfo, SlotName, sql};

use holdfast_types::Failure;

use super::ArchiveSettings;
use crate::failure;
use crate::wal::backoff::Backoff;
use crate::wal::push::ready_segments;
use crate::wal::slot;
use crate::wal::status::{Part, Status};

/// How often the archiver is looked at. What it archives is told as it comes.
const EVERY: Duration = Duration::from_secs(5);

/// How long WAL may be ready before that is told.
const STALLED: Duration = Duration::from_secs(120);

pub(super) struct Watch {
    pub(super) data_directory: Option<PathBuf>,
    pub(super) info: ConnectionInfo,
    pub(super) slot: SlotName,
    pub(super) status: Status,
    pub(super) program: PathBuf,
    /// With a stream beside it the slot is in use.
    pub(super) keep_slot: bool,
    pub(super) part: Part,
}

impl Watch {
    pub(super) async fn run(self) {
        let mut backoff = Backoff::patient();
        let mut slot_left = !self.keep_slot;
        loop {
            let error = match self.watch(&mut backoff, &mut slot_left).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            // Why the server does not answer, the observer tells.
            tracing::debug!(%error, "the archiver cannot be looked at");
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn watch(
        &self,
        backoff: &mut Backoff,
        slot_left: &mut bool,
    ) -> Result<std::convert::Infallible, holdfast_pg::Error> {
        let session = sql::Session::connect(&self.info).await?;
        loop {
            let settings = ArchiveSettings::read(&session).await?;
            backoff.reset();
            let trouble = settings.trouble(&self.program);
            match trouble.or_else(|| self.stalled()) {
                Some(failure) => self.status.trouble(self.part, failure),
                None => {
                    self.status.well(self.part);
                    if std::mem::take(slot_left) {
                        *slot_left = !self.drop_slot().await;
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// PostgreSQL waits for its command, which neither fails nor ends.
    fn stalled(&self) -> Option<Failure> {
        let waiting = oldest_ready(self.data_directory.as_deref()?)?;
        (waiting > STALLED).then(|| {
            Failure::transient(
                "wal_archiving_behind",
                format!(
                    "WAL has been ready to be archived for {} s and is not archived",
                    waiting.as_secs()
                ),
                "see whether archive_command hangs (the repository, the network), and whether \
                 the server writes WAL faster than it can be stored",
            )
        })
    }

    /// The slot of the time when WAL was streamed.
    async fn drop_slot(&self) -> bool {
        match slot::drop(&self.info, &self.slot).await {
            Ok(()) => true,
            Err(error) => {
                let failure = failure::of_postgres(&error);
                tracing::warn!(%failure, "the slot of earlier streaming stays for now");
                false
            }
        }
    }
}

/// How long the first segment has been ready.
fn oldest_ready(data_directory: &Path) -> Option<Duration> {
    let archive_status = data_directory.join("pg_wal").join("archive_status");
    let first = ready_segments(&archive_status).pop_first()?;
    let ready = std::fs::metadata(archive_status.join(format!("{first}.ready"))).ok()?;
    ready.modified().ok()?.elapsed().ok()
}
