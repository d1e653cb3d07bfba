//! Where tablespaces and `pg_wal` go: decided from the backup's mark and what
//! was asked for, before anything is written.
//!
//! A tablespace goes back to where it was unless it is mapped elsewhere. On the
//! original's host that place is in use, and a restore never overwrites (I-12),
//! so the plan says so. `pg_wal` is in the new data directory unless it is
//! mapped: its old place is another server's more often than not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use holdfast_repo::{Backup, LinkTarget};
use holdfast_types::{Failure, PlannedTablespace};

use crate::job::backup::{Tablespace, fact};

/// How `pg_wal` is named in a map.
pub(super) const WAL: &str = "pg_wal";

/// Where what is restored is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Where it will be.
    InPlace,
    /// Tablespaces beside the data directory, to be packed from there.
    Staged,
}

/// Everything of a restored cluster that is not in its data directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places {
    pub(super) tablespaces: Vec<Place>,
    /// To where `pg_wal` is a link, if it is one.
    pub(super) wal: Option<PathBuf>,
}

/// A tablespace and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) oid: u32,
    pub(super) name: Option<String>,
    pub(super) from: PathBuf,
    /// Where PostgreSQL will look for it.
    pub(super) to: PathBuf,
    /// Where it is written: another place only when it is to be packed.
    pub(super) at: PathBuf,
    pub(super) bytes: u64,
}

/// What a backup's mark says of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    tablespaces: Vec<Tablespace>,
    pub(super) wal: Option<PathBuf>,
}

impl Origins {
    pub(super) fn of(backup: &Backup) -> Result<Self, Failure> {
        let tablespaces = match backup.facts.get(fact::TABLESPACES) {
            None => Vec::new(),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                Failure::permanent(
                    "unsupported_repository_format",
                    format!("the tablespaces of {} cannot be read: {error}", backup.id),
                    "use the release of Holdfast that took the backup, or a newer one",
                )
            })?,
        };
        let wal = backup.facts.get(fact::WAL_DIRECTORY);
        let wal = wal.and_then(|text| text.parse::<LinkTarget>().ok());
        Ok(Self {
            tablespaces,
            wal: wal.map(|target| target.as_path().to_owned()),
        })
    }
}

impl Places {
    /// Decides, by paths alone. `dir` is the new data directory.
    pub(super) fn decide_in(
        layout: Layout,
        origins: &Origins,
        map: &BTreeMap<String, String>,
        dir: &Path,
    ) -> Result<Self, Vec<Failure>> {
        let mut places = Self::decide(origins, map, dir)?;
        if layout == Layout::Staged {
            places.stage_beside(dir);
        }
        Ok(places)
    }

    fn decide(
        origins: &Origins,
        map: &BTreeMap<String, String>,
        dir: &Path,
    ) -> Result<Self, Vec<Failure>> {
        let mut problems = Vec::new();
        let mut wanted: BTreeMap<u32, &str> = BTreeMap::new();
        let mut wal = None;
        for (old, new) in map {
            problems.extend(check_new_path(old, new).err());
            if old == WAL || origins.wal.as_deref() == Some(Path::new(old)) {
                if wal.replace(PathBuf::from(new)).is_some() {
                    problems.push(named_twice("pg_wal"));
                }
                continue;
            }
            let Some(known) = origins.find(old) else {
                problems.push(unknown(old, origins));
                continue;
            };
            if wanted.insert(known.oid, new).is_some() {
                problems.push(named_twice(old));
            }
        }
        let tablespaces = origins.tablespaces.iter().map(|known| {
            let wanted = wanted.get(&known.oid);
            let to = wanted.map_or_else(|| known.location.clone(), PathBuf::from);
            Place {
                oid: known.oid,
                name: known.name.clone(),
                from: known.location.clone(),
                at: to.clone(),
                to,
                bytes: known.bytes,
            }
        });
        let places = Self {
            tablespaces: tablespaces.collect(),
            wal,
        };
        problems.extend(places.overlaps(dir));
        if problems.is_empty() {
            Ok(places)
        } else {
            Err(problems)
        }
    }

    /// Has every tablespace written into a directory beside `dir`, from where it
    /// is packed: nothing is looked for or touched where it will be.
    fn stage_beside(&mut self, dir: &Path) {
        for place in &mut self.tablespaces {
            place.at = staged(dir, place.oid);
        }
    }

    /// One tablespace of that number, at that place.
    #[cfg(test)]
    pub(super) fn at(oid: u32, at: &Path) -> Self {
        let place = Place {
            oid,
            name: None,
            from: at.to_owned(),
            to: at.to_owned(),
            at: at.to_owned(),
            bytes: 0,
        };
        Self {
            tablespaces: vec![place],
            wal: None,
        }
    }

