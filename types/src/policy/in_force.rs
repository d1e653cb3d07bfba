//! Which policy is in force for a cluster.

use crate::Name;
use crate::resource::{Labels, Policy, selects};

/// The policy for something with these labels: of those that select it, the
/// one of the highest priority. Apply refuses ties, so there is one answer.
pub fn effective<'a>(
    policies: impl IntoIterator<Item = (&'a Name, &'a Policy)>,
    labels: &Labels,
) -> Option<(&'a Name, &'a Policy)> {
    policies
        .into_iter()
        .filter(|(_, policy)| selects(&policy.selector, labels))
        .max_by_key(|(_, policy)| policy.priority())
}

/// Two policies of equal priority that select something with these labels.
pub fn clash<'a>(
    policies: impl IntoIterator<Item = (&'a Name, &'a Policy)>,
    labels: &Labels,
) -> Option<([&'a Name; 2], i32)> {
    let mut selecting: Vec<_> = policies
        .into_iter()
        .filter(|(_, policy)| selects(&policy.selector, labels))
        .map(|(name, policy)| (policy.priority(), name))
        .collect();
    selecting.sort();
    selecting.windows(2).find_map(|pair| match pair {
        [(one, first), (other, second)] if one == other => Some(([*first, *second], *one)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(selector: &[(&str, &str)], priority: i32) -> Policy {
        let selector: Labels = labels(selector);
        let value = json!({"selector": selector, "priority": priority, "repository": "eu"});
        serde_json::from_value(value).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_highest_priority_that_selects_wins() {
        let (all, gold): (Name, Name) = ("all".parse().unwrap(), "gold".parse().unwrap());
        let policies = [
            (&all, &policy(&[], 0)),
            (&gold, &policy(&[("tier", "gold")], 5)),
        ];
        let name = |labels: &Labels| effective(policies, labels).map(|(name, _)| name.as_str());
        assert_eq!(name(&labels(&[("tier", "gold")])), Some("gold"));
        assert_eq!(name(&labels(&[("tier", "tin")])), Some("all"));
        assert_eq!(effective([], &Labels::new()), None);
    }

    #[test]
    fn only_equal_priorities_on_one_cluster_clash() {
        let (one, other): (Name, Name) = ("one".parse().unwrap(), "other".parse().unwrap());
        let clashing = |policies: [(&Name, &Policy); 2], with: &[(&str, &str)]| {
            clash(policies, &labels(with)).is_some()
        };
        let (any, gold) = (policy(&[], 0), policy(&[("tier", "gold")], 0));
        assert!(clashing(
            [(&one, &any), (&other, &gold)],
            &[("tier", "gold")]
        ));
        assert!(!clashing(
            [(&one, &any), (&other, &gold)],
            &[("tier", "tin")]
        ));
        assert!(!clashing([(&one, &any), (&other, &policy(&[], 1))], &[]));
    }
}
