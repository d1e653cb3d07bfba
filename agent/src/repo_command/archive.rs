//! `repo restore --format tar`: archives that become a data directory where
//! they are extracted, laid out as `pg_basebackup --format=tar` does it: one of
//! the data directory, and one for each tablespace, named by its number.
//!
//! The directory is restored and verified beside the place of the archives, as
//! any other, its tablespaces beside it, and then packed file by file; what is
//! packed goes, so that hardly more space is needed than for the directory. An
//! archive has its name only when it is whole and on stable storage, the one of
//! the data directory last (I-12).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use holdfast_pg::control_file;
use holdfast_types::{Failure, PlannedTablespace, RestorePlan};
use tar::{Builder, EntryType, Header, HeaderMode};

use crate::command_error::CommandError;
use crate::job::restore::{check_new, staged};

const NAME: &str = "base.tar";

/// Where the archives go, and what they are made of.
#[derive(Debug)]
pub(super) struct Archive {
    dir: PathBuf,
    staged: PathBuf,
}

/// What was packed.
#[derive(Debug)]
pub(super) struct Packed {
    /// The archive of the data directory.
    pub(super) base: PathBuf,
    /// Those of its tablespaces.
    pub(super) tablespaces: Vec<(PlannedTablespace, PathBuf)>,
}

impl Archive {
    /// For `dir`, which is not touched before the directory is complete.
    pub(super) fn new(dir: &Path, (start, delta): (bool, bool)) -> Result<Self, CommandError> {
        if start || delta {
            let option = if start { "--start" } else { "--delta" };
            let why = format!("{option} needs a directory");
            return Err(CommandError::usage(conflict(&why)));
        }
        let mut staged = dir.as_os_str().to_owned();
        staged.push(OsString::from(".partial"));
        Ok(Self {
            dir: dir.to_owned(),
            staged: staged.into(),
        })
    }

    /// Where the directory is restored first.
    pub(super) fn staged(&self) -> &Path {
        &self.staged
    }

    /// Refuses what archives cannot hold, and a place that is taken.
    pub(super) fn check(&self, plan: &RestorePlan) -> Result<(), CommandError> {
        if plan.wal_directory.is_some() {
            let why = "pg_wal is a directory in it, and goes to no other place";
            return Err(CommandError::usage(conflict(why)));
        }
        check_new(&self.dir, 0).map_err(CommandError::refused)
    }

    /// Packs what was restored.
    pub(super) fn pack(&self, tablespaces: &[PlannedTablespace]) -> Result<Packed, CommandError> {
        self.write(tablespaces).map_err(|error| {
            CommandError::failed(Failure::transient(
                "archive_failed",
                format!(
                    "the archives in {} cannot be written: {error}",
                    self.dir.display()
                ),
                format!(
                    "look at the space there; delete {} and everything beside it whose name \
                     begins with {} before the next attempt",
                    self.dir.display(),
                    self.staged.display()
                ),
            ))
        })
    }

    fn write(&self, tablespaces: &[PlannedTablespace]) -> io::Result<Packed> {
        let owner = owner(&self.staged)?;
        if !self.dir.exists() {
            fs::DirBuilder::new().mode(0o700).create(&self.dir)?;
            give(&self.dir, owner)?;
        }
        let mut packed = Vec::new();
        for one in tablespaces {
            let file = self.dir.join(format!("{}.tar", one.oid));
            let root = staged(&self.staged, one.oid);
            let mut packer = Packer::new(&file, &root, &[], owner)?;
            packer.pack(Path::new(""))?;
            packer.finish()?;
            fs::remove_dir_all(root)?;
            packed.push((one.clone(), file));
        }
        let base = self.dir.join(NAME);
        let mut packer = Packer::new(&base, &self.staged, tablespaces, owner)?;
        packer.pack(Path::new(""))?;
        // It comes last, as from PostgreSQL: what was extracted in part does not start.
        packer.file(Path::new(control_file::PATH))?;
        packer.finish()?;
        if let Some(parent) = self.dir.parent() {
            sync(parent)?;
        }
        fs::remove_dir_all(&self.staged)?;
        Ok(Packed {
            base,
            tablespaces: packed,
        })
    }
}

fn conflict(why: &str) -> Failure {
    Failure::permanent(
        "format_conflict",
        format!("--format tar makes archives, and {why}"),
        "leave one of the two out",
    )
}

fn owner(path: &Path) -> io::Result<(u32, u32)> {
    let about = fs::metadata(path)?;
    Ok((about.uid(), about.gid()))
}

fn give(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// One archive that grows under another name.
struct Packer<'a> {
    archive: Builder<BufWriter<File>>,
    file: &'a Path,
    growing: PathBuf,
    root: &'a Path,
    tablespaces: &'a [PlannedTablespace],
    owner: (u32, u32),
}

impl<'a> Packer<'a> {
    fn new(
        file: &'a Path,
        root: &'a Path,
        tablespaces: &'a [PlannedTablespace],
        owner: (u32, u32),
    ) -> io::Result<Self> {
        let growing = file.with_extension("tar.partial");
        let mut options = OpenOptions::new();
        let out = options.write(true).create_new(true).mode(0o600);
        let mut archive = Builder::new(BufWriter::with_capacity(1 << 20, out.open(&growing)?));
        archive.mode(HeaderMode::Complete);
        archive.follow_symlinks(false);
        Ok(Self {
            archive,
            file,
            growing,
            root,
            tablespaces,
            owner,
        })
    }

    /// What is in a directory, in the order of names.
    fn pack(&mut self, directory: &Path) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(directory))? {
            let entry = entry?;
            names.push((entry.file_name(), entry.file_type()?));
        }
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in names {
            let path = directory.join(name);
            if kind.is_dir() {
                self.archive
                    .append_path_with_name(self.root.join(&path), &path)?;
                self.pack(&path)?;
            } else if kind.is_symlink() {
                self.link(&path)?;
            } else if path != Path::new(control_file::PATH) {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let full = self.root.join(path);
        self.archive.append_path_with_name(&full, path)?;
        fs::remove_file(full)
    }

    /// A tablespace's link leads to where it will be, as `tablespace_map` says,
    /// by which PostgreSQL makes it anew.
    fn link(&mut self, path: &Path) -> io::Result<()> {
        let leads_to = fs::read_link(self.root.join(path))?;
        let mut tablespaces = self.tablespaces.iter();
        let known = tablespaces.find(|one| staged(self.root, one.oid) == leads_to);
        let Some(known) = known else {
            return Err(io::Error::other(format!(
                "{} is a link that is not known",
                path.display()
            )));
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_uid(self.owner.0.into());
        header.set_gid(self.owner.1.into());
        self.archive.append_link(&mut header, path, &known.to)
    }

    /// Gives the archive its name, durably.
    fn finish(self) -> io::Result<()> {
        let mut written = self.archive.into_inner()?;
        written.flush()?;
        written
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        give(&self.growing, self.owner)?;
        fs::rename(&self.growing, self.file)?;
        self.file.parent().map_or(Ok(()), sync)
    }
}
