//! What a policy promises, in one sentence.

use super::words::list;
use crate::drill::{DrillKind, DrillPoint};
use crate::resource::{Drill, Policy, PolicyCopy, drill_name};
use crate::{Name, RestoreTarget, RpoScope};

/// The promise in one sentence: what may be lost, what can be restored and how
/// soon, from where, and what proves it. What it does not promise is said too.
pub fn contract(policy: &Policy) -> String {
    format!(
        "{}, {}, {}; {}.",
        lost(policy),
        restored(policy),
        places(&policy.repository, &policy.copies),
        proof(&policy.drills),
    )
}

/// The drills that the policy orders. Those of a DrillPlan are not its own: the same
/// policy promises the same whoever else rehearses.
fn proof(drills: &[Drill]) -> String {
    let drills = drills.iter().enumerate();
    let drills: Vec<String> = drills.map(|(at, drill)| rehearsal(at, drill)).collect();
    if drills.is_empty() {
        return "no drill of its own proves it".to_owned();
    }
    format!("to be proven by {}", list(&drills, drills.len()))
}

/// A drill: what it is called, when it is made, and what it restores.
fn rehearsal(index: usize, drill: &Drill) -> String {
    let when = match (&drill.cron, drill.every) {
        (Some(line), _) => {
            let zone = drill.timezone.as_deref().unwrap_or("UTC");
            format!("at \"{line}\" {zone}")
        }
        (None, Some(every)) => format!("every {every}"),
        // Refused when it is read.
        (None, None) => "never".to_owned(),
    };
    let point = match drill.at() {
        DrillPoint::Random => "a random point".to_owned(),
        DrillPoint::At(RestoreTarget::Latest) => "the latest point".to_owned(),
        DrillPoint::At(target) => target.to_string(),
    };
    let what = match drill.kind {
        Some(DrillKind::Logical) => "a dump".to_owned(),
        Some(DrillKind::Physical) | None => point,
    };
    format!("{} ({when}, of {what})", drill_name(index, drill))
}

fn lost(policy: &Policy) -> String {
    match policy.rpo() {
        Some(rpo) => match policy.rpo_scope() {
            RpoScope::Any => format!("At most {rpo} of commits may be lost"),
            RpoScope::RegionLoss => {
                format!("At most {rpo} of commits may be lost, also when a whole region is lost")
            }
            RpoScope::K2 => {
                format!("At most {rpo} of commits may be lost, also when any one copy is lost")
            }
        },
        None => "How much may be lost is not promised".to_owned(),
    }
}

fn restored(policy: &Policy) -> String {
    let soon = soon(policy);
    if !policy.receives_wal() {
        return format!("each kept backup can be restored{soon}, and no point between two of them");
    }
    match policy.pitr() {
        Some(pitr) => format!("any point of the last {pitr} can be restored{soon}"),
        None => format!("any point since the oldest kept backup can be restored{soon}"),
    }
}

fn soon(policy: &Policy) -> String {
    match policy.rto() {
        Some(rto) => format!(" within {rto}"),
        None => String::new(),
    }
}

fn places(repository: &Name, copies: &[PolicyCopy]) -> String {
    let copy = |copy: &PolicyCopy| match copy.within {
        Some(within) => format!("{} (at most {within} behind)", copy.repository),
        None => format!("{} (however far behind)", copy.repository),
    };
    let copies: Vec<String> = copies.iter().map(copy).collect();
    match copies.as_slice() {
        [] => format!("from {repository} alone"),
        [only] => format!("from {repository} or its copy in {only}"),
        several => format!(
            "from {repository} or its copies in {}",
            several.join(" and ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(spec: Value) -> String {
        contract(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_policy_is_one_sentence() {
        let whole = json!({"selector": {}, "repository": "eu",
            "objectives": {"rpo": "30s", "rto": "30m", "window": "14d"},
            "copies": [{"repository": "us", "within": "15m"}]});
        assert_eq!(
            said(whole),
            "At most 30s of commits may be lost, any point of the last 2w can be restored within \
             30m, from eu or its copy in us (at most 15m behind); no drill of its own proves it."
        );
        let least = json!({"selector": {}, "repository": "eu"});
        assert_eq!(
            said(least),
            "How much may be lost is not promised, any point since the oldest kept backup can be \
             restored, from eu alone; no drill of its own proves it."
        );
        let dumps = json!({"selector": {}, "repository": "eu", "wal": {"mode": "none"},
            "objectives": {"rpo": "1d", "rto": "2h"},
            "copies": [{"repository": "us"}, {"repository": "ap", "within": "1d"}]});
        assert_eq!(
            said(dumps),
            "At most 1d of commits may be lost, each kept backup can be restored within 2h, and no \
             point between two of them, from eu or its copies in us (however far behind) and ap (at \
             most 1d behind); no drill of its own proves it."
        );
    }

    #[test]
    fn its_drills_are_named() {
        let with = |drills: Value| {
            let said = said(json!({"selector": {}, "repository": "eu", "drills": drills}));
            said.split_once("; ").unwrap().1.to_owned()
        };
        assert_eq!(
            with(json!([{"every": "1d"}])),
            "to be proven by drill-1 (every 1d, of the latest point)."
        );
        let several = json!([
            {"name": "weekly", "cron": "0 6 * * 1", "timezone": "Europe/Vienna", "at": "random"},
            {"every": "30d", "kind": "logical"},
        ]);
        assert_eq!(
            with(several),
            "to be proven by weekly (at \"0 6 * * 1\" Europe/Vienna, of a random point) and \
             drill-2 (every 30d, of a dump)."
        );
    }
}
