//! The walk through a data directory: what there is to copy, as a stream.
//!
//! A live directory changes under the walk. What vanishes was dropped, and its
//! WAL says so; what cannot be read for any other reason fails the backup. It
//! goes into tablespaces by their links, and tells a link before what is behind
//! it, so that a restore makes it first.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_pg::exclude::{Decision, Directory, Fork, RelationFile};
use holdfast_repo::LinkTarget;
use holdfast_types::Failure;

use super::prepare::unreadable;
use super::tablespaces;

/// What Holdfast itself puts into a directory that it restored.
pub(super) const OURS: &str = ".holdfast";

/// A file to be copied, as the walk saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    /// Relative to the data directory.
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) inode: u64,
}

/// One thing the walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Directory {
        path: PathBuf,
        mode: u32,
    },
    File(FoundFile),
    /// The link of a tablespace.
    Tablespace {
        path: PathBuf,
        oid: u32,
        target: LinkTarget,
    },
    /// Something that is not copied, and why somebody should know.
    Warning(String),
}

/// Walks `root` and gives everything found to `sink` until it returns `false`.
/// Of a tablespace it sees the directory `version_directory` alone.
pub(super) fn walk(
    root: &Path,
    version_directory: &str,
    mut sink: impl FnMut(Found) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let full = root.join(&directory);
        let Some(shapes) = init_forks(&full)? else {
            continue;
        };
        let rules = Directory::new(&directory, &shapes);
        let Some(entries) = vanished(std::fs::read_dir(&full), &full)? else {
            continue;
        };
        for entry in entries {
            let name = entry
                .map_err(|error| unreadable(&full, &error))?
                .file_name();
            let path = directory.join(&name);
            if directory.as_os_str().is_empty() && name == OURS {
                continue;
            }
            // Beside it may be another server's, or `lost+found`.
            if tablespaces::is_tablespace(&directory).is_some() && *name != *version_directory {
                continue;
            }
            let found = match tablespace(root, &path, version_directory)? {
                Some(found) => Some(found),
                None => look(root, &path, rules.decide(&name))?,
            };
            let Some(found) = found else {
                continue;
            };
            let enters = match &found {
                Found::Directory { .. } => {
                    rules.decide(&name) == Decision::Copy && !is_relocated_log(&root.join(&path))
                }
                Found::Tablespace { .. } => true,
                Found::File(_) | Found::Warning(_) => false,
            };
            if enters {
                pending.push(path);
            }
            if !sink(found)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The names that tell unlogged relations, from a first look at a directory:
/// a few of them, however many files there are.
fn init_forks(full: &Path) -> Result<Option<Vec<OsString>>, Failure> {
    let Some(entries) = vanished(std::fs::read_dir(full), full)? else {
        return Ok(None);
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| unreadable(full, &error))?.file_name();
        if RelationFile::parse(&name).is_some_and(|file| file.fork == Fork::Init) {
            names.push(name);
        }
    }
    Ok(Some(names))
}

/// The link of a tablespace, if the path is one. Those made in place are
/// directories like any other.
fn tablespace(root: &Path, path: &Path, version_directory: &str) -> Result<Option<Found>, Failure> {
    let Some(oid) = tablespaces::is_tablespace(path) else {
        return Ok(None);
    };
    let full = root.join(path);
    let meta = vanished(std::fs::symlink_metadata(&full), &full)?;
    if !meta.is_some_and(|meta| meta.is_symlink()) {
        return Ok(None);
    }
    let target = tablespaces::follow(root, path, version_directory)?;
    Ok(target.map(|target| Found::Tablespace {
        path: path.to_owned(),
        oid,
        target,
    }))
}

fn look(root: &Path, path: &Path, decision: Decision) -> Result<Option<Found>, Failure> {
    // The control file is copied last, by itself.
    if matches!(decision, Decision::Skip | Decision::ControlFile) {
        return Ok(None);
    }
    let full = root.join(path);
    let Some(meta) = vanished(std::fs::symlink_metadata(&full), &full)? else {
        return Ok(None);
    };
    let kind = meta.file_type();
    if kind.is_symlink() {
        return look_through(&full, path, decision);
    }
    if decision == Decision::Empty && !kind.is_dir() {
        return Ok(Some(Found::Warning(format!(
            "{} is not a directory",
            path.display()
        ))));
    }
    Ok(Some(if kind.is_dir() {
        directory(path, &meta)
    } else if kind.is_file() {
        file(path, &meta)
    } else {
        let what = if kind.is_socket() {
            "a socket"
        } else {
            "a special file"
        };
        Found::Warning(format!("{} is {what} and is not copied", path.display()))
    }))
}

/// Symbolic links: a directory whose content is not copied anyway becomes a
/// plain directory, a file is copied as what it points to, and every other
/// directory would need its own place after a restore.
fn look_through(full: &Path, path: &Path, decision: Decision) -> Result<Option<Found>, Failure> {
    let meta = match std::fs::metadata(full) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let warning = format!("{} is a link to nothing and is not copied", path.display());
            return Ok(Some(Found::Warning(warning)));
        }
        Err(error) => return Err(unreadable(full, &error)),
    };
    if meta.is_file() && decision == Decision::Copy {
        return Ok(Some(file(path, &meta)));
    }
    if meta.is_dir() && (decision == Decision::Empty || is_relocated_log(full)) {
        return Ok(Some(directory(path, &meta)));
    }
    Err(Failure::permanent(
        "symlink_not_supported_yet",
        format!("{} is a symbolic link", full.display()),
        "links other than pg_wal, the log directory and single files are not supported yet: \
         replace it by what it points to",
    ))
}

