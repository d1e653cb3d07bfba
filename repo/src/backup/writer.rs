//! Writing a backup: one writer, any number of threads.
//!
//! Nothing that is written here is a backup until its mark is: an attempt that
//! is dropped, or killed, leaves objects that no mark names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdfast_types::BackupId;
use jiff::Timestamp;

use super::entry::Entry;
use super::manifest::{
    FullSection, ManifestBuilder, SECTION_CODEC, SectionKind, SectionRef, section_name,
};
use super::parent::Parent;
use super::upload::Uploader;
use super::worker::PackWorker;
use crate::block_map;
use crate::chunk::PackId;
use crate::codec::Codec;
use crate::crypto::SealingKey;
use crate::envelope::{self, Kind, Place};
use crate::keyring::KeyPurpose;
use crate::pack::{BufferPool, PackBuffer};
use crate::{Error, FanOut, LineageRepository, Result};

/// How a backup is written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// How chunks are compressed.
    pub codec: Codec,
    /// The size at which a pack is closed.
    pub pack_bytes: u32,
    /// How many uploads run at once. Memory is this many packs, and one more
    /// per worker.
    pub uploads: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            codec: Codec::DEFAULT,
            pack_bytes: 32 << 20,
            uploads: 2,
        }
    }
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupProgress {
    /// Plain bytes read.
    pub read_bytes: u64,
    /// Bytes they became.
    pub stored_bytes: u64,
    /// Bytes durable in the repository.
    pub uploaded_bytes: u64,
    /// Entries of the manifest.
    pub entries: u64,
}

/// Writes one backup attempt. Cheap to clone.
#[derive(Clone)]
pub struct BackupWriter {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) lineage: LineageRepository,
    pub(super) backup: BackupId,
    pub(super) key: Arc<SealingKey>,
    /// What it is made against, and may refer to.
    pub(super) parent: Option<Parent>,
    pub(super) options: WriteOptions,
    pub(super) pool: Arc<BufferPool>,
    pub(super) uploader: Arc<Uploader>,
    pub(super) manifest: Mutex<ManifestBuilder>,
    /// The sizes of the packs submitted.
    pub(super) packs: Mutex<BTreeMap<u32, u64>>,
    pub(super) next_pack: AtomicU32,
    pub(super) workers: AtomicU32,
    pub(super) read_bytes: AtomicU64,
    pub(super) stored_bytes: AtomicU64,
    /// Before the first of its packs.
    pub(super) begun: Timestamp,
}

impl LineageRepository {
    /// Begins a backup attempt under an id that no attempt had before. Must be
    /// called on the runtime that shall upload, which needs a thread of its
    /// own beside those that write.
    pub async fn begin_backup(
        &self,
        backup: BackupId,
        options: WriteOptions,
    ) -> Result<BackupWriter> {
        self.begin(backup, None, options).await
    }

    /// Begins an attempt at an incremental: extents that are written against
    /// those of `parent`, a backup of this lineage, refer to its packs where
    /// nothing has changed. Whoever calls has seen to it that the parent is
    /// kept until the mark is put (I-06).
    pub async fn begin_incremental(
        &self,
        backup: BackupId,
        parent: Parent,
        options: WriteOptions,
    ) -> Result<BackupWriter> {
        assert_eq!(
            parent.backup().lineage,
            self.lineage(),
            "a parent of another lineage"
        );
        self.begin(backup, Some(parent), options).await
    }

    async fn begin(
        &self,
        backup: BackupId,
        parent: Option<Parent>,
        options: WriteOptions,
    ) -> Result<BackupWriter> {
        let store = &self.repository.store;
        for directory in ["packs", "manifests"] {
            if store
                .any_below(&self.name(&format!("{directory}/{backup}")))
                .await?
            {
                return Err(Error::BackupIdUsed(backup));
            }
        }
        let (id, bytes) = self.repository.ring.create(KeyPurpose::Backup).await?;
        let options = WriteOptions {
            pack_bytes: options.pack_bytes.clamp(1 << 10, 1 << 30),
            ..options
        };
        let capacity = options.pack_bytes as usize + PackBuffer::slack(block_map::MAX_BYTES);
        let shared = Shared {
            lineage: self.clone(),
            backup,
            key: Arc::new(SealingKey::new(id, &bytes)),
            parent,
            pool: BufferPool::new(capacity),
            uploader: Uploader::new(store.clone(), options.uploads),
            options,
            manifest: Mutex::default(),
            packs: Mutex::default(),
            next_pack: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            read_bytes: AtomicU64::new(0),
            stored_bytes: AtomicU64::new(0),
            begun: self.repository.entropy.now(),
        };
        Ok(BackupWriter {
            shared: Arc::new(shared),
        })
    }
}

