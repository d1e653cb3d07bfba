//! What a base backup copies of a data directory, after PostgreSQL's
//! `basebackup.c`, and which files hold checksummed pages.
//!
//! Decisions rest on the full path relative to the data directory: a file of
//! the same name elsewhere is somebody's data. Directories whose content is
//! skipped are kept as empty directories, since PostgreSQL does not start
//! without them.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

/// Directories whose content a server throws away or makes anew at its start.
const EMPTIED: [&str; 8] = [
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    // Its WAL comes from the repository, never from a copy in mid-write.
    "pg_wal",
];

/// Files directly in the data directory that belong to the running server or
/// to another backup.
const SKIPPED: [&str; 11] = [
    "backup_label",
    "backup_label.old",
    "backup_manifest",
    "backup_manifest.tmp",
    "current_logfiles.tmp",
    "postgresql.auto.conf.tmp",
    "postmaster.opts",
    "postmaster.pid",
    "recovery.signal",
    "standby.signal",
    "tablespace_map",
];

/// Sort files, hash joins and the directories that hold them.
const TEMPORARY_PREFIX: &str = "pgsql_tmp";
/// The cache of relations: made anew, and of no use under another name.
const CACHE_PREFIX: &str = "pg_internal.init";

/// What to do with one entry of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Copy it; a directory: go into it.
    Copy,
    /// A directory that belongs into the backup without its content.
    Empty,
    /// Copy it after everything else and from bytes whose CRC is right.
    ControlFile,
    /// Leave it out.
    Skip,
}

/// Which file of a relation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fork {
    /// The data.
    Main,
    /// The map of free space, `_fsm`.
    FreeSpace,
    /// The map of visible pages, `_vm`.
    Visibility,
    /// The empty shape of an unlogged relation, `_init`.
    Init,
}

/// One file of a relation: `16384`, `16384_fsm`, `16384.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationFile {
    /// The number in its name (relfilenode).
    pub number: u32,
    /// Which fork.
    pub fork: Fork,
    /// Which 1 GiB file of the fork, from 0.
    pub segment: u32,
}

impl RelationFile {
    /// Reads a file name such as `16384_vm.2`; `None` for any other, also for
    /// a temporary relation.
    pub fn parse(name: &OsStr) -> Option<Self> {
        let (stem, segment) = match name.to_str()?.split_once('.') {
            Some((stem, digits)) => (stem, Some(number(digits)?)),
            None => (name.to_str()?, None),
        };
        // "x.0" does not exist: the first file has no suffix.
        if segment == Some(0) {
            return None;
        }
        let (digits, fork) = match stem.split_once('_') {
            None => (stem, Fork::Main),
            Some((digits, "fsm")) => (digits, Fork::FreeSpace),
            Some((digits, "vm")) => (digits, Fork::Visibility),
            Some((digits, "init")) => (digits, Fork::Init),
            Some(_) => return None,
        };
        Some(Self {
            number: number(digits)?,
            fork,
            segment: segment.unwrap_or(0),
        })
    }

    /// The number within the relation of this file's first page: checksums
    /// and block references count through all segments. `blocks_per_segment`
    /// is in the control file. `None` when no relation can be that long.
    pub const fn first_block(self, blocks_per_segment: u32) -> Option<u32> {
        self.segment.checked_mul(blocks_per_segment)
    }
}

/// A decimal number as PostgreSQL prints it: no sign, no leading zero.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if plain || digits == "0" {
        digits.parse().ok()
    } else {
        None
    }
}

/// Whether a file's pages carry checksums, in a cluster that has them: files
/// of relations in `global`, `base/<database>` and tablespaces.
pub fn relation_file(path: &Path) -> Option<RelationFile> {
    let parts = parts(path)?;
    let (name, directory) = parts.split_last()?;
    let holds_relations = is_database_directory(directory) || directory == ["global"];
    if holds_relations {
        RelationFile::parse(OsStr::new(name))
    } else {
        None
    }
}