/// A link from the data directory to where the server's log is kept.
fn is_relocated_log(full: &Path) -> bool {
    let name = full.file_name().and_then(|name| name.to_str());
    matches!(name, Some("log" | "pg_log")) && full.is_symlink()
}

fn directory(path: &Path, meta: &Metadata) -> Found {
    Found::Directory {
        path: path.to_owned(),
        mode: meta.permissions().mode() & 0o7777,
    }
}

fn file(path: &Path, meta: &Metadata) -> Found {
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Found::File(FoundFile {
        path: path.to_owned(),
        size: meta.len(),
        mode: meta.permissions().mode() & 0o7777,
        mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
        ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
    })
}

/// `None` for what is gone, which is normal; an error for everything else.
fn vanished<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn paths(root: &Path) -> Result<BTreeSet<String>, Failure> {
        let mut paths = BTreeSet::new();
        walk(root, "PG_15_1", |found| {
            paths.insert(match found {
                Found::Tablespace { path, target, .. } => {
                    format!("{} -> {target}", path.display())
                }
                Found::Directory { path, .. } => format!("{}/", path.display()),
                Found::File(file) => file.path.display().to_string(),
                Found::Warning(text) => format!("! {text}"),
            });
            Ok(true)
        })?;
        Ok(paths)
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        root
    }

    // Pitfall 8
    #[test]
    fn finds_what_belongs_into_a_backup() {
        let root = tree(&[
            "PG_VERSION",
            "postmaster.pid",
            "global/pg_control",
            "global/1262",
            "base/5/1259",
            "base/5/16384",
            "base/5/16384_init",
            "base/5/t3_16385",
            "base/pgsql_tmp/x",
            "pg_wal/000000010000000000000001",
            "pg_xact/0000",
            ".holdfast/wal-fetch.json",
        ]);
        let found = paths(root.path()).unwrap();
        let expected = [
            "PG_VERSION",
            "base/",
            "base/5/",
            "base/5/1259",
            "base/5/16384_init",
            "global/",
            "global/1262",
            "pg_wal/",
            "pg_xact/",
            "pg_xact/0000",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    // Pitfall 13: no link is copied as a link, and none is passed over in silence.
    #[test]
    fn links_are_followed_emptied_or_refused() {
        let root = tree(&["PG_VERSION"]);
        let elsewhere = tree(&["conf", "dir/segment"]);
        let conf = elsewhere.path().join("conf");
        symlink(conf, elsewhere.path().join("link")).unwrap();
        // A link to a link is what both lead to.
        let link = elsewhere.path().join("link");
        symlink(link, root.path().join("postgresql.conf")).unwrap();
        symlink(elsewhere.path().join("dir"), root.path().join("pg_wal")).unwrap();
        symlink(elsewhere.path().join("dir"), root.path().join("log")).unwrap();
        symlink("/nonexistent", root.path().join("dangling")).unwrap();
        let found = paths(root.path()).unwrap();
        let warning = "! dangling is a link to nothing and is not copied";
        let expected = [warning, "PG_VERSION", "log/", "pg_wal/", "postgresql.conf"];
        assert_eq!(found, expected.map(str::to_owned).into());
        symlink(elsewhere.path().join("dir"), root.path().join("base")).unwrap();
        assert_eq!(
            paths(root.path()).unwrap_err().code,
            "symlink_not_supported_yet"
        );
    }

    // Pitfall 13: in `pg_tblspc` there are links, and directories since 15.
    #[test]
    fn a_tablespace_is_its_link_and_what_this_server_keeps_there() {
        let root = tree(&["PG_VERSION", "pg_tblspc/16386/PG_15_1/5/17000"]);
        let elsewhere = tree(&[
            "PG_15_1/5/16390",
            "PG_15_1/5/16391_init",
            "PG_15_1/5/16391",
            "PG_15_1/pgsql_tmp/pgsql_tmp1.0",
            "PG_14_1/5/16390",
            "lost+found/x",
        ]);
        symlink(elsewhere.path(), root.path().join("pg_tblspc/16385")).unwrap();
        let found = paths(root.path()).unwrap();
        let link = format!("pg_tblspc/16385 -> {}", elsewhere.path().display());
        let expected = [
            "PG_VERSION",
            "pg_tblspc/",
            &link,
            "pg_tblspc/16385/PG_15_1/",
            "pg_tblspc/16385/PG_15_1/5/",
            "pg_tblspc/16385/PG_15_1/5/16390",
            "pg_tblspc/16385/PG_15_1/5/16391_init",
            "pg_tblspc/16386/",
            "pg_tblspc/16386/PG_15_1/",
            "pg_tblspc/16386/PG_15_1/5/",
            "pg_tblspc/16386/PG_15_1/5/17000",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    // Pitfall 13: what is no file is told of, and never opened.
    #[test]
    fn special_files_are_named_and_left_out() {
        use rustix::fs::{CWD, FileType, Mode};
        let root = tree(&["PG_VERSION"]);
        let _listening = UnixListener::bind(root.path().join("socket")).unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let found = paths(root.path()).unwrap();
        let expected = [
            "! pipe is a special file and is not copied",
            "! socket is a socket and is not copied",
            "PG_VERSION",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    // Pitfall 9: gone is normal; every other reason is none to leave a file out.
    #[test]
    fn what_cannot_be_read_ends_the_backup() {
        let gone = io::Error::from(ErrorKind::NotFound);
        assert!(vanished::<()>(Err(gone), Path::new("x")).unwrap().is_none());
        for kind in [ErrorKind::PermissionDenied, ErrorKind::Other] {
            let failed = vanished::<()>(Err(kind.into()), Path::new("x")).unwrap_err();
            assert_eq!(failed.code, "data_directory_unreadable", "{kind}");
        }
        // Neither a file nor nothing: the link leads in a circle.
        let root = tree(&["PG_VERSION"]);
        symlink("circle", root.path().join("circle")).unwrap();
        let failed = paths(root.path()).unwrap_err();
        assert_eq!(failed.code, "data_directory_unreadable");
    }
}
