//! Objects that nothing needs: what attempts left that never committed, and packs
//! that no backup names any more. They cost room and no recovery point.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use holdfast_types::KeyId;
use jiff::{SignedDuration, Timestamp};

use super::{Finding, Problem, VerifyOptions};
use crate::keyring::KeyPurpose;
use crate::{Error, LineageRepository, Repository, Result};

/// The longest pin, and a day for clocks that differ: no attempt is older that may
/// still commit.
const USUAL: SignedDuration = SignedDuration::from_hours(31 * 24);

/// What was found of one lineage.
pub(super) struct Unneeded {
    pub(super) findings: Vec<Finding>,
    /// The keys that it needs.
    pub(super) keys: BTreeSet<KeyId>,
    /// Whether all that it needs could be read.
    pub(super) is_whole: bool,
}

/// What is older than this and needed by nobody is an orphan.
pub(super) fn before(options: &VerifyOptions) -> Timestamp {
    let age = options.orphans_after.unwrap_or(USUAL);
    Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
}

/// Looks for objects that no manifest names. Where a mark or a manifest cannot be
/// read, which is a finding of its own, nothing is known of what it needs.
pub(super) async fn of_lineage(lineage: &LineageRepository, before: Timestamp) -> Result<Unneeded> {
    let stock = match lineage.stock(&BTreeSet::new()).await {
        Ok(stock) => stock,
        Err(Error::Damaged { .. } | Error::Missing { .. }) => {
            return Ok(Unneeded {
                findings: Vec::new(),
                keys: BTreeSet::new(),
                is_whole: false,
            });
        }
        Err(error) => return Err(error),
    };
    let mut keys = stock.needed_keys().clone();
    keys.extend(lineage.keys());
    // Those of attempts that may still be under way, and of what is an orphan: the
    // objects are named, and their keys go with them.
    keys.extend(lineage.keys_of_all(&stock).await?);
    let findings = stock.unneeded(before).into_iter().map(orphan);
    Ok(Unneeded {
        findings: findings.collect(),
        keys,
        is_whole: true,
    })
}

/// Keys that nothing is sealed with.
pub(super) async fn keys(
    repository: &Repository,
    needed: &BTreeSet<KeyId>,
    before: Timestamp,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for key in repository.keys().await? {
        // Keys of the control plane's snapshots are the matter of control planes.
        let ours = key
            .purpose
            .is_some_and(|purpose| purpose != KeyPurpose::State);
        if !ours || needed.contains(&key.id) {
            continue;
        }
        let mut listed = repository.store.list(&format!("keys/{}", key.id));
        while let Some(item) = listed.try_next().await? {
            if item.modified_micros < before.as_microsecond() {
                findings.push(orphan(item.name));
            }
        }
    }
    Ok(findings)
}

fn orphan(object: String) -> Finding {
    let problem = "it is orphaned: no backup needs it".to_owned();
    Problem { object, problem }.costing(Vec::new())
}
