//! The agent's side of `wal-fetch`: it knows where each cluster's WAL is.

use std::path::PathBuf;

use holdfast_types::{Failure, Name};
use serde::{Deserialize, Serialize};

use super::lookup::{End, Found, WalName, look_up_with};
use crate::failure;
use crate::host::Host;
use crate::socket::{Handler, Reply};

/// What `wal-fetch` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchQuestion {
    /// The file's name.
    pub name: String,
    /// The cluster; else the directory decides.
    pub cluster: Option<Name>,
    /// The data directory that the command runs in.
    pub directory: Option<PathBuf>,
}

/// What the agent answers. Everything else is a failure and proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchAnswer {
    /// It goes with the answer.
    Found,
    /// The repository was looked at, and does not have it.
    Absent,
}

/// Answers for every cluster whose WAL this process receives.
#[derive(Debug, Clone)]
pub struct FetchHandler {
    host: Host,
}

impl FetchHandler {
    /// Answers for the duties of `host`.
    pub const fn new(host: Host) -> Self {
        Self { host }
    }
}

impl Handler for FetchHandler {
    type Question = FetchQuestion;
    type Answer = FetchAnswer;

    async fn answer(&self, question: FetchQuestion) -> Result<Reply<FetchAnswer>, Failure> {
        let name: WalName = question.name.parse().map_err(|error| {
            let hint = "PostgreSQL puts the name where restore_command has %f";
            Failure::permanent("wal_name_invalid", format!("{error}"), hint)
        })?;
        let source = self
            .host
            .wal()
            .find(question.cluster.as_ref(), question.directory.as_deref())
            .ok_or_else(|| unknown(&question))?;
        let lineage = source.lineage.ok_or_else(|| {
            Failure::transient(
                "lineage_unknown",
                format!("which WAL belongs to {} is not known yet", source.cluster),
                "it is, as soon as the agent reaches the instance; use --direct without one",
            )
        })?;
        let found = async {
            let repository = self.host.repository(&source.repository).await?;
            let lineage = repository.lineage(&source.cluster, lineage).await?;
            let spool = self.host.data_dir().join("spool");
            let prefetch = self.host.wal().prefetches().of(&spool, &lineage);
            let found = look_up_with(&lineage, &name, Some(&prefetch), End::Unknown).await?;
            if let (Found::File(_), Some(segment)) = (&found, name.segment(&lineage)) {
                // For the next question; nobody waits for it.
                tokio::spawn(async move { prefetch.fill(segment).await });
            }
            Ok(found)
        };
        let found: Result<Found, holdfast_repo::Error> = found.await;
        match found.map_err(|error| failure::of_repository(&error))? {
            Found::File(bytes) => Ok(Reply::with_body(FetchAnswer::Found, bytes)),
            Found::Absent => Ok(Reply::new(FetchAnswer::Absent)),
        }
    }
}

fn unknown(question: &FetchQuestion) -> Failure {
    let what = match (&question.cluster, &question.directory) {
        (Some(cluster), _) => format!("cluster {cluster}"),
        (None, Some(directory)) => format!("the data directory {}", directory.display()),
        (None, None) => "an unnamed cluster".to_owned(),
    };
    Failure::transient(
        "cluster_not_on_agent",
        format!("this agent receives no WAL of {what}"),
        "name the cluster with --cluster, or use --direct with the repository's URL and key",
    )
}
