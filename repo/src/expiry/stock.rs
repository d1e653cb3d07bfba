//! What a lineage holds of backups, and what of it is needed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use holdfast_types::{BackupId, Coverage, KeyId, LsnRange};
use jiff::Timestamp;

use crate::backup::{Backup, BackupKind, mark_name};
use crate::chunk::PackId;
use crate::store::Listed;
use crate::{LineageRepository, Result};

/// How many manifests are read at a time.
const AT_ONCE: usize = 4;

/// A lineage's packs, manifests and marks, at one look.
#[derive(Debug, Default)]
pub struct Stock {
    pub(super) objects: BTreeMap<BackupId, Owned>,
    pub(super) backups: BTreeMap<BackupId, Backup>,
    /// Packs that a backup names which is not dead.
    pub(super) needed: BTreeSet<PackId>,
    /// Keys that those packs, and their manifests, are sealed with.
    pub(super) keys: BTreeSet<KeyId>,
    wal: Vec<LsnRange>,
}

/// The objects that one attempt wrote, but for its mark.
#[derive(Debug, Default)]
pub(super) struct Owned {
    pub(super) packs: Vec<(PackId, Listed)>,
    pub(super) sections: Vec<Listed>,
}

impl Owned {
    fn all(&self) -> impl Iterator<Item = &Listed> {
        let packs = self.packs.iter().map(|(_, listed)| listed);
        packs.chain(&self.sections)
    }
}

impl LineageRepository {
    /// Looks at all of it. `dead` is what was condemned and may be deleted: what
    /// only the dead name is needed by nobody.
    ///
    /// Fails if a mark or a manifest cannot be read: then it cannot be known what
    /// is needed, and nothing may be deleted (I-06).
    pub async fn stock(&self, dead: &BTreeSet<BackupId>) -> Result<Stock> {
        let mut stock = Stock::default();
        // Objects before marks: whoever commits in between is seen to need its own.
        for (directory, is_pack) in [("packs", true), ("manifests", false)] {
            let mut listed = self.repository.store.list(&self.name(directory));
            while let Some(item) = listed.try_next().await? {
                stock.add(self, item, is_pack);
            }
        }
        let backups = self.list_backups().await?;
        if let Some(unreadable) = backups.unreadable.into_iter().next() {
            return Err(unreadable.error);
        }
        let alive = backups
            .available
            .iter()
            .filter(|one| !dead.contains(&one.id));
        let read = |backup: Backup| {
            let lineage = self.clone();
            async move {
                let reader = lineage.open_backup(backup).await?;
                let packs = reader.packs().map(|info| (info.pack, info.key));
                Ok::<_, crate::Error>(packs.collect::<Vec<_>>())
            }
        };
        let mut reads = stream::iter(alive.cloned().collect::<Vec<_>>())
            .map(read)
            .buffer_unordered(AT_ONCE);
        while let Some(packs) = reads.try_next().await? {
            for (pack, key) in packs {
                stock.needed.insert(pack);
                stock.keys.insert(key);
            }
        }
        drop(reads);
        let size = self.facts().segment_size;
        for backup in backups.available {
            if !dead.contains(&backup.id) {
                stock.keys.insert(backup.data_key);
                if backup.kind != BackupKind::Logical {
                    let start = size.start_of(backup.start_lsn);
                    stock.wal.extend(LsnRange::new(start, backup.stop_lsn));
                }
            }
            stock.backups.insert(backup.id, backup);
        }
        Ok(stock)
    }

    /// Deletes the mark of a backup: from now on it does not exist.
    ///
    /// Only for what is condemned and may be deleted, with a quorum confirmed just
    /// now (I-04, I-06).
    pub async fn delete_mark(&self, backup: &Backup) -> Result<()> {
        if self.has_mark(backup).await? {
            let mark = self.name(&mark_name(&backup.run));
            let store = &self.repository.store;
            store.delete_durably(std::slice::from_ref(&mark)).await?;
            // What is listed restores: its packs go only after its mark.
            if self.has_mark(backup).await? {
                return Err(crate::Error::NotDeleted { object: mark });
            }
        }
        Ok(())
    }

