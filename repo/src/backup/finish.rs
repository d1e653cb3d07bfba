//! The end of a backup: its manifest, then, when its WAL is there, its mark.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::TryStreamExt;
use holdfast_types::{BackupId, Lsn, LsnRange, Timeline};
use jiff::{SignedDuration, Timestamp};

use super::manifest::{FullSection, PackInfo, SectionKind, section_name};
use super::mark::{Backup, BackupKind, RunKey};
use super::reader::BackupReader;
use super::writer::{BackupWriter, Shared};
use crate::chunk::PackId;
use crate::codec::Codec;
use crate::{Error, Result, failpoint};

/// How long an attempt may take at most: as long as the longest pin.
const ATTEMPT_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the mark says that the writer cannot know.
#[derive(Debug, Clone)]
pub struct CommitFacts {
    /// The run.
    pub run: RunKey,
    /// The kind.
    pub kind: BackupKind,
    /// What an incremental was made against.
    pub parent: Option<BackupId>,
    /// PostgreSQL's `server_version_num`.
    pub postgres_version: u32,
    /// The timeline it was taken on.
    pub timeline: Timeline,
    /// Where recovery starts.
    pub start_lsn: Lsn,
    /// Where it becomes consistent.
    pub stop_lsn: Lsn,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was complete.
    pub finished_at: Timestamp,
    /// Further facts for those who list or restore it.
    pub facts: BTreeMap<String, String>,
}

/// A backup whose packs and manifest are durable, and that does not exist yet.
#[derive(Debug, Clone)]
pub struct FinishedBackup {
    shared: Arc<Shared>,
    template: Template,
}

#[derive(Debug, Clone)]
struct Template {
    entries: u64,
    database_bytes: u64,
    added_bytes: u64,
    sections: Vec<super::manifest::SectionRef>,
}

impl BackupWriter {
    /// Waits for the packs and completes the manifest. Every worker must have
    /// finished and every entry must have been added.
    pub async fn finish(self) -> Result<FinishedBackup> {
        let shared = self.shared;
        if shared.workers.load(Ordering::Relaxed) != 0 {
            shared.uploader.check()?;
            return Err(Error::Unfinished("a worker has not finished"));
        }
        shared.uploader.drain().await?;
        let last = shared.manifest().take();
        if let Some(section) = last {
            shared.put_section(SectionKind::Entries, section).await?;
        }
        let needed = std::mem::take(&mut shared.manifest().live);
        for (pack, live) in needed {
            let Some(info) = shared.pack_info(pack, live) else {
                return Err(Error::Unfinished(
                    "an entry references a pack of another writer",
                ));
            };
            let full = shared.manifest().add_pack(&info);
            if let Some(section) = full {
                shared.put_section(SectionKind::Packs, section).await?;
            }
        }
        let last = shared.manifest().take();
        if let Some(section) = last {
            shared.put_section(SectionKind::Packs, section).await?;
        }
        let template = {
            let manifest = shared.manifest();
            Template {
                entries: manifest.entries,
                database_bytes: manifest.database_bytes,
                added_bytes: shared.stored_bytes.load(Ordering::Relaxed),
                sections: manifest.sections.values().cloned().collect(),
            }
        };
        Ok(FinishedBackup { shared, template })
    }
}

impl Shared {
    /// A pack of its own, or one that its parent needs.
    fn pack_info(&self, pack: PackId, live: u64) -> Option<PackInfo> {
        if pack.backup != self.backup {
            let of_parent = self.parent.as_ref()?.pack(pack)?;
            return Some(PackInfo {
                live,
                ..of_parent.clone()
            });
        }
        let bytes = self.packs().get(&pack.number).copied()?;
        Some(PackInfo {
            pack,
            key: self.key.id(),
            bytes,
            live,
        })
    }

    async fn put_section(&self, kind: SectionKind, section: FullSection) -> Result<()> {
        let sealed = self.seal_section(kind, &section);
        let name = self
            .lineage
            .name(&section_name(self.backup, section.number));
        let store = &self.lineage.repository.store;
        failpoint!("put::section::before");
        store.create_own(&name, sealed).await?;
        failpoint!("put::section::after");
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared({})", self.backup)
    }
}

impl FinishedBackup {
    /// How the copies have kept up so far that it was offered to.
    pub fn kept_up(&self) -> Vec<crate::KeptUp> {
        self.shared.uploader.kept_up()
    }

    /// Makes the backup exist: proves that the WAL from its start to its stop
    /// is in the repository, then puts the mark (I-05). Can be repeated.
    ///
    /// [`Error::WalIncomplete`] means that the WAL is not there yet,
    /// [`Error::Superseded`] that another backup of the run exists (I-03).
    pub async fn commit(&self, facts: CommitFacts) -> Result<Backup> {
        self.refuse_other_parent(&facts)?;
        self.refuse_late()?;
        self.prove_wal(&facts).await?;
        self.prove_objects().await?;
        self.mark(facts).put(&self.shared.lineage).await
    }

