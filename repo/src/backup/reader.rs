//! Reading a backup: its manifest as a stream, its packs and their keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use futures_util::TryStreamExt;
use holdfast_types::{BackupId, KeyId};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::entry::Entry;
use super::extent_reader::ExtentReader;
use super::manifest::{PackInfo, SectionKind, SectionRef, section_name};
use super::mark::Backup;
use crate::chunk::PackId;
use crate::crypto::SealingKey;
use crate::envelope::Kind;
use crate::error::Damage;
use crate::keyring::KeyPurpose;
use crate::{Error, LineageRepository, Result};

/// An open backup. Cheap to clone.
#[derive(Clone)]
pub struct BackupReader {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) lineage: LineageRepository,
    pub(super) backup: Backup,
    pub(super) packs: BTreeMap<PackId, PackInfo>,
    pub(super) keys: HashMap<KeyId, Arc<SealingKey>>,
}

impl LineageRepository {
    /// Opens a committed backup for reading.
    pub async fn open_backup(&self, backup: Backup) -> Result<BackupReader> {
        let mut packs = BTreeMap::new();
        let mut keys = HashMap::new();
        for section in backup
            .sections
            .iter()
            .filter(|section| section.kind == SectionKind::Packs)
        {
            let plain = read_section(self, &backup, section).await?;
            for pack in lines::<PackInfo>(self, &backup, section, &plain) {
                let pack = pack?;
                if let std::collections::hash_map::Entry::Vacant(unknown) = keys.entry(pack.key) {
                    unknown.insert(
                        self.repository
                            .ring
                            .sealing(pack.key, KeyPurpose::Backup)
                            .await?,
                    );
                }
                packs.insert(pack.pack, pack);
            }
        }
        Ok(BackupReader {
            shared: Arc::new(Shared {
                lineage: self.clone(),
                backup,
                packs,
                keys,
            }),
        })
    }
}

impl BackupReader {
    /// The backup.
    pub fn backup(&self) -> &Backup {
        &self.shared.backup
    }

    /// What it needs of its packs: what a restore fetches.
    pub fn live_bytes(&self) -> u64 {
        self.shared.packs.values().map(|pack| pack.live).sum()
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = &PackInfo> {
        self.shared.packs.values()
    }

    pub(super) fn pack_info(&self, pack: PackId) -> Option<&PackInfo> {
        self.shared.packs.get(&pack)
    }

    /// The sizes of the objects that are there where its packs must be.
    pub(crate) async fn stored_pack_sizes(&self) -> Result<BTreeMap<String, u64>> {
        let lineage = &self.shared.lineage;
        let owners: BTreeSet<BackupId> = self.packs().map(|pack| pack.pack.backup).collect();
        let mut sizes = BTreeMap::new();
        for owner in owners {
            let directory = lineage.name(&format!("packs/{owner}"));
            let mut listed = lineage.repository.store.list(&directory);
            while let Some(item) = listed.try_next().await? {
                sizes.insert(item.name, item.size);
            }
        }
        Ok(sizes)
    }

    /// Its entries, in the order in which they were added.
    pub fn entries(&self) -> Entries {
        let sections: Vec<SectionRef> = self
            .shared
            .backup
            .sections
            .iter()
            .filter(|section| section.kind == SectionKind::Entries)
            .cloned()
            .collect();
        let sections = sections.into_iter();
        Entries {
            reader: self.clone(),
            sections,
            current: Vec::new().into_iter(),
            next: None,
            seen: 0,
        }
    }

    /// A reader of file content, for one thread outside the runtime. Must be
    /// called on the runtime that shall read.
    pub fn extent_reader(&self) -> ExtentReader {
        self.extent_reader_on(Handle::current())
    }

    pub(super) fn extent_reader_on(&self, runtime: Handle) -> ExtentReader {
        ExtentReader::new(Arc::clone(&self.shared), runtime)
    }
}

/// The entries of a backup, a section at a time.
pub struct Entries {
    reader: BackupReader,
    sections: std::vec::IntoIter<SectionRef>,
    current: std::vec::IntoIter<Entry>,
    /// The section being fetched while the current one is used.
    next: Option<JoinHandle<Result<Vec<Entry>>>>,
    seen: u64,
}

impl Entries {
    /// The next entry, or `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.current.next() {
                self.seen += 1;
                return Ok(Some(entry));
            }
            let fetched = match self.next.take() {
                Some(fetching) => fetching,
                None => match self.fetch() {
                    Some(fetching) => fetching,
                    None => return self.end(),
                },
            };
            self.next = self.fetch();
            let entries = fetched
                .await
                .unwrap_or_else(|error| Err(Error::Local(error.into())));
            self.current = entries?.into_iter();
        }
    }

    fn fetch(&mut self) -> Option<JoinHandle<Result<Vec<Entry>>>> {
        let section = self.sections.next()?;
        let shared = Arc::clone(&self.reader.shared);
        Some(tokio::spawn(async move {
            let plain = read_section(&shared.lineage, &shared.backup, &section).await?;
            let parsed = tokio::task::spawn_blocking(move || {
                lines::<Entry>(&shared.lineage, &shared.backup, &section, &plain)
                    .map(|entry| {
                        let entry = entry?;
                        let checked = entry.check();
                        checked.map_err(|reason| {
                            damaged(&shared.lineage, &shared.backup, &section, reason)
                        })?;
                        Ok(entry)
                    })
                    .collect()
            });
            parsed
                .await
                .unwrap_or_else(|error| Err(Error::Local(error.into())))
        }))
    }

    fn end(&self) -> Result<Option<Entry>> {
        let backup = self.reader.backup();
        if self.seen == backup.entries {
            return Ok(None);
        }
        let object = self
            .reader
            .shared
            .lineage
            .name(&format!("manifests/{}", backup.id));
        let reason = format!("{} entries, not {}", self.seen, backup.entries);
        Err(Error::damaged(object, Damage::Structure(reason)))
    }
}

/// Reads a section and checks that it is the one the mark names.
pub(crate) async fn read_section(
    lineage: &LineageRepository,
    backup: &Backup,
    section: &SectionRef,
) -> Result<Vec<u8>> {
    let below = section_name(backup.id, section.number);
    let found = lineage.get(Kind::Section, &below).await?;
    let (header, plain) = found.ok_or_else(|| Error::Missing {
        object: lineage.name(&below),
    })?;
    if header.plain_hash != section.hash {
        return Err(Error::damaged(lineage.name(&below), Damage::Hash));
    }
    Ok(plain)
}

pub(super) fn lines<'a, T: serde::Deserialize<'a>>(
    lineage: &'a LineageRepository,
    backup: &'a Backup,
    section: &'a SectionRef,
    plain: &'a [u8],
) -> impl Iterator<Item = Result<T>> + 'a {
    plain
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(move |line| {
            serde_json::from_slice(line)
                .map_err(|error| damaged(lineage, backup, section, error.to_string()))
        })
}

pub(super) fn damaged(
    lineage: &LineageRepository,
    backup: &Backup,
    section: &SectionRef,
    reason: String,
) -> Error {
    let object = lineage.name(&section_name(backup.id, section.number));
    Error::damaged(object, Damage::Structure(reason))
}

impl fmt::Debug for BackupReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BackupReader({:?}, {})",
            self.shared.lineage, self.shared.backup.id
        )
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries({:?}, {} seen)", self.reader, self.seen)
    }
}
