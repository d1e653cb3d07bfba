//! Tablespaces: links in `pg_tblspc` to directories elsewhere.
//!
//! Of such a directory only the part that this server keeps there is copied,
//! `PG_<major>_<catalog version>`: another one's may lie beside it. A backup
//! knows where each of them was, so that a restore can decide where it goes
//! before it writes a byte (I-12).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use holdfast_pg::control_file::ControlFile;
use holdfast_pg::sql::{Facts, TablespaceFacts};
use holdfast_repo::LinkTarget;
use holdfast_types::Failure;
use serde::{Deserialize, Serialize};

use super::prepare::unreadable;

/// Where the links are.
pub(super) const LINKS: &str = "pg_tblspc";

/// How often a tablespace that lacks its directory is looked at before it
/// counts as damaged: `DROP TABLESPACE` takes the directory away before the
/// link.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A tablespace of a backup, as its mark tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tablespace {
    /// The name of its link in `pg_tblspc`.
    pub(crate) oid: u32,
    /// What SQL calls it, unless it was made during the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Where it was.
    #[serde(with = "as_escaped")]
    pub(crate) location: PathBuf,
    /// Plain bytes of its files.
    pub(crate) bytes: u64,
}

/// A path of any bytes, as in a manifest.
mod as_escaped {
    use std::path::{Path, PathBuf};

    use holdfast_repo::LinkTarget;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        LinkTarget::new(path)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        Ok(LinkTarget::deserialize(deserializer)?.as_path().to_owned())
    }
}

/// The one directory in a tablespace that is this server's.
pub(super) fn version_directory(server_version: u32, control: &ControlFile) -> String {
    format!("PG_{}_{}", server_version / 10_000, control.catalog_version)
}

/// The tablespace that a path belongs to: of `pg_tblspc/16385/PG_…/5/1259`
/// it is 16385.
pub(crate) fn tablespace_of(path: &Path) -> Option<u32> {
    let mut parts = path.components();
    if parts.next()? != Component::Normal(OsStr::new(LINKS)) {
        return None;
    }
    let Component::Normal(name) = parts.next()? else {
        return None;
    };
    oid(name)
}

/// The tablespace whose link or directory a path is: `pg_tblspc/16385`.
pub(crate) fn is_tablespace(path: &Path) -> Option<u32> {
    (path.components().count() == 2)
        .then(|| tablespace_of(path))
        .flatten()
}

/// A number as PostgreSQL writes it.
fn oid(name: &OsStr) -> Option<u32> {
    let text = name.to_str()?;
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Reads the link of a tablespace and refuses one that cannot be copied as it
/// is. `None`: it was dropped meanwhile.
pub(super) fn follow(
    root: &Path,
    path: &Path,
    version_directory: &str,
) -> Result<Option<LinkTarget>, Failure> {
    let link = root.join(path);
    for look in 0..LOOKS {
        let target = match std::fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&link, &error)),
        };
        refuse_inside(root, &link, &target)?;
        match std::fs::metadata(link.join(version_directory)) {
            Ok(_) => {
                return LinkTarget::new(&target)
                    .map(Some)
                    .map_err(|error| bad_link(&link, &error));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unreadable(&link, &error));
            }
            Err(_) if look + 1 == LOOKS => return Err(missing(&link, &target, version_directory)),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
    Ok(None)
}

/// A directory without the server's part: its volume is not mounted, or
/// somebody deleted it. A backup without it would say that it is whole.
fn missing(link: &Path, target: &Path, version_directory: &str) -> Failure {
    Failure::permanent(
        "tablespace_missing",
        format!(
            "the tablespace at {} ({}) has no directory {version_directory}",
            target.display(),
            link.display()
        ),
        "check that its volume is mounted; nothing was committed",
    )
}

fn bad_link(link: &Path, error: &holdfast_repo::InvalidPath) -> Failure {
    Failure::permanent(
        "invalid_path",
        format!("{}: {error}", link.display()),
        "make the tablespace anew",
    )
}

/// Its files would be copied twice, and come back in two places.
fn refuse_inside(root: &Path, link: &Path, target: &Path) -> Result<(), Failure> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if !real(target).starts_with(real(root)) {
        return Ok(());
    }
    Err(Failure::permanent(
        "tablespace_in_data_directory",
        format!(
            "the tablespace at {} ({}) lies inside the data directory",
            target.display(),
            link.display()
        ),
        "PostgreSQL warns of this when such a tablespace is made: move what is in it to another \
         tablespace and drop it",
    ))
}

