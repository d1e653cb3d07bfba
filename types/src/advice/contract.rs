//! What a policy promises, in one sentence.

use std::fmt::Write;

use crate::resource::{Policy, WalMode};
use crate::{BackupKind, RpoScope, Span};

/// What is promised beside what a policy's document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beyond {
    /// Which loss the RPO is about.
    pub scope: RpoScope,
    /// How long a restore may take.
    pub rto: Option<Span>,
    /// How often a restore is rehearsed.
    pub drill_every: Option<Span>,
}

/// The promise of a policy: how much may be lost, how far back a restore reaches,
/// where copies are, and how it is proved.
pub fn contract(policy: &Policy, beyond: &Beyond) -> String {
    let mut parts = vec![loss(policy, beyond.scope), reach(policy)];
    for copy in &policy.copies {
        let mut part = format!("a copy is in {}", copy.repository);
        if let Some(within) = copy.within {
            let _ = write!(part, " within {within}");
        }
        parts.push(part);
    }
    if let Some(rto) = beyond.rto {
        parts.push(format!("a restore takes at most {rto}"));
    }
    parts.push(match beyond.drill_every {
        Some(every) => format!("a restore is rehearsed every {every}"),
        None => "no restore is rehearsed".to_owned(),
    });
    let Some((last, others)) = parts.split_last() else {
        return String::new();
    };
    let mut sentence = format!("{}, and {last}.", others.join(", "));
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence
}

fn loss(policy: &Policy, scope: RpoScope) -> String {
    let Some(rpo) = policy.rpo() else {
        return "how much may be lost is not said".to_owned();
    };
    let when = match scope {
        RpoScope::Any => "",
        RpoScope::RegionLoss => " even with a whole region",
        RpoScope::K2 => " even with any one repository",
    };
    format!("at most {rpo} are lost{when}")
}

fn reach(policy: &Policy) -> String {
    if policy.wal_mode() == WalMode::None {
        let dumps = policy.schedules.iter();
        let mut kinds = dumps.map(|schedule| schedule.kind);
        let what = match kinds.next() {
            None => "backups",
            Some(BackupKind::Logical) if kinds.all(|kind| kind == BackupKind::Logical) => "dumps",
            Some(_) => "backups",
        };
        return format!("{what} are what can be restored, and no point between them");
    }
    match (policy.window().or(policy.pitr()), &policy.retention) {
        (Some(window), _) => format!("any point of the last {window} can be restored"),
        (None, Some(_)) => "any point since the oldest kept backup can be restored".to_owned(),
        (None, None) => "any point since the first backup can be restored".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(more: Value, beyond: &Beyond) -> String {
        let mut value = json!({"selector": {}, "repository": "eu"});
        for (name, part) in more.as_object().unwrap() {
            value[name] = part.clone();
        }
        contract(&serde_json::from_value(value).unwrap(), beyond)
    }

    #[test]
    fn a_promise_is_one_sentence() {
        let gold = json!({
            "objectives": {"rpo": "30s", "window": "14d"},
            "copies": [{"repository": "us", "within": "15m"}, {"repository": "ap"}],
        });
        let beyond = Beyond {
            scope: RpoScope::RegionLoss,
            rto: Some(Span::from_secs(1800)),
            drill_every: Some(Span::from_secs(7 * 86_400)),
        };
        assert_eq!(
            said(gold, &beyond),
            "At most 30s are lost even with a whole region, any point of the last 2w can be \
             restored, a copy is in us within 15m, a copy is in ap, a restore takes at most 30m, \
             and a restore is rehearsed every 1w."
        );
    }

    #[test]
    fn what_is_not_promised_is_said_too() {
        assert_eq!(
            said(json!({}), &Beyond::default()),
            "How much may be lost is not said, any point since the first backup can be restored, \
             and no restore is rehearsed."
        );
        let dumps = json!({
            "objectives": {"rpo": "2d"}, "wal": {"mode": "none"}, "retention": {},
            "schedules": [{"name": "d", "kind": "logical", "every": "1d"}],
        });
        assert_eq!(
            said(dumps, &Beyond::default()),
            "At most 2d are lost, dumps are what can be restored, and no point between them, \
             and no restore is rehearsed."
        );
        let kept = said(json!({"retention": {}}), &Beyond::default());
        assert!(kept.contains("since the oldest kept backup"), "{kept}");
    }
}
