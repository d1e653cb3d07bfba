//! The manifest of a backup, in sections of bounded size.
//!
//! Sections of kind `entries` hold one entry per line, sections of kind
//! `packs` one pack per line. Each is compressed with zstd, sealed with the
//! backup's data key and put as soon as it is full, so a million files need no
//! more memory than a hundred.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_types::{BackupId, KeyId};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::chunk::PackId;
use crate::codec::Codec;
use crate::crypto::PlainHash;
use crate::{Error, Result};

/// The plain size at which a section is closed.
pub(super) const SECTION_BYTES: usize = 4 << 20;
/// How sections are compressed, whatever the backup's own codec.
pub(super) const SECTION_CODEC: Codec = Codec::Zstd { level: 3 };

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SectionKind {
    Entries,
    Packs,
}

/// A section, as the mark names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SectionRef {
    pub(crate) number: u32,
    pub(crate) kind: SectionKind,
    /// The size of the object.
    pub(crate) bytes: u64,
    pub(crate) plain_bytes: u64,
    pub(crate) hash: PlainHash,
}

/// A pack that a backup needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackInfo {
    pub(crate) pack: PackId,
    pub(crate) key: KeyId,
    /// The size of the object.
    pub(crate) bytes: u64,
    /// How much of it this backup references.
    pub(crate) live: u64,
}

pub(crate) fn section_name(backup: BackupId, number: u32) -> String {
    format!("manifests/{backup}/{number}")
}

/// A section that is full and not sealed yet.
pub(super) struct FullSection {
    pub(super) number: u32,
    pub(super) plain: Bytes,
}

/// Collects entries into sections.
#[derive(Debug, Default)]
pub(super) struct ManifestBuilder {
    lines: Vec<u8>,
    next_section: u32,
    pub(super) entries: u64,
    pub(super) database_bytes: u64,
    pub(super) live: BTreeMap<PackId, u64>,
    pub(super) sections: BTreeMap<u32, SectionRef>,
}

impl ManifestBuilder {
    /// Adds an entry, and returns the section it filled.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<Option<FullSection>> {
        let invalid = |reason| Error::Invalid {
            what: "a manifest entry",
            reason,
        };
        entry.check().map_err(invalid)?;
        serde_json::to_writer(&mut self.lines, entry)
            .map_err(|error| invalid(error.to_string()))?;
        self.lines.push(b'\n');
        self.entries += 1;
        self.database_bytes += entry.size();
        for (pack, bytes) in entry.extents().iter().flat_map(|extent| extent.live()) {
            *self.live.entry(pack).or_default() += bytes;
        }
        Ok(if self.lines.len() >= SECTION_BYTES {
            self.take()
        } else {
            None
        })
    }

    /// Closes the section being filled, if it holds anything.
    pub(super) fn take(&mut self) -> Option<FullSection> {
        if self.lines.is_empty() {
            return None;
        }
        let number = self.next_section;
        self.next_section += 1;
        // Whoever fills the next one reuses no memory, but the lock is held
        // for no longer than this.
        Some(FullSection {
            number,
            plain: Bytes::from(std::mem::take(&mut self.lines)),
        })
    }

    /// Adds a line about a pack, to a section of such lines.
    pub(super) fn add_pack(&mut self, pack: &PackInfo) -> Option<FullSection> {
        serde_json::to_writer(&mut self.lines, pack).expect("a pack is plain data");
        self.lines.push(b'\n');
        if self.lines.len() >= SECTION_BYTES {
            self.take()
        } else {
            None
        }
    }
}
