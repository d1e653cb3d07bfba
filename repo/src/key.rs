//! The key of a repository: a file of 64 hexadecimal characters and a newline.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdfast_types::Secret;
use zeroize::Zeroizing;

use crate::crypto::{KeyBytes, derive};
use crate::entropy::Entropy;
use crate::{Error, Result};

/// The secret with which everything in a repository can be read. Its `Debug`
/// shows nothing and its memory is cleared when it is dropped.
#[derive(Clone)]
pub struct RepositoryKey(KeyBytes);

impl RepositoryKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(Entropy::system().bytes()))
    }

    /// Reads the text of a key file.
    pub fn from_text(text: &Secret) -> Option<Self> {
        let digits = text.expose();
        let digits = digits.strip_suffix('\n').unwrap_or(digits);
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// The text of its key file.
    pub fn to_text(&self) -> Secret {
        let digits = Zeroizing::new(hex::encode(self.0.as_slice()));
        Secret::new(format!("{}\n", digits.as_str()))
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            ErrorKind::InvalidData => invalid(path, "it is not text"),
            _ => Error::KeyFile {
                path: path.to_path_buf(),
                action: "read",
                source,
            },
        })?;
        Self::from_text(&Secret::new(text)).ok_or_else(|| {
            invalid(
                path,
                "it does not hold 64 hexadecimal characters and a newline",
            )
        })
    }

    /// Writes a key file that must not exist yet, with mode 0600, durably.
    pub fn write_new(&self, path: &Path) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(self.to_text().expose().as_bytes())?;
            file.sync_all()?;
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
                _ => File::open(".")?.sync_all(),
            }
        };
        write().map_err(|source| Error::KeyFile {
            path: path.to_path_buf(),
            action: "written",
            source,
        })
    }

    /// The key that wraps the keys of the repository.
    pub(crate) fn wrapping(&self) -> KeyBytes {
        derive("holdfast repository 2026-11 key wrapping", &self.0)
    }

    /// The key whose hashes show that a repository key is the right one.
    pub(crate) fn checking(&self) -> KeyBytes {
        derive("holdfast repository 2026-11 key check", &self.0)
    }
}

fn invalid(path: &Path, reason: &str) -> Error {
    Error::InvalidKeyFile {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    }
}

impl fmt::Debug for RepositoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepositoryKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_round_trips_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repo.key");
        let key = RepositoryKey::generate();
        key.write_new(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 65);
        assert!(text.ends_with('\n'));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(RepositoryKey::read(&path).unwrap().0, key.0);
        assert_eq!(
            key.write_new(&path).unwrap_err().code(),
            "key_file_unreadable"
        );
        assert!(!format!("{key:?}").contains(text.trim()));
    }

    #[test]
    fn anything_else_is_not_a_key_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repo.key");
        assert_eq!(
            RepositoryKey::read(&path).unwrap_err().code(),
            "key_file_unreadable"
        );
        for bad in [
            "",
            "abc\n",
            &"g".repeat(64),
            &"a".repeat(63),
            &"a".repeat(66),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = RepositoryKey::read(&path).unwrap_err();
            assert_eq!(error.code(), "invalid_key_file");
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
    }
}
