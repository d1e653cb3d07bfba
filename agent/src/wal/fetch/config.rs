//! `.holdfast/wal-fetch.toml` in a restored data directory: where its WAL is,
//! so that its `restore_command` needs no agent and no control plane (I-09).
//!
//! It holds the repository's key, so nobody but its owner may read it (I-10).

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use holdfast_proto::RepositoryAccess;
use holdfast_types::{Failure, Lineage, Lsn, Name, Secret};
use serde::{Deserialize, Serialize};

use crate::file::write_atomically;

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// Where the WAL of a restored directory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FetchConfig {
    /// The repository.
    pub url: String,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The object store's address when it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its key: 64 hex characters.
    pub key: Secret,
    /// The cluster that was restored.
    pub cluster: Name,
    /// The lineage whose WAL continues the backup.
    pub lineage: Lineage,
    /// Credentials under the SDKs' environment names; the environment's own
    /// when there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, Secret>,
    /// Where replay ends, when it does not go on for ever: what the WAL does
    /// from there on is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_to: Option<Lsn>,
}

impl FetchConfig {
    /// The WAL of `lineage` in the repository of `access`, all of it.
    pub fn new(access: &RepositoryAccess, cluster: Name, lineage: Lineage) -> Self {
        Self {
            url: access.url.clone(),
            region: access.region.clone(),
            endpoint: access.endpoint.clone(),
            key: access.key.clone(),
            cluster,
            lineage,
            credentials: access.credentials.clone(),
            replay_to: None,
        }
    }

    /// Where it lies in a data directory.
    pub fn path_in(data_directory: &Path) -> PathBuf {
        data_directory.join(".holdfast").join("wal-fetch.toml")
    }

    /// Writes it with mode 0600, durable. Its directory must be there.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let settings = toml::to_string_pretty(self).map_err(io::Error::other)?;
        let text = format!(
            "# Written by Holdfast's restore for `holdfast-agent wal-fetch`. It holds the key of\n\
             # the repository: keep it to yourself.\n\n{settings}"
        );
        write_atomically(path, text.as_bytes(), 0o600)
    }

    /// Reads it, unless others could have read it too.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |problem: String, hint: &str| {
            let message = format!("{} cannot be used: {problem}", path.display());
            Failure::permanent("wal_fetch_config_invalid", message, hint)
        };
        let check = "check the path and that this user owns it; a restore writes it";
        let metadata = fs::metadata(path).map_err(|error| failed(error.to_string(), check))?;
        if metadata.mode() & OTHERS != 0 {
            let problem = format!("its mode is {:o}", metadata.mode() & 0o777);
            return Err(failed(problem, "it holds a key: set its mode to 0600"));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string(), check))?;
        // The error shows the place and no text of the file, which has secrets.
        toml::from_str(&text).map_err(|error| failed(error.message().to_owned(), check))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config() -> FetchConfig {
        FetchConfig {
            url: "s3://bucket/prefix".to_owned(),
            region: None,
            endpoint: Some("http://127.0.0.1:9000".to_owned()),
            key: Secret::new("ab".repeat(32)),
            cluster: "orders".parse().unwrap(),
            lineage: "7301-2".parse().unwrap(),
            credentials: [("AWS_SECRET_ACCESS_KEY".to_owned(), Secret::new("s3cret"))].into(),
            replay_to: Some(Lsn::new(0x0100_0028)),
        }
    }

    // I-10
    #[test]
    fn survives_the_file_and_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal-fetch.toml");
        config().write(&path).unwrap();
        assert_eq!(FetchConfig::read(&path).unwrap(), config());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            FetchConfig::read(&path)
                .unwrap_err()
                .message
                .contains("640")
        );
    }

    #[test]
    fn errors_show_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal-fetch.toml");
        let key = "ab".repeat(32);
        for text in [
            format!("key = \"{key}"),
            format!("key = \"{key}\"\nextra = \"s3cret\"\n"),
        ] {
            write_atomically(&path, text.as_bytes(), 0o600).unwrap();
            let failure = FetchConfig::read(&path).unwrap_err().to_string();
            assert!(
                !failure.contains(&key) && !failure.contains("s3cret"),
                "{failure}"
            );
        }
    }
}
