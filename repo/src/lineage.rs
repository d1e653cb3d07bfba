//! One lineage of a cluster in a repository: its facts, its keys, and the way
//! its objects are sealed, found and compared.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_types::{KeyId, Lineage, Name, SegmentSize};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec::Codec;
use crate::crypto::{HashKey, PlainHash, SealingKey};
use crate::envelope::{self, Header, Kind, Place};
use crate::error::Damage;
use crate::keyring::KeyPurpose;
use crate::store::Created;
use crate::{Error, Repository, Result};

const FORMAT: u32 = 1;
/// Above this, sealing and opening leave the async threads.
const LARGE: usize = 256 << 10;

/// What is true of every backup and all WAL of a lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageFacts {
    /// PostgreSQL's `server_version_num` when the lineage was made. Its major
    /// version cannot change within a lineage.
    pub postgres_version: u32,
    /// The size of WAL segments.
    pub segment_size: SegmentSize,
    /// The size of data pages.
    pub block_size: u32,
}

/// The signed part of `lineage.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    cluster: Name,
    lineage: Lineage,
    /// As text: it does not fit the numbers of every JSON reader.
    system_identifier: String,
    incarnation: u32,
    #[serde(flatten)]
    facts: LineageFacts,
    created_at: Timestamp,
    hash_key: KeyId,
    wal_key: KeyId,
    wal_key_epoch: u32,
}

#[derive(Serialize, Deserialize)]
struct Signed<'a> {
    format: u32,
    #[serde(borrow)]
    lineage: &'a RawValue,
    mac: PlainHash,
}

/// A lineage in an open repository. Cheap to clone.
#[derive(Clone)]
pub struct LineageRepository {
    pub(crate) repository: Repository,
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Name,
    lineage: Lineage,
    facts: LineageFacts,
    created_at: Timestamp,
    /// `<cluster>/<lineage>`, the lineage's part of associated data.
    place: String,
    hash: HashKey,
    wal: Arc<SealingKey>,
}

/// What became of a sealed put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    Created,
    /// An object with the same plain bytes was there already.
    Same,
}

impl LineageRepository {
    pub(crate) async fn open(
        repository: &Repository,
        cluster: &Name,
        lineage: Lineage,
    ) -> Result<Option<Self>> {
        let object = document_name(cluster, lineage);
        let Some(text) = repository.store.read(&object).await? else {
            return Ok(None);
        };
        let structure = |reason: String| Error::damaged(&object, Damage::Structure(reason));
        let signed: Signed<'_> =
            serde_json::from_slice(&text).map_err(|error| structure(error.to_string()))?;
        if signed.format != FORMAT {
            return Err(structure(format!("format version {}", signed.format)));
        }
        let raw = signed.lineage.get();
        let document: Document =
            serde_json::from_str(raw).map_err(|error| structure(error.to_string()))?;
        let hash = repository
            .ring
            .find(document.hash_key, KeyPurpose::Hash)
            .await?;
        let hash = HashKey::new(document.hash_key, hash);
        if mac(&hash, raw) != signed.mac {
            return Err(Error::damaged(&object, Damage::Hash));
        }
        if document.cluster != *cluster || document.lineage != lineage {
            return Err(structure("it belongs to another lineage".into()));
        }
        let wal = repository
            .ring
            .sealing(document.wal_key, KeyPurpose::Wal)
            .await?;
        let inner = Inner {
            cluster: document.cluster,
            lineage,
            facts: document.facts,
            created_at: document.created_at,
            place: format!("{cluster}/{lineage}"),
            hash,
            wal,
        };
        Ok(Some(Self {
            repository: repository.clone(),
            inner: Arc::new(inner),
        }))
    }

    pub(crate) async fn create_or_open(
        repository: &Repository,
        cluster: &Name,
        lineage: Lineage,
        facts: LineageFacts,
    ) -> Result<Self> {
        if let Some(open) = Self::open(repository, cluster, lineage).await? {
            return open.agreeing_with(facts);
        }
        let (hash_key, hash) = repository.ring.create(KeyPurpose::Hash).await?;
        let (wal_key, _) = repository.ring.create(KeyPurpose::Wal).await?;
        let document = Document {
            cluster: cluster.clone(),
            lineage,
            system_identifier: lineage.system_identifier.to_string(),
            incarnation: lineage.incarnation,
            facts,
            created_at: repository.entropy.now(),
            hash_key,
            wal_key,
            wal_key_epoch: 1,
        };
        let raw = serde_json::value::to_raw_value(&document).expect("a lineage is plain data");
        let mac = mac(&HashKey::new(hash_key, hash), raw.get());
        let signed = Signed {
            format: FORMAT,
            lineage: &raw,
            mac,
        };
        let mut text = serde_json::to_vec(&signed).expect("a lineage is plain data");
        text.push(b'\n');
        // Whoever was first decides the keys; ours are then never used.
        repository
            .store
            .create(&document_name(cluster, lineage), Bytes::from(text))
            .await?;
        let open = Self::open(repository, cluster, lineage).await?;
        let missing = || Error::Missing {
            object: document_name(cluster, lineage),
        };
        open.ok_or_else(missing)?.agreeing_with(facts)
    }

