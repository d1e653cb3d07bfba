//! What a cluster is promised: the part of its policy that verdicts rest on.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::access::ApprovalRule;
use holdfast_types::resource::{Policy, WalMode};
use holdfast_types::{Name, RpoScope, Span, blind_after};
use serde::{Deserialize, Serialize};

/// What is promised, since a fact says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The policy that promises it.
    pub policy: Name,
    /// How much may be lost; without it there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Span>,
    /// Of which loss that is said.
    #[serde(default)]
    pub scope: RpoScope,
    /// How far back any point in time shall be restorable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// How long a restore may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Span>,
    /// How old the newest drill may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill_every: Option<Span>,
    /// How WAL reaches the repository.
    pub wal: WalMode,
    /// How long received WAL may wait before it is stored.
    pub flush_every: Span,
    /// Where backups and WAL shall be; the first is the policy's own repository.
    pub places: Vec<Place>,
    /// How many people must consent to a deletion.
    #[serde(default)]
    pub delete_approvals: u32,
}

/// A repository that a promise is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its name.
    pub repository: Name,
    /// What it fails with; one without a region is elsewhere than nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Of a copy, how far it may lag behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The store was seen to refuse deletions.
    #[serde(default)]
    pub locked: bool,
    /// Somebody outside the control plane has its key.
    #[serde(default)]
    pub key_escrowed: bool,
}

/// The least time that a cluster has to get its first backup.
const GRACE_LEAST: Duration = Duration::from_secs(3600);

impl Promise {
    /// What a policy promises. `regions` are those of its repositories.
    pub fn of(name: Name, policy: &Policy, regions: &BTreeMap<Name, String>) -> Self {
        let place = |repository: &Name, within| Place {
            repository: repository.clone(),
            region: regions.get(repository).cloned(),
            within,
            locked: false,
            key_escrowed: false,
        };
        let own = place(&policy.repository, None);
        let copies = policy.copies.iter();
        let copies = copies.map(|copy| place(&copy.repository, copy.within));
        Self {
            policy: name,
            rpo: policy.rpo(),
            scope: policy.rpo_scope(),
            window: policy.window(),
            rto: policy.rto(),
            drill_every: policy.drills_fresh_for(),
            wal: policy.wal_mode(),
            flush_every: policy.flush_every(),
            places: std::iter::once(own).chain(copies).collect(),
            delete_approvals: policy.approvals(ApprovalRule::Delete),
        }
    }

    /// Whether WAL is received; without it what counts is as old as the newest
    /// backup.
    pub fn receives_wal(&self) -> bool {
        self.wal != WalMode::None
    }

    /// How old a frontier may be before we are blind.
    pub fn blind_after(&self) -> Duration {
        blind_after(self.flush_every)
    }

    /// How long a cluster that was never protected has before that is a
    /// violation.
    pub fn grace(&self) -> Duration {
        let rpo = self.rpo.map_or(Duration::ZERO, Span::get);
        rpo.max(GRACE_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_promises_what_it_says() {
        let policy: Policy = serde_json::from_value(json!({
            "selector": {}, "repository": "eu", "copies": [{"repository": "us", "within": "15m"}],
            "objectives": {"rpo": "30s", "rto": "30m", "window": "14d"},
        }))
        .unwrap();
        let regions = BTreeMap::from([("eu".parse().unwrap(), "west".to_owned())]);
        let promise = Promise::of("gold".parse().unwrap(), &policy, &regions);
        let said = [promise.rpo, promise.rto, promise.window].map(|span| span.unwrap().to_string());
        assert_eq!(said, ["30s", "30m", "2w"]);
        let places = promise.places.iter();
        let places: Vec<_> = places
            .map(|place| {
                (
                    place.repository.as_str(),
                    place.region.as_deref(),
                    place.within,
                )
            })
            .collect();
        let within = Some(Span::from_secs(900));
        assert_eq!(places, [("eu", Some("west"), None), ("us", None, within)]);
    }
}
