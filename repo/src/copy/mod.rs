//! Copies: a lineage in another repository, object for object.
//!
//! What is sealed names the lineage and the object, never the repository, so a
//! copy is the same bytes under the same names and nothing is opened on the way.
//! Only the keys are wrapped anew, for the key of the repository copied to.
//!
//! Everything is put once, and the mark of a backup last, after all that it names
//! is proved to be there (I-05). So a copy that is killed anywhere goes on with
//! what is missing, and what it left means nothing until then. What is there under
//! the same name and is not the same is an incident, and stays as it is.

mod backup;
mod fan_out;
mod object;
mod wal;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_types::{LsnRange, Timeline};

use crate::lineage::document_name;
use crate::store::Created;
use crate::{Error, LineageRepository, Repository, Result};

pub use self::backup::CopiedBackup;
pub use self::fan_out::{FanOut, KeptUp};
pub use self::wal::{CopyScope, WalCopied};

/// A lineage and where it is copied to. Cheap to clone.
#[derive(Clone)]
pub struct LineageCopy {
    from: LineageRepository,
    to: LineageRepository,
    progress: Arc<CopyProgress>,
}

/// How far a copy is. What was there already counts as done.
#[derive(Debug, Default)]
pub struct CopyProgress {
    objects: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
    copied_bytes: AtomicU64,
}

impl CopyProgress {
    /// Objects that are there now.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of all that is known to belong there.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that were not there before.
    pub fn copied_bytes(&self) -> u64 {
        self.copied_bytes.load(Ordering::Relaxed)
    }

    fn expect(&self, bytes: u64) {
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn done(&self, bytes: u64, is_new: bool) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if is_new {
            self.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl LineageCopy {
    /// Begins to copy a lineage: carries its keys over and puts its document.
    ///
    /// A lineage of the same name with other keys, one that was not copied there,
    /// is [`Error::CopyDiffers`].
    pub async fn begin(
        from: &LineageRepository,
        to: &Repository,
        progress: Arc<CopyProgress>,
    ) -> Result<Self> {
        let source = from.repository();
        if source.id() == to.id() {
            return Err(Error::CopyOntoItself {
                from: source.url().to_string(),
                to: to.url().to_string(),
            });
        }
        let object = document_name(from.cluster(), from.lineage());
        let document = source.store.read_existing(&object).await?;
        let differs = || Error::CopyDiffers {
            object: object.clone(),
            from: source.url().to_string(),
            to: to.url().to_string(),
        };
        // Another lineage is told before anything is written.
        let there = to.store.read(&object).await?;
        if there.as_ref().is_some_and(|there| *there != document) {
            return Err(differs());
        }
        // The keys first: whoever finds the document can read it.
        for key in from.keys() {
            source.ring.carry(key, &to.ring).await?;
        }
        // Whoever turns up meanwhile must say the same.
        if there.is_none()
            && to.store.create(&object, document.clone()).await? == Created::Exists
            && to.store.read_existing(&object).await? != document
        {
            return Err(differs());
        }
        let to = to.lineage(from.cluster(), from.lineage()).await?;
        Ok(Self {
            from: from.clone(),
            to,
            progress,
        })
    }

    /// What is copied.
    pub const fn from(&self) -> &LineageRepository {
        &self.from
    }

    /// The copy.
    pub const fn to(&self) -> &LineageRepository {
        &self.to
    }

    /// How far it is.
    pub fn progress(&self) -> &CopyProgress {
        &self.progress
    }

    fn differs(&self, object: &str) -> Error {
        Error::CopyDiffers {
            object: object.to_owned(),
            from: self.from.repository.url().to_string(),
            to: self.to.repository.url().to_string(),
        }
    }

    fn wal_missing(timeline: Timeline, gaps: Vec<LsnRange>) -> Error {
        Error::WalIncomplete { timeline, gaps }
    }
}

impl fmt::Debug for LineageCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineageCopy({:?} to {:?})", self.from, self.to)
    }
}
