//! Creating and replacing declared resources, all or none.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_consensus::StateView;
use holdfast_state::Sealed;
use holdfast_state::command::{
    AppliedDocument, ApplyDocuments, Change, Consent, DocumentChange, Expected, Rehearsal,
    RehearsedDocument,
};
use holdfast_types::policy::{Affected, Lint};
use holdfast_types::resource::{Document, Kind, Resource};
use holdfast_types::{Name, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::caller::Caller;
use super::code::Code;
use super::error::{AppError, Result};
use crate::secure::Purpose;

/// What the caller believes is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Whatever it is.
    Any,
    /// This revision.
    Revision(Revision),
    /// Nothing.
    Absent,
}

/// What applying did to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApplyAction {
    /// It is new.
    Created,
    /// It is another than before.
    Configured,
    /// It was so already.
    Unchanged,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResult {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// What was done.
    pub action: ApplyAction,
    /// Its revision now; null for what a dry run would create.
    pub revision: Option<Revision>,
    /// Of a policy, what speaks against its promises.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lint: Vec<Lint>,
}

/// What became of documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// One result per document, in their order.
    pub results: Vec<ApplyResult>,
    /// Of a dry run, every cluster that something would change for.
    pub affected: Option<Vec<Affected>>,
    /// Of a dry run, the consent that it would wait for.
    pub consent: Option<ConsentView>,
}

/// The consent of others that an act would wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConsentNeeded)]
pub struct ConsentView {
    /// How many others must consent.
    pub needed: u32,
    /// Why.
    pub because: Vec<String>,
}

impl From<Consent> for ConsentView {
    fn from(Consent { needed, because }: Consent) -> Self {
        Self { needed, because }
    }
}

/// What applying documents would answer.
pub(super) struct Rehearsed {
    pub(super) results: Vec<ApplyResult>,
    pub(super) consent: Option<ConsentView>,
}

impl From<Change> for ApplyAction {
    fn from(change: Change) -> Self {
        match change {
            Change::Created => Self::Created,
            Change::Configured => Self::Configured,
            Change::Unchanged => Self::Unchanged,
        }
    }
}

impl From<AppliedDocument> for ApplyResult {
    fn from(applied: AppliedDocument) -> Self {
        Self {
            kind: applied.kind,
            name: applied.name,
            action: applied.change.into(),
            revision: Some(applied.revision),
            lint: Vec::new(),
        }
    }
}

impl From<RehearsedDocument> for ApplyResult {
    fn from(rehearsed: RehearsedDocument) -> Self {
        Self {
            kind: rehearsed.kind,
            name: rehearsed.name,
            action: rehearsed.change.into(),
            revision: rehearsed.revision,
            lint: Vec::new(),
        }
    }
}

