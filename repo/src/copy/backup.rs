//! Copying one backup.

use std::collections::BTreeSet;

use holdfast_types::{BackupId, KeyId, LsnRange};

use super::object::{Is, Outcome, Wanted};
use super::{CopyScope, LineageCopy};
use crate::backup::{Backup, BackupKind, mark_name};
use crate::codec::Codec;
use crate::envelope::{Header, Kind};
use crate::{BackupReader, Error, Result, failpoint};

/// A backup that is in both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedBackup {
    /// The backup.
    pub backup: BackupId,
    /// Whether it was there before.
    pub was_there: bool,
}

impl LineageCopy {
    /// Copies a backup with all that a restore of it needs: keys, packs (those of
    /// earlier backups that it refers to as well), manifest, and its WAL from start
    /// to stop. Then proves that all of it is there, and puts its mark (I-05).
    ///
    /// [`Error::UnknownBackup`] means that it was deleted meanwhile, and
    /// [`Error::WalIncomplete`] that the original lacks WAL of it.
    pub async fn copy_backup(&self, backup: &Backup) -> Result<CopiedBackup> {
        let is_there = |was_there| CopiedBackup {
            backup: backup.id,
            was_there,
        };
        let below = mark_name(&backup.run);
        let name = self.from.name(&below);
        let mark = self.mark(backup, &name).await?;
        if let Some(there) = self.to.repository.store.read(&name).await? {
            // The mark is put last: whatever it names was proved by then.
            return match there == mark {
                true => Ok(is_there(true)),
                false => Err(self.differs(&name)),
            };
        }
        match self.copy_content(backup).await {
            Ok(()) => {}
            // Deleted while it was copied, or damaged: the mark tells.
            Err(error @ Error::Missing { .. }) => {
                self.mark(backup, &name).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        failpoint!("copy::content::done");
        // What was deleted meanwhile does not come back as a copy (I-06).
        let mark = self.mark(backup, &name).await?;
        let outcome = self.put(&name, mark).await?;
        // The answer to a put is not yet the mark.
        match self.to.repository.store.size(&name).await? {
            Some(_) => Ok(is_there(outcome == Outcome::There)),
            None => Err(Error::Missing { object: name }),
        }
    }

    /// The mark in the original, as it is stored.
    async fn mark(&self, backup: &Backup, name: &str) -> Result<bytes::Bytes> {
        let unknown = || Error::UnknownBackup {
            lineage: self.from.place().to_owned(),
            backup: backup.id,
        };
        let store = &self.from.repository.store;
        let Some(mark) = store.read(name).await? else {
            self.from.prove_present().await?;
            return Err(unknown());
        };
        Header::decode(&mark, Kind::Mark).map_err(|damage| Error::damaged(name, damage))?;
        // The name is the run's: of two attempts it may be the other's.
        let read = crate::backup::read_mark(&self.from, &mark_name(&backup.run)).await?;
        if read.id == backup.id {
            Ok(mark)
        } else {
            Err(unknown())
        }
    }

    async fn copy_content(&self, backup: &Backup) -> Result<()> {
        let reader = self.from.open_backup(backup.clone()).await?;
        let keys = keys(&reader);
        for key in &keys {
            let rings = (&self.from.repository.ring, &self.to.repository.ring);
            rings.0.carry(*key, rings.1).await?;
        }
        self.copy_packs(&reader).await?;
        self.copy_sections(backup).await?;
        if let Some(range) = self.needed_wal(backup)? {
            let scope = CopyScope::Range(backup.timeline, range);
            self.copy_wal(scope).await?;
        }
        self.prove(&reader, &keys).await
    }

    async fn copy_packs(&self, reader: &BackupReader) -> Result<()> {
        let owners: BTreeSet<BackupId> = reader.packs().map(|info| info.pack.backup).collect();
        let mut there = std::collections::BTreeMap::new();
        for owner in owners {
            there.extend(self.there(&format!("packs/{owner}")).await?);
        }
        let wanted = reader.packs().map(|info| Wanted {
            name: self.from.name(&info.pack.name()),
            bytes: info.bytes,
            is: Is::Pack(info.pack, info.key),
        });
        self.copy_all(wanted.collect(), &there, must_be_there).await
    }

    async fn copy_sections(&self, backup: &Backup) -> Result<()> {
        let there = self.there(&format!("manifests/{}", backup.id)).await?;
        self.copy_all(self.sections(backup), &there, must_be_there)
            .await
    }

    fn sections(&self, backup: &Backup) -> Vec<Wanted> {
        let wanted = backup.section_objects().map(|(below, bytes, hash)| Wanted {
            name: self.from.name(&below),
            bytes,
            is: Is::Section(hash),
        });
        wanted.collect()
    }

    /// From the start of the segment, because that is how WAL is fetched.
    fn needed_wal(&self, backup: &Backup) -> Result<Option<LsnRange>> {
        if backup.kind == BackupKind::Logical {
            return Ok(None);
        }
        let start = self.from.facts().segment_size.start_of(backup.start_lsn);
        let range = LsnRange::new(start, backup.stop_lsn);
        range.map(Some).ok_or_else(|| Error::Invalid {
            what: "a mark",
            reason: format!("it stops at {} before {start}", backup.stop_lsn),
        })
    }

    /// I-05: looks at what is stored, not at what was sent.
    async fn prove(&self, reader: &BackupReader, keys: &BTreeSet<KeyId>) -> Result<()> {
        let backup = reader.backup();
        let missing = |object: String| Err(Error::Missing { object });
        for key in keys.iter().copied().chain(self.to.keys()) {
            if !self.to.repository.ring.holds(key).await? {
                return missing(format!("keys/{key}"));
            }
        }
        let mut expected: Vec<(String, u64)> = Vec::new();
        let mut there = self.there(&format!("manifests/{}", backup.id)).await?;
        let owners: BTreeSet<BackupId> = reader.packs().map(|info| info.pack.backup).collect();
        for owner in owners {
            there.extend(self.there(&format!("packs/{owner}")).await?);
        }
        expected.extend(
            reader
                .packs()
                .map(|info| (self.to.name(&info.pack.name()), info.bytes)),
        );
        let sections = self.sections(backup).into_iter();
        expected.extend(sections.map(|one| (one.name, one.bytes)));
        for (name, bytes) in expected {
            match there.get(&name) {
                Some(size) if *size == bytes => {}
                Some(_) => return Err(self.differs(&name)),
                None => return missing(name),
            }
        }
        let Some(needed) = self.needed_wal(backup)? else {
            return Ok(());
        };
        let wal = self.to.wal(Codec::DEFAULT);
        let wal = wal.list_from(backup.timeline, needed.from_lsn).await?;
        let gaps = wal.coverage().gaps(needed);
        match gaps.is_empty() {
            true => Ok(()),
            false => Err(Self::wal_missing(backup.timeline, gaps)),
        }
    }
}

/// The keys of its packs and of its manifest.
fn keys(reader: &BackupReader) -> BTreeSet<KeyId> {
    let mut keys: BTreeSet<KeyId> = reader.packs().map(|info| info.key).collect();
    keys.insert(reader.backup().data_key);
    keys
}

fn must_be_there(one: &Wanted, outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Gone => Err(Error::Missing {
            object: one.name.clone(),
        }),
        Outcome::Copied | Outcome::There => Ok(()),
    }
}