/// What was found of tablespaces, as the copy goes.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    locations: BTreeMap<u32, PathBuf>,
    bytes: BTreeMap<u32, u64>,
}

impl Gathered {
    /// A link was found.
    pub(super) fn link(&mut self, oid: u32, location: &Path) {
        self.locations.insert(oid, location.to_owned());
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.locations.is_empty()
    }

    /// A file was copied.
    pub(super) fn file(&mut self, path: &Path, size: u64) {
        if let Some(oid) = tablespace_of(path) {
            *self.bytes.entry(oid).or_default() += size;
        }
    }

    /// Those that lie elsewhere.
    pub(super) fn tablespaces(&self, known: &[TablespaceFacts]) -> Vec<Tablespace> {
        let name = |oid| {
            let found = known.iter().find(|known| known.oid == oid);
            found.map(|known| known.name.clone())
        };
        let locations = self.locations.iter();
        locations
            .map(|(&oid, location)| Tablespace {
                oid,
                name: name(oid),
                location: location.clone(),
                bytes: self.bytes.get(&oid).copied().unwrap_or_default(),
            })
            .collect()
    }
}

/// Where `pg_wal` really is, when it is a link.
pub(super) fn linked_wal(data_dir: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(data_dir.join("pg_wal")).ok()?;
    Some(data_dir.join(target))
}

/// The locations that a server names and that are not in its data directory:
/// those of tablespaces made in place are (`pg_tblspc/16385`).
pub(super) fn elsewhere(facts: &Facts) -> impl Iterator<Item = &TablespaceFacts> {
    let elsewhere = |known: &&TablespaceFacts| known.location.is_absolute();
    facts.tablespaces.iter().filter(elsewhere)
}

/// Those made in place.
pub(super) fn in_place(facts: &Facts) -> impl Iterator<Item = &TablespaceFacts> {
    let inside = |known: &&TablespaceFacts| {
        known.location.is_relative() && !known.location.as_os_str().is_empty()
    };
    facts.tablespaces.iter().filter(inside)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_tells_its_tablespace() {
        for (path, of) in [
            ("pg_tblspc/16385", Some(16385)),
            ("pg_tblspc/16385/PG_15_202209061/5/1259", Some(16385)),
            ("pg_tblspc", None),
            ("pg_tblspc/016385/x", None),
            ("pg_tblspc/+1/x", None),
            ("pg_tblspc/4294967296/x", None),
            ("base/5/1259", None),
        ] {
            assert_eq!(tablespace_of(Path::new(path)), of, "{path}");
        }
        assert_eq!(is_tablespace(Path::new("pg_tblspc/16385")), Some(16385));
        assert_eq!(is_tablespace(Path::new("pg_tblspc/16385/PG_15_1")), None);
    }

    // Pitfall 13
    #[test]
    fn a_tablespace_whose_volume_is_not_mounted_is_no_empty_one() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(root.path().join(LINKS)).unwrap();
        let path = Path::new("pg_tblspc/16385");
        symlink(elsewhere.path(), root.path().join(path)).unwrap();
        let follow = || follow(root.path(), path, "PG_15_1");
        assert_eq!(follow().unwrap_err().code, "tablespace_missing");
        std::fs::create_dir(elsewhere.path().join("PG_15_1")).unwrap();
        let target = follow().unwrap().unwrap();
        assert_eq!(target.as_path(), elsewhere.path());
        std::fs::remove_file(root.path().join(path)).unwrap();
        assert_eq!(follow().unwrap(), None);
        let inside = root.path().join("inside");
        std::fs::create_dir_all(inside.join("PG_15_1")).unwrap();
        symlink(&inside, root.path().join(path)).unwrap();
        assert_eq!(follow().unwrap_err().code, "tablespace_in_data_directory");
    }

    #[test]
    fn a_mark_keeps_a_path_of_any_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let location = PathBuf::from(OsStr::from_bytes(b"/a%b/\xff"));
        let tablespace = Tablespace {
            oid: 16385,
            name: None,
            location,
            bytes: 7,
        };
        let text = serde_json::to_string(&tablespace).unwrap();
        assert_eq!(text, r#"{"oid":16385,"location":"/a%25b/%FF","bytes":7}"#);
        assert_eq!(
            serde_json::from_str::<Tablespace>(&text).unwrap(),
            tablespace
        );
    }
}
