//! Configuration outside the data directory, as in Debian's layout.
//!
//! What the server reads is followed from `config_file` through its includes
//! as PostgreSQL follows them. When anything of it lies outside, all of it is
//! captured, so that a restore can put one file together that depends on
//! nothing. A file that cannot be read is a warning: the data matters more.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast_pg::sql::Facts;

use crate::job::conf::{self, Include};

/// Larger files are not configuration.
const MOST_BYTES: u64 = 16 << 20;

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutsideFile {
    /// Absolute, as the server names it.
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) mtime_ns: i64,
    pub(super) bytes: Vec<u8>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) files: Vec<OutsideFile>,
    pub(super) warnings: Vec<String>,
}

/// Reads the configuration that a copy of the data directory would miss.
pub(super) fn gather(facts: &Facts, data_dir: &Path) -> Outside {
    let mut outside = Outside::default();
    let data_dir = data_dir
        .canonicalize()
        .unwrap_or_else(|_| data_dir.to_owned());
    let roots = [&facts.config_file, &facts.hba_file, &facts.ident_file];
    for root in roots.into_iter().flatten() {
        let mut tree = Tree {
            data_dir: &data_dir,
            files: Vec::new(),
            outside: false,
        };
        match tree.read(root, 0) {
            Ok(()) if tree.outside => {
                for file in tree.files {
                    if !outside.files.iter().any(|known| known.path == file.path) {
                        outside.files.push(file);
                    }
                }
            }
            Ok(()) => {}
            Err((path, error)) => outside.warnings.push(format!(
                "the configuration file {} cannot be read ({error}) and is not part of the backup",
                path.display()
            )),
        }
    }
    outside
}

/// A file and what it includes.
struct Tree<'a> {
    data_dir: &'a Path,
    files: Vec<OutsideFile>,
    outside: bool,
}

type Unread = (PathBuf, io::Error);

impl Tree<'_> {
    fn read(&mut self, path: &Path, depth: usize) -> Result<(), Unread> {
        if depth > conf::MAX_DEPTH || self.files.iter().any(|file| file.path == path) {
            return Ok(());
        }
        let file = read_file(path).map_err(|error| (path.to_owned(), error))?;
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.outside |= !real.starts_with(self.data_dir);
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let includes: Vec<Include> = file
            .bytes
            .split(|&byte| byte == b'\n')
            .filter_map(|line| {
                let absolute = conf::setting(line).is_some_and(|(_, value)| value.starts_with('/'));
                let include = conf::include(line, &directory)?;
                // It names the old place, even if that is inside.
                self.outside |= absolute;
                Some(include)
            })
            .collect();
        self.files.push(file);
        for include in includes {
            self.follow(include, depth)?;
        }
        Ok(())
    }

    fn follow(&mut self, include: Include, depth: usize) -> Result<(), Unread> {
        match include {
            Include::File { path, optional } => match self.read(&path, depth + 1) {
                Err((missing, error))
                    if optional && missing == path && error.kind() == io::ErrorKind::NotFound =>
                {
                    Ok(())
                }
                read => read,
            },
            Include::Directory(directory) => {
                let unread = |error| (directory.clone(), error);
                let mut paths = Vec::new();
                for entry in std::fs::read_dir(&directory).map_err(unread)? {
                    let path = entry.map_err(unread)?.path();
                    if conf::is_included_name(&path) && path.is_file() {
                        paths.push(path);
                    }
                }
                paths.sort();
                paths.iter().try_for_each(|path| self.read(path, depth + 1))
            }
        }
    }
}

fn read_file(path: &Path) -> io::Result<OutsideFile> {
    let meta: Metadata = std::fs::metadata(path)?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err(io::Error::other("it is not a configuration file"));
    }
    let mtime_ns = meta
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec());
    let mode = meta.permissions().mode() & 0o7777;
    Ok(OutsideFile {
        path: path.to_owned(),
        mode,
        mtime_ns,
        bytes: std::fs::read(path)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn captured(config: &Path, data_dir: &Path) -> Vec<PathBuf> {
        let mut tree = Tree {
            data_dir,
            files: Vec::new(),
            outside: false,
        };
        tree.read(config, 0).unwrap();
        let paths = tree.files.into_iter().map(|file| file.path);
        if tree.outside {
            paths.collect()
        } else {
            Vec::new()
        }
    }

    #[test]
    fn what_lies_outside_is_followed_and_what_lies_inside_moves_along() {
        let root = tempfile::tempdir().unwrap();
        let (data, etc) = (root.path().join("data"), root.path().join("etc"));
        fs::create_dir_all(etc.join("conf.d")).unwrap();
        fs::create_dir_all(&data).unwrap();
        fs::write(etc.join("conf.d/a.conf"), "work_mem = 1MB\n").unwrap();
        fs::write(etc.join("conf.d/ignored"), "x").unwrap();
        let text = "include_dir 'conf.d'\ninclude_if_exists 'gone.conf'\n";
        fs::write(etc.join("postgresql.conf"), text).unwrap();
        let expected = [etc.join("postgresql.conf"), etc.join("conf.d/a.conf")];
        assert_eq!(captured(&etc.join("postgresql.conf"), &data), expected);

        fs::write(data.join("postgresql.conf"), "include 'more.conf'\n").unwrap();
        fs::write(data.join("more.conf"), "port = 1\n").unwrap();
        assert_eq!(
            captured(&data.join("postgresql.conf"), &data),
            Vec::<PathBuf>::new()
        );

        let absolute = format!("include '{}'\n", data.join("more.conf").display());
        fs::write(data.join("postgresql.conf"), absolute).unwrap();
        let expected = [data.join("postgresql.conf"), data.join("more.conf")];
        assert_eq!(captured(&data.join("postgresql.conf"), &data), expected);
    }
}
