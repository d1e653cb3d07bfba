//! Which policy would do.

use holdfast_state::query;
use holdfast_types::policy::{Ask, Candidate, FieldReason, Means, contract, suggest};
use holdfast_types::resource::{Document, Labels, Metadata, Resource};
use holdfast_types::{ByteSize, Name, Span};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::measure::rates;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};

/// What somebody needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The name of the policy.
    pub name: Option<Name>,
    /// How much may be lost.
    pub rpo: Span,
    /// How long a restore may take.
    pub rto: Span,
    /// How large the database is.
    pub size: ByteSize,
    /// How far back any point in time shall be restorable.
    pub window: Option<Span>,
    /// The clusters that it is for.
    pub selector: Option<Labels>,
    /// Where backups go; the first repository when it is not said.
    pub repository: Option<Name>,
    /// Where they are copied to.
    pub copy: Option<Name>,
}

impl Wanted {
    fn check(&self) -> Result<()> {
        let empty = |window: Span| window.get().is_zero();
        let given = [
            ("rpo", empty(self.rpo)),
            ("rto", empty(self.rto)),
            ("size", self.size.get() == 0),
            ("window", self.window.is_some_and(empty)),
        ];
        match given.iter().find(|(_, nothing)| *nothing) {
            None => Ok(()),
            Some((field, _)) => Err(AppError::invalid(*field, "it is more than nothing")),
        }
    }
}

/// A policy with its reasons. Nothing was applied.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicySuggestion)]
pub struct SuggestionView {
    /// The document, as it can be applied.
    #[schema(value_type = Object)]
    pub document: Value,
    /// What it promises, in one sentence.
    pub contract: String,
    /// How it protects: the least that suffices.
    pub means: Means,
    /// Whether everything that was asked for can be kept. If not, this is the
    /// nearest.
    pub feasible: bool,
    /// Every way to protect, the least first, and whether it suffices.
    pub candidates: Vec<Candidate>,
    /// Why each part says what it says.
    pub reasons: Vec<FieldReason>,
    /// What was taken for true, and what was measured.
    pub assumptions: Vec<String>,
}

impl App {
    /// Suggests a policy, by how fast restores were where any were measured.
    pub async fn suggest_policy(&self, by: &Caller, wanted: Wanted) -> Result<SuggestionView> {
        wanted.check()?;
        let view = self.read(by).await?;
        let known = query::repository_regions(view.connection()).await?;
        let (repository, because) = match wanted.repository {
            Some(named) => (named, None),
            None => match known
                .into_keys()
                .find(|name| Some(name) != wanted.copy.as_ref())
            {
                Some(first) => (first, Some("the first repository there is")),
                None => (
                    "backups".parse().map_err(AppError::internal)?,
                    Some("there is no repository yet: apply one of this name"),
                ),
            },
        };
        if wanted.copy.as_ref() == Some(&repository) {
            let message = "a copy is in another repository than the original";
            return Err(AppError::invalid("copy", message));
        }
        let rates = rates(&view).await?;
        let name = wanted.name.map_or_else(|| "suggested".parse(), Ok);
        let name = name.map_err(AppError::internal)?;
        let selector = wanted.selector.unwrap_or_else(|| {
            // Not `{}`: what somebody tries out must not take every cluster.
            Labels::from([("policy".to_owned(), name.to_string())])
        });
        let found = suggest(&Ask {
            rpo: wanted.rpo,
            rto: wanted.rto,
            size: wanted.size,
            window: wanted.window,
            selector,
            repository,
            copy: wanted.copy,
            copy_bytes_per_second: rates.copy_bytes_per_second,
            replay_bytes_per_second: rates.replay_bytes_per_second,
        });
        let contract = contract(&found.policy);
        let mut reasons = found.reasons;
        reasons.extend(because.map(|because| FieldReason {
            field: "repository".to_owned(),
            because: because.to_owned(),
        }));
        let document = Document {
            metadata: Metadata {
                name,
                fleet: None,
                labels: Labels::new(),
            },
            resource: Resource::Policy(Box::new(found.policy)),
        };
        Ok(SuggestionView {
            document: document.to_value(),
            contract,
            means: found.means,
            feasible: found.feasible,
            candidates: found.candidates,
            reasons,
            assumptions: found.assumptions,
        })
    }
}
