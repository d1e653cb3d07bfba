//! The parent of an incremental: what of it a new backup may refer to.
//!
//! Every pack that the parent names is there, with the size that it has in the
//! manifest, when a parent is opened. What its packs hold is not read: a chunk
//! is taken over by the hash of what the database holds now.
//!
//! Memory does not grow with the database: the entries wait in a file of the
//! caller's, and twenty-four bytes of each are kept.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::entry::{Entry, FileEntry};
use super::extent_reader::ExtentReader;
use super::manifest::{PackInfo, SectionKind, SectionRef};
use super::mark::Backup;
use super::path::EntryPath;
use super::reader::{BackupReader, damaged, lines, read_section};
use crate::chunk::{Extent, PackId};
use crate::error::Damage;
use crate::{Error, LineageRepository, Result};

/// A pack of which a backup references less than so many percent is not
/// referenced by the next one, which stores those chunks again: so a pack lives
/// on for a small part of it through one backup and no more.
const DENSE_PERCENT: u64 = 30;

/// An open parent. Cheap to clone.
#[derive(Clone)]
pub struct Parent {
    inner: Arc<Inner>,
}

struct Inner {
    reader: BackupReader,
    runtime: Handle,
    /// The lines of its files, one after the other.
    spool: File,
    /// Where the line of each path is, by the hash of the path.
    places: Vec<Place>,
    sparse: BTreeSet<PackId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: u64,
    offset: u64,
    length: u32,
}

impl LineageRepository {
    /// Opens a committed backup as the parent of another. `spool` is an empty
    /// file of the caller's that nobody else uses; it is as long as the plain
    /// manifest. Must be called on the runtime that shall read.
    ///
    /// What of the parent is damaged or missing is [`Error::Parent`].
    pub async fn open_parent(&self, backup: Backup, spool: File) -> Result<Parent> {
        let parent = backup.id;
        let opened = self.open_as_parent(backup, spool).await;
        opened.map_err(|error| error.of_parent(parent))
    }

    async fn open_as_parent(&self, backup: Backup, spool: File) -> Result<Parent> {
        let reader = self.open_backup(backup).await?;
        refuse_missing_packs(self, &reader).await?;
        let sections = reader.backup().sections.iter();
        let sections: Vec<SectionRef> = sections
            .filter(|section| section.kind == SectionKind::Entries)
            .cloned()
            .collect();
        let mut index = Index {
            spool,
            end: 0,
            entries: 0,
            places: Vec::new(),
        };
        for section in sections {
            let plain = read_section(self, reader.backup(), &section).await?;
            let (lineage, backup) = (self.clone(), reader.backup().clone());
            let taken = tokio::task::spawn_blocking(move || {
                index.take(&lineage, &backup, &section, &plain)?;
                Ok::<_, Error>(index)
            });
            index = taken
                .await
                .unwrap_or_else(|error| Err(Error::Local(error.into())))?;
        }
        if index.entries != reader.backup().entries {
            let object = self.name(&format!("manifests/{}", reader.backup().id));
            let (found, wanted) = (index.entries, reader.backup().entries);
            let reason = format!("{found} entries, not {wanted}");
            return Err(Error::damaged(object, Damage::Structure(reason)));
        }
        index.places.sort_unstable();
        let sparse = reader.packs().filter(|pack| is_sparse(pack));
        let inner = Inner {
            sparse: sparse.map(|pack| pack.pack).collect(),
            runtime: Handle::current(),
            spool: index.spool,
            places: index.places,
            reader,
        };
        Ok(Parent {
            inner: Arc::new(inner),
        })
    }
}

impl Parent {
    /// The backup.
    pub fn backup(&self) -> &Backup {
        self.inner.reader.backup()
    }

