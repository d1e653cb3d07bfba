//! What a restored copy must not replay (I-12).
//!
//! WAL can hold a `CREATE TABLESPACE`. PostgreSQL makes that tablespace where the
//! statement said, on whatever host it replays: on the original's host that is
//! the original's own directory, and the copy would write into files of a server
//! that runs. No backup knows such a tablespace, so no map can move it. Each
//! segment is read before it is handed over, and one that leads there is not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_pg::wal::{Detail, ResourceManager, WalReader};
use holdfast_repo::{Codec, Error, Fetched, LineageRepository};
use holdfast_types::{Failure, Lsn, WalSegment};

use super::WalName;

/// The copy that replays.
#[derive(Debug, Clone)]
pub(super) struct RestoredCopy {
    pub(super) data_dir: PathBuf,
    /// Where its replay ends, if it does.
    pub(super) replay_to: Option<Lsn>,
}

/// A tablespace that WAL makes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    oid: u32,
    location: PathBuf,
}

/// What a segment makes, and what is against it. An error proves nothing.
pub(super) async fn check(
    lineage: &LineageRepository,
    name: &WalName,
    bytes: &Bytes,
    copy: &RestoredCopy,
) -> Result<Option<Failure>, Error> {
    let WalName::Segment(name) = name else {
        return Ok(None);
    };
    let Ok(segment) = WalSegment::parse(name, lineage.facts().segment_size) else {
        return Ok(None);
    };
    let mut reader = WalReader::new(segment.start(), segment.size());
    let mut made = read(&mut reader, bytes, copy.replay_to);
    // A record that ends in the next segment is replayed after that is fetched,
    // and not seen there: its beginning is here.
    let manager = reader.incomplete_manager();
    let may_be = manager.is_none_or(|manager| manager == ResourceManager::TABLESPACE);
    if reader.incomplete().is_some() && may_be {
        let wal = lineage.wal(Codec::DEFAULT);
        let next = wal.fetch_segment(segment.next()).await?;
        if let Fetched::Full(next) | Fetched::Assembled { bytes: next, .. } = next {
            made.extend(read(&mut reader, &next, copy.replay_to));
        }
    }
    Ok(made.iter().find_map(|made| refused(made, &copy.data_dir)))
}

fn read(reader: &mut WalReader, bytes: &[u8], replay_to: Option<Lsn>) -> Vec<Made> {
    let mut made = Vec::new();
    reader.feed(bytes);
    // What is no WAL is its end, for PostgreSQL as well.
    while let Ok(Some(record)) = reader.next_record() {
        if replay_to.is_some_and(|end| record.start >= end) {
            break;
        }
        if let Detail::CreateTablespace { oid, location } = record.detail
            && !location.is_empty()
        {
            let location = PathBuf::from(OsStr::from_bytes(&location));
            made.push(Made { oid, location });
        }
    }
    made
}

/// A directory that is not there stops PostgreSQL by itself, an empty one is
/// taken; one that the copy's own link leads to is its own, from before.
fn refused(made: &Made, data_dir: &Path) -> Option<Failure> {
    let link = data_dir.join("pg_tblspc").join(made.oid.to_string());
    if std::fs::read_link(&link).is_ok_and(|target| target == made.location) {
        return None;
    }
    let mut entries = std::fs::read_dir(&made.location).ok()?;
    let _occupant = entries.next()?;
    Some(Failure::permanent(
        "wal_makes_tablespace",
        format!(
            "the WAL makes a tablespace at {}, and that directory is not empty: the copy would \
             write into it",
            made.location.display()
        ),
        "restore to a point before the tablespace was made, or on a host where that directory is \
         empty, or take a backup of the original and restore that",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_use_by_others_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (data, place) = (root.path().join("data"), root.path().join("place"));
        std::fs::create_dir_all(data.join("pg_tblspc")).unwrap();
        let made = Made {
            oid: 16385,
            location: place.clone(),
        };
        assert_eq!(refused(&made, &data), None, "PostgreSQL says so itself");
        std::fs::create_dir(&place).unwrap();
        assert_eq!(refused(&made, &data), None);
        std::fs::create_dir(place.join("PG_15_202209061")).unwrap();
        assert_eq!(refused(&made, &data).unwrap().code, "wal_makes_tablespace");
        // After a crash in recovery, the copy replays what it made itself.
        let link = data.join("pg_tblspc/16385");
        std::os::unix::fs::symlink(&place, &link).unwrap();
        assert_eq!(refused(&made, &data), None);
        // A link that a restore has mapped elsewhere does not make it the copy's.
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        assert!(refused(&made, &data).is_some());
    }
}
