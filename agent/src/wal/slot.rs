//! The slot: it exists before anything counts as started, and goes when the
//! duty does (I-15).

use std::time::Duration;

use holdfast_pg::replication::Client;
use holdfast_pg::{ConnectionInfo, Error, SlotName, sql};
use holdfast_types::{Failure, Lsn};
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::failure;

/// How long a walsender may take to notice that we are gone.
const RELEASE: Duration = Duration::from_secs(20);

/// A slot that keeps WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnsuredSlot {
    /// The oldest WAL it keeps.
    pub(super) kept_from: Lsn,
    /// Why WAL before that may be gone, when the slot had to be made.
    pub(super) made_because: Option<&'static str>,
}

/// Makes sure that the slot is there and keeps WAL. One that has to be made
/// goes with the client's session when it is `temporary`.
pub(super) async fn ensure(
    client: &mut Client,
    slot: &SlotName,
    temporary: bool,
) -> Result<EnsuredSlot, Error> {
    let made_because = match client.read_slot(slot).await? {
        Some(position) => match position.restart_lsn {
            Some(kept_from) => {
                return Ok(EnsuredSlot {
                    kept_from,
                    made_because: None,
                });
            }
            None => {
                client.drop_slot(slot).await?;
                "PostgreSQL had invalidated the replication slot"
            }
        },
        None => "the replication slot did not exist",
    };
    let created = if temporary {
        client.create_temporary_slot(slot).await
    } else {
        client.create_slot(slot).await
    };
    match created {
        Ok(()) => tracing::info!(slot = %slot, "replication slot created"),
        // Somebody was quicker; what counts is that it is there.
        Err(Error::SlotExists { .. }) => {}
        Err(error) => return Err(error),
    }
    let position = client.read_slot(slot).await?;
    let kept_from = position
        .and_then(|position| position.restart_lsn)
        .unwrap_or(Lsn::INVALID);
    Ok(EnsuredSlot {
        kept_from,
        made_because: Some(made_because),
    })
}

/// Drops the slot of what has ended for good, and says so.
pub(super) async fn drop_of(
    info: &Result<ConnectionInfo, Failure>,
    slot: &SlotName,
) -> Result<(), Failure> {
    let info = info.as_ref().map_err(Clone::clone)?;
    drop(info, slot)
        .await
        .map_err(|error| failure::of_postgres(&error))?;
    tracing::info!(%slot, "replication slot dropped");
    Ok(())
}

/// Drops the slot; one that is not there is as good as dropped. The server may
/// need a moment to notice that its last receiver went away.
pub(super) async fn drop(info: &ConnectionInfo, slot: &SlotName) -> Result<(), Error> {
    let deadline = Instant::now() + RELEASE;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    let session = sql::Session::connect(info).await?;
    loop {
        match session.drop_slot(slot).await {
            Ok(()) | Err(Error::SlotMissing { .. }) => return Ok(()),
            Err(Error::SlotInUse { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(backoff.pause()).await;
            }
            Err(error) => return Err(error),
        }
    }
}
