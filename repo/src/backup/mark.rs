//! Commit marks. A backup exists because its mark does (I-05), a run has one
//! mark because it is put if absent under the run's key (I-03).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use holdfast_types::{BackupId, KeyId, Lineage, Lsn, Name, Timeline};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::manifest::{SectionRef, section_name};
use crate::codec::Codec;
use crate::crypto::PlainHash;
use crate::envelope::Kind;
use crate::error::Damage;
use crate::{Error, LineageRepository, Result, failpoint};

const FORMAT: u32 = 1;

/// The identity of a run: what two attempts at the same backup share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunKey(String);

impl FromStr for RunKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let valid =
            (1..=200).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::InvalidRunKey(text.to_owned()))
        }
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RunKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What kind of backup it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackupKind {
    /// Everything was read and stored.
    Full,
    /// What had not changed since its parent is referenced.
    Incremental,
    /// A logical dump.
    Logical,
}

impl From<BackupKind> for holdfast_types::BackupKind {
    fn from(kind: BackupKind) -> Self {
        match kind {
            BackupKind::Full => Self::Full,
            BackupKind::Incremental => Self::Incremental,
            BackupKind::Logical => Self::Logical,
        }
    }
}

impl From<holdfast_types::BackupKind> for BackupKind {
    fn from(kind: holdfast_types::BackupKind) -> Self {
        match kind {
            holdfast_types::BackupKind::Full => Self::Full,
            holdfast_types::BackupKind::Incremental => Self::Incremental,
            holdfast_types::BackupKind::Logical => Self::Logical,
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Logical => "logical",
        })
    }
}

/// A committed backup: the content of its mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    pub(crate) format: u32,
    /// The backup.
    pub id: BackupId,
    /// The run it is of.
    pub run: RunKey,
    /// Its kind.
    pub kind: BackupKind,
    /// What an incremental was made against.
    pub parent: Option<BackupId>,
    /// The cluster.
    pub cluster: Name,
    /// The lineage.
    pub lineage: Lineage,
    /// PostgreSQL's system identifier, as text.
    pub system_identifier: String,
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
    /// Plain bytes of its files.
    pub database_bytes: u64,
    /// What it added to the repository.
    pub added_bytes: u64,
    /// The entries of its manifest.
    pub entries: u64,
    /// The key its own packs and manifest are sealed with.
    pub data_key: KeyId,
    /// Further facts of whoever took it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    pub(crate) sections: Vec<SectionRef>,
}

/// The backups of a lineage, from their marks alone.
#[derive(Debug, Default)]
pub struct Backups {
    /// The backups, by the time they were complete.
    pub available: Vec<Backup>,
    /// Marks that cannot be read: they hide no other backup.
    pub unreadable: Vec<UnreadableMark>,
}

/// A mark that is there and cannot be read.
#[derive(Debug)]
pub struct UnreadableMark {
    /// The object.
    pub object: String,
    /// Why.
    pub error: Error,
}

pub(crate) fn mark_name(run: &RunKey) -> String {
    format!("marks/{run}")
}

impl Backup {
    pub(super) const fn format() -> u32 {
        FORMAT
    }

    /// The objects of its manifest: their names below the lineage, sizes, and the
    /// hashes of what they hold.
    pub(crate) fn section_objects(&self) -> impl Iterator<Item = (String, u64, PlainHash)> {
        self.sections.iter().map(|section| {
            let below = section_name(self.id, section.number);
            (below, section.bytes, section.hash)
        })
    }

    fn decode(lineage: &LineageRepository, below: &str, text: &[u8]) -> Result<Self> {
        let object = || lineage.name(below);
        let structure = |reason: String| Error::damaged(object(), Damage::Structure(reason));
        let backup: Self =
            serde_json::from_slice(text).map_err(|error| structure(error.to_string()))?;
        if backup.format != FORMAT {
            return Err(structure(format!("format version {}", backup.format)));
        }
        if mark_name(&backup.run) != below || backup.lineage != lineage.lineage() {
            return Err(structure("it belongs to another run or lineage".into()));
        }
        Ok(backup)
    }

    /// Puts the mark: the moment at which the backup exists.
    pub(super) async fn put(self, lineage: &LineageRepository) -> Result<Self> {
        let below = mark_name(&self.run);
        let text = Bytes::from(serde_json::to_vec(&self).expect("a mark is plain data"));
        failpoint!("put::mark::before");
        let put = lineage
            .put(Kind::Mark, &below, Codec::Zstd { level: 3 }, text)
            .await;
        failpoint!("put::mark::after");
        match put {
            Ok((_, sealed)) => {
                let (store, name) = (&lineage.repository.store, lineage.name(&below));
                store.prove_stored(&name, sealed.len() as u64).await?; // I-05
                Ok(self)
            }
            Err(Error::Conflict { .. }) => {
                let winner = read(lineage, &below).await?;
                if winner.id == self.id {
                    // We committed before, with another finishing time.
                    return Ok(winner);
                }
                Err(Error::Superseded {
                    run: self.run.to_string(),
                    winner: winner.id,
                })
            }
            Err(error) => Err(error),
        }
    }
}

pub(crate) async fn read(lineage: &LineageRepository, below: &str) -> Result<Backup> {
    let found = lineage.get(Kind::Mark, below).await?;
    let (_, text) = found.ok_or_else(|| Error::Missing {
        object: lineage.name(below),
    })?;
    Backup::decode(lineage, below, &text)
}

impl LineageRepository {
    /// The committed backups.
    pub async fn list_backups(&self) -> Result<Backups> {
        let listed: Vec<_> = self
            .repository
            .store
            .list(&self.name("marks"))
            .try_collect()
            .await?;
        if listed.is_empty() {
            self.prove_present().await?;
        }
        let names = listed.iter().filter_map(|item| {
            let below = self.below(&item.name)?;
            below.strip_prefix("marks/")?.parse::<RunKey>().ok()?;
            Some(below.to_owned())
        });
        let names: Vec<String> = names.collect();
        let read = |below: String| async move {
            let backup = read(self, &below).await;
            (below, backup)
        };
        let mut reads = stream::iter(names).map(read).buffer_unordered(8);
        let mut backups = Backups::default();
        while let Some((below, read)) = reads.next().await {
            match read {
                Ok(backup) => backups.available.push(backup),
                Err(error @ Error::Damaged { .. }) => {
                    backups.unreadable.push(UnreadableMark {
                        object: self.name(&below),
                        error,
                    });
                }
                // Expired between the listing and the reading.
                Err(Error::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        backups
            .available
            .sort_by_key(|backup| (backup.finished_at, backup.id));
        backups.unreadable.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(backups)
    }

    /// The committed backup of a run, if there is one.
    pub async fn backup_of_run(&self, run: &RunKey) -> Result<Option<Backup>> {
        match read(self, &mark_name(run)).await {
            Ok(backup) => Ok(Some(backup)),
            Err(Error::Missing { .. }) => {
                self.prove_present().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A committed backup by its id.
    pub async fn find_backup(&self, id: BackupId) -> Result<Backup> {
        let backups = self.list_backups().await?;
        let found = backups.available.into_iter().find(|backup| backup.id == id);
        found.ok_or_else(|| Error::UnknownBackup {
            lineage: self.place().to_owned(),
            backup: id,
        })
    }
}
