//! Comparing the catalog with a repository, both ways: the repository is the
//! truth and the catalog a cache of it.
//!
//! - What the catalog takes for restorable and the repository does not hold,
//!   counts no longer (I-05, I-13). Its row stays.
//! - What the repository holds and the catalog does not know is taken in, if
//!   it belongs to a declared cluster and proves itself: its mark opens under
//!   the repository's key, and its WAL is there. Else it is shown.
//! - Nothing is deleted on either side, and what differs is shown until it
//!   does not differ any more.
//!
//! Read are names and commit marks, never a backup's bytes.

mod compare;
mod inventory;
mod settle;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{RecordScan, ScanOutcome};
use holdfast_types::{Failure, Name};

use self::inventory::Inventory;
use crate::app::App;
use crate::app::error::Result;
use crate::state_snapshot::{Absent, open};

/// Compares a repository with what `view` knows of it, and records what came
/// of it. `view` is older than the listing: what it takes for available had
/// its mark before.
pub(crate) async fn scan(app: &App, view: &StateView, name: &Name) -> Result<()> {
    let known = settle::known(view, name).await?;
    let outcome = match look(app, view, name).await {
        Ok(inventory) => {
            let compared = compare::compare(&known, &inventory);
            let backups = inventory.backups.len() as u64;
            let (adopted, findings) = settle::settle(app, name, compared, inventory).await?;
            tracing::info!(
                repository = %name, backups, adopted, findings = findings.len(),
                "the catalog was compared with a repository"
            );
            ScanOutcome::Complete {
                backups,
                adopted,
                findings,
            }
        }
        Err(failure) => {
            tracing::warn!(
                repository = %name, code = failure.code,
                "a repository cannot be compared with the catalog: {}", failure.message
            );
            ScanOutcome::Failed(failure)
        }
    };
    let command = RecordScan {
        repository: name.clone(),
        outcome,
    };
    app.propose_as(ProposeContext::internal(), command).await?;
    Ok(())
}

async fn look(app: &App, view: &StateView, name: &Name) -> std::result::Result<Inventory, Failure> {
    let opened = open(app, view, name, Absent::Refuse).await?;
    // On a thread of its own: opening many marks is work.
    let runtime = tokio::runtime::Handle::current();
    let reading = move || runtime.block_on(inventory::of(&opened));
    let found = tokio::task::spawn_blocking(reading).await;
    let found = found.map_err(|error| {
        let hint = "look at the node's log; the comparison is tried again";
        Failure::transient("internal", error.to_string(), hint)
    })?;
    let found = found.map_err(|error| crate::state_snapshot::failure_of(&error))?;
    // A volume that was unmounted meanwhile looked empty: what is not there
    // is missing only if the repository is.
    open(app, view, name, Absent::Refuse).await?;
    Ok(found)
}
