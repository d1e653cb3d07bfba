//! The entries of a manifest: one JSON object per line.
//!
//! Readers pass over fields they do not know, so a field can be added without
//! a new format.

use serde::{Deserialize, Serialize};

use super::path::{EntryPath, LinkTarget};
use crate::chunk::{Extent, combined_crc32c};

/// One thing that a restore writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Entry {
    /// A directory below the data directory.
    Directory(DirectoryEntry),
    /// A regular file below the data directory.
    File(FileEntry),
    /// A symbolic link below the data directory.
    Symlink(SymlinkEntry),
    /// A configuration file outside the data directory.
    Config(ConfigEntry),
    /// A file whose bytes PostgreSQL handed over instead of storing them, such
    /// as `backup_label`.
    Generated(GeneratedEntry),
}

/// A directory. The data directory itself has no entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryEntry {
    /// Relative to the data directory.
    pub path: EntryPath,
    /// Its permission bits.
    pub mode: u32,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Relative to the data directory.
    pub path: EntryPath,
    /// Its plain bytes, all in `extents`.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Last modification, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of the inode, nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Its inode.
    pub inode: u64,
    /// Its content, in order: each of 256 MiB but the last, none for an empty file.
    pub extents: Vec<Extent>,
    /// Blocks of the file whose page checksum was wrong when they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad_blocks: Vec<u32>,
}

impl FileEntry {
    /// The CRC-32C of the whole file, as PostgreSQL's `backup_manifest` has it.
    pub fn crc32c(&self) -> u32 {
        combined_crc32c(&self.extents)
    }
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymlinkEntry {
    /// Relative to the data directory.
    pub path: EntryPath,
    /// What it points to, byte for byte.
    pub target: LinkTarget,
}

/// A configuration file outside the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigEntry {
    /// Where it was, absolute.
    pub origin: EntryPath,
    /// Its plain bytes, all in `extents`.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Last modification, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its content, as in [`FileEntry::extents`].
    pub extents: Vec<Extent>,
}

/// A file from memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedEntry {
    /// Relative to the data directory.
    pub path: EntryPath,
    /// Its permission bits.
    pub mode: u32,
    /// Its bytes, exactly as PostgreSQL gave them.
    #[serde(with = "as_base64")]
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Its content in the repository, if it has any.
    pub fn extents(&self) -> &[Extent] {
        match self {
            Self::File(file) => &file.extents,
            Self::Config(config) => &config.extents,
            Self::Directory(_) | Self::Symlink(_) | Self::Generated(_) => &[],
        }
    }

    /// The plain bytes it restores to.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size,
            Self::Config(config) => config.size,
            Self::Generated(generated) => generated.bytes.len() as u64,
            Self::Directory(_) | Self::Symlink(_) => 0,
        }
    }

    /// Its path: relative, or absolute for a configuration file.
    pub const fn path(&self) -> &EntryPath {
        match self {
            Self::Directory(entry) => &entry.path,
            Self::File(entry) => &entry.path,
            Self::Symlink(entry) => &entry.path,
            Self::Config(entry) => &entry.origin,
            Self::Generated(entry) => &entry.path,
        }
    }

    /// What must hold of every entry, checked before a write and after a read.
    pub(crate) fn check(&self) -> Result<(), String> {
        let path = self.path();
        if path.is_absolute() != matches!(self, Self::Config(_)) {
            return Err(format!("the path {path} does not fit its kind"));
        }
        let extents = self.extents();
        for (index, extent) in extents.iter().enumerate() {
            extent
                .check()
                .map_err(|reason| format!("{path}: {reason}"))?;
            if index + 1 < extents.len() && extent.plain_bytes() != crate::EXTENT_BYTES {
                return Err(format!("{path}: extent {index} is short"));
            }
        }
        let sum: u64 = extents.iter().map(Extent::plain_bytes).sum();
        let expected = if matches!(self, Self::Generated(_)) {
            0
        } else {
            self.size()
        };
        if sum != expected {
            return Err(format!(
                "{path}: {sum} bytes stored for a size of {expected}"
            ));
        }
        Ok(())
    }
}

mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(D::Error::custom)
    }
}
