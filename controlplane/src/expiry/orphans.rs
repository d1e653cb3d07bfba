//! Condemns what attempts left that never committed, once it is older than any
//! attempt may be. Looking for it lists every pack, so it is done once a day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::StateView;
use holdfast_repo::LineageRepository;
use holdfast_state::command::CondemnOrphans;
use holdfast_state::{PIN_MOST, query};
use holdfast_types::{BackupId, Name};
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::app::error::Result;
use crate::state_snapshot::{Absent, failure_of, open};

/// How often a repository is looked at.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// For clocks of stores, agents and nodes that differ.
const CLOCKS: SignedDuration = SignedDuration::from_hours(24);

/// When this leader looked at each repository.
#[derive(Debug, Default)]
pub(crate) struct Looked(Mutex<BTreeMap<Name, Instant>>);

impl Looked {
    /// Whether it is time; if so it counts as looked at.
    fn is_due(&self, repository: &Name) -> bool {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked
            .get(repository)
            .is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            looked.insert(repository.clone(), Instant::now());
        }
        due
    }
}

/// Looks at the repositories whose turn it is; answers how many orphans are
/// condemned now.
pub(crate) async fn condemn_orphans(
    app: &App,
    view: &StateView,
    looked: &Looked,
    repositories: &[Name],
) -> Result<u64> {
    let mut condemned = 0;
    for name in repositories.iter().filter(|name| looked.is_due(name)) {
        let opened = match open(app, view, name, Absent::Refuse).await {
            Ok(opened) => opened,
            Err(failure) => {
                tracing::info!(repository = %name, "no look for orphans: {}", failure.message);
                continue;
            }
        };
        let lineages = match opened.all_lineages().await {
            Ok(lineages) => lineages,
            Err(error) => {
                let failure = failure_of(&error);
                tracing::warn!(repository = %name, "no look for orphans: {}", failure.message);
                continue;
            }
        };
        for lineage in lineages {
            match orphans(view, name, &lineage).await? {
                Ok(attempts) if attempts.is_empty() => {}
                Ok(attempts) => condemned += condemn(app, name, &lineage, attempts).await?,
                Err(error) => {
                    let failure = failure_of(&error);
                    tracing::warn!(
                        repository = %name, cluster = %lineage.cluster(),
                        "no look for orphans: {}", failure.message
                    );
                }
            }
        }
    }
    Ok(condemned)
}

async fn orphans(
    view: &StateView,
    repository: &Name,
    lineage: &LineageRepository,
) -> Result<std::result::Result<Vec<BackupId>, holdfast_repo::Error>> {
    let before = Timestamp::now()
        .checked_sub(PIN_MOST)
        .and_then(|at| at.checked_sub(CLOCKS))
        .unwrap_or(Timestamp::MIN);
    // What is condemned already is on its way.
    let known = query::condemned_in(
        view.connection(),
        lineage.cluster(),
        repository,
        lineage.lineage(),
    );
    let known: BTreeSet<BackupId> = known.await?.iter().map(|one| one.backup).collect();
    let stock = match lineage.stock(&BTreeSet::new()).await {
        Ok(stock) => stock,
        Err(error) => return Ok(Err(error)),
    };
    let found = stock.orphans(before).into_iter();
    Ok(Ok(found.filter(|id| !known.contains(id)).collect()))
}

async fn condemn(
    app: &App,
    repository: &Name,
    lineage: &LineageRepository,
    attempts: Vec<BackupId>,
) -> Result<u64> {
    let command = CondemnOrphans {
        repository: repository.clone(),
        cluster: lineage.cluster().clone(),
        lineage: lineage.lineage(),
        attempts,
        grace_millis: app.config.expiry.grace.millis(),
    };
    let condemned = match app.node.propose(app.own_context(), command).await? {
        Ok(condemned) => condemned,
        Err(refusal) => {
            tracing::info!(%repository, "no orphan is condemned: {refusal}");
            return Ok(0);
        }
    };
    for backup in &condemned {
        tracing::info!(%backup, %repository, "what an attempt left is condemned");
    }
    Ok(condemned.len() as u64)
}
