//! What a catalog is made from: documents of repositories, their keys, and what
//! the repositories hold. Everything is read before anything is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use holdfast_proto::RepositoryAccess;
use holdfast_repo::{Repository, RepositoryUrl};
use holdfast_types::resource::{Document, Kind, Resource};
use holdfast_types::{ControlPlaneId, Failure, Name, RepositoryId, Secret};
use serde::Deserialize;
use serde_json::Value;

use super::error::RebuildError;
use super::{Files, RebuildFrom};
use crate::scan::{self, Extent, Inventory};
use crate::state_snapshot::{Absent, failure_of, open_at};

/// A repository as it is declared, with what it needs.
pub(super) struct Source {
    pub(super) document: Document,
    access: RepositoryAccess,
}

/// What the operator gave, checked.
pub(super) struct Sources {
    pub(super) repositories: Vec<Source>,
    /// The secrets that the documents name.
    pub(super) secrets: BTreeMap<Name, Secret>,
    /// The keys of repositories whose documents name none.
    pub(super) keys: BTreeMap<Name, Secret>,
    /// Documents of other kinds.
    pub(super) passed_over: Vec<String>,
}

/// What is in a repository.
pub(super) struct Stock {
    pub(super) name: Name,
    pub(super) url: String,
    pub(super) identity: RepositoryId,
    pub(super) inventory: Inventory,
    /// The control planes that keep snapshots of their state there.
    pub(super) snapshots: Vec<ControlPlaneId>,
}

impl Source {
    pub(super) fn name(&self) -> &Name {
        &self.document.metadata.name
    }
}

/// Reads what was given.
pub(super) fn read(from: &RebuildFrom) -> Result<Sources, RebuildError> {
    let (documents, passed_over) = read_documents(&from.documents)?;
    let mut given = read_files(&from.secrets)?;
    let mut key_files = read_files(&from.keys)?;
    let mut sources = Sources {
        repositories: Vec::new(),
        secrets: BTreeMap::new(),
        keys: BTreeMap::new(),
        passed_over,
    };
    for document in documents {
        let name = document.metadata.name.clone();
        let Resource::Repository(repository) = &document.resource else {
            continue;
        };
        let mut secret = |wanted: &Name, key: Option<Secret>| {
            let known = sources.secrets.get(wanted).cloned();
            let value = known.or(given.remove(wanted)).or(key);
            let missing = || {
                let message = format!("the repository \"{name}\" names the secret \"{wanted}\"");
                RebuildError::Input(message)
            };
            let value = value.ok_or_else(missing)?;
            sources.secrets.insert(wanted.clone(), value.clone());
            Ok::<_, RebuildError>(value)
        };
        let key_file = key_files.remove(&name);
        let key = match &repository.key {
            Some(reference) => secret(&reference.secret, key_file)?,
            None => key_file.ok_or_else(|| {
                RebuildError::Input(format!("the key of the repository \"{name}\" is not given"))
            })?,
        };
        let credentials = match &repository.credentials {
            Some(reference) => credentials(&name, &secret(&reference.secret, None)?)?,
            None => BTreeMap::new(),
        };
        if repository.key.is_none() {
            let text = Secret::new(key.expose().trim_end());
            sources.keys.insert(name.clone(), text);
        }
        let access = RepositoryAccess {
            name: name.clone(),
            url: repository.url.clone(),
            region: repository.region.clone(),
            endpoint: repository.endpoint.clone(),
            credentials,
            key: Secret::new(key.expose().trim_end()),
            bandwidth: None,
        };
        sources.repositories.push(Source { document, access });
    }
    if sources.repositories.is_empty() {
        return Err(RebuildError::NoRepository(from.documents.clone()));
    }
    let unused = key_files.keys().chain(given.keys()).next();
    if let Some(unused) = unused {
        let message = format!("\"{unused}\" is given, and no document of a repository names it");
        return Err(RebuildError::Input(message));
    }
    Ok(sources)
}

/// The repositories, and the names of what else is declared in the file.
fn read_documents(path: &Path) -> Result<(Vec<Document>, Vec<String>), RebuildError> {
    let text = read_text(path)?;
    let (mut documents, mut others) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for document in serde_yaml_ng::Deserializer::from_str(text.expose()) {
        let value = Value::deserialize(document).map_err(|error| RebuildError::Yaml {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        if value.is_null() {
            continue;
        }
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let name = value["metadata"]["name"].as_str().unwrap_or("?");
        let what = format!("{kind}/{name}");
        if !kind.is_empty() && kind != Kind::Repository.as_str() {
            others.push(what);
            continue;
        }
        let read = Document::from_value(value);
        let document = read.map_err(|problem| RebuildError::Document {
            what: what.clone(),
            problem,
        })?;
        if !seen.insert(document.metadata.name.clone()) {
            return Err(RebuildError::Input(format!("{what} comes twice")));
        }
        documents.push(document);
    }
    Ok((documents, others))
}

fn read_files(files: &Files) -> Result<BTreeMap<Name, Secret>, RebuildError> {
    let read = |(name, path): (&Name, &std::path::PathBuf)| Ok((name.clone(), read_text(path)?));
    files.iter().map(read).collect()
}

fn read_text(path: &Path) -> Result<Secret, RebuildError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| RebuildError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(Secret::new(text))
}

fn credentials(
    repository: &Name,
    secret: &Secret,
) -> Result<BTreeMap<String, Secret>, RebuildError> {
    // What the parser says could show a part of the secret (I-10).
    serde_json::from_str(secret.expose()).map_err(|_| RebuildError::Repository {
        name: repository.clone(),
        failure: Box::new(Failure::permanent(
            "bad_credentials",
            "its credentials are not a JSON object of texts under the SDKs' names",
            "give the file that the secret was set from",
        )),
    })
}

impl Sources {
    /// Looks at every repository.
    pub(super) async fn take_stock(&self) -> Result<Vec<Stock>, RebuildError> {
        let mut stocks: Vec<Stock> = Vec::new();
        for source in &self.repositories {
            let name = source.name().clone();
            let failed = |failure: Failure| RebuildError::Repository {
                name: name.clone(),
                failure: Box::new(failure),
            };
            let opened = open_at(&source.access, None, Absent::Refuse).await;
            let opened = opened.map_err(failed)?;
            let identity = opened.id();
            if let Some(same) = stocks.iter().find(|stock| stock.identity == identity) {
                return Err(RebuildError::Twice {
                    first: same.name.clone(),
                    second: name,
                    identity,
                });
            }
            let url: RepositoryUrl = opened.url().clone();
            let snapshots = snapshots(&opened).await;
            let snapshots = snapshots.map_err(|error| failed(failure_of(&error)))?;
            let inventory = scan::take_stock(opened, Extent::Whole).await;
            let inventory = inventory.map_err(failed)?;
            // What was unmounted meanwhile looked empty.
            let again = open_at(&source.access, Some(identity), Absent::Refuse).await;
            again.map_err(failed)?;
            stocks.push(Stock {
                name,
                url: url.to_string(),
                identity,
                inventory,
                snapshots,
            });
        }
        Ok(stocks)
    }
}

async fn snapshots(repository: &Repository) -> holdfast_repo::Result<Vec<ControlPlaneId>> {
    let mut found = Vec::new();
    for id in repository.control_planes().await? {
        if !repository.state_snapshots(id).list().await?.is_empty() {
            found.push(id);
        }
    }
    Ok(found)
}