    /// I-05: what the store has confirmed is there, with the size that was sent. The
    /// packs of a parent were seen to be when that was committed.
    async fn prove_objects(&self) -> Result<()> {
        let (lineage, id) = (&self.shared.lineage, self.shared.backup);
        let mut sent: BTreeMap<String, u64> = BTreeMap::new();
        for (number, bytes) in &*self.shared.packs() {
            let pack = PackId {
                backup: id,
                number: *number,
            };
            sent.insert(lineage.name(&pack.name()), *bytes);
        }
        for section in &self.template.sections {
            let name = section_name(id, section.number);
            sent.insert(lineage.name(&name), section.bytes);
        }
        let store = &lineage.repository.store;
        for directory in ["packs", "manifests"] {
            let mut listed = store.list(&lineage.name(&format!("{directory}/{id}")));
            while let Some(one) = listed.try_next().await? {
                match sent.remove(&one.name) {
                    Some(bytes) if bytes != one.size => {
                        return Err(Error::NotStored {
                            object: one.name,
                            found: format!("has {} of its {bytes} bytes", one.size),
                        });
                    }
                    _ => {}
                }
            }
        }
        match sent.pop_first() {
            None => Ok(()),
            Some((object, _)) => Err(Error::NotStored {
                object,
                found: "does not list it".to_owned(),
            }),
        }
    }

    /// Reads back what the mark will name, before it exists: whoever commits
    /// only what can be read has looked at what is stored, not at what was
    /// sent.
    pub async fn reader(&self, facts: CommitFacts) -> Result<BackupReader> {
        let mark = self.mark(facts);
        self.shared.lineage.open_backup(mark).await
    }

    fn mark(&self, facts: CommitFacts) -> Backup {
        let lineage = &self.shared.lineage;
        Backup {
            format: Backup::format(),
            id: self.shared.backup,
            run: facts.run,
            kind: facts.kind,
            parent: facts.parent,
            cluster: lineage.cluster().clone(),
            lineage: lineage.lineage(),
            system_identifier: lineage.lineage().system_identifier.to_string(),
            postgres_version: facts.postgres_version,
            timeline: facts.timeline,
            start_lsn: facts.start_lsn,
            stop_lsn: facts.stop_lsn,
            started_at: facts.started_at,
            finished_at: facts.finished_at,
            database_bytes: self.template.database_bytes,
            added_bytes: self.template.added_bytes,
            entries: self.template.entries,
            data_key: self.shared.key.id(),
            facts: facts.facts,
            sections: self.template.sections.clone(),
        }
    }

    /// I-06: what is older than the longest pin and has no mark is taken for what an
    /// attempt left, and deleted. So none commits later than that.
    fn refuse_late(&self) -> Result<()> {
        let now = self.shared.lineage.repository.entropy.now();
        if now.duration_since(self.shared.begun) < ATTEMPT_MOST {
            return Ok(());
        }
        Err(Error::TooLate {
            backup: self.shared.backup,
            begun: self.shared.begun,
        })
    }

    /// A mark tells what its manifest rests on.
    fn refuse_other_parent(&self, facts: &CommitFacts) -> Result<()> {
        let parent = self.shared.parent.as_ref().map(|it| it.backup().id);
        let incremental = facts.kind == BackupKind::Incremental;
        if facts.parent == parent && incremental == parent.is_some() {
            return Ok(());
        }
        Err(Error::Invalid {
            what: "a backup",
            reason: "its kind and parent are not those it was begun with".into(),
        })
    }

    /// From the start of the segment, because that is how WAL is fetched.
    async fn prove_wal(&self, facts: &CommitFacts) -> Result<()> {
        let lineage = &self.shared.lineage;
        if facts.kind == BackupKind::Logical {
            return Ok(());
        }
        let from = lineage.facts().segment_size.start_of(facts.start_lsn);
        let Some(needed) = LsnRange::new(from, facts.stop_lsn) else {
            let reason = format!("it stops at {} before {}", facts.stop_lsn, facts.start_lsn);
            return Err(Error::Invalid {
                what: "a backup",
                reason,
            });
        };
        let wal = lineage
            .wal(Codec::DEFAULT)
            .list_from(facts.timeline, from)
            .await?;
        let gaps = wal.coverage().gaps(needed);
        if gaps.is_empty() {
            return Ok(());
        }
        Err(Error::WalIncomplete {
            timeline: facts.timeline,
            gaps,
        })
    }
}
