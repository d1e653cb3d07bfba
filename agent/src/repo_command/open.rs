//! Which repository, and how it is opened without an agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holdfast_proto::RepositoryAccess;
use holdfast_repo::{Repository, RepositoryKey, RepositoryUrl, Store, StoreOptions, open_store};
use holdfast_types::{Failure, Name, Secret};

use crate::command_error::{CommandError, Exit};
use crate::failure::of_repository;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON value
    Json,
}

/// A repository on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// Where it is: file:///directory, s3://bucket/prefix, gs://bucket/prefix or
    /// az://container/prefix
    #[arg(long, value_name = "URL", env = "HOLDFAST_REPO")]
    repo: String,
    /// The file that holds its key
    #[arg(long, value_name = "FILE", env = "HOLDFAST_KEY_FILE")]
    pub(super) key_file: PathBuf,
    /// The object store's address when it is not the provider's own
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint: Option<String>,
    /// The region of the bucket
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    region: Option<String>,
    /// How results are printed
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Place {
    /// A repository that a command names by other options.
    pub(super) fn of(
        repo: &str,
        key_file: &Path,
        endpoint: Option<String>,
        region: Option<String>,
    ) -> Self {
        Self {
            repo: repo.to_owned(),
            key_file: key_file.to_owned(),
            endpoint,
            region,
            output: Format::default(),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    pub(super) fn url(&self) -> Result<RepositoryUrl, CommandError> {
        self.repo
            .parse()
            .map_err(|error| CommandError::usage(of_repository(&error)))
    }

    /// The store. Credentials come from the environment, under the names of
    /// the stores' own tools.
    pub(super) fn store(&self) -> Result<Store, CommandError> {
        self.store_with(BTreeMap::new())
    }

    fn store_with(&self, credentials: BTreeMap<String, Secret>) -> Result<Store, CommandError> {
        let options = StoreOptions {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            credentials,
            ..StoreOptions::default()
        };
        open_store(&self.url()?, &options).map_err(|error| failed(&error))
    }

    /// Opens the repository, which must be there.
    pub(super) async fn open(&self) -> Result<Repository, CommandError> {
        self.open_with(BTreeMap::new()).await
    }

    /// The same with credentials that are not those of the environment.
    pub(super) async fn open_with(
        &self,
        credentials: BTreeMap<String, Secret>,
    ) -> Result<Repository, CommandError> {
        let key = RepositoryKey::read(&self.key_file).map_err(|error| failed(&error))?;
        Repository::open(self.store_with(credentials)?, &key, None)
            .await
            .map_err(|error| failed(&error))
    }

    /// The same as an agent would be given it. The restored server fetches its
    /// WAL when this environment is long gone, so credentials go along.
    pub(super) fn access(&self) -> Result<RepositoryAccess, CommandError> {
        let url = self.url()?;
        let key = RepositoryKey::read(&self.key_file).map_err(|error| failed(&error))?;
        let (region, endpoint) = settings(url.scheme());
        let name: Name = "offline".parse().expect("it is a name");
        Ok(RepositoryAccess {
            name,
            url: url.to_string(),
            region: self.region.clone().or_else(|| region.and_then(set)),
            endpoint: self.endpoint.clone().or_else(|| endpoint.and_then(set)),
            credentials: credentials(url.scheme()),
            key: Secret::new(key.to_text().expose().trim_end()),
            bandwidth: None,
        })
    }
}

/// A variable of the stores' own tools that is another name of an option.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Which variables say the region and the store's address.
fn settings(scheme: &str) -> (Option<&'static str>, Option<&'static str>) {
    match scheme {
        "s3" => (Some("AWS_DEFAULT_REGION"), Some("AWS_ENDPOINT")),
        "gs" => (None, Some("GOOGLE_BASE_URL")),
        "az" => (None, Some("AZURE_STORAGE_ENDPOINT")),
        _ => (None, None),
    }
}

/// The keys in the environment. Without any, whoever opens the store asks the
/// host's own role, now and later.
fn credentials(scheme: &str) -> BTreeMap<String, Secret> {
    set_with(scheme, "")
}

/// The credentials of a repository that is copied to, when they are others than
/// those of the one that is copied. None: the environment's own.
pub(super) fn credentials_of_copy(place: &Place) -> Result<BTreeMap<String, Secret>, CommandError> {
    Ok(set_with(place.url()?.scheme(), "TO_"))
}

fn set_with(scheme: &str, prefix: &str) -> BTreeMap<String, Secret> {
    let names: &[&str] = match scheme {
        "s3" => &[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ],
        "gs" => &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
        ],
        "az" => &[
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_STORAGE_ACCOUNT",
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCOUNT_NAME",
            "AZURE_STORAGE_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_TENANT_ID",
        ],
        _ => &[],
    };
    let set = names.iter().filter_map(|name| {
        let value = std::env::var(format!("{prefix}{name}")).ok()?;
        Some(((*name).to_owned(), Secret::new(value)))
    });
    set.collect()
}

/// A failure of a repository, with the exit code that belongs to it.
pub(super) fn failed(error: &holdfast_repo::Error) -> CommandError {
    of_failure(of_repository(error))
}

/// A failure, with the exit code that belongs to it.
pub(super) fn of_failure(failure: Failure) -> CommandError {
    let exit = match failure.code.as_str() {
        "backup_not_found"
        | "bucket_not_found"
        | "cluster_not_in_repository"
        | "lineage_not_found"
        | "not_a_repository" => Exit::NotFound,
        "copy_onto_itself"
        | "dir_not_a_directory"
        | "dir_not_absolute"
        | "dir_not_empty"
        | "dir_parent_missing"
        | "dir_too_long"
        | "dir_unusable"
        | "exclusive_without_edge"
        | "no_backup"
        | "not_enough_space"
        | "not_supported_yet"
        | "pg_directory_owned_by_other"
        | "pg_directory_owned_by_root"
        | "port_in_use"
        | "postgres_programs_missing"
        | "setting_reserved"
        | "standby_needs_latest"
        | "tablespace_map_invalid"
        | "tablespace_not_empty"
        | "tablespace_place_overlaps"
        | "tablespace_unknown"
        | "target_after_frontier"
        | "target_ambiguous"
        | "target_before_first_backup"
        | "target_needs_wal"
        | "target_not_found"
        | "timeline_unreachable"
        | "wal_gap"
        | "wal_incomplete"
        | "wal_missing" => Exit::Refused,
        _ => Exit::Failed,
    };
    CommandError { failure, exit }
}
