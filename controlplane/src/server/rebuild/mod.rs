//! `holdfastd rebuild`: a control plane whose catalog is made anew from the
//! repositories alone, when its nodes and every snapshot of its state are lost.
//!
//! It founds a new control plane, with a CA and a sealing key of its own, and
//! takes in what the repositories prove: the clusters they name, every backup
//! that has its mark, and WAL. What they cannot know is not invented. All of
//! them are read before anything is made; the node is complete exactly when
//! its log says so and the directory is no longer marked as unfinished, which
//! is the last step. An attempt that fails leaves the directory as empty as it
//! was; one that is killed leaves something that no command starts, founds
//! anything in, or takes for an empty directory.

mod error;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_consensus::{Node, ProposeContext};
use holdfast_state::command::{
    ApplyDocuments, DocumentChange, Expected, Finding, RebuildCatalog, RebuiltFrom,
    RecordRepository, SetSecret,
};
use holdfast_state::{Cause, Principal, ReplicatedCommand};
use holdfast_types::{ControlPlaneId, Lineage, Name, RepositoryId, RequestId};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

pub use self::error::RebuildError;
use self::source::{Sources, Stock};
use super::found::{self, Foundation};
use super::identity::Paths;
use super::join;
use super::restore_state::{member, whoever};
use super::run::{self, StartError};
use crate::app::error::{AppError, Result as AppResult};
use crate::config::Config;
use crate::scan;
use crate::secure::{Purpose, Sealer};

/// Files by the name of what is in them.
pub type Files = BTreeMap<Name, PathBuf>;

/// What a catalog is made from.
#[derive(Debug, Clone)]
pub struct RebuildFrom {
    /// The documents of the repositories, in YAML.
    pub documents: PathBuf,
    /// The files of their keys, by repository.
    pub keys: Files,
    /// The files of the secrets that the documents name.
    pub secrets: Files,
    /// Whether a catalog of what could be read is wanted.
    pub partial: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    /// The node's id.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// By repository, what was in it.
    pub repositories: Vec<RebuiltRepository>,
    /// The clusters.
    pub clusters: Vec<RebuiltCluster>,
    /// What could not be taken in.
    pub findings: Vec<RebuiltFinding>,
    /// What of the documents is still to be applied.
    pub not_applied: Vec<String>,
}

/// A repository that a catalog was made from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltRepository {
    /// Its name.
    pub name: Name,
    /// Where it is.
    pub url: String,
    /// What it is.
    pub identity: RepositoryId,
    /// How many backups were taken in.
    pub backups: u64,
    /// Whose state it holds snapshots of: `restore-state` brings back more.
    pub state_snapshots_of: Vec<ControlPlaneId>,
}

/// A cluster that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltCluster {
    /// Its name.
    pub name: Name,
    /// Its lineages.
    pub lineages: BTreeSet<Lineage>,
    /// When its newest backup was complete.
    pub newest_backup: Option<Timestamp>,
    /// How many of its backups have a mark that can be read.
    pub backups: u64,
}

/// Something that could not be taken in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltFinding {
    /// Where.
    pub repository: Name,
    /// `missing, unknown, different, damaged`
    pub kind: String,
    /// What.
    pub subject: String,
    /// Why.
    pub detail: String,
}

/// Makes a control plane in the empty directory of `config`.
pub async fn rebuild(config: &Config, from: &RebuildFrom) -> Result<Rebuilt, RebuildError> {
    let paths = Paths::new(&config.node.data);
    let sources = source::read(from)?;
    join::prepare(&paths)?;
    let stocks = sources.take_stock().await?;
    if !from.partial {
        refuse_unreadable(&stocks)?;
    }
    paths.begin()?;
    let made = make(config, &paths, sources, stocks, from.partial).await;
    match made.and_then(|rebuilt| Ok(paths.finish().map(|()| rebuilt)?)) {
        Ok(rebuilt) => Ok(rebuilt),
        Err(error) => {
            // It was empty: what is in it is ours.
            if let Err(left) = clear(&paths) {
                tracing::warn!(%left, "the directory could not be cleared");
            }
            Err(error)
        }
    }
}

/// What cannot be read is known before anything is made.
fn refuse_unreadable(stocks: &[Stock]) -> Result<(), RebuildError> {
    let findings: Vec<(Name, Finding)> = stocks
        .iter()
        .flat_map(|stock| {
            let damaged = scan::damaged(&stock.inventory).into_iter();
            damaged.map(|finding| (stock.name.clone(), finding))
        })
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(RebuildError::Incomplete(findings))
    }
}

async fn make(
    config: &Config,
    paths: &Paths,
    sources: Sources,
    stocks: Vec<Stock>,
    partial: bool,
) -> Result<Rebuilt, RebuildError> {
    let foundation = found::prepare_identity(paths, config)?;
    let (_, peers) = run::identity(paths, None)?;
    let raft = run::node_config(paths, &foundation.node, &peers);
    let node = Node::begin(raft, member(config)).await;
    let node = node.map_err(StartError::from)?;
    let filled = fill(&node, config, paths, &foundation, sources, stocks).await;
    let finished = match filled {
        Ok(rebuilt) if !rebuilt.findings.is_empty() && !partial => {
            Err(RebuildError::Incomplete(as_findings(rebuilt.findings)))
        }
        // First the file without which it is not found, then the word in its
        // log without which it does not start.
        Ok(rebuilt) => match paths.write_node(&foundation.node) {
            Ok(()) => node.finish().await.map_err(StartError::from),
            Err(error) => Err(error),
        }
        .map(|()| rebuilt)
        .map_err(RebuildError::from),
        Err(error) => Err(error),
    };
    node.shutdown().await;
    finished
}

