//! Storing without an agent: the command opens the repository itself.
//!
//! One process stores what it was asked for and what is ready behind it, and
//! leaves notes for the calls that follow.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_repo::{
    Codec, Error, LineageFacts, LineageRepository, Repository, RepositoryKey, RepositoryUrl,
    StoreOptions, failpoint, open_store,
};
use holdfast_types::{Failure, Lineage, Name};

use super::command::Asked;
use super::lane::{Destination, Lane};
use crate::failure;
use crate::wal::copies::Shipping;
use crate::wal::fetch::STORE_PATIENCE;

/// A repository as the command line names it.
#[derive(Debug, Clone)]
pub(super) struct To {
    pub(super) url: String,
    pub(super) key_file: PathBuf,
    pub(super) cluster: Option<Name>,
    pub(super) spool: Option<PathBuf>,
}

/// Stores one file, and what is ready behind it.
pub(super) async fn push(asked: &Asked, to: &To) -> Result<(), Failure> {
    let data = &asked.data_directory;
    let lineage = open(data, to).await?;
    let spool = to.spool.clone().unwrap_or_else(|| data.join(".holdfast"));
    let destination = Destination {
        lineage,
        codec: Codec::DEFAULT,
        data_directory: data.clone(),
        spool,
        name: "direct".parse().expect("it is a name"),
        shipping: Shipping::default(),
    };
    let lane = Lane::new(destination, None);
    let (stored, ahead) = tokio::join!(lane.push(&asked.name), lane.read_ahead(&asked.name));
    stored?;
    lane.notes.remove(&asked.name);
    lane.settle(&ahead).await;
    failpoint!("push::answer::before");
    Ok(())
}

/// The lineage of the server in `data`, made when it is not there.
async fn open(data: &Path, to: &To) -> Result<LineageRepository, Failure> {
    let repository_failed = |error: Error| failure::of_repository(&error);
    let key = RepositoryKey::read(&to.key_file).map_err(repository_failed)?;
    let url: RepositoryUrl = to.url.parse().map_err(repository_failed)?;
    let options = StoreOptions {
        retry_for: STORE_PATIENCE,
        ..StoreOptions::default()
    };
    let store = open_store(&url, &options).map_err(repository_failed)?;
    let repository = Repository::open(store, &key, None)
        .await
        .map_err(repository_failed)?;
    let (control, major) = server_in(data)?;
    let system_identifier = control.system_identifier;
    let (cluster, newest) = match &to.cluster {
        Some(cluster) => {
            let known = repository.lineages(cluster).await;
            let known = known.map_err(repository_failed)?;
            (cluster.clone(), newest_of(&known, system_identifier))
        }
        None => cluster_of(&repository, system_identifier).await?,
    };
    let lineage = newest.unwrap_or(Lineage {
        system_identifier,
        incarnation: 1,
    });
    let facts = LineageFacts {
        postgres_version: major * 10_000,
        segment_size: control.segment_size,
        block_size: control.block_size,
    };
    let opened = repository.create_or_open_lineage(&cluster, lineage, facts);
    opened.await.map_err(repository_failed)
}

fn newest_of(lineages: &[Lineage], system_identifier: u64) -> Option<Lineage> {
    let ours = |lineage: &&Lineage| lineage.system_identifier == system_identifier;
    lineages.iter().filter(ours).max().copied()
}

/// The one cluster that has a lineage of this system.
async fn cluster_of(
    repository: &Repository,
    system_identifier: u64,
) -> Result<(Name, Option<Lineage>), Failure> {
    let repository_failed = |error: Error| failure::of_repository(&error);
    let mut found = Vec::new();
    for cluster in repository.clusters().await.map_err(repository_failed)? {
        let lineages = repository.lineages(&cluster).await;
        let lineages = lineages.map_err(repository_failed)?;
        if let Some(newest) = newest_of(&lineages, system_identifier) {
            found.push((cluster, Some(newest)));
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Failure::permanent(
            "cluster_not_named",
            format!("the repository does not say which cluster system {system_identifier} is"),
            "name it with --cluster",
        )),
    }
}

/// Who the server is. Its major version stands in a file beside it.
fn server_in(data: &Path) -> Result<(ControlFile, u32), Failure> {
    let unreadable = |path: &Path, why: String| {
        Failure::permanent(
            "data_directory_unreadable",
            format!("{} cannot be used: {why}", path.display()),
            "run archive_command as PostgreSQL's user in its data directory",
        )
    };
    let path = data.join(control_file::PATH);
    let bytes = fs::read(&path).map_err(|error| unreadable(&path, error.to_string()))?;
    let control =
        ControlFile::parse(&bytes).map_err(|error| unreadable(&path, error.to_string()))?;
    let path = data.join("PG_VERSION");
    let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error.to_string()))?;
    let major = text
        .trim()
        .parse()
        .map_err(|_| unreadable(&path, "it names no version".to_owned()))?;
    Ok((control, major))
}
