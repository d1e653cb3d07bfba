//! In what a policy protects less than another: what its own rules say that
//! other people must consent to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Name;
use crate::backup::as_word;
use crate::resource::{Policy, Retention};

/// A rule of a policy by which an act needs consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApprovalRule {
    /// `approvals.delete`
    Delete,
    /// `approvals.shortenRetention`
    ShortenRetention,
    /// `approvals.restoreOver`
    RestoreOver,
}

as_word!(ApprovalRule {
    Delete = "delete",
    ShortenRetention = "shortenRetention",
    RestoreOver = "restoreOver",
});

impl ApprovalRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Delete, Self::ShortenRetention, Self::RestoreOver];
}

/// One way in which a policy protects less than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakened {
    /// How many others must consent.
    pub needed: u32,
    /// What becomes less.
    pub what: String,
}

/// In what `after` protects less than `before`, as far as `before` asks for
/// consent to that. Without `after` no policy is in force any more.
///
/// A rule that is lowered needs the consent that it takes away: nobody gets
/// around a rule by changing it first.
pub fn weakens(before: &Policy, after: Option<&Policy>) -> Vec<Weakened> {
    let mut found = Vec::new();
    for rule in ApprovalRule::ALL {
        let needed = before.approvals(rule);
        let left = after.map_or(0, |after| after.approvals(rule));
        if left < needed {
            let what = format!("approvals.{rule} goes from {needed} to {left}");
            found.push(Weakened { needed, what });
        }
    }
    let needed = before.approvals(ApprovalRule::ShortenRetention);
    // Without a policy nothing expires.
    if let Some(after) = after.filter(|_| needed > 0) {
        let shortened = shortens(before, after).into_iter();
        found.extend(shortened.map(|what| Weakened { needed, what }));
    }
    found
}

fn shortens(before: &Policy, after: &Policy) -> Vec<String> {
    let mut what = Vec::new();
    match (&before.retention, &after.retention) {
        // Nothing expires of a policy without it.
        (_, None) => {}
        (None, Some(_)) => what.push("backups begin to expire".to_owned()),
        (Some(old), Some(new)) => what.extend(keeps_less(old, new)),
    }
    if after.retention.is_some() && before.retention.is_some() {
        match (before.pitr(), after.pitr()) {
            (Some(old), Some(new)) if new < old => {
                what.push(format!("pitr goes from {old} to {new}"));
            }
            // With a time, WAL before it goes; without one, backups that only the
            // time keeps. Neither contains the other.
            (None, Some(new)) => what.push(format!("WAL is kept for {new} only")),
            (Some(old), None) => what.push(format!("pitr of {old} is given up")),
            _ => {}
        }
    }
    if let (Some(old), left) = (before.window(), after.window())
        && left.is_none_or(|left| left < old)
    {
        what.push(format!("the window of {old} is not promised any more"));
    }
    if before.receives_wal() && !after.receives_wal() {
        what.push("no WAL is received any more".to_owned());
    }
    let gone = given_up(before, after).into_iter();
    what.extend(gone.map(|place| format!("what is kept in \"{place}\" is given up")));
    what
}

/// The repositories that hold a copy before and nothing after; of the original too
/// when that leaves fewer places than there were.
fn given_up<'a>(before: &'a Policy, after: &'a Policy) -> Vec<&'a Name> {
    let (old, new) = (places(before), places(after));
    let fewer = new.len() < old.len();
    let gone = old.difference(&new);
    gone.filter(|place| fewer || ***place != before.repository)
        .copied()
        .collect()
}

fn places(policy: &Policy) -> BTreeSet<&Name> {
    let copies = policy.copies.iter().map(|copy| &copy.repository);
    copies.chain([&policy.repository]).collect()
}

fn keeps_less(old: &Retention, new: &Retention) -> Vec<String> {
    let (old, new) = (old.keep(), new.keep());
    let counts = [
        ("last", old.last(), new.last()),
        ("daily", old.daily.unwrap_or(0), new.daily.unwrap_or(0)),
        ("weekly", old.weekly.unwrap_or(0), new.weekly.unwrap_or(0)),
        (
            "monthly",
            old.monthly.unwrap_or(0),
            new.monthly.unwrap_or(0),
        ),
        ("yearly", old.yearly.unwrap_or(0), new.yearly.unwrap_or(0)),
    ];
    let less = counts.into_iter().filter(|(_, old, new)| new < old);
    less.map(|(name, old, new)| format!("keep.{name} goes from {old} to {new}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(more: Value) -> Policy {
        let mut spec = json!({"selector": {}, "repository": "eu",
            "approvals": {"delete": 2, "shortenRetention": 3},
            "copies": [{"repository": "us"}],
            "objectives": {"window": "14d"},
            "retention": {"keep": {"last": 2, "daily": 7}, "pitr": "14d"}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn needs(after: Value) -> u32 {
        let found = weakens(&policy(json!({})), Some(&policy(after)));
        found.iter().map(|one| one.needed).max().unwrap_or(0)
    }

    #[test]
    fn less_protection_needs_what_the_rule_before_says() {
        // The same, or more, needs nobody.
        assert_eq!(needs(json!({})), 0);
        let more = json!({"keep": {"last": 3, "daily": 7, "yearly": 1}, "pitr": "20d"});
        assert_eq!(needs(json!({"retention": more})), 0);
        assert_eq!(needs(json!({"retention": null})), 0);
        assert_eq!(
            needs(json!({"approvals": {"delete": 5, "shortenRetention": 3}})),
            0
        );
        // A rule that is lowered needs what it takes away, whatever is left.
        assert_eq!(
            needs(json!({"approvals": {"delete": 1, "shortenRetention": 3}})),
            2
        );
        assert_eq!(needs(json!({"approvals": {"shortenRetention": 9}})), 2);
        assert_eq!(needs(json!({"approvals": null})), 3);
        for less in [
            json!({"retention": {"keep": {"last": 1, "daily": 7}, "pitr": "14d"}}),
            json!({"retention": {"keep": {"last": 2, "daily": 6}, "pitr": "14d"}}),
            json!({"retention": {"keep": {"last": 2, "daily": 7}, "pitr": "13d"}}),
            json!({"objectives": {"window": "13d"}}),
            json!({"objectives": null}),
            json!({"copies": []}),
            json!({"copies": [{"repository": "ap"}]}),
            json!({"wal": {"mode": "none"}, "objectives": null}),
        ] {
            assert_eq!(needs(less.clone()), 3, "{less}");
        }
        // The copy became the original: with another in its place, or with none.
        let swapped = json!({"copies": [{"repository": "ap"}], "repository": "us"});
        assert_eq!(needs(swapped), 0);
        assert_eq!(needs(json!({"copies": [], "repository": "us"})), 3);
        // Another original, and the copy as before.
        assert_eq!(needs(json!({"repository": "ap"})), 0);
        // No policy at all: nothing expires, and no rule is left.
        let gone = weakens(&policy(json!({})), None);
        assert_eq!(gone.iter().map(|one| one.needed).max(), Some(3));
        // A time and none keep different things.
        let endless = policy(json!({"objectives": null, "retention": {"keep": {"last": 2}}}));
        assert!(!weakens(&endless, Some(&policy(json!({})))).is_empty());
        // Nobody asks for consent, so none is needed.
        let free = policy(json!({"approvals": null}));
        assert!(weakens(&free, None).is_empty());
    }
}
