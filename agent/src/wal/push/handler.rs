//! The agent's side of `wal-push`.
//!
//! A question names a file, never a path: the agent reads it from the `pg_wal`
//! of a data directory that it works for, whoever asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_repo::failpoint;
use holdfast_types::{Failure, Name, WalSegment};
use serde::{Deserialize, Serialize};

use super::lane::{Destination, Lane};
use super::{PushName, Pushed};
use crate::failure;
use crate::host::Host;
use crate::socket::{Handler, Reply};

/// What `wal-push` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushQuestion {
    /// The file's name.
    pub push: String,
    /// The cluster; else the directory decides.
    pub cluster: Option<Name>,
    /// The data directory whose `pg_wal` holds the file.
    pub directory: PathBuf,
}

/// What the agent answers. Everything else is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PushAnswer {
    /// The repository holds it durably.
    Durable,
}

/// Stores what PostgreSQL archives.
#[derive(Debug, Clone)]
pub struct PushHandler {
    host: Host,
}

impl PushHandler {
    /// Stores for the duties of `host`.
    pub const fn new(host: Host) -> Self {
        Self { host }
    }

    async fn lane(&self, question: &PushQuestion) -> Result<Arc<Lane>, Failure> {
        let directory = question.directory.as_path();
        let source = self
            .host
            .wal()
            .find(question.cluster.as_ref(), Some(directory))
            .ok_or_else(|| unknown(question))?;
        let (Some(known), Some(lineage)) = (&source.data_directory, source.lineage) else {
            return Err(Failure::transient(
                "lineage_unknown",
                format!("which lineage {} archives is not known yet", source.cluster),
                "it is, as soon as the agent reaches the instance; PostgreSQL asks again",
            ));
        };
        if known != directory {
            return Err(foreign(&source.cluster, known, directory));
        }
        let opened = async {
            let repository = self.host.repository(&source.repository).await?;
            repository.lineage(&source.cluster, lineage).await
        };
        let lineage = opened
            .await
            .map_err(|error| failure::of_repository(&error))?;
        let to = Destination {
            lineage,
            codec: source.codec,
            data_directory: directory.to_path_buf(),
            spool: self.host.data_dir().join("spool"),
            name: source.repository.name.clone(),
            shipping: self.host.wal().shipping().clone(),
        };
        Ok(self.host.wal().lanes().lane(to, source.pushed))
    }
}

impl Handler for PushHandler {
    type Question = PushQuestion;
    type Answer = PushAnswer;

    async fn answer(&self, question: PushQuestion) -> Result<Reply<PushAnswer>, Failure> {
        let name: PushName = question.push.parse().map_err(|error| {
            let hint = "PostgreSQL puts the path where archive_command has %p";
            Failure::permanent("wal_name_invalid", format!("{error}"), hint)
        })?;
        let lane = self.lane(&question).await?;
        // What comes next is stored meanwhile; nobody waits for it here, nor for the
        // look at what that is.
        let (ahead, of) = (Arc::clone(&lane), name.clone());
        tokio::spawn(async move { ahead.read_ahead(&of).await });
        lane.push(&name).await?;
        self.told(&lane, &name).await;
        failpoint!("push::answer::before");
        Ok(Reply::new(PushAnswer::Durable))
    }
}

impl PushHandler {
    /// PostgreSQL will mark it as done: its note has served, and the duty may
    /// count on it.
    async fn told(&self, lane: &Arc<Lane>, name: &PushName) {
        lane.notes.remove(name);
        let PushName::Segment(text) = name else {
            return;
        };
        let Ok(segment) = WalSegment::parse(text, lane.size()) else {
            return;
        };
        let joined = lane.joins(segment).await;
        if let Err(failure) = &joined {
            tracing::warn!(%failure, "the WAL before {segment} is looked for again");
        }
        lane.tell(Pushed::whole(segment, joined.is_ok()));
        self.host.wal().announce();
    }
}

fn unknown(question: &PushQuestion) -> Failure {
    let what = question.cluster.as_ref().map_or_else(
        || format!("the data directory {}", question.directory.display()),
        |cluster| format!("cluster {cluster}"),
    );
    Failure::transient(
        "cluster_not_on_agent",
        format!("this agent has no duty for the WAL of {what}"),
        "apply the cluster and a policy with wal.mode archive or both, or use --direct with the \
         repository's URL and key",
    )
}

fn foreign(cluster: &Name, known: &Path, asked: &Path) -> Failure {
    Failure::permanent(
        "wal_path_foreign",
        format!(
            "the data directory of cluster {cluster} is {}, and the file lies in that of {}",
            known.display(),
            asked.display()
        ),
        "run archive_command in the server's data directory with the right --cluster, or without \
         one; files elsewhere are stored with --direct",
    )
}
