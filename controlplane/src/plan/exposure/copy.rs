//! How copies stand, beside the repository that verdicts are about.

use holdfast_types::resource::PolicyCopy;
use holdfast_types::{CopyExposure, RepositoryExposure};
use jiff::Timestamp;

use super::{RepositoryFacts, see, see_points, since};

/// How a copy stands. What it means for the verdict is the engine's to say, by what the
/// RPO is about (`rpoScope`).
pub fn show_copy(
    facts: &RepositoryFacts,
    rule: &PolicyCopy,
    missing: u64,
    receives: bool,
    now: Timestamp,
) -> RepositoryExposure {
    let seen = if receives {
        see(facts)
    } else {
        see_points(facts)
    };
    let frontier = seen
        .restorable
        .or(facts.frontier.map(|(_, frontier)| frontier));
    let within = rule.within.map(holdfast_types::Span::get);
    let late = within.map(|within| {
        // Nothing can be restored from it: that is as late as it gets (I-13).
        let behind = seen.restorable.map(|frontier| since(frontier.time, now));
        behind.is_none_or(|behind| behind > within)
    });
    RepositoryExposure {
        name: facts.name.to_string(),
        frontier: frontier.map(|frontier| frontier.time),
        frontier_lsn: frontier.map(|frontier| frontier.lsn),
        gaps: seen.gaps,
        receiver: None,
        copy: Some(CopyExposure {
            backups: (facts.backups.len() + facts.dumps.len()) as u64,
            missing,
            within_seconds: within.map(|within| within.as_secs()),
            late,
            trouble: facts.trouble.as_ref().map(|trouble| trouble.code.clone()),
        }),
    }
}
