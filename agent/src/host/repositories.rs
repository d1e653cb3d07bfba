//! Repositories, opened once per access.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_proto::RepositoryAccess;
use holdfast_repo::{Error, Repository, RepositoryKey, RepositoryUrl, StoreOptions, open_store};
use holdfast_types::Name;
use tokio::sync::OnceCell;

/// One repository under one access; filled by whoever needs it first.
struct Entry {
    access: RepositoryAccess,
    opened: Arc<OnceCell<Arc<Repository>>>,
}

/// The repositories that this process has opened.
#[derive(Default)]
pub(super) struct Repositories {
    entries: Mutex<HashMap<Name, Entry>>,
}

impl Repositories {
    /// Opens `access`, or answers with what was opened before under exactly
    /// this access: another key or other credentials open anew.
    pub(super) async fn open(&self, access: &RepositoryAccess) -> Result<Arc<Repository>, Error> {
        let opened = self.entry(access);
        opened.get_or_try_init(|| open_or_init(access)).await.cloned()
    }

    fn entry(&self, access: &RepositoryAccess) -> Arc<OnceCell<Arc<Repository>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&access.name)
            && entry.access == *access
        {
            return entry.opened.clone();
        }
        let opened = Arc::<OnceCell<_>>::default();
        let entry = Entry { access: access.clone(), opened: opened.clone() };
        entries.insert(access.name.clone(), entry);
        opened
    }
}

/// A repository is initialised by the first agent that needs it. Two agents
/// may come first at once: the store decides, and the loser opens.
async fn open_or_init(access: &RepositoryAccess) -> Result<Arc<Repository>, Error> {
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
    let store = open_store(&url, &options)?;
    match Repository::open(store.clone(), &key).await {
        Err(Error::NotARepository { .. }) => Repository::init(store, &key).await.map(Arc::new),
        opened => opened.map(Arc::new),
    }
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(entries.keys()).finish()
    }
}