    /// Whether the mark of a backup is there, and not that of another of its run.
    async fn has_mark(&self, backup: &Backup) -> Result<bool> {
        match crate::backup::read_mark(self, &mark_name(&backup.run)).await {
            Ok(found) => Ok(found.id == backup.id),
            Err(crate::Error::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is left of one of the dead that nothing in `stock` needs.
    pub async fn left_of(&self, backup: BackupId, stock: &Stock) -> Result<Vec<String>> {
        let mut left = Stock::default();
        for (directory, is_pack) in [("packs", true), ("manifests", false)] {
            let directory = self.name(&format!("{directory}/{backup}"));
            let mut listed = self.repository.store.list(&directory);
            while let Some(item) = listed.try_next().await? {
                left.add(self, item, is_pack);
            }
        }
        left.needed.clone_from(&stock.needed);
        let mut names = left.unneeded(Timestamp::MAX);
        if let Some(known) = stock.backups.get(&backup)
            && self.has_mark(known).await?
        {
            names.push(self.name(&mark_name(&known.run)));
        }
        Ok(names)
    }

    /// Fails unless the repository and this lineage are still there: a volume that
    /// was unmounted looks as if all were deleted.
    pub async fn prove_there(&self) -> Result<()> {
        self.prove_present().await
    }
}

impl Stock {
    fn add(&mut self, lineage: &LineageRepository, item: Listed, is_pack: bool) {
        let Some(below) = lineage.below(&item.name) else {
            return;
        };
        if is_pack {
            let pack = below.strip_prefix("packs/").map(str::parse::<PackId>);
            if let Some(Ok(pack)) = pack {
                let owned = self.objects.entry(pack.backup).or_default();
                owned.packs.push((pack, item));
            }
            return;
        }
        let parts = below
            .strip_prefix("manifests/")
            .and_then(|rest| rest.split_once('/'));
        if let Some((owner, number)) = parts
            && number
                .parse::<u32>()
                .is_ok_and(|parsed| parsed.to_string() == number)
            && let Ok(owner) = owner.parse::<BackupId>()
        {
            self.objects.entry(owner).or_default().sections.push(item);
        }
    }

    /// The backup of this id, if its mark is there.
    pub fn backup(&self, id: BackupId) -> Option<&Backup> {
        self.backups.get(&id)
    }

    /// Every backup whose mark is there.
    pub fn backups(&self) -> impl Iterator<Item = &Backup> {
        self.backups.values()
    }

    /// WAL that the backups need which are not dead: from the segment in which each
    /// starts to where it stops, whichever timeline.
    pub fn needed_wal(&self) -> Coverage {
        self.wal.iter().copied().collect()
    }

    /// Attempts that left objects behind, the youngest of which is older than
    /// `before`, and that no mark names.
    pub fn orphans(&self, before: Timestamp) -> Vec<BackupId> {
        let old = |listed: &Listed| listed.modified_micros < before.as_microsecond();
        let orphaned = |(id, owned): &(&BackupId, &Owned)| {
            let needed = owned
                .packs
                .iter()
                .any(|(pack, _)| self.needed.contains(pack));
            !self.backups.contains_key(id) && !needed && owned.all().all(old)
        };
        self.objects
            .iter()
            .filter(orphaned)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Objects that nothing needs and that are older than `before`: what attempts
    /// left, and packs of a backup that none names any more.
    pub(crate) fn unneeded(&self, before: Timestamp) -> Vec<String> {
        let old = |listed: &&Listed| listed.modified_micros < before.as_microsecond();
        let mut found = Vec::new();
        for (id, owned) in &self.objects {
            let packs = owned
                .packs
                .iter()
                .filter(|(pack, _)| !self.needed.contains(pack));
            let packs = packs.map(|(_, listed)| listed);
            let sections = owned
                .sections
                .iter()
                .filter(|_| !self.backups.contains_key(id));
            found.extend(
                packs
                    .chain(sections)
                    .filter(old)
                    .map(|one| one.name.clone()),
            );
        }
        found.sort();
        found
    }

    /// The keys that something needs.
    pub(crate) const fn needed_keys(&self) -> &BTreeSet<KeyId> {
        &self.keys
    }
}