    /// Where a file of the backup is written: what is elsewhere is not looked
    /// for behind links, which may lead to where they led before.
    pub(super) fn locate(&self, dir: &Path, relative: &Path) -> PathBuf {
        for place in &self.tablespaces {
            let inside = Path::new("pg_tblspc").join(place.oid.to_string());
            if let Ok(rest) = relative.strip_prefix(inside)
                && !rest.as_os_str().is_empty()
            {
                return place.at.join(rest);
            }
        }
        dir.join(relative)
    }

    /// The place of a tablespace.
    pub(super) fn of(&self, oid: u32) -> Option<&Place> {
        self.tablespaces.iter().find(|place| place.oid == oid)
    }

    /// Every directory that is written, with what it is.
    pub(super) fn directories(&self) -> impl Iterator<Item = (String, &Path)> {
        let tablespaces = self
            .tablespaces
            .iter()
            .map(|place| (place.shown(), place.at.as_path()));
        let wal = self.wal.iter();
        tablespaces.chain(wal.map(|path| (WAL.to_owned(), path.as_path())))
    }

    /// As a plan shows them.
    pub(super) fn planned(&self) -> Vec<PlannedTablespace> {
        let planned = |place: &Place| PlannedTablespace {
            oid: place.oid,
            name: place.name.clone(),
            from: place.from.display().to_string(),
            to: place.to.display().to_string(),
            bytes: place.bytes,
        };
        self.tablespaces.iter().map(planned).collect()
    }

    /// The file `tablespace_map`, by which PostgreSQL makes the links anew when
    /// it starts from the backup: it must say what ours say.
    pub(super) fn tablespace_map(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let mut map = Vec::new();
        for place in &self.tablespaces {
            map.extend_from_slice(format!("{} ", place.oid).as_bytes());
            for &byte in place.to.as_os_str().as_bytes() {
                if matches!(byte, b'\n' | b'\r' | b'\\') {
                    map.push(b'\\');
                }
                map.push(byte);
            }
            map.push(b'\n');
        }
        map
    }

    /// Two things in one directory, or one inside another: PostgreSQL would
    /// mix them up, and deleting one would delete both.
    fn overlaps(&self, dir: &Path) -> Vec<Failure> {
        let data = ("the data directory".to_owned(), dir);
        let tablespaces = self.tablespaces.iter();
        let tablespaces = tablespaces.map(|place| (place.shown(), place.to.as_path()));
        let wal = self.wal.iter().map(|path| (WAL.to_owned(), path.as_path()));
        let all: Vec<(String, PathBuf)> = std::iter::once(data)
            .chain(tablespaces)
            .chain(wal)
            .map(|(what, path)| (what, real(path)))
            .collect();
        let mut problems = Vec::new();
        for (index, (what, path)) in all.iter().enumerate() {
            for (other, place) in &all[..index] {
                if path.starts_with(place) || place.starts_with(path) {
                    problems.push(Failure::permanent(
                        "tablespace_place_overlaps",
                        format!(
                            "{what} at {} and {other} at {} would lie in each other",
                            path.display(),
                            place.display()
                        ),
                        "give each of them a directory of its own with --tablespace-map OLD=NEW",
                    ));
                }
            }
        }
        problems
    }
}

impl Place {
    fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("tablespace \"{name}\""),
            None => format!("tablespace {}", self.oid),
        }
    }
}

impl Origins {
    /// By where it was, as `pg_basebackup` has it, or by name.
    fn find(&self, old: &str) -> Option<&Tablespace> {
        let mut known = self.tablespaces.iter();
        known.find(|known| known.location == Path::new(old) || known.name.as_deref() == Some(old))
    }
}

/// Where a tablespace waits to be packed, beside the data directory.
pub(crate) fn staged(dir: &Path, oid: u32) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".{oid}"));
    name.into()
}

/// What PostgreSQL can keep in a link and in `tablespace_map` of any release.
fn check_new_path(old: &str, new: &str) -> Result<(), Failure> {
    let path = Path::new(new);
    let mut parts = path.components();
    let plain = parts.next() == Some(Component::RootDir)
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && path.parent().is_some();
    if plain && !new.contains(|c: char| c.is_control() || c == '\\') {
        return Ok(());
    }
    Err(Failure::permanent(
        "tablespace_map_invalid",
        format!("{old} cannot go to \"{}\"", new.escape_debug()),
        "give an absolute path without . and .., backslashes and control characters",
    ))
}

fn named_twice(what: &str) -> Failure {
    Failure::permanent(
        "tablespace_map_invalid",
        format!("{what} is mapped twice"),
        "name each tablespace once, by where it was or by its name",
    )
}

