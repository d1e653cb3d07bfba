//! Which clusters a change of documents affects, and what changes for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::changes::{FieldChange, changes};
use super::in_force::effective;
use crate::backup::as_word;
use crate::resource::{Labels, Policy};
use crate::{Name, Span};

/// What is declared at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    /// Policies by name.
    pub policies: BTreeMap<Name, Policy>,
    /// The labels of clusters that are not retired.
    pub clusters: BTreeMap<Name, Labels>,
}

impl Declared {
    /// The policy in force for a cluster.
    pub fn in_force(&self, cluster: &Name) -> Option<(&Name, &Policy)> {
        let labels = self.clusters.get(cluster)?;
        effective(&self.policies, labels)
    }

    /// The clusters that a policy is in force for, by name.
    pub fn governed_by(&self, policy: &Name) -> Vec<Name> {
        let governed = |labels: &Labels| {
            let found = effective(&self.policies, labels);
            found.is_some_and(|(name, _)| name == policy)
        };
        let clusters = self.clusters.iter();
        clusters
            .filter(|(_, labels)| governed(labels))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// How a cluster is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum AffectedHow {
    /// No policy was in force for it, and one is.
    Protected,
    /// One was, and none is.
    Unprotected,
    /// Another one is in force.
    Moved,
    /// The same one is, and it says something else.
    Changed,
}

as_word!(AffectedHow {
    Protected = "protected",
    Unprotected = "unprotected",
    Moved = "moved",
    Changed = "changed",
});

/// Something that follows from a change and that one should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Consequence {
    /// `protection_ends, protection_begins, repository_changes, wal_ends, wal_begins,
    /// more_expires, expiry_begins, copy_ends, promise_weaker`.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// Clusters that are affected alike, and what changes for them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = AffectedClusters))]
pub struct Affected {
    /// How.
    pub how: AffectedHow,
    /// The policy in force before; null is none.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub from: Option<Name>,
    /// The policy in force after; null is none.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub to: Option<Name>,
    /// What is in force differently. Empty where a policy comes or goes.
    pub changes: Vec<FieldChange>,
    /// What follows from it.
    pub consequences: Vec<Consequence>,
    /// Every one of them, by name.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub clusters: Vec<Name>,
}

/// What changes for which clusters: nothing is left out, and a cluster for which
/// everything stays as it is, is not in it.
pub fn affected(before: &Declared, after: &Declared) -> Vec<Affected> {
    // Clusters of one policy before and after are affected alike.
    let mut alike: BTreeMap<(Option<&Name>, Option<&Name>), Vec<Name>> = BTreeMap::new();
    let new = after.clusters.keys();
    let new = new.filter(|name| !before.clusters.contains_key(*name));
    for cluster in before.clusters.keys().chain(new) {
        let name =
            |declared: &'_ Declared| declared.in_force(cluster).map(|(name, _)| name.clone());
        let (from, to) = (name(before), name(after));
        let from = from.and_then(|name| before.policies.get_key_value(&name));
        let to = to.and_then(|name| after.policies.get_key_value(&name));
        let pair = (from.map(|(name, _)| name), to.map(|(name, _)| name));
        alike.entry(pair).or_default().push(cluster.clone());
    }
    let mut found = Vec::new();
    for ((from, to), mut clusters) in alike {
        clusters.sort();
        let was = from.and_then(|name| before.policies.get(name));
        let is = to.and_then(|name| after.policies.get(name));
        let changes = match (was, is) {
            (Some(was), Some(is)) => changes(was, is),
            _ => Vec::new(),
        };
        let how = match (from, to) {
            (None, None) => continue,
            (None, Some(_)) => AffectedHow::Protected,
            (Some(_), None) => AffectedHow::Unprotected,
            (Some(from), Some(to)) if from != to => AffectedHow::Moved,
            _ if changes.is_empty() => continue,
            _ => AffectedHow::Changed,
        };
        found.push(Affected {
            how,
            from: from.cloned(),
            to: to.cloned(),
            changes,
            consequences: consequences(was, is),
            clusters,
        });
    }
    found
}

/// What follows for a cluster from another policy.
fn consequences(was: Option<&Policy>, is: Option<&Policy>) -> Vec<Consequence> {
    let say = |code, text: String| Consequence { code, text };
    match (was, is) {
        (None, None) => Vec::new(),
        (Some(_), None) => {
            let text = "no policy is in force: WAL is no longer received, no backup is scheduled, \
                        and what there is does not expire";
            vec![say("protection_ends", text.to_owned())]
        }
        (None, Some(is)) => {
            let wal = if is.receives_wal() {
                "WAL is received, and the clusters count as UNPROTECTED until their first backup"
            } else {
                "the clusters count as UNPROTECTED until their first backup"
            };
            vec![say(
                "protection_begins",
                format!("into {}: {wal}", is.repository),
            )]
        }
        (Some(was), Some(is)) => {
            let mut found = Vec::new();
            about_places(was, is, &mut found);
            about_wal(was, is, &mut found);
            about_expiry(was, is, &mut found);
            about_promises(was, is, &mut found);
            found
        }
    }
}

fn about_places(was: &Policy, is: &Policy, found: &mut Vec<Consequence>) {
    if was.repository != is.repository {
        let text = format!(
            "backups and WAL go to {} from now on: the clusters count as UNPROTECTED until a full \
             backup is there; what is in {} stays and can be restored",
            is.repository, was.repository
        );
        let code = "repository_changes";
        found.push(Consequence { code, text });
    }
    let kept = |name: &Name| {
        *name == is.repository || is.copies.iter().any(|copy| copy.repository == *name)
    };
    for copy in was.copies.iter().filter(|copy| !kept(&copy.repository)) {
        let text = format!("nothing is copied to {} any more", copy.repository);
        let code = "copy_ends";
        found.push(Consequence { code, text });
    }
}

fn about_wal(was: &Policy, is: &Policy, found: &mut Vec<Consequence>) {
    let (code, text) = match (was.receives_wal(), is.receives_wal()) {
        (true, false) => (
            "wal_ends",
            "WAL is no longer received, and the slots for it are dropped: between two backups \
             there are no points to restore to",
        ),
        (false, true) => (
            "wal_begins",
            "WAL is received; points in time exist from the first backup after that",
        ),
        _ => return,
    };
    let text = text.to_owned();
    found.push(Consequence { code, text });
}

fn about_expiry(was: &Policy, is: &Policy, found: &mut Vec<Consequence>) {
    let (Some(before), Some(after)) = (&was.retention, &is.retention) else {
        if is.retention.is_some() {
            let text = "what is not kept is condemned within an hour, and deleted 24 hours later; \
                        see `holdfast backup expiry CLUSTER` once it is applied";
            let code = "expiry_begins";
            let text = text.to_owned();
            found.push(Consequence { code, text });
        }
        return;
    };
    let counts = |retention: &crate::resource::Retention| {
        let keep = retention.keep();
        [
            Some(keep.last()),
            keep.daily,
            keep.weekly,
            keep.monthly,
            keep.yearly,
        ]
        .map(Option::unwrap_or_default)
    };
    let fewer = counts(before)
        .iter()
        .zip(counts(after))
        .any(|(was, is)| *was > is);
    // Without one, WAL is kept since the oldest kept backup.
    let endless = Span::from_millis(u64::MAX);
    let shorter = is.pitr().unwrap_or(endless) < was.pitr().unwrap_or(endless);
    if fewer || shorter {
        let text = "more expires than before: what is no longer kept is condemned within an hour \
                    and deleted 24 hours later";
        let code = "more_expires";
        let text = text.to_owned();
        found.push(Consequence { code, text });
    }
}

/// A promise that is weaker, or is not given any more.
fn about_promises(was: &Policy, is: &Policy, found: &mut Vec<Consequence>) {
    let mut weaker = Vec::new();
    let longer = |was: Option<Span>, is: Option<Span>| match (was, is) {
        (Some(was), Some(is)) => is > was,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if longer(was.rpo(), is.rpo()) {
        weaker.push("RPO");
    }
    if longer(was.rto(), is.rto()) {
        weaker.push("RTO");
    }
    if was.window() > is.window() {
        weaker.push("window");
    }
    if !weaker.is_empty() {
        let text = format!("less is promised than before: {}", weaker.join(", "));
        let code = "promise_weaker";
        found.push(Consequence { code, text });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn policy(selector: Value, more: Value) -> Policy {
        let mut spec = json!({"selector": selector, "repository": "eu"});
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn declared(policies: &[(&str, Policy)], clusters: &[(&str, Value)]) -> Declared {
        let labels = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        let policies = policies.iter();
        Declared {
            policies: policies
                .map(|(called, policy)| (name(called), policy.clone()))
                .collect(),
            clusters: clusters
                .iter()
                .map(|(called, value)| (name(called), labels(value)))
                .collect(),
        }
    }

    fn told(before: &Declared, after: &Declared) -> Vec<(String, String)> {
        let one = |affected: Affected| {
            let or_none = |name: Option<Name>| name.map_or("-".to_owned(), |name| name.to_string());
            let clusters: Vec<String> = affected.clusters.iter().map(Name::to_string).collect();
            let codes: Vec<&str> = affected.consequences.iter().map(|one| one.code).collect();
            let fields: Vec<&str> = affected
                .changes
                .iter()
                .map(|one| one.field.as_str())
                .collect();
            (
                format!(
                    "{} {}->{}: {}",
                    affected.how,
                    or_none(affected.from),
                    or_none(affected.to),
                    clusters.join(" ")
                ),
                format!("{} | {}", fields.join(" "), codes.join(" ")),
            )
        };
        affected(before, after).into_iter().map(one).collect()
    }

    fn pair(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    const GOLD: fn() -> Value = || json!({"tier": "gold"});

    #[test]
    fn every_cluster_that_something_changes_for_is_named() {
        let clusters = [
            ("orders", GOLD()),
            ("billing", GOLD()),
            ("shop", json!({"tier": "tin"})),
            ("other", json!({})),
        ];
        let before = declared(
            &[
                (
                    "gold",
                    policy(GOLD(), json!({"objectives": {"rpo": "30s"}})),
                ),
                ("all", policy(json!({}), json!({"priority": -1}))),
            ],
            &clusters,
        );
        assert_eq!(told(&before, &before), []);
        // A stricter promise affects those of the policy and no other.
        let stricter = policy(GOLD(), json!({"objectives": {"rpo": "10s"}}));
        let mut after = before.clone();
        after.policies.insert(name("gold"), stricter);
        assert_eq!(
            told(&before, &after),
            [pair(
                "changed gold->gold: billing orders",
                "objectives.rpo | "
            )]
        );
        // Another selector moves some of them, and those that stay are not affected.
        let narrower = policy(
            json!({"tier": "gold", "team": "a"}),
            json!({"objectives": {"rpo": "30s"}}),
        );
        let mut after = before.clone();
        after.policies.insert(name("gold"), narrower);
        assert_eq!(
            told(&before, &after),
            [pair(
                "moved gold->all: billing orders",
                "objectives.rpo | promise_weaker"
            )]
        );
        // Without any, nothing protects them.
        let mut after = before.clone();
        after.policies.remove(&name("all"));
        assert_eq!(
            told(&before, &after),
            [pair("unprotected all->-: other shop", " | protection_ends")]
        );
        assert_eq!(
            told(&after, &before),
            [pair("protected -->all: other shop", " | protection_begins")]
        );
        // A cluster that is new is affected by what selects it.
        let mut after = before.clone();
        after.clusters.insert(name("new"), Labels::new());
        assert_eq!(
            told(&before, &after),
            [pair("protected -->all: new", " | protection_begins")]
        );
    }

    #[test]
    fn what_may_hurt_is_said() {
        let one = |more: Value| declared(&[("p", policy(json!({}), more))], &[("c", json!({}))]);
        let codes = |was: Value, is: Value| -> Vec<&'static str> {
            let found = affected(&one(was), &one(is));
            let all = found.into_iter().flat_map(|one| one.consequences);
            all.map(|one| one.code).collect()
        };
        let elsewhere = json!({"repository": "us"});
        assert_eq!(codes(json!({}), elsewhere), ["repository_changes"]);
        let none = json!({"wal": {"mode": "none"}});
        assert_eq!(codes(json!({}), none.clone()), ["wal_ends"]);
        assert_eq!(codes(none, json!({})), ["wal_begins"]);
        let kept =
            |daily: u32, pitr: &str| json!({"retention": {"keep": {"daily": daily}, "pitr": pitr}});
        assert_eq!(codes(json!({}), kept(7, "7d")), ["expiry_begins"]);
        assert_eq!(codes(kept(7, "7d"), kept(6, "7d")), ["more_expires"]);
        assert_eq!(codes(kept(7, "7d"), kept(8, "6d")), ["more_expires"]);
        assert_eq!(codes(kept(7, "7d"), kept(8, "7d")), [""; 0]);
        let without = json!({"retention": {"keep": {"daily": 7}}});
        assert_eq!(codes(without, kept(7, "7d")), ["more_expires"]);
        let copied = json!({"copies": [{"repository": "us"}]});
        assert_eq!(codes(copied, json!({})), ["copy_ends"]);
        let promised = |rpo: &str, rto: &str| json!({"objectives": {"rpo": rpo, "rto": rto}});
        assert_eq!(codes(promised("30s", "1h"), promised("10s", "1h")), [""; 0]);
        assert_eq!(
            codes(promised("30s", "1h"), promised("30s", "2h")),
            ["promise_weaker"]
        );
        assert_eq!(codes(promised("30s", "1h"), json!({})), ["promise_weaker"]);
    }
}
