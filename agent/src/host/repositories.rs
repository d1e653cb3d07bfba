//! Repositories, opened once per access, and recognised again.
//!
//! A directory whose volume is not mounted looks like one where no repository
//! has been made yet. So the agent remembers, in `DIR/repositories.json`,
//! which repository it found where: one that was there once is never founded
//! anew, and another one in its place is refused.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_proto::RepositoryAccess;
use holdfast_repo::{Error, Repository, RepositoryKey, RepositoryUrl, StoreOptions, open_store};
use holdfast_types::{Name, RepositoryId};
use tokio::sync::OnceCell;

use crate::file::write_atomically;

const FILE: &str = "repositories.json";

/// What to do where no repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Make one, unless there was one.
    Init,
    /// Fail.
    Refuse,
}

/// One repository under one access; filled by whoever needs it first.
struct Entry {
    access: RepositoryAccess,
    opened: Arc<OnceCell<Arc<Repository>>>,
}

/// The repositories that this process has opened.
pub(super) struct Repositories {
    file: PathBuf,
    /// By name and bandwidth: what has a limit does not displace what has none.
    entries: Mutex<HashMap<(Name, Option<u64>), Entry>>,
    /// Where (a hash of URL and key) which one was found.
    known: Mutex<BTreeMap<String, RepositoryId>>,
}

impl Repositories {
    pub(super) fn new(data_dir: &Path) -> Self {
        let file = data_dir.join(FILE);
        let text = std::fs::read(&file).ok();
        let known = text
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self {
            file,
            entries: Mutex::default(),
            known: Mutex::new(known),
        }
    }

    /// Opens `access`, or answers with what was opened before under exactly
    /// this access: another key or other credentials open anew.
    pub(super) async fn open(
        &self,
        access: &RepositoryAccess,
        absent: Absent,
    ) -> Result<Arc<Repository>, Error> {
        let opened = self.entry(access);
        opened
            .get_or_try_init(|| self.open_anew(access, absent))
            .await
            .cloned()
    }

    fn entry(&self, access: &RepositoryAccess) -> Arc<OnceCell<Arc<Repository>>> {
        let mut entries = lock(&self.entries);
        let key = (access.name.clone(), access.bandwidth);
        if let Some(entry) = entries.get(&key)
            && entry.access == *access
        {
            return entry.opened.clone();
        }
        let opened = Arc::<OnceCell<_>>::default();
        let entry = Entry {
            access: access.clone(),
            opened: opened.clone(),
        };
        entries.insert(key, entry);
        opened
    }

    /// Two agents may come first to a new repository at once: the store
    /// decides, and the loser opens what the winner made.
    async fn open_anew(
        &self,
        access: &RepositoryAccess,
        absent: Absent,
    ) -> Result<Arc<Repository>, Error> {
        let url: RepositoryUrl = access.url.parse()?;
        let options = StoreOptions {
            endpoint: access.endpoint.clone(),
            region: access.region.clone(),
            credentials: access.credentials.clone(),
            ..StoreOptions::default()
        };
        let key = RepositoryKey::from_text(&access.key).ok_or_else(|| Error::InvalidOptions {
            repository: url.to_string(),
            reason: "its key is not 64 hexadecimal characters".to_owned(),
        })?;
        let place = place(access);
        let expected = lock(&self.known).get(&place).copied();
        let store = open_store(&url, &options)?;
        let store = match access.bandwidth {
            Some(bandwidth) => store.paced(bandwidth),
            None => store,
        };
        let repository = match Repository::open(store.clone(), &key, expected).await {
            Err(Error::NotARepository { .. }) if absent == Absent::Init && expected.is_none() => {
                Repository::init(store, &key).await?
            }
            opened => opened?,
        };
        self.remember(place, repository.id());
        Ok(Arc::new(repository))
    }

    fn remember(&self, place: String, id: RepositoryId) {
        let mut known = lock(&self.known);
        if known.insert(place, id) == Some(id) {
            return;
        }
        let written = serde_json::to_vec_pretty(&*known)
            .map_err(std::io::Error::from)
            .and_then(|text| write_atomically(&self.file, &text, 0o600));
        if let Err(error) = written {
            // It is a safeguard; the work itself does not hang on it.
            tracing::warn!(%error, file = %self.file.display(), "repositories are not remembered");
        }
    }
}

/// A new key is a new repository, even at the same URL.
fn place(access: &RepositoryAccess) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(access.url.trim_end_matches('/').as_bytes());
    context.update(b"\n");
    context.update(access.key.expose().trim().as_bytes());
    hex::encode(context.finish())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(lock(&self.entries).keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Secret;

    use super::*;

    fn access(directory: &Path) -> RepositoryAccess {
        RepositoryAccess {
            name: "eu".parse().unwrap(),
            url: format!("file://{}", directory.display()),
            region: None,
            endpoint: None,
            credentials: BTreeMap::new(),
            key: Secret::new("ab".repeat(32)),
            bandwidth: None,
        }
    }

    #[tokio::test]
    async fn a_repository_that_was_there_is_not_founded_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (data, store) = (
            directory.path().join("data"),
            directory.path().join("store"),
        );
        std::fs::create_dir(&data).unwrap();
        let access = access(&store);
        let repositories = Repositories::new(&data);
        let refused = repositories
            .open(&access, Absent::Refuse)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(refused.code(), "not_a_repository");
        let first = repositories.open(&access, Absent::Init).await.unwrap();
        let again = repositories.open(&access, Absent::Refuse).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again), "opened once");

        // The volume is gone, and the agent restarts.
        std::fs::remove_dir_all(&store).unwrap();
        let restarted = Repositories::new(&data);
        let lost = restarted
            .open(&access, Absent::Init)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(lost.code(), "not_a_repository");
        assert!(!store.exists(), "nothing was made");

        // Somebody else's repository is there now.
        let other = directory.path().join("other");
        std::fs::create_dir(&other).unwrap();
        Repositories::new(&other)
            .open(&access, Absent::Init)
            .await
            .unwrap();
        let wrong = restarted
            .open(&access, Absent::Init)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(wrong.code(), "other_repository");
    }
}
