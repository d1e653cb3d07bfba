//! A dump as one archive, written as it is read: the files that
//! [`extract_all`](super::extract_all) writes, in the order of the repository.
//! It has its name only when it is whole and on stable storage (I-12).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_repo::{BackupReader, Entry, ExtentReader, Piece};
use holdfast_types::Failure;
use tar::{Builder, EntryType, Header};
use tokio::runtime::Handle;

use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{Stopped, thread_died};

/// What a file in an archive is padded to.
const BLOCK: u64 = 512;

/// Writes the dump into `file`, which is not there yet. Every byte is
/// authenticated before it is written. Returns how many bytes its files have.
pub(crate) async fn pack_all(
    reader: &BackupReader,
    file: &Path,
    cx: &JobContext,
) -> Result<u64, Stopped> {
    let (mut entries, mut extents) = (reader.entries(), reader.extent_reader());
    let (file, cx, runtime) = (file.to_owned(), cx.clone(), Handle::current());
    let made_at = reader.backup().finished_at.as_second();
    let written = tokio::task::spawn_blocking(move || {
        let mut packing = Packing::new(&file, cx, made_at)?;
        let mut bytes = 0;
        loop {
            if packing.cx.cancel().is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            let Some(entry) = runtime.block_on(entries.next())? else {
                break;
            };
            packing.add(&entry, &mut extents)?;
            bytes += entry.size();
        }
        let finished = packing.finish(&file);
        finished.map_err(|error| cannot_write(&file, &error))?;
        Ok(bytes)
    });
    written.await.map_err(|error| thread_died(&error))?
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::transient(
        "archive_failed",
        format!("{} cannot be written: {error}", path.display()),
        "look at the volume and its free space; delete the directory before the next attempt",
    )
}

struct Packing {
    archive: Builder<BufWriter<File>>,
    growing: PathBuf,
    cx: JobContext,
    made_at: u64,
}

impl Packing {
    fn new(file: &Path, cx: JobContext, made_at: i64) -> Result<Self, Stopped> {
        let growing = file.with_extension("tar.partial");
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600);
        let out = opened.open(&growing);
        let out = out.map_err(|error| cannot_write(&growing, &error))?;
        Ok(Self {
            archive: Builder::new(BufWriter::with_capacity(1 << 20, out)),
            growing,
            cx,
            made_at: made_at.try_into().unwrap_or_default(),
        })
    }

    fn add(&mut self, entry: &Entry, extents: &mut ExtentReader) -> Result<(), Stopped> {
        let path = self.growing.clone();
        let failed = |error: &io::Error| cannot_write(&path, error);
        self.begin(entry).map_err(|error| failed(&error))?;
        match entry {
            Entry::Generated(generated) => {
                let written = self.archive.get_mut().write_all(&generated.bytes);
                written.map_err(|error| failed(&error))?;
            }
            Entry::File(_) => self.copy(entry, extents)?,
            Entry::Directory(_) | Entry::Symlink(_) | Entry::Config(_) => {
                return Err(Stopped::Failed(Failure::permanent(
                    "dump_unreadable",
                    format!(
                        "the dump holds {}, which is no file of a dump",
                        entry.path()
                    ),
                    "use a version of Holdfast that knows it",
                )));
            }
        }
        let over = entry.size() % BLOCK;
        let padding = if over == 0 { 0 } else { BLOCK - over };
        zeros(self.archive.get_mut(), padding).map_err(|error| Stopped::from(failed(&error)))
    }

    /// The header. What follows it is written behind the builder's back, for it
    /// comes in pieces that cannot be asked for.
    fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_path(entry.path().as_path())?;
        header.set_size(entry.size());
        header.set_mode(0o600);
        header.set_mtime(self.made_at);
        header.set_cksum();
        self.archive.get_mut().write_all(header.as_bytes())
    }

    fn copy(&mut self, entry: &Entry, extents: &mut ExtentReader) -> Result<(), Stopped> {
        let (cx, out) = (&self.cx, self.archive.get_mut());
        let mut written = 0;
        for extent in entry.extents() {
            let read = extents.read_extent(extent, |_, piece| {
                if cx.cancel().is_cancelled() {
                    return Err(io::Error::other("the job was cancelled"));
                }
                let length = match piece {
                    Piece::Data(data) => {
                        out.write_all(data)?;
                        data.len() as u64
                    }
                    Piece::Hole(length) => {
                        zeros(out, length)?;
                        length
                    }
                };
                cx.add_bytes(length);
                written += length;
                Ok(())
            });
            read.map_err(|error| match error {
                holdfast_repo::Error::Local(error) => cannot_write(&self.growing, &error),
                error => of_repository(&error),
            })?;
        }
        // What follows would be taken for something else by whoever extracts it.
        if written != entry.size() {
            return Err(Stopped::Failed(Failure::permanent(
                "dump_unreadable",
                format!(
                    "{} has {written} bytes in the repository, not {}",
                    entry.path(),
                    entry.size()
                ),
                "verify the repository; another dump may be whole",
            )));
        }
        Ok(())
    }

    fn finish(self, file: &Path) -> io::Result<()> {
        let mut written = self.archive.into_inner()?;
        written.flush()?;
        written
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&self.growing, file)?;
        match file.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn zeros(out: &mut impl Write, length: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), length), out).map(drop)
}