/// Decides about the entries of one directory. It takes the names of all of
/// them, because an unlogged relation is known by its `_init` file.
#[derive(Debug)]
pub struct Directory {
    parts: Vec<String>,
    outside: bool,
    unlogged: HashSet<u32>,
}

impl Directory {
    /// For the directory at `path`, relative to the data directory (empty for
    /// itself), that holds `names`.
    pub fn new<'a>(path: &Path, names: impl IntoIterator<Item = &'a OsString>) -> Self {
        let parts = parts(path);
        let outside = parts.is_none();
        let parts: Vec<String> = parts
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut unlogged = HashSet::new();
        if is_database_directory(&parts) {
            let init = names
                .into_iter()
                .filter_map(|name| RelationFile::parse(name));
            unlogged.extend(
                init.filter(|file| file.fork == Fork::Init)
                    .map(|file| file.number),
            );
        }
        Self {
            parts,
            outside,
            unlogged,
        }
    }

    /// What to do with the entry `name`.
    pub fn decide(&self, name: &OsStr) -> Decision {
        // A directory with a name that is not UTF-8 is not PostgreSQL's.
        let (Some(text), false) = (name.to_str(), self.outside) else {
            return Decision::Copy;
        };
        let place: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        let in_database = is_database_directory(&place);
        match place.as_slice() {
            [] if EMPTIED.contains(&text) => return Decision::Empty,
            [] if SKIPPED.contains(&text) => return Decision::Skip,
            ["global"] if text == "pg_control" => return Decision::ControlFile,
            ["global"] if text.starts_with(CACHE_PREFIX) => return Decision::Skip,
            // base/pgsql_tmp, pg_tblspc/16385/PG_15_202209061/pgsql_tmp
            ["base"] | ["pg_tblspc", _, _] if text.starts_with(TEMPORARY_PREFIX) => {
                return Decision::Skip;
            }
            _ if in_database && text.starts_with(CACHE_PREFIX) => return Decision::Skip,
            _ => {}
        }
        if in_database && (is_temporary_relation(text) || self.is_unlogged_data(name)) {
            return Decision::Skip;
        }
        Decision::Copy
    }

    /// The server empties unlogged relations when it recovers, so only their
    /// `_init` files matter.
    fn is_unlogged_data(&self, name: &OsStr) -> bool {
        RelationFile::parse(name)
            .is_some_and(|file| file.fork != Fork::Init && self.unlogged.contains(&file.number))
    }
}

/// The parts of a relative path; `None` when one is not plain UTF-8.
fn parts(path: &Path) -> Option<Vec<&str>> {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect()
}

/// `base/5`, or a tablespace's `pg_tblspc/16385/PG_15_202209061/5`.
fn is_database_directory<S: AsRef<str>>(parts: &[S]) -> bool {
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        ["base", database] => number(database).is_some(),
        ["pg_tblspc", tablespace, version, database] => {
            number(tablespace).is_some() && version.starts_with("PG_") && number(database).is_some()
        }
        _ => false,
    }
}

