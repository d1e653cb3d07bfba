//! A repository: its marker, its identity and its key.
//!
//! `holdfast.json` says that a place is a repository, which one, and of what
//! format; its key check tells a wrong key from a damaged object before
//! anything else is read.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use holdfast_types::{Lineage, Name, RepositoryId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;
use crate::error::Damage;
use crate::keyring::{KeyInfo, KeyRing};
use crate::lineage::{LineageFacts, LineageRepository};
use crate::store::{Created, Store};
use crate::{Error, RepositoryKey, RepositoryUrl, Result};

const MARKER: &str = "holdfast.json";
const FORMAT: u32 = 1;

/// The content of `holdfast.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    format: u32,
    repository: RepositoryId,
    created_at: Timestamp,
    key_check: String,
}

/// An open repository. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) store: Store,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) entropy: Entropy,
    id: RepositoryId,
    created_at: Timestamp,
}

impl Repository {
    /// Makes a repository, or opens the one that is there if `key` is its key.
    ///
    /// Fails with [`Error::NotWriteOnce`] on a store where put-if-absent does
    /// not hold, because nothing in this format would be safe there.
    pub async fn init(store: Store, key: &RepositoryKey) -> Result<Self> {
        Self::init_with(store, key, Entropy::system()).await
    }

    pub(crate) async fn init_with(
        store: Store,
        key: &RepositoryKey,
        entropy: Entropy,
    ) -> Result<Self> {
        match Self::open_with(store.clone(), key, None, entropy.clone()).await {
            Err(Error::NotARepository { .. }) => {}
            opened => return opened,
        }
        store.create_root().await?;
        prove_write_once(&store, &entropy).await?;
        let repository = entropy.repository_id();
        let marker = Marker {
            format: FORMAT,
            repository,
            created_at: entropy.now(),
            key_check: key_check(key, repository),
        };
        let mut text = serde_json::to_vec(&marker).expect("a marker is plain data");
        text.push(b'\n');
        // Somebody else may found it at this moment: what is there then counts.
        store.create(MARKER, Bytes::from(text)).await?;
        Self::open_with(store, key, None, entropy).await
    }

    /// Opens a repository. With `expected`, another repository at the same
    /// place is refused.
    pub async fn open(
        store: Store,
        key: &RepositoryKey,
        expected: Option<RepositoryId>,
    ) -> Result<Self> {
        Self::open_with(store, key, expected, Entropy::system()).await
    }

    pub(crate) async fn open_with(
        store: Store,
        key: &RepositoryKey,
        expected: Option<RepositoryId>,
        entropy: Entropy,
    ) -> Result<Self> {
        let marker = read_marker(&store).await?;
        let repository = || store.url().to_string();
        if let Some(expected) = expected
            && expected != marker.repository
        {
            let found = marker.repository;
            return Err(Error::OtherRepository {
                repository: repository(),
                expected,
                found,
            });
        }
        if key_check(key, marker.repository) != marker.key_check {
            return Err(Error::WrongKey {
                repository: repository(),
            });
        }
        let ring = Arc::new(KeyRing::new(store.clone(), key, entropy.clone()));
        Ok(Self {
            store,
            ring,
            entropy,
            id: marker.repository,
            created_at: marker.created_at,
        })
    }