fn as_findings(found: Vec<RebuiltFinding>) -> Vec<(Name, Finding)> {
    let one = |found: RebuiltFinding| {
        let finding = Finding {
            kind: found.kind.parse().expect("it was made from a kind"),
            subject: found.subject,
            cluster: None,
            detail: found.detail,
        };
        (found.repository, finding)
    };
    found.into_iter().map(one).collect()
}

async fn fill(
    node: &Node,
    config: &Config,
    paths: &Paths,
    foundation: &Foundation,
    sources: Sources,
    stocks: Vec<Stock>,
) -> Result<Rebuilt, RebuildError> {
    found::found(node, paths, config, foundation).await?;
    let not_applied = sources.passed_over.clone();
    declare(node, foundation, sources).await?;
    let clusters = clusters(&stocks);
    tell(node, foundation, &stocks, &clusters).await?;
    let mut rebuilt = Rebuilt {
        node: foundation.node.id,
        name: foundation.node.name.clone(),
        repositories: Vec::new(),
        clusters,
        findings: Vec::new(),
        not_applied,
    };
    for stock in stocks {
        let (repository, findings) = take_in(node, stock).await?;
        rebuilt.repositories.push(repository);
        rebuilt.findings.extend(findings);
    }
    Ok(rebuilt)
}

/// Secrets and repositories, as `holdfast secret set` and `holdfast apply` make
/// them.
async fn declare(node: &Node, foundation: &Foundation, sources: Sources) -> AppResult<()> {
    let sealer: &Sealer = &foundation.sealer;
    for (name, value) in &sources.secrets {
        let sealed = sealer.seal(&Purpose::Secret(name), value.expose().as_bytes())?;
        let name = name.clone();
        propose(node, foundation, SetSecret { name, sealed }).await?;
    }
    let mut repository_keys = BTreeMap::new();
    for (name, key) in &sources.keys {
        let sealed = sealer.seal(&Purpose::RepositoryKey(name), key.expose().as_bytes())?;
        repository_keys.insert(name.clone(), sealed);
    }
    let documents = sources.repositories.into_iter();
    let documents = documents.map(|source| DocumentChange {
        document: source.document,
        expected: Expected::Absent,
    });
    let command = ApplyDocuments {
        documents: documents.collect(),
        repository_keys,
    };
    propose(node, foundation, command).await?;
    Ok(())
}

/// What the repositories name.
fn clusters(stocks: &[Stock]) -> Vec<RebuiltCluster> {
    let mut found: BTreeMap<Name, RebuiltCluster> = BTreeMap::new();
    let new = |name: &Name| RebuiltCluster {
        name: name.clone(),
        lineages: BTreeSet::new(),
        newest_backup: None,
        backups: 0,
    };
    for Stock { inventory, .. } in stocks {
        for (name, lineage) in inventory.lineages.keys() {
            let cluster = found.entry(name.clone()).or_insert_with(|| new(name));
            cluster.lineages.insert(*lineage);
        }
        for backup in inventory.backups.values() {
            let name = &backup.cluster;
            let cluster = found.entry(name.clone()).or_insert_with(|| new(name));
            cluster.backups += 1;
            cluster.newest_backup = cluster.newest_backup.max(Some(backup.finished_at));
        }
    }
    found.into_values().collect()
}

async fn tell(
    node: &Node,
    foundation: &Foundation,
    stocks: &[Stock],
    clusters: &[RebuiltCluster],
) -> AppResult<()> {
    let from = |stock: &Stock| RebuiltFrom {
        name: stock.name.clone(),
        identity: stock.identity,
        url: stock.url.clone(),
    };
    let command = RebuildCatalog {
        repositories: stocks.iter().map(from).collect(),
        clusters: clusters.iter().map(|one| one.name.clone()).collect(),
        // As after `restore-state`: no counter from 1 has come this far.
        generation_floor: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default(),
        by: whoever(),
    };
    propose(node, foundation, command).await?;
    for stock in stocks {
        let command = RecordRepository {
            repository: stock.name.clone(),
            identity: stock.identity,
        };
        propose(node, foundation, command).await?;
    }
    Ok(())
}

/// The same comparison that the leader makes every few hours, of a catalog that
/// is empty.
async fn take_in(node: &Node, stock: Stock) -> AppResult<(RebuiltRepository, Vec<RebuiltFinding>)> {
    let view = node.read().await?;
    let Stock {
        name,
        url,
        identity,
        inventory,
        snapshots,
    } = stock;
    let recorded = scan::record(node, &view, &name, inventory).await?;
    let findings = recorded.findings.into_iter().map(|finding| RebuiltFinding {
        repository: name.clone(),
        kind: finding.kind.to_string(),
        subject: finding.subject,
        detail: finding.detail,
    });
    let findings = findings.collect();
    let repository = RebuiltRepository {
        name,
        url,
        identity,
        backups: recorded.adopted,
        state_snapshots_of: snapshots,
    };
    Ok((repository, findings))
}

async fn propose<C: ReplicatedCommand>(
    node: &Node,
    foundation: &Foundation,
    command: C,
) -> AppResult<C::Outcome> {
    let cause = Cause {
        principal: Principal::node(&foundation.node.name),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    };
    let proposed = node.propose(ProposeContext::caused_by(cause), command);
    proposed.await?.map_err(AppError::from)
}

/// Empties a directory that was empty when this began.
fn clear(paths: &Paths) -> std::io::Result<()> {
    for entry in std::fs::read_dir(paths.data())? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
