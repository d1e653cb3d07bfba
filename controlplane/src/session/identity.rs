//! Which repository an agent has opened, against the one the catalog means.
//!
//! The first report that says so names the repository for good. What is in
//! another one proves nothing about this one: it is neither recorded nor shown
//! as covered (I-05, I-13), and the difference is shown instead.

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_proto::WalReport;
use holdfast_state::command::RecordRepository;
use holdfast_state::{Refusal, query};
use holdfast_types::{Failure, Name, RepositoryId};

use super::reports::{Verdict, propose};
use crate::app::App;
use crate::app::error::Result;

/// Accepts what was found where `repository` should be, and records it if
/// nothing was found there before. An agent that does not say is believed.
pub(super) async fn settle(
    app: &App,
    view: &StateView,
    cx: &ProposeContext,
    repository: &Name,
    found: Option<RepositoryId>,
) -> Result<Verdict> {
    let Some(found) = found else {
        return Ok(Ok(()));
    };
    match query::repository_identity(view.connection(), repository).await? {
        Some(known) => Ok(compare(repository, known, found)),
        None => {
            let command = RecordRepository {
                repository: repository.clone(),
                identity: found,
            };
            propose(app, cx.clone(), command).await
        }
    }
}

fn compare(repository: &Name, expected: RepositoryId, found: RepositoryId) -> Verdict {
    if expected == found {
        return Ok(());
    }
    Err(Refusal::RepositoryMismatch {
        repository: repository.clone(),
        expected,
        found,
    })
}

/// A report as it counts: one of another repository claims nothing, and that
/// is its trouble.
pub(super) fn as_it_counts(
    report: WalReport,
    repository: &Name,
    known: Option<RepositoryId>,
) -> WalReport {
    let Some((expected, found)) = known.zip(report.repository) else {
        return report;
    };
    let Err(refusal) = compare(repository, expected, found) else {
        return report;
    };
    let trouble = Failure::permanent(refusal.code(), refusal.to_string(), refusal.hint());
    WalReport {
        wal: None,
        frontier: None,
        trouble: Some(trouble),
        ..report
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::LineageWal;
    use holdfast_types::{AssignmentId, Generation, Lineage};

    use super::*;

    fn id(number: u128) -> RepositoryId {
        RepositoryId::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn report(found: Option<RepositoryId>) -> WalReport {
        let lineage = Lineage {
            system_identifier: 7,
            incarnation: 1,
        };
        WalReport {
            assignment: AssignmentId::from_uuid(uuid::Uuid::from_u128(1)),
            generation: Generation(1),
            wal: Some(LineageWal {
                lineage,
                timelines: Vec::new(),
            }),
            frontier: None,
            trouble: None,
            repository: found,
            copies: Vec::new(),
        }
    }

    #[test]
    fn what_is_in_another_repository_claims_nothing() {
        let name: Name = "eu".parse().unwrap();
        for (known, found) in [
            (None, None),
            (None, Some(id(1))),
            (Some(id(1)), None),
            (Some(id(1)), Some(id(1))),
        ] {
            let counted = as_it_counts(report(found), &name, known);
            assert_eq!(counted, report(found), "{known:?} {found:?}");
        }
        let other = as_it_counts(report(Some(id(2))), &name, Some(id(1)));
        assert_eq!(other.wal, None);
        assert_eq!(other.trouble.unwrap().code, "repository_mismatch");
    }
}
