//! `repo restore --format tar`: one archive that becomes a data directory where
//! it is extracted.
//!
//! The directory is restored and verified beside the place of the archive, as
//! any other, and then packed file by file; what is packed goes, so that hardly
//! more space is needed than for the directory. The archive has its name only
//! when it is whole and on stable storage (I-12).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use holdfast_pg::control_file;
use holdfast_types::{Failure, RestorePlan};
use tar::{Builder, HeaderMode};

use crate::command_error::CommandError;
use crate::job::restore::check_new;

const NAME: &str = "base.tar";

/// Where the archive goes, and what it is made of.
#[derive(Debug)]
pub(super) struct Archive {
    dir: PathBuf,
    staged: PathBuf,
}

impl Archive {
    /// For `dir`, which is not touched before the directory is complete.
    pub(super) fn new(dir: &Path, start: bool, spread: bool) -> Result<Self, CommandError> {
        let why = if start {
            Some("--start needs a directory")
        } else if spread {
            Some("--tablespace-map would put files beside it")
        } else {
            None
        };
        if let Some(why) = why {
            return Err(CommandError::usage(Failure::permanent(
                "format_conflict",
                format!("--format tar makes one file, and {why}"),
                "leave one of the two out",
            )));
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

    /// Refuses what one archive cannot hold, and a place that is taken.
    pub(super) fn check(&self, plan: &RestorePlan) -> Result<(), CommandError> {
        if let Some(tablespace) = plan.tablespaces.first() {
            return Err(CommandError::refused(Failure::permanent(
                "not_supported_yet",
                format!(
                    "the tablespace at {} is outside of the data directory, and an archive of it \
                     is not built yet",
                    tablespace.from
                ),
                "restore with --format plain",
            )));
        }
        check_new(&self.dir, 0).map_err(CommandError::refused)
    }

    /// Packs what was restored, and returns the archive's path.
    pub(super) fn pack(&self) -> Result<PathBuf, CommandError> {
        let file = self.dir.join(NAME);
        self.write(&file).map_err(|error| {
            CommandError::failed(Failure::transient(
                "archive_failed",
                format!("{} cannot be written: {error}", file.display()),
                format!(
                    "look at the space there; delete {} and {} before the next attempt",
                    self.dir.display(),
                    self.staged.display()
                ),
            ))
        })?;
        Ok(file)
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let about = fs::metadata(&self.staged)?;
        let give =
            |path: &Path| std::os::unix::fs::lchown(path, Some(about.uid()), Some(about.gid()));
        if !self.dir.exists() {
            fs::DirBuilder::new().mode(0o700).create(&self.dir)?;
            give(&self.dir)?;
        }
        let growing = file.with_extension("tar.partial");
        let mut options = OpenOptions::new();
        let out = options.write(true).create_new(true).mode(0o600);
        let mut archive = Builder::new(BufWriter::with_capacity(1 << 20, out.open(&growing)?));
        archive.mode(HeaderMode::Complete);
        archive.follow_symlinks(false);
        let mut packer = Packer {
            archive,
            root: &self.staged,
        };
        packer.pack(Path::new(""))?;
        // It comes last, as from PostgreSQL: what was extracted in part does not start.
        packer.file(Path::new(control_file::PATH))?;
        let mut written = packer.archive.into_inner()?;
        written.flush()?;
        written
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        give(&growing)?;
        fs::rename(&growing, file)?;
        sync(&self.dir)?;
        if let Some(parent) = self.dir.parent() {
            sync(parent)?;
        }
        fs::remove_dir_all(&self.staged)
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

struct Packer<'a> {
    archive: Builder<BufWriter<File>>,
    root: &'a Path,
}

impl Packer<'_> {
    /// What is in a directory, in the order of names.
    fn pack(&mut self, directory: &Path) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(directory))? {
            let entry = entry?;
            names.push((entry.file_name(), entry.file_type()?.is_dir()));
        }
        names.sort();
        for (name, is_directory) in names {
            let path = directory.join(name);
            if is_directory {
                self.archive
                    .append_path_with_name(self.root.join(&path), &path)?;
                self.pack(&path)?;
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
}