impl App {
    /// Applies documents, or says what applying them would do: the command is
    /// the same, only whether it is proposed or rehearsed differs.
    pub async fn apply(
        &self,
        by: &Caller,
        documents: Vec<Value>,
        dry_run: bool,
    ) -> Result<Applied> {
        let read = read_all(documents)?;
        let view = match dry_run {
            true => self.read(by).await?,
            false => self.node.read().await?,
        };
        let documents: Vec<&Document> = read.iter().collect();
        self.demand_documents(&view, by, &documents).await?;
        self.check_channels(&view, &documents).await?;
        if dry_run {
            let Rehearsed { results, consent } = self.rehearse(&view, read.clone()).await?;
            return Ok(Applied {
                results: self.with_lint(&view, &read, results).await?,
                affected: Some(self.affected_by(&view, &read).await?),
                consent,
            });
        }
        let changes = read.iter().map(|document| DocumentChange {
            document: document.clone(),
            expected: Expected::Any,
        });
        let command = self.command(changes.collect())?;
        let applied = self.propose_or_ask(by, command).await?;
        let results: Vec<ApplyResult> = applied.into_iter().map(Into::into).collect();
        // It is applied: what cannot be said of it is no reason to say that it is
        // not.
        let linted = self.with_lint(&self.local(), &read, results.clone()).await;
        let results = linted.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was applied could not be looked at");
            results
        });
        Ok(Applied {
            results,
            affected: None,
            consent: None,
        })
    }

    /// What applying these would answer, and the consent that it would wait for.
    pub(super) async fn rehearse(
        &self,
        view: &StateView,
        read: Vec<Document>,
    ) -> Result<Rehearsed> {
        let changes = read.into_iter().map(|document| DocumentChange {
            document,
            expected: Expected::Any,
        });
        let command = self.command(changes.collect())?;
        let Rehearsal { documents, consent } = command.rehearse(view.connection()).await??;
        Ok(Rehearsed {
            results: documents.into_iter().map(Into::into).collect(),
            consent: consent.map(Into::into),
        })
    }

    async fn with_lint(
        &self,
        view: &StateView,
        read: &[Document],
        mut results: Vec<ApplyResult>,
    ) -> Result<Vec<ApplyResult>> {
        for (name, found) in self.lint_of(view, read).await? {
            let policy = |one: &&mut ApplyResult| one.kind == Kind::Policy && one.name == name;
            if let Some(result) = results.iter_mut().find(policy) {
                result.lint = found;
            }
        }
        Ok(results)
    }

    /// Creates or replaces one resource.
    pub async fn put(
        &self,
        by: &Caller,
        kind: Kind,
        name: &Name,
        document: Value,
        condition: Condition,
    ) -> Result<ApplyResult> {
        let document = Document::from_value(document)?;
        if document.kind() != kind {
            let message = format!("this is a {}, its URL is for a {kind}", document.kind());
            return Err(AppError::new(Code::NAME_MISMATCH, message).with_field("kind"));
        }
        if document.metadata.name != *name {
            let message = format!(
                "the document is \"{}\", its URL is for \"{name}\"",
                document.metadata.name
            );
            return Err(AppError::new(Code::NAME_MISMATCH, message).with_field("metadata.name"));
        }
        let expected = match condition {
            Condition::Any => Expected::Any,
            Condition::Revision(revision) => Expected::Revision(revision),
            Condition::Absent => Expected::Absent,
        };
        let view = self.node.read().await?;
        self.demand_documents(&view, by, &[&document]).await?;
        self.check_channels(&view, &[&document]).await?;
        let change = DocumentChange { document, expected };
        let command = self.command(vec![change])?;
        let applied = self.propose_or_ask(by, command).await?;
        let applied = applied.into_iter().next();
        applied
            .map(Into::into)
            .ok_or_else(|| AppError::failed("applying a document had no outcome"))
    }

    fn command(&self, documents: Vec<DocumentChange>) -> Result<ApplyDocuments> {
        let repository_keys = self.make_repository_keys(&documents)?;
        Ok(ApplyDocuments {
            documents,
            repository_keys,
        })
    }

    /// A key for each repository that brings none. It is used only when the
    /// repository turns out to be new.
    fn make_repository_keys(&self, documents: &[DocumentChange]) -> Result<BTreeMap<Name, Sealed>> {
        let mut keys = BTreeMap::new();
        for DocumentChange { document, .. } in documents {
            let Resource::Repository(repository) = &document.resource else {
                continue;
            };
            if repository.key.is_some() {
                continue;
            }
            let mut key = zeroize::Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(&mut *key)?;
            let text = zeroize::Zeroizing::new(hex::encode(*key));
            let name = document.metadata.name.clone();
            let sealed = self
                .sealer
                .seal(&Purpose::RepositoryKey(&name), text.as_bytes())?;
            keys.insert(name, sealed);
        }
        Ok(keys)
    }
}

pub(super) fn read_all(documents: Vec<Value>) -> Result<Vec<Document>> {
    let one = documents.len() == 1;
    let mut seen = BTreeSet::new();
    let mut read = Vec::with_capacity(documents.len());
    for (index, value) in documents.into_iter().enumerate() {
        // With several, the path says which of them.
        let field = |field: &str| {
            if one {
                field.to_owned()
            } else {
                format!("documents[{index}].{field}")
            }
        };
        let document = Document::from_value(value).map_err(|mut invalid| {
            invalid.field = field(&invalid.field);
            AppError::from(invalid)
        })?;
        let key = (document.kind(), document.metadata.name.clone());
        if !seen.insert(key) {
            let message = format!("{}/{} comes twice", document.kind(), document.metadata.name);
            let error = AppError::new(Code::DUPLICATE_DOCUMENT, message);
            return Err(error.with_field(field("metadata.name")));
        }
        read.push(document);
    }
    Ok(read)
}