/// `t3_16384`, also with a fork and a segment: backend 3's temporary table.
fn is_temporary_relation(name: &str) -> bool {
    let Some((backend, rest)) = name.strip_prefix('t').and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(backend) && RelationFile::parse(OsStr::new(rest)).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(path: &str, names: &[&str]) -> Decision {
        let path = Path::new(path);
        let names: Vec<OsString> = names.iter().map(OsString::from).collect();
        let directory = Directory::new(path.parent().unwrap(), &names);
        directory.decide(path.file_name().unwrap())
    }

    // Pitfall 8: each name is left out where PostgreSQL leaves it out, and nowhere else.
    #[test]
    fn each_name_is_left_out_in_its_own_place_alone() {
        for (names, decision) in [
            (EMPTIED.as_slice(), Decision::Empty),
            (SKIPPED.as_slice(), Decision::Skip),
        ] {
            for name in names {
                assert_eq!(decide(name, &[]), decision, "{name}");
                for elsewhere in ["base", "base/5", "global", "pg_tblspc/16385", "mine/deep"] {
                    let path = format!("{elsewhere}/{name}");
                    assert_eq!(decide(&path, &[]), Decision::Copy, "{path}");
                }
            }
        }
    }

    // Pitfall 8
    #[test]
    fn names_count_only_in_their_place() {
        for (path, decision) in [
            ("pg_wal", Decision::Empty),
            ("pg_replslot", Decision::Empty),
            ("backup/pg_wal", Decision::Copy),
            ("postmaster.pid", Decision::Skip),
            ("base/postmaster.pid", Decision::Copy),
            ("standby.signal", Decision::Skip),
            ("postgresql.auto.conf", Decision::Copy),
            ("global/pg_control", Decision::ControlFile),
            ("base/5/pg_control", Decision::Copy),
            ("global/pg_internal.init.77", Decision::Skip),
            ("base/5/pg_internal.init", Decision::Skip),
            ("pg_internal.init", Decision::Copy),
            ("base/pgsql_tmp", Decision::Skip),
            ("pg_tblspc/16385/PG_15_202209061/pgsql_tmp", Decision::Skip),
            ("pgsql_tmp_of_mine", Decision::Copy),
            ("base/5/t3_16384", Decision::Skip),
            ("base/5/t3_16384_fsm.1", Decision::Skip),
            ("base/5/t3_16384x", Decision::Copy),
            ("pg_tblspc/16385/PG_15_202209061/5/t0_1", Decision::Skip),
            ("pg_xact/t3_16384", Decision::Copy),
        ] {
            assert_eq!(decide(path, &[]), decision, "{path}");
        }
    }

    // Pitfalls 8 and 23
    #[test]
    fn unlogged_relations_leave_only_their_shape() {
        let names = ["16384", "16384_init", "16384_fsm", "16384.1", "16385"];
        for skipped in ["16384", "16384_fsm", "16384.1"] {
            assert_eq!(
                decide(&format!("base/5/{skipped}"), &names),
                Decision::Skip,
                "{skipped}"
            );
        }
        for kept in ["16384_init", "16385"] {
            assert_eq!(
                decide(&format!("base/5/{kept}"), &names),
                Decision::Copy,
                "{kept}"
            );
        }
        assert_eq!(decide("elsewhere/16384", &names), Decision::Copy);
    }

    // Pitfall 10: beyond 1 GiB blocks are counted on, and what has no pages is not judged.
    #[test]
    fn pages_are_counted_through_the_segments() {
        let file = relation_file(Path::new("base/5/16384_vm.2")).unwrap();
        assert_eq!(
            (file.fork, file.first_block(131_072)),
            (Fork::Visibility, Some(262_144))
        );
        assert_eq!(relation_file(Path::new("global/1262")).unwrap().segment, 0);
        for other in [
            "global/pg_filenode.map",
            "base/5/PG_VERSION",
            "global/pg_control",
            "pg_xact/0000",
            "base/5/t3_16384",
            "base/5/16384.0",
            "base/5/016384",
            "base/5/16384_x",
            "16384",
        ] {
            assert_eq!(relation_file(Path::new(other)), None, "{other}");
        }
        let last = RelationFile {
            number: 1,
            fork: Fork::Main,
            segment: 32_768,
        };
        assert_eq!(last.first_block(131_072), None);
    }

    proptest! {
        #[test]
        fn never_panics(path in "[a-z0-9_./]{1,30}", name in ".{0,20}") {
            let directory = Directory::new(Path::new(&path), &[OsString::from(&name)]);
            directory.decide(OsStr::new(&name));
            relation_file(&Path::new(&path).join(&name));
        }
    }
}