    /// Its identity.
    pub const fn id(&self) -> RepositoryId {
        self.id
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Where it is.
    pub const fn url(&self) -> &RepositoryUrl {
        self.store.url()
    }

    /// The clusters it holds something of.
    pub async fn clusters(&self) -> Result<Vec<Name>> {
        let names = self.store.list_directories("clusters").await?;
        let mut clusters: Vec<Name> = names.iter().filter_map(|name| name.parse().ok()).collect();
        clusters.sort();
        Ok(clusters)
    }

    /// The lineages of a cluster, in order.
    pub async fn lineages(&self, cluster: &Name) -> Result<Vec<Lineage>> {
        let names = self
            .store
            .list_directories(&format!("clusters/{cluster}"))
            .await?;
        let mut lineages: Vec<Lineage> =
            names.iter().filter_map(|name| name.parse().ok()).collect();
        lineages.sort();
        Ok(lineages)
    }

    /// Opens a lineage that is there.
    pub async fn lineage(&self, cluster: &Name, lineage: Lineage) -> Result<LineageRepository> {
        LineageRepository::open(self, cluster, lineage)
            .await?
            .ok_or_else(|| Error::UnknownLineage {
                repository: self.url().to_string(),
                cluster: cluster.to_string(),
                lineage,
            })
    }

    /// Opens a lineage, making it if it is not there. Facts that cannot change
    /// within a lineage must agree with the stored ones.
    pub async fn create_or_open_lineage(
        &self,
        cluster: &Name,
        lineage: Lineage,
        facts: LineageFacts,
    ) -> Result<LineageRepository> {
        LineageRepository::create_or_open(self, cluster, lineage, facts).await
    }

    /// Every lineage of every cluster.
    pub async fn all_lineages(&self) -> Result<Vec<LineageRepository>> {
        let mut found = Vec::new();
        for cluster in self.clusters().await? {
            let lineages = self.lineages(&cluster).await?;
            let open = stream::iter(lineages)
                .map(|lineage| LineageRepository::open(self, &cluster, lineage))
                .buffered(4);
            let opened: Vec<Option<LineageRepository>> = open.try_collect().await?;
            found.extend(opened.into_iter().flatten());
        }
        Ok(found)
    }

    /// Every lineage there is a name of, in order, each with why it cannot be
    /// read if it is damaged or its document is not there: one hides no other.
    /// An error is one of the whole repository.
    pub async fn listed_lineages(&self) -> Result<Vec<ListedLineage>> {
        let mut found = Vec::new();
        for cluster in self.clusters().await? {
            let lineages = self.lineages(&cluster).await?;
            let open = stream::iter(lineages)
                .map(|lineage| ListedLineage::open(self, &cluster, lineage))
                .buffered(4);
            found.extend(open.try_collect::<Vec<_>>().await?);
        }
        if found.is_empty() {
            self.prove_present().await?;
        }
        Ok(found)
    }

    /// The keys it holds, and whether they open with the key given.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>> {
        self.ring.list().await
    }

    /// Fails unless the repository is still there: an unmounted volume looks
    /// like an empty one, and must never pass for absence.
    pub(crate) async fn prove_present(&self) -> Result<()> {
        let marker = read_marker(&self.store).await?;
        if marker.repository == self.id {
            return Ok(());
        }
        let (expected, found) = (self.id, marker.repository);
        Err(Error::OtherRepository {
            repository: self.url().to_string(),
            expected,
            found,
        })
    }
}

/// A lineage that a listing names.
#[derive(Debug)]
pub struct ListedLineage {
    /// Its cluster.
    pub cluster: Name,
    /// The lineage.
    pub lineage: Lineage,
    /// The lineage, opened, or what is wrong with it.
    pub opened: Result<LineageRepository>,
}

impl ListedLineage {
    async fn open(repository: &Repository, cluster: &Name, lineage: Lineage) -> Result<Self> {
        let opened = match LineageRepository::open(repository, cluster, lineage).await {
            Ok(Some(open)) => Ok(open),
            Ok(None) => Err(Error::Missing {
                object: crate::lineage::document_name(cluster, lineage),
            }),
            Err(error @ (Error::Damaged { .. } | Error::Missing { .. })) => Err(error),
            Err(error) => return Err(error),
        };
        Ok(Self {
            cluster: cluster.clone(),
            lineage,
            opened,
        })
    }
}

async fn read_marker(store: &Store) -> Result<Marker> {
    let repository = || store.url().to_string();
    let text = store
        .read(MARKER)
        .await?
        .ok_or_else(|| Error::NotARepository {
            repository: repository(),
        })?;
    let structure =
        |error: serde_json::Error| Error::damaged(MARKER, Damage::Structure(error.to_string()));
    // The format first: what follows it may mean something else in a newer one.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_slice(&text).map_err(structure)?;
    if format != FORMAT {
        let repository = repository();
        return Err(Error::UnsupportedFormat {
            repository,
            found: format,
            supported: FORMAT,
        });
    }
    serde_json::from_slice(&text).map_err(structure)
}

fn key_check(key: &RepositoryKey, repository: RepositoryId) -> String {
    let hash = blake3::keyed_hash(&key.checking(), repository.to_string().as_bytes());
    hash.to_hex().to_string()
}

/// Writes one name twice: the second must be refused.
async fn prove_write_once(store: &Store, entropy: &Entropy) -> Result<()> {
    let probe = format!("probe/{}", entropy.uuid().simple());
    store.create(&probe, Bytes::from_static(b"first\n")).await?;
    let second = store.create(&probe, Bytes::from_static(b"second\n")).await;
    store.delete(&probe).await?;
    match second? {
        Created::Exists => Ok(()),
        Created::Yes => Err(Error::NotWriteOnce {
            repository: store.url().to_string(),
        }),
    }
}
