//! Deletes what was condemned long enough, repository by repository.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::StateView;
use holdfast_repo::Repository;
use holdfast_state::command::DeletableWal;
use holdfast_state::query::{self, CondemnedView, CondemnedWalView};
use holdfast_types::{BackupId, Lineage, LsnRange, Name, Timeline};
use jiff::Timestamp;

use super::lineage;
use crate::app::App;
use crate::app::error::Result;
use crate::state_snapshot::{Absent, open};

/// A lineage in a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) repository: Name,
    pub(super) cluster: Name,
    pub(super) lineage: Lineage,
}

/// What is due of a lineage.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) backups: Vec<BackupId>,
    wal: BTreeMap<Timeline, Vec<LsnRange>>,
}

impl Due {
    pub(super) fn wal(&self) -> Vec<DeletableWal> {
        let one = |(timeline, ranges): (&Timeline, &Vec<LsnRange>)| DeletableWal {
            timeline: *timeline,
            ranges: ranges.clone(),
        };
        self.wal.iter().map(one).collect()
    }
}

/// How soon what could not be deleted is tried again: beginning is a log entry.
const AGAIN: Duration = Duration::from_secs(60);

/// What was tried in vain, and when.
#[derive(Debug, Default)]
pub(crate) struct Tried(Mutex<BTreeMap<Place, Instant>>);

impl Tried {
    fn may(&self, place: &Place, again: Duration) -> bool {
        let tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(place).is_none_or(|at| at.elapsed() >= again)
    }

    fn tell(&self, place: &Place, done: u64) {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done > 0 {
            tried.remove(place);
        } else {
            tried.insert(place.clone(), Instant::now());
        }
    }
}

/// Deletes what is due; answers how much was. What cannot be deleted now is tried
/// again a little later.
pub(crate) async fn sweep(app: &App, view: &StateView, tried: &Tried) -> Result<u64> {
    let again = AGAIN.min(app.config.expiry.every.get());
    let now = Timestamp::now().max(query::log_time(view.connection()).await?);
    let backups = query::due_deletions(view.connection(), now).await?;
    let wal = query::due_wal(view.connection(), now).await?;
    let mut done = 0;
    let mut opened: BTreeMap<Name, Option<Repository>> = BTreeMap::new();
    for (place, due) in by_place(backups, wal) {
        if !tried.may(&place, again) {
            continue;
        }
        if !opened.contains_key(&place.repository) {
            let found = open(app, view, &place.repository, Absent::Refuse).await;
            let found = found.inspect_err(|failure| {
                tracing::warn!(
                    repository = %place.repository, code = failure.code,
                    "nothing is deleted: {}", failure.message
                );
            });
            opened.insert(place.repository.clone(), found.ok());
        }
        let of_this = match opened.get(&place.repository) {
            Some(Some(repository)) => lineage::delete(app, repository, &place, &due).await?,
            _ => 0,
        };
        tried.tell(&place, of_this);
        done += of_this;
    }
    Ok(done)
}

fn by_place(backups: Vec<CondemnedView>, wal: Vec<CondemnedWalView>) -> BTreeMap<Place, Due> {
    let mut found: BTreeMap<Place, Due> = BTreeMap::new();
    let mut seen: BTreeSet<(BackupId, Name)> = BTreeSet::new();
    for one in backups {
        if seen.insert((one.backup, one.repository.clone())) {
            let place = Place {
                repository: one.repository,
                cluster: one.cluster,
                lineage: one.lineage,
            };
            found.entry(place).or_default().backups.push(one.backup);
        }
    }
    for one in wal {
        let place = Place {
            repository: one.repository,
            cluster: one.cluster,
            lineage: one.lineage,
        };
        let due = found.entry(place).or_default();
        due.wal.entry(one.timeline).or_default().push(one.range);
    }
    found
}