    fn agreeing_with(self, given: LineageFacts) -> Result<Self> {
        let stored = self.inner.facts;
        let pairs = [
            (
                "PostgreSQL major version",
                u64::from(stored.postgres_version / 10_000),
                u64::from(given.postgres_version / 10_000),
            ),
            (
                "WAL segment size",
                stored.segment_size.bytes(),
                given.segment_size.bytes(),
            ),
            (
                "block size",
                u64::from(stored.block_size),
                u64::from(given.block_size),
            ),
        ];
        match pairs.into_iter().find(|(_, stored, given)| stored != given) {
            None => Ok(self),
            Some((field, stored, given)) => Err(Error::LineageMismatch {
                lineage: self.inner.lineage,
                field,
                stored,
                given,
            }),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Name {
        &self.inner.cluster
    }

    /// The lineage.
    pub fn lineage(&self) -> Lineage {
        self.inner.lineage
    }

    /// What is true of the whole lineage.
    pub fn facts(&self) -> LineageFacts {
        self.inner.facts
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.inner.created_at
    }

    /// The repository it is in.
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) fn hash_key(&self) -> &HashKey {
        &self.inner.hash
    }

    /// The keys of the lineage itself.
    pub(crate) fn keys(&self) -> [KeyId; 2] {
        [self.inner.hash.id(), self.inner.wal.id()]
    }

    /// `<cluster>/<lineage>`.
    pub(crate) fn place(&self) -> &str {
        &self.inner.place
    }

    /// The full name of the object `below` this lineage.
    pub(crate) fn name(&self, below: &str) -> String {
        format!("clusters/{}/{below}", self.inner.place)
    }

    /// The name below this lineage of a listed object.
    pub(crate) fn below<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix("clusters/")?
            .strip_prefix(self.place())?
            .strip_prefix('/')
    }

    /// Fails unless the repository and this lineage are still there.
    pub(crate) async fn prove_present(&self) -> Result<()> {
        self.repository.prove_present().await?;
        let object = document_name(&self.inner.cluster, self.inner.lineage);
        match self.repository.store.size(&object).await? {
            Some(_) => Ok(()),
            None => Err(Error::Missing { object }),
        }
    }

    /// Seals `plain` with `key`, off the async threads when it is large.
    pub(crate) async fn seal(
        &self,
        kind: Kind,
        below: &str,
        key: Arc<SealingKey>,
        codec: Codec,
        plain: Bytes,
    ) -> (Bytes, PlainHash) {
        let this = self.clone();
        let below = below.to_owned();
        off_thread(plain.len(), move || {
            let place = Place {
                lineage: this.place(),
                name: &below,
            };
            let keys = (&*key, this.hash_key());
            envelope::seal(kind, place, keys, codec, &this.repository.entropy, &plain)
        })
        .await
    }

    /// Puts an object of this lineage, sealed with its WAL key. If one of that
    /// name is there, its plain bytes decide: the same is fine, others are a
    /// [`Error::Conflict`], and nothing is ever overwritten. Comes with the
    /// sealed bytes that are stored.
    pub(crate) async fn put(
        &self,
        kind: Kind,
        below: &str,
        codec: Codec,
        plain: Bytes,
    ) -> Result<(Put, Bytes)> {
        let key = Arc::clone(&self.inner.wal);
        let (sealed, hash) = self.seal(kind, below, key, codec, plain.clone()).await;
        let object = self.name(below);
        let created = self
            .repository
            .store
            .create(&object, sealed.clone())
            .await?;
        if created == Created::Yes {
            return Ok((Put::Created, sealed));
        }
        // What is there is opened, not only compared by its clear header: the
        // caller will rely on it as if it were ours.
        let existing = self.repository.store.read_existing(&object).await?;
        let (header, _) = self.open_object(kind, below, existing.clone()).await?;
        let same = header.plain_hash == hash && header.plain_length == plain.len() as u64;
        if same {
            Ok((Put::Same, existing))
        } else {
            Err(Error::Conflict { object })
        }
    }

    /// Reads and opens an object, or `None` when there is none of that name.
    pub(crate) async fn get(&self, kind: Kind, below: &str) -> Result<Option<(Header, Vec<u8>)>> {
        match self.repository.store.read(&self.name(below)).await? {
            Some(object) => self.open_object(kind, below, object).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens an object of this lineage that was read.
    pub(crate) async fn open_object(
        &self,
        kind: Kind,
        below: &str,
        object: Bytes,
    ) -> Result<(Header, Vec<u8>)> {
        let damaged = |damage| Error::damaged(self.name(below), damage);
        let header = Header::decode(&object, kind).map_err(damaged)?;
        let purpose = match kind {
            Kind::Section => KeyPurpose::Backup,
            Kind::Segment
            | Kind::Slice
            | Kind::History
            | Kind::BackupHistory
            | Kind::Partial
            | Kind::Mark
            | Kind::Expired => KeyPurpose::Wal,
            Kind::StatePart | Kind::StateMark => KeyPurpose::State,
        };
        let key = if header.key == self.inner.wal.id() {
            Arc::clone(&self.inner.wal)
        } else {
            match self.repository.ring.sealing(header.key, purpose).await {
                // A changed key id names a key that is not there.
                Err(Error::Damaged { .. }) => return Err(damaged(Damage::KeyMissing(header.key))),
                key => key?,
            }
        };
        let this = self.clone();
        let name = below.to_owned();
        let opened = off_thread(object.len(), move || {
            let place = Place {
                lineage: this.place(),
                name: &name,
            };
            let plain = envelope::open(place, (&*key, this.hash_key()), &header, &object)?;
            Ok((header, plain))
        });
        opened.await.map_err(damaged)
    }
}

impl fmt::Debug for LineageRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LineageRepository({}/{})",
            self.repository.url(),
            self.inner.place
        )
    }
}

pub(crate) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes < LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

pub(crate) fn document_name(cluster: &Name, lineage: Lineage) -> String {
    format!("clusters/{cluster}/{lineage}/lineage.json")
}

fn mac(hash: &HashKey, document: &str) -> PlainHash {
    hash.hash(&[b"holdfast lineage\0", document.as_bytes()].concat())
}