fn unknown(old: &str, origins: &Origins) -> Failure {
    let known: BTreeSet<String> = origins
        .tablespaces
        .iter()
        .map(|known| known.location.display().to_string())
        .collect();
    let known = if known.is_empty() {
        "none outside its data directory".to_owned()
    } else {
        Vec::from_iter(known).join(", ")
    };
    Failure::permanent(
        "tablespace_unknown",
        format!("the backup has no tablespace at {old}, nor one of that name; it has {known}"),
        "name a tablespace by where it was or by its name; pg_wal is named pg_wal",
    )
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origins(places: &[(u32, &str, &str)]) -> Origins {
        let tablespaces = places.iter().map(|&(oid, name, location)| Tablespace {
            oid,
            name: Some(name.to_owned()),
            location: location.into(),
            bytes: 1,
        });
        Origins {
            tablespaces: tablespaces.collect(),
            wal: Some("/wal/orders".into()),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |&(old, new): &(&str, &str)| (old.to_owned(), new.to_owned());
        pairs.iter().map(owned).collect()
    }

    fn decided(pairs: &[(&str, &str)]) -> Result<Places, Vec<String>> {
        let origins = origins(&[(16385, "fast", "/t/fast"), (16386, "slow", "/t/slow")]);
        let decided = Places::decide(&origins, &map(pairs), Path::new("/t/data"));
        decided.map_err(|problems| problems.into_iter().map(|problem| problem.code).collect())
    }

    #[test]
    fn what_is_not_mapped_goes_back_but_for_pg_wal() {
        let places = decided(&[]).unwrap();
        assert_eq!(places.of(16385).unwrap().to, Path::new("/t/fast"));
        assert_eq!(places.wal, None);
        for name in ["pg_wal", "/wal/orders"] {
            let places = decided(&[(name, "/w"), ("fast", "/n/f"), ("/t/slow", "/n/s")]).unwrap();
            assert_eq!(places.wal.as_deref(), Some(Path::new("/w")));
            let text = String::from_utf8(places.tablespace_map()).unwrap();
            assert_eq!(text, "16385 /n/f\n16386 /n/s\n");
        }
    }

    #[test]
    fn every_wrong_map_is_refused() {
        for (pairs, code) in [
            (&[("/t/other", "/n")][..], "tablespace_unknown"),
            (&[("fast", "relative")], "tablespace_map_invalid"),
            (&[("fast", "/a/../b")], "tablespace_map_invalid"),
            (&[("fast", "/")], "tablespace_map_invalid"),
            (&[("fast", "/a\nb")], "tablespace_map_invalid"),
            (
                &[("fast", "/n"), ("/t/fast", "/m")],
                "tablespace_map_invalid",
            ),
            (
                &[("pg_wal", "/n"), ("/wal/orders", "/m")],
                "tablespace_map_invalid",
            ),
            (
                &[("fast", "/n"), ("slow", "/n")],
                "tablespace_place_overlaps",
            ),
            (
                &[("fast", "/n"), ("slow", "/n/deep")],
                "tablespace_place_overlaps",
            ),
            (&[("fast", "/t/data")], "tablespace_place_overlaps"),
            (
                &[("fast", "/t/data/pg_tblspc/x")],
                "tablespace_place_overlaps",
            ),
            (&[("fast", "/t")], "tablespace_place_overlaps"),
            (&[("pg_wal", "/t/data/pg_wal")], "tablespace_place_overlaps"),
            (&[("pg_wal", "/t/slow/wal")], "tablespace_place_overlaps"),
        ] {
            let codes = decided(pairs).unwrap_err();
            assert_eq!(codes.first().map(String::as_str), Some(code), "{pairs:?}");
        }
        // A name that only begins alike is another directory.
        assert!(decided(&[("fast", "/t/data2"), ("slow", "/t/data2x")]).is_ok());
    }

    #[test]
    fn links_on_the_way_hide_nothing() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, root.path().join("elsewhere")).unwrap();
        let inside = root.path().join("elsewhere/ts");
        let origins = origins(&[(16385, "fast", "/t/fast")]);
        let map = map(&[("fast", inside.to_str().unwrap())]);
        let problems = Places::decide(&origins, &map, &data).unwrap_err();
        assert_eq!(problems[0].code, "tablespace_place_overlaps");
    }

    proptest! {
        /// Whatever is asked for: a plan's directories are as many as there
        /// are tablespaces, absolute, and none is in another.
        #[test]
        fn no_map_makes_one_directory_serve_two(
            pairs in proptest::collection::btree_map(
                prop_oneof!["fast", "slow", "/t/(fast|slow|none)", "pg_wal"],
                "(/(t|n|data|\\.\\.|x)){0,4}",
                0..4,
            ),
        ) {
            let origins = origins(&[(16385, "fast", "/t/fast"), (16386, "slow", "/t/slow")]);
            let dir = Path::new("/t/data");
            if let Ok(places) = Places::decide(&origins, &pairs, dir) {
                let mut all: Vec<&Path> = places.directories().map(|(_, path)| path).collect();
                all.push(dir);
                prop_assert!(all.len() >= 3);
                for (index, one) in all.iter().enumerate() {
                    prop_assert!(one.is_absolute());
                    prop_assert!(!one.components().any(|part| part == Component::ParentDir));
                    for other in &all[..index] {
                        prop_assert!(!one.starts_with(other) && !other.starts_with(one));
                    }
                }
            }
        }
    }
}
