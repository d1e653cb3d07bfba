//! What a logical backup holds: files that PostgreSQL's own tools wrote, and
//! one of ours that says which is which.
//!
//! The files are entries like those of any backup. Extracted as they are, each
//! is what plain `pg_restore` or `psql` takes: nothing of ours is in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_types::{DumpFormat, Lsn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::EntryPath;
use crate::{Error, Result};

/// The file that describes the others.
pub const DUMP_MANIFEST: &str = "dump.json";
/// Roles, tablespaces and their settings, for `psql`.
pub const DUMP_GLOBALS: &str = "globals.sql";

const FORMAT: u32 = 1;

/// `dump.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpManifest {
    format: u32,
    /// The server's `server_version_num`.
    pub server_version: u32,
    /// The version of pg_dump: what reads the dump is not older.
    pub client_version: String,
    /// How the databases are written down.
    pub dump_format: DumpFormat,
    /// Whether it holds no rows.
    pub schema_only: bool,
    /// The roles and tablespaces, if they are in it.
    pub globals: Option<DumpedGlobals>,
    /// The databases, each as it was at a moment of its own.
    pub databases: Vec<DumpedDatabase>,
}

/// Roles and tablespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpedGlobals {
    /// The file.
    pub path: String,
    /// Whether the roles have their passwords in it.
    pub role_passwords: bool,
}

/// A database in a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpedDatabase {
    /// Its name.
    pub name: String,
    /// Its file, or the directory with its files.
    pub path: String,
    /// Everything that was committed by then is in it.
    pub snapshot_at: Timestamp,
    /// Where the server's WAL was when it was read.
    pub lsn: Lsn,
    /// Who owned it.
    pub owner: String,
    /// What a new database must be made with to take it.
    pub locale: DatabaseLocale,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What `CREATE DATABASE` must be told, under the names of its own options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseLocale {
    /// `ENCODING`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `LOCALE_PROVIDER`: libc, icu or builtin.
    pub provider: String,
    /// `ICU_LOCALE` or `BUILTIN_LOCALE`, by the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// `ICU_RULES`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icu_rules: Option<String>,
}

impl DumpManifest {
    /// An empty one.
    pub fn new(server_version: u32, client_version: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            server_version,
            client_version: client_version.into(),
            dump_format: DumpFormat::Custom,
            schema_only: false,
            globals: None,
            databases: Vec::new(),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        bytes.push(b'\n');
        bytes
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let invalid = |reason: String| Error::Invalid {
            what: "dump.json",
            reason,
        };
        let read: Self =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if read.format != FORMAT {
            return Err(invalid(format!("it has format version {}", read.format)));
        }
        Ok(read)
    }

    /// The time up to which every commit is in it, whatever the database.
    pub fn consistent_at(&self) -> Option<Timestamp> {
        self.databases.iter().map(|one| one.snapshot_at).min()
    }

    /// A database in it.
    pub fn database(&self, name: &str) -> Option<&DumpedDatabase> {
        self.databases.iter().find(|one| one.name == name)
    }

    /// Facts for the mark of the backup.
    pub fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("dumpFormat".to_owned(), self.dump_format.to_string()),
            ("dumpClient".to_owned(), self.client_version.clone()),
            ("dumpSchemaOnly".to_owned(), self.schema_only.to_string()),
            ("dumpGlobals".to_owned(), self.globals.is_some().to_string()),
            ("dumpDatabases".to_owned(), self.databases.len().to_string()),
        ])
    }
}

/// Where a database lies in a dump. A name may hold anything but a zero byte;
/// what is no letter, digit, `_` or `-` is written as `=XX`, so that every name
/// is one part of a path and no two are the same.
pub fn dump_path(database: &str, format: DumpFormat) -> EntryPath {
    let mut path = String::from("databases/");
    for byte in database.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            path.push(byte.into());
        } else {
            write!(path, "={byte:02X}").expect("text takes text");
        }
    }
    path.push_str(match format {
        DumpFormat::Custom => ".dump",
        DumpFormat::Directory => ".dir",
    });
    EntryPath::new(path).expect("it is made of plain parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_place_of_its_own() {
        // Pitfall 14: odd names are names.
        let odd = ["a/b", "a=2Fb", "..", ".", "a b", "ü", "[x]#\\", "a", "A"];
        let paths: std::collections::BTreeSet<_> = odd
            .iter()
            .map(|name| dump_path(name, DumpFormat::Custom).to_string())
            .collect();
        assert_eq!(paths.len(), odd.len());
        for path in &paths {
            assert_eq!(path.matches('/').count(), 1, "{path}");
        }
        assert_eq!(
            dump_path("a/b", DumpFormat::Directory).to_string(),
            "databases/a=2Fb.dir"
        );
    }

    #[test]
    fn a_manifest_reads_back_and_a_later_one_is_refused() {
        let mut manifest = DumpManifest::new(150_020, "15.20");
        let at = |second| Timestamp::from_second(second).unwrap();
        for (name, second) in [("b", 20), ("a", 10)] {
            manifest.databases.push(DumpedDatabase {
                name: name.to_owned(),
                path: dump_path(name, DumpFormat::Custom).to_string(),
                snapshot_at: at(second),
                lsn: Lsn::new(0x0100_0000),
                owner: "o".to_owned(),
                locale: DatabaseLocale::default(),
                bytes: 5,
            });
        }
        let read = DumpManifest::decode(&manifest.encode()).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.consistent_at(), Some(at(10)));
        let later = String::from_utf8(manifest.encode()).unwrap();
        let later = later.replace("\"format\": 1", "\"format\": 2");
        assert!(DumpManifest::decode(later.as_bytes()).is_err());
        assert!(DumpManifest::decode(b"{}").is_err());
    }
}
