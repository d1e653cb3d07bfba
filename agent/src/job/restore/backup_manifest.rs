//! The `backup_manifest` of a restored directory, which `pg_verifybackup`
//! checks.
//!
//! The format is PostgreSQL's own (`src/backend/backup/backup_manifest.c`):
//! version 1 up to 16, version 2 with the system identifier from 17 on. Files
//! are written one by one, so that a million of them need no memory, and the
//! checksum at the end covers every byte before its own line.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aws_lc_rs::digest;
use holdfast_types::{Lsn, Timeline};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The name of the file in the data directory.
pub(super) const NAME: &str = "backup_manifest";

/// Since 17 the manifest names the system identifier.
const VERSION_2: u32 = 170_000;

/// One file of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct ManifestFile<'a> {
    /// Relative to the data directory.
    pub(super) path: &'a Path,
    pub(super) size: u64,
    pub(super) modified_at: Timestamp,
    pub(super) crc32c: u32,
}

/// The WAL that makes the directory consistent.
#[derive(Debug, Clone, Copy)]
pub(super) struct ManifestWal {
    pub(super) timeline: Timeline,
    pub(super) start_lsn: Lsn,
    pub(super) stop_lsn: Lsn,
}

/// Writes a manifest.
pub(super) struct ManifestWriter<W> {
    out: W,
    sha256: digest::Context,
    first: bool,
}

impl<W: Write> ManifestWriter<W> {
    /// Begins a manifest for a server of `server_version`.
    pub(super) fn new(out: W, server_version: u32, system_identifier: u64) -> io::Result<Self> {
        let sha256 = digest::Context::new(&digest::SHA256);
        let mut writer = Self {
            out,
            sha256,
            first: true,
        };
        if server_version >= VERSION_2 {
            writer.put("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n")?;
            writer.put(&format!("\"System-Identifier\": {system_identifier},\n"))?;
        } else {
            writer.put("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n")?;
        }
        writer.put("\"Files\": [")?;
        Ok(writer)
    }

    /// Adds a file.
    pub(super) fn add(&mut self, file: ManifestFile<'_>) -> io::Result<()> {
        let separator = if std::mem::take(&mut self.first) {
            "\n"
        } else {
            ",\n"
        };
        let path = match file.path.to_str() {
            Some(text) => format!("\"Path\": {}", serde_json::Value::from(text)),
            None => format!(
                "\"Encoded-Path\": \"{}\"",
                hex::encode(file.path.as_os_str().as_bytes())
            ),
        };
        let modified = file
            .modified_at
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S GMT");
        // PostgreSQL prints the CRC as it lies in memory: little-endian.
        let crc = hex::encode(file.crc32c.to_le_bytes());
        self.put(&format!(
            "{separator}{{ {path}, \"Size\": {}, \"Last-Modified\": \"{modified}\", \
             \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{crc}\" }}",
            file.size
        ))
    }

    /// Ends the manifest and returns what it was written to.
    pub(super) fn finish(mut self, wal: ManifestWal) -> io::Result<W> {
        self.put("\n],\n\"WAL-Ranges\": [\n")?;
        self.put(&format!(
            "{{ \"Timeline\": {}, \"Start-LSN\": \"{}\", \"End-LSN\": \"{}\" }}\n],\n",
            wal.timeline, wal.start_lsn, wal.stop_lsn
        ))?;
        let checksum = hex::encode(self.sha256.finish().as_ref());
        writeln!(self.out, "\"Manifest-Checksum\": \"{checksum}\"}}")?;
        Ok(self.out)
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.sha256.update(text.as_bytes());
        self.out.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn written(version: u32, paths: &[&Path]) -> String {
        let mut writer = ManifestWriter::new(Vec::new(), version, u64::MAX).unwrap();
        for path in paths {
            let modified_at = Timestamp::UNIX_EPOCH;
            writer
                .add(ManifestFile {
                    path,
                    size: 3,
                    modified_at,
                    crc32c: 0x0102_0304,
                })
                .unwrap();
        }
        let (start_lsn, stop_lsn) = (Lsn::new(0x28), Lsn::new(0x1_0000_0000));
        let wal = ManifestWal {
            timeline: Timeline::FIRST,
            start_lsn,
            stop_lsn,
        };
        String::from_utf8(writer.finish(wal).unwrap()).unwrap()
    }

    #[test]
    fn reads_as_postgresql_writes_it() {
        let odd = Path::new(OsStr::from_bytes(b"a\xff"));
        let text = written(180_000, &[Path::new("base/5/\"1\""), odd]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["PostgreSQL-Backup-Manifest-Version"], 2);
        assert_eq!(json["System-Identifier"], u64::MAX);
        assert_eq!(json["Files"][0]["Path"], "base/5/\"1\"");
        assert_eq!(json["Files"][0]["Last-Modified"], "1970-01-01 00:00:00 GMT");
        assert_eq!(json["Files"][0]["Checksum"], "04030201");
        assert_eq!(json["Files"][1]["Encoded-Path"], "61ff");
        assert_eq!(json["WAL-Ranges"][0]["End-LSN"], "1/0");
    }

    #[test]
    fn the_checksum_covers_all_but_the_last_line() {
        let text = written(150_000, &[]);
        assert!(text.starts_with("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"));
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        let expected = hex::encode(digest::digest(&digest::SHA256, &text.as_bytes()[..last]));
        assert_eq!(
            text[last..],
            format!("\"Manifest-Checksum\": \"{expected}\"}}\n")
        );
    }
}
