//! Reading a repository without an agent: from a file that a restore wrote,
//! or from what the command line names.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_repo::{
    Error, LineageRepository, Repository, RepositoryKey, RepositoryUrl, StoreOptions, open_store,
};
use holdfast_types::{Failure, Lineage, Name};

use super::FetchConfig;
use crate::failure;

/// The longest that one attempt waits for an object store: the command has its
/// own patience.
pub(in crate::wal) const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// A repository, and which lineage in it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// As a restore has written it.
    Config(FetchConfig),
    /// As the command line says.
    Named {
        /// The repository's URL.
        url: String,
        /// The file that holds its key.
        key_file: PathBuf,
        /// The cluster, unless the repository has only one.
        cluster: Option<Name>,
    },
}

impl Place {
    /// Opens the lineage.
    pub(super) async fn open(&self) -> Result<LineageRepository, Failure> {
        match self {
            Self::Config(config) => open_config(config).await,
            Self::Named {
                url,
                key_file,
                cluster,
            } => {
                let key = RepositoryKey::read(key_file);
                let key = key.map_err(|error| failure::of_repository(&error))?;
                let repository = open(url, &StoreOptions::default(), &key).await;
                let repository = repository.map_err(|error| failure::of_repository(&error))?;
                choose(&repository, cluster.as_ref()).await
            }
        }
    }
}

async fn open_config(config: &FetchConfig) -> Result<LineageRepository, Failure> {
    let options = StoreOptions {
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        credentials: config.credentials.clone(),
        ..StoreOptions::default()
    };
    let key = RepositoryKey::from_text(&config.key).ok_or_else(|| {
        Failure::permanent(
            "invalid_key_file",
            "the key in wal-fetch.toml is not 64 hexadecimal characters",
            "write the repository's key there; `holdfast repository key export` shows it",
        )
    })?;
    let opened = async {
        let repository = open(&config.url, &options, &key).await?;
        repository.lineage(&config.cluster, config.lineage).await
    };
    opened.await.map_err(|error| failure::of_repository(&error))
}

async fn open(url: &str, options: &StoreOptions, key: &RepositoryKey) -> Result<Repository, Error> {
    let url: RepositoryUrl = url.parse()?;
    let options = StoreOptions {
        retry_for: STORE_PATIENCE,
        ..options.clone()
    };
    Repository::open(open_store(&url, &options)?, key, None).await
}

/// The lineage that the server in this directory continues.
async fn choose(
    repository: &Repository,
    cluster: Option<&Name>,
) -> Result<LineageRepository, Failure> {
    let repository_failed = |error: Error| failure::of_repository(&error);
    let cluster = match cluster {
        Some(cluster) => cluster.clone(),
        None => {
            let clusters = repository.clusters().await.map_err(repository_failed)?;
            only(&clusters).ok_or_else(|| {
                let message = format!("the repository holds {} clusters", clusters.len());
                Failure::permanent("cluster_not_named", message, "name one with --cluster")
            })?
        }
    };
    let lineages = repository
        .lineages(&cluster)
        .await
        .map_err(repository_failed)?;
    let here = system_identifier_here();
    let lineage = pick(&lineages, here).ok_or_else(|| {
        let message = format!(
            "the repository holds {} lineages of cluster {cluster}, and which one this server \
             continues cannot be told",
            lineages.len()
        );
        let hint = "run in the server's data directory, or use --config with the file that the \
                    restore wrote";
        Failure::permanent("lineage_not_found", message, hint)
    })?;
    repository
        .lineage(&cluster, lineage)
        .await
        .map_err(repository_failed)
}

/// A restored copy begins a new incarnation when it archives, so the newest
/// one of a system is the one to go on with.
fn pick(lineages: &[Lineage], system_identifier: Option<u64>) -> Option<Lineage> {
    match system_identifier {
        Some(system) => lineages
            .iter()
            .filter(|lineage| lineage.system_identifier == system)
            .max()
            .copied(),
        None => only(lineages),
    }
}

fn only<T: Clone>(items: &[T]) -> Option<T> {
    match items {
        [item] => Some(item.clone()),
        _ => None,
    }
}

/// Who the server is that runs us: PostgreSQL runs its command in its data
/// directory.
fn system_identifier_here() -> Option<u64> {
    let control = std::fs::read(Path::new(control_file::PATH)).ok()?;
    ControlFile::parse(&control)
        .ok()
        .map(|control| control.system_identifier)
}

/// The configuration in this directory, if it is a restored one.
pub(super) fn config_here() -> Option<PathBuf> {
    let path = FetchConfig::path_in(&env::current_dir().ok()?);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_decides_which_lineage() {
        let lineages: Vec<Lineage> = ["7-1", "7-2", "8-1"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(pick(&lineages, Some(7)), Some(lineages[1]));
        assert_eq!(pick(&lineages, Some(9)), None);
        assert_eq!(pick(&lineages, None), None, "nothing is guessed");
        assert_eq!(pick(&lineages[2..], None), Some(lineages[2]));
    }
}
