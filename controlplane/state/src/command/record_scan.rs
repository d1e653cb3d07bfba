//! Records in what a repository and the catalog differ. What was found before
//! and is not found any more is gone; what is found again keeps its first time.

use holdfast_types::resource::Kind;
use holdfast_types::{Failure, Name};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use super::request_scans::new;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::word::FindingKind;
use crate::entity::{findings, repository_scans};
use crate::lookup::Lookup;
use crate::state_snapshots::LEVEL;
use crate::{Noun, Refusal};

/// More differences than these are not each worth a row: something else is
/// wrong then.
const FINDINGS_MAX: usize = 10_000;

/// Since level 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordScan {
    /// The repository.
    pub repository: Name,
    /// What came of it.
    pub outcome: ScanOutcome,
}

/// What came of comparing a repository with the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanOutcome {
    /// All of it was looked at.
    Complete {
        /// How many backups are in it.
        backups: u64,
        /// How many of them the catalog did not know before.
        adopted: u64,
        /// In what they still differ.
        findings: Vec<Finding>,
    },
    /// It could not be looked at: what was found before stands.
    Failed(Failure),
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// In what way.
    pub kind: FindingKind,
    /// What differs, such as `backups/bkp_…`.
    pub subject: String,
    /// Of which cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
    /// What each says.
    pub detail: String,
}

impl ReplicatedCommand for RecordScan {
    /// How many differences there are.
    type Outcome = u64;
    const NAME: &'static str = "record_scan";

    fn target(&self) -> String {
        format!("repositories/{}", self.repository)
    }

    fn audit_detail(&self) -> Value {
        match &self.outcome {
            ScanOutcome::Complete { findings, .. } => json!({"findings": findings.len()}),
            ScanOutcome::Failed(failure) => json!({"failure": failure}),
        }
    }

    fn level(&self) -> u32 {
        LEVEL
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let declared = cx.resource(Kind::Repository, &self.repository).await?;
        if declared.is_none() {
            return Err(Refusal::not_found(Noun::Repository, self.repository).into());
        }
        let repository = Text(self.repository);
        let known = repository_scans::Entity::find_by_id(repository.clone());
        let scan = known.only(cx.tx()).await?;
        let scan = scan.unwrap_or_else(|| new(repository.clone()));
        let scan = repository_scans::Model {
            requested_at: None,
            tried_at: Some(Moment(cx.now())),
            ..scan
        };
        let (scan, differences) = match self.outcome {
            ScanOutcome::Failed(failure) => {
                let failure = Some(Json(failure));
                (repository_scans::Model { failure, ..scan }, 0)
            }
            ScanOutcome::Complete {
                backups,
                adopted,
                findings,
            } => {
                let differences = findings.len() as u64;
                replace(cx, &repository, findings).await?;
                let scan = repository_scans::Model {
                    scanned_at: Some(Moment(cx.now())),
                    backups: Count(backups),
                    adopted: Count(adopted),
                    failure: None,
                    ..scan
                };
                (scan, differences)
            }
        };
        cx.put(scan).await?;
        cx.changed(Kind::Repository.plural(), repository.0);
        Ok(differences)
    }
}

async fn replace(
    cx: &ApplyContext<'_>,
    repository: &Text<Name>,
    mut found: Vec<Finding>,
) -> Result<(), Stop> {
    found.sort();
    found.truncate(FINDINGS_MAX);
    let before = findings::Entity::find()
        .filter(findings::Column::Repository.eq(repository.clone()))
        .order_by_asc(findings::Column::Subject)
        .all(cx.tx())
        .await?;
    let sql = "DELETE FROM findings WHERE repository = ?";
    cx.execute(sql, [repository.clone().into()]).await?;
    for finding in found {
        let same =
            |row: &&findings::Model| row.kind.0 == finding.kind && row.subject == finding.subject;
        let first_seen = before.iter().find(same).map(|row| row.first_seen);
        cx.put(findings::Model {
            repository: repository.clone(),
            kind: Text(finding.kind),
            subject: finding.subject,
            cluster: finding.cluster.map(Text),
            detail: finding.detail,
            first_seen: first_seen.unwrap_or(Moment(cx.now())),
            last_seen: Moment(cx.now()),
        })
        .await?;
    }
    Ok(())
}
