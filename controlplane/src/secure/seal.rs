//! Sealing: what the replicated state may hold of a secret.
//!
//! AES-256-GCM under a key that lives in `DATA/sealing.key` (mode 0600) and is
//! never replicated. The purpose is authenticated, so that a sealed value
//! cannot be passed off as another.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use holdfast_state::{Digest, Sealed};
use holdfast_types::{Name, Secret};
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// What a sealed value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The private key of the CA.
    CaKey,
    /// A key that signs access tokens.
    SigningKey(&'a str),
    /// A key that signs reports.
    ReportKey(&'a str),
    /// A secret of this name.
    Secret(&'a Name),
    /// The key of a repository.
    RepositoryKey(&'a Name),
}

impl fmt::Display for Purpose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaKey => f.write_str("pki/ca"),
            Self::SigningKey(id) => write!(f, "signing/{id}"),
            Self::ReportKey(id) => write!(f, "report/{id}"),
            Self::Secret(name) => write!(f, "secret/{name}"),
            Self::RepositoryKey(name) => write!(f, "repository-key/{name}"),
        }
    }
}

/// Why something cannot be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be used.
    #[error("the sealing key {} cannot be {action}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The key file holds something else.
    #[error("{} is not a sealing key of 64 hexadecimal characters", .0.display())]
    NotAKey(PathBuf),
    /// Others could read the key file.
    #[error("others can read {}: its mode must be 0600", .0.display())]
    Exposed(PathBuf),
    /// Not sealed by this key, for this purpose, or damaged.
    #[error("{0} was not sealed with this node's sealing key, or is damaged")]
    Foreign(String),
    /// The cryptographic library failed.
    #[error("{0} cannot be sealed")]
    Failed(String),
}

/// Seals and unseals.
pub struct Sealer {
    key: RandomizedNonceKey,
    check: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(hidden)")
    }
}

impl Sealer {
    /// Makes a key and its file. Fails when there is a file already.
    pub fn create(path: &Path) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key)
            .map_err(|_| SealError::Failed("the sealing key".to_owned()))?;
        Self::keep(path, &key)
    }

    /// Writes the file of a key that another node handed over. Fails when
    /// there is a file already.
    pub fn keep(path: &Path, key: &[u8; 32]) -> Result<Self, SealError> {
        let io = |source| SealError::Io {
            action: "written",
            path: path.to_owned(),
            source,
        };
        let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(key))));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        sync_parent(path).map_err(io)?;
        Self::from_key(key)
    }

    /// Reads the key from its file.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        Self::from_key(&*Self::read_key(path)?)
    }

    /// The key itself, for handing it over to a node that joins.
    pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let io = |source| SealError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(SealError::Exposed(path.to_owned()));
        }
        let mut text = Zeroizing::new(String::with_capacity(80));
        file.read_to_string(&mut text).map_err(io)?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_end(), &mut *key)
            .map_err(|_| SealError::NotAKey(path.to_owned()))?;
        Ok(key)
    }

    /// With a key that has no file on this host yet.
    pub fn from_key(key: &[u8; 32]) -> Result<Self, SealError> {
        let check = Self::check_of(key);
        let key = RandomizedNonceKey::new(&AES_256_GCM, key)
            .map_err(|_| SealError::Failed("the sealing key".to_owned()))?;
        Ok(Self { key, check })
    }

    /// Tells this key from others, for whoever must find the right one; the
    /// key does not follow from it.
    pub fn key_check(&self) -> &str {
        &self.check
    }

    /// The same of a key.
    pub fn check_of(key: &[u8; 32]) -> String {
        let text = [b"holdfast sealing key check\0".as_slice(), key].concat();
        let digest = Digest::of(&zeroize::Zeroizing::new(text));
        hex::encode(&digest.as_bytes()[..8])
    }

    /// Seals `plain` for `purpose`.
    pub fn seal(&self, purpose: &Purpose<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(purpose.to_string()), &mut sealed)
            .map_err(|_| SealError::Failed(purpose.to_string()))?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(nonce.as_ref());
        bytes.extend_from_slice(&sealed);
        Ok(Sealed::new(bytes))
    }

    /// Unseals what was sealed for `purpose`.
    pub fn unseal(
        &self,
        purpose: &Purpose<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let foreign = || SealError::Foreign(purpose.to_string());
        let (version, rest) = sealed.as_bytes().split_first().ok_or_else(foreign)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(foreign)?;
        if *version != VERSION {
            return Err(foreign());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| foreign())?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(purpose.to_string()), &mut plain)
            .map_err(|_| foreign())?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// Unseals text.
    pub fn unseal_text(&self, purpose: &Purpose<'_>, sealed: &Sealed) -> Result<Secret, SealError> {
        let plain = self.unseal(purpose, sealed)?;
        let text = std::str::from_utf8(&plain);
        text.map(Secret::new)
            .map_err(|_| SealError::Foreign(purpose.to_string()))
    }
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_for_one_purpose_opens_for_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealing.key");
        let sealer = Sealer::create(&path).unwrap();
        let name: Name = "db-password".parse().unwrap();
        let other: Name = "other".parse().unwrap();
        let sealed = sealer.seal(&Purpose::Secret(&name), b"geheim").unwrap();
        assert!(!String::from_utf8_lossy(sealed.as_bytes()).contains("geheim"));
        let reopened = Sealer::open(&path).unwrap();
        let plain = reopened
            .unseal_text(&Purpose::Secret(&name), &sealed)
            .unwrap();
        assert_eq!(plain.expose(), "geheim");
        assert!(reopened.unseal(&Purpose::Secret(&other), &sealed).is_err());
        assert!(
            reopened
                .unseal(&Purpose::RepositoryKey(&name), &sealed)
                .is_err()
        );
        let mut damaged = sealed.as_bytes().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(
            reopened
                .unseal(&Purpose::Secret(&name), &Sealed::new(damaged))
                .is_err()
        );
        let stranger = Sealer::create(&dir.path().join("another.key")).unwrap();
        assert!(stranger.unseal(&Purpose::Secret(&name), &sealed).is_err());
    }

    #[test]
    fn the_key_file_is_for_its_owner_only_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealing.key");
        Sealer::create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Sealer::create(&path), Err(SealError::Io { .. })));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(Sealer::open(&path), Err(SealError::Exposed(_))));
    }
}
