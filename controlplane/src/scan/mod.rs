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
//! - The same holds for WAL, range by range. What the receiver remembers having
//!   stored does not count against what the repository shows.
//!
//! Read are names and commit marks, never a backup's bytes. Names of WAL are
//! listed lineage by lineage, so many in one turn unless somebody asked.

mod compare;
mod inventory;
mod settle;
mod wal;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_consensus::{Node, ProposeContext, StateView};
use holdfast_repo::Repository;
use holdfast_state::command::{Finding, RecordScan, ScanOutcome};
use holdfast_state::{query, schema};
use holdfast_types::{Failure, Name};

pub(crate) use self::compare::damaged;
pub(crate) use self::inventory::{Extent, Inventory, LineageKey};
use crate::app::App;
use crate::app::error::Result;
use crate::state_snapshot::{Absent, open};

/// How many names of WAL are listed of a repository in one turn: a thousand
/// pages of an object store. The rest has its turn the next time.
const NAMES_MAX: u64 = 1_000_000;

/// Up to where the WAL of each repository was compared the last time. A new
/// leader begins anew.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<Name, LineageKey>>);

impl Turns {
    fn next(&self, repository: &Name) -> Extent {
        let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Extent::Turn {
            after: turns.get(repository).cloned(),
            names_max: NAMES_MAX,
        }
    }

    /// What is postponed first is looked at first the next time.
    fn done(&self, repository: &Name, inventory: &Inventory) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.remove(repository);
        if let Some(first) = inventory.postponed.first() {
            let mut before = inventory.wal.keys().filter(|key| *key < first);
            if let Some(last) = before.next_back() {
                turns.insert(repository.clone(), last.clone());
            }
        }
    }
}

/// Compares a repository with what `view` knows of it, and records what came
/// of it. `view` is older than the listing: what it takes for available had
/// its mark before. If somebody `asked`, all of it is looked at.
pub(crate) async fn scan(app: &App, view: &StateView, name: &Name, asked: bool) -> Result<()> {
    let extent = if asked {
        Extent::Whole
    } else {
        app.scan_turns.next(name)
    };
    match look(app, view, name, extent).await {
        Ok(inventory) => {
            app.scan_turns.done(name, &inventory);
            record(&app.node, view, name, inventory).await?;
        }
        Err(failure) => {
            tracing::warn!(
                repository = %name, code = failure.code,
                "a repository cannot be compared with the catalog: {}", failure.message
            );
            let command = RecordScan {
                repository: name.clone(),
                outcome: ScanOutcome::Failed(failure),
            };
            app.propose_as(ProposeContext::internal(), command).await?;
        }
    }
    Ok(())
}

/// What came of a comparison.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// How many backups the catalog had not known.
    pub(crate) adopted: u64,
    /// In what the two still differ.
    pub(crate) findings: Vec<Finding>,
}

/// Brings what `view` knows of a repository to what it holds, and records in
/// what they still differ.
pub(crate) async fn record(
    node: &Node,
    view: &StateView,
    name: &Name,
    inventory: Inventory,
) -> Result<Recorded> {
    let known = settle::known(view, name).await?;
    let known_wal = settle::known_wal(view, name).await?;
    let compared = compare::compare(&known, &inventory);
    // Nodes of an earlier release do not know what would be recorded.
    let level = schema::version(view.connection()).await?;
    let wal = if level < schema::REBUILDS {
        BTreeMap::new()
    } else {
        wal::compare(&known_wal, &inventory)
    };
    let kept = not_looked_at(view, name, &inventory).await?;
    let (backups, postponed) = (inventory.backups.len() as u64, inventory.postponed.len());
    let (adopted, mut findings) = settle::settle(node, name, (compared, wal), inventory).await?;
    tracing::info!(
        repository = %name, backups, adopted, findings = findings.len(), postponed,
        "the catalog was compared with a repository"
    );
    findings.extend(kept);
    let command = RecordScan {
        repository: name.clone(),
        outcome: ScanOutcome::Complete {
            backups,
            adopted,
            findings: findings.clone(),
        },
    };
    node.propose(ProposeContext::internal(), command).await??;
    Ok(Recorded { adopted, findings })
}

/// What was found before of WAL that had no turn this time: it stands.
async fn not_looked_at(
    view: &StateView,
    name: &Name,
    inventory: &Inventory,
) -> Result<Vec<Finding>> {
    if inventory.postponed.is_empty() {
        return Ok(Vec::new());
    }
    let prefixes: Vec<String> = inventory.postponed.iter().map(wal::prefix).collect();
    let known = query::findings(view.connection(), name).await?;
    let stands = known.into_iter().filter(|finding| {
        let mut prefixes = prefixes.iter();
        prefixes.any(|prefix| finding.subject.starts_with(prefix))
    });
    let stands = stands.map(|finding| Finding {
        kind: finding.kind,
        subject: finding.subject,
        cluster: finding.cluster,
        detail: finding.detail,
    });
    Ok(stands.collect())
}

async fn look(
    app: &App,
    view: &StateView,
    name: &Name,
    extent: Extent,
) -> std::result::Result<Inventory, Failure> {
    let opened = open(app, view, name, Absent::Refuse).await?;
    let found = take_stock(opened, extent).await?;
    // A volume that was unmounted meanwhile looked empty: what is not there
    // is missing only if the repository is.
    open(app, view, name, Absent::Refuse).await?;
    Ok(found)
}

/// What a repository holds, read on a thread of its own: opening many marks is
/// work.
pub(crate) async fn take_stock(
    repository: Repository,
    extent: Extent,
) -> std::result::Result<Inventory, Failure> {
    let runtime = tokio::runtime::Handle::current();
    let reading = move || runtime.block_on(inventory::of(&repository, &extent));
    let found = tokio::task::spawn_blocking(reading).await;
    let found = found.map_err(|error| {
        let hint = "look at the node's log; the comparison is tried again";
        Failure::transient("internal", error.to_string(), hint)
    })?;
    found.map_err(|error| crate::state_snapshot::failure_of(&error))
}