impl BackupWriter {
    /// The backup.
    pub fn id(&self) -> BackupId {
        self.shared.backup
    }

    /// Offers what is uploaded from now on to copies; to be called once, before the
    /// first byte. Nothing that they do holds up or fails this backup. The last
    /// sections of the manifest are not offered: they are small, and come last.
    pub fn fan_out(&self, copies: FanOut) {
        self.shared.uploader.fan_out(copies);
    }

    /// A worker, for one thread outside the runtime.
    pub fn worker(&self) -> PackWorker {
        PackWorker::new(Arc::clone(&self.shared))
    }

    /// Adds an entry to the manifest, whose extents come from workers of this
    /// writer. Blocks while uploads are behind, so not for threads of the
    /// runtime.
    pub fn add(&self, entry: &Entry) -> Result<()> {
        self.shared.uploader.check()?;
        let full = self.shared.manifest().add(entry)?;
        let Some(section) = full else { return Ok(()) };
        let name = self
            .shared
            .lineage
            .name(&section_name(self.shared.backup, section.number));
        let sealed = self.shared.seal_section(SectionKind::Entries, &section);
        self.shared.uploader.submit(name, sealed)
    }

    /// How far it is.
    pub fn progress(&self) -> BackupProgress {
        BackupProgress {
            read_bytes: self.shared.read_bytes.load(Ordering::Relaxed),
            stored_bytes: self.shared.stored_bytes.load(Ordering::Relaxed),
            uploaded_bytes: self.shared.uploader.uploaded_bytes(),
            entries: self.shared.manifest().entries,
        }
    }

    /// Ends the attempt: every call of every thread fails from now on with an
    /// error that has the code of `cause`.
    pub fn abort(&self, cause: Error) {
        self.shared.uploader.fail(cause);
    }
}

impl Shared {
    pub(super) fn manifest(&self) -> MutexGuard<'_, ManifestBuilder> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn packs(&self) -> MutexGuard<'_, BTreeMap<u32, u64>> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a pack under a number of its own.
    pub(super) fn new_pack(&self) -> PackBuffer {
        let number = self.next_pack.fetch_add(1, Ordering::Relaxed);
        let id = PackId {
            backup: self.backup,
            number,
        };
        PackBuffer::new(&self.pool, id, self.lineage.place(), self.key.id())
    }

    /// Hands a pack over to the uploads.
    pub(super) fn submit_pack(&self, pack: PackBuffer) -> Result<()> {
        let name = self.lineage.name(&pack.id.name());
        self.packs().insert(pack.id.number, pack.used() as u64);
        self.stored_bytes
            .fetch_add(pack.used() as u64, Ordering::Relaxed);
        self.uploader.submit(name, Bytes::from_owner(pack))
    }

    /// Seals a section and remembers it for the mark.
    pub(super) fn seal_section(&self, kind: SectionKind, section: &FullSection) -> Bytes {
        let below = section_name(self.backup, section.number);
        let place = Place {
            lineage: self.lineage.place(),
            name: &below,
        };
        let keys = (&*self.key, self.lineage.hash_key());
        let entropy = &self.lineage.repository.entropy;
        let (sealed, hash) = envelope::seal(
            Kind::Section,
            place,
            keys,
            SECTION_CODEC,
            entropy,
            &section.plain,
        );
        let reference = SectionRef {
            number: section.number,
            kind,
            bytes: sealed.len() as u64,
            plain_bytes: section.plain.len() as u64,
            hash,
        };
        self.stored_bytes
            .fetch_add(reference.bytes, Ordering::Relaxed);
        self.manifest().sections.insert(section.number, reference);
        sealed
    }
}

impl fmt::Debug for BackupWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BackupWriter({:?}, {})",
            self.shared.lineage, self.shared.backup
        )
    }
}