    /// What it holds of the file at `path`.
    pub fn file(&self, path: &EntryPath) -> Result<Option<FileEntry>> {
        let wanted = hash_of(path);
        let places = &self.inner.places;
        let first = places.partition_point(|place| place.path < wanted);
        let same = places[first..]
            .iter()
            .take_while(|place| place.path == wanted);
        for place in same {
            let mut line = vec![0; place.length as usize];
            self.inner
                .spool
                .read_exact_at(&mut line, place.offset)
                .map_err(Error::Local)?;
            let entry = serde_json::from_slice(&line)
                .map_err(|error| Error::Local(io::Error::other(error)))?;
            if let Entry::File(file) = entry
                && file.path == *path
            {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Whether another backup may refer to all that `extents` of this one refer
    /// to: no pack is kept alive for a small part of it.
    pub fn may_keep(&self, extents: &[Extent]) -> bool {
        let mut packs = extents.iter().flat_map(Extent::live);
        packs.all(|(pack, _)| self.may_refer_to(pack))
    }

    pub(super) fn may_refer_to(&self, pack: PackId) -> bool {
        !self.inner.sparse.contains(&pack)
    }

    pub(super) fn pack(&self, pack: PackId) -> Option<&PackInfo> {
        self.inner.reader.pack_info(pack)
    }

    /// A reader of its block maps.
    pub(super) fn extent_reader(&self) -> ExtentReader {
        self.inner
            .reader
            .extent_reader_on(self.inner.runtime.clone())
    }
}

const fn is_sparse(pack: &PackInfo) -> bool {
    pack.live.saturating_mul(100) < pack.bytes.saturating_mul(DENSE_PERCENT)
}

/// Nothing may come to rest on what is not there.
async fn refuse_missing_packs(lineage: &LineageRepository, reader: &BackupReader) -> Result<()> {
    let sizes = reader.stored_pack_sizes().await?;
    for pack in reader.packs() {
        let object = lineage.name(&pack.pack.name());
        match sizes.get(&object) {
            None => return Err(Error::Missing { object }),
            Some(size) if *size != pack.bytes => {
                return Err(Error::damaged(object, Damage::Truncated));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The entries on their way into the file.
struct Index {
    spool: File,
    end: u64,
    entries: u64,
    places: Vec<Place>,
}

impl Index {
    fn take(
        &mut self,
        lineage: &LineageRepository,
        backup: &Backup,
        section: &SectionRef,
        plain: &[u8],
    ) -> Result<()> {
        let mut kept = Vec::with_capacity(plain.len());
        for line in plain.split(|byte| *byte == b'\n') {
            for entry in lines::<Entry>(lineage, backup, section, line) {
                let entry = entry?;
                let checked = entry.check();
                checked.map_err(|reason| damaged(lineage, backup, section, reason))?;
                self.entries += 1;
                if let Entry::File(file) = entry {
                    let length = u32::try_from(line.len());
                    let too_long = |_| damaged(lineage, backup, section, "its length".into());
                    self.places.push(Place {
                        path: hash_of(&file.path),
                        offset: self.end + kept.len() as u64,
                        length: length.map_err(too_long)?,
                    });
                    kept.extend_from_slice(line);
                }
            }
        }
        self.spool.write_all(&kept).map_err(Error::Local)?;
        self.end += kept.len() as u64;
        Ok(())
    }
}

/// Two paths may have one: the path itself decides.
fn hash_of(path: &EntryPath) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parent({:?})", self.inner.reader)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{BackupId, KeyId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_pack_is_sparse_below_thirty_percent() {
        let pack = |live, bytes| PackInfo {
            pack: PackId {
                backup: BackupId::from_uuid(Uuid::nil()),
                number: 0,
            },
            key: KeyId::from_uuid(Uuid::nil()),
            bytes,
            live,
        };
        assert!(is_sparse(&pack(0, 1)));
        assert!(is_sparse(&pack(299, 1000)));
        assert!(!is_sparse(&pack(300, 1000)));
        assert!(!is_sparse(&pack(1000, 1000)));
    }
}
