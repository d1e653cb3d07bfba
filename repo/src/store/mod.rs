//! The object store below a repository: whole objects, created once.
//!
//! There is no overwrite here. [`Store::create`] succeeds only for the one who
//! was first, and on a directory only after the object and every directory
//! entry that leads to it are on stable storage.

mod directories;
mod failure;
mod open;
mod pace;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use self::directories::Directories;
use self::failure::Failure;
pub use self::open::{StoreOptions, open_store};
use crate::error::Damage;
use crate::{Error, RepositoryUrl, Result};

/// A place for objects, under the prefix of one repository.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    url: RepositoryUrl,
    prefix: String,
    /// Present on `file://`.
    directories: Option<Arc<Directories>>,
    /// Objects may be read as files, without asking the client.
    is_plain_files: bool,
    /// How long one operation may be tried.
    retry_for: Duration,
    /// How fast objects may be sent; without it, as fast as they go.
    pace: Option<Arc<pace::Pace>>,
}

/// What became of a create-only write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is ours, and durable.
    Yes,
    /// An object of that name was there already, and is durable.
    Exists,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name under the repository's prefix.
    pub(crate) name: String,
    pub(crate) size: u64,
    /// When the store got it, in microseconds since 1970.
    pub(crate) modified_micros: i64,
}

/// How often a create-only write is tried again when its answer is lost. The
/// client repeats reads itself, but not these.
const CREATE_ATTEMPTS: u32 = 4;
/// How often a read is tried whose answers end early without an error.
const READ_ATTEMPTS: u32 = 3;

impl Store {
    /// Where it is.
    pub const fn url(&self) -> &RepositoryUrl {
        &self.url
    }

    /// The same place behind another client: for tests that make a store slow,
    /// failing or lying.
    #[must_use]
    pub fn wrap(self, with: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self {
            inner: with(self.inner),
            // Whoever stands in between sees all that is read.
            is_plain_files: false,
            ..self
        }
    }

    /// The same place for what may send it no more than so many bytes a second, with
    /// all else that this is given to. Nothing that is read is slowed down.
    #[must_use]
    pub fn paced(self, bytes_per_second: u64) -> Self {
        let pace = pace::Pace::new(bytes_per_second);
        Self {
            pace: Some(Arc::new(pace)),
            ..self
        }
    }

    /// Whether objects are files that may be opened without asking the client.
    pub(crate) const fn is_plain_files(&self) -> bool {
        self.is_plain_files
    }

    /// The file that an object is, where objects are files: one thread reads many
    /// small parts of it with less ado than through the client.
    pub(crate) fn open_file(&self, name: &str) -> Result<File> {
        let root = self.url.directory().unwrap_or(std::path::Path::new("/"));
        File::open(root.join(name)).map_err(|error| self.of_file(name, error))
    }

    /// What an error at [`Store::open_file`] or while reading means.
    pub(crate) fn of_file(&self, name: &str, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => Error::Missing {
                object: name.to_owned(),
            },
            io::ErrorKind::UnexpectedEof => Error::damaged(name, Damage::Truncated),
            _ => Failure::of_io(&error).into_error(self, name, error),
        }
    }

    fn path(&self, name: &str) -> Path {
        if self.prefix.is_empty() {
            Path::from(name)
        } else {
            Path::from(format!("{}/{name}", self.prefix))
        }
    }

    fn name_of(&self, path: &Path) -> String {
        let full = path.as_ref();
        let relative = full.strip_prefix(self.prefix.as_str()).unwrap_or(full);
        relative.trim_start_matches('/').to_owned()
    }

    /// The whole object, or `None` when there is none of that name.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let mut attempt = 1;
        loop {
            let read = async {
                let options = GetOptions::default();
                let got = self.inner.get_opts(&self.path(name), options).await?;
                Ok((got.meta.size, got.bytes().await?))
            };
            match read.await {
                Ok((size, bytes)) if bytes.len() as u64 == size => return Ok(Some(bytes)),
                Ok((size, bytes)) => {
                    self.ended_early(name, bytes.len() as u64, size, attempt)
                        .await?;
                }
                Err(error) => match Failure::of(&error) {
                    Failure::NotFound => return Ok(None),
                    failure => return Err(failure.into_error(self, name, error)),
                },
            }
            attempt += 1;
        }
    }

    /// An answer was cut short: that is the network's fault or the store's, and says
    /// nothing of the object. It is asked for again, a few times.
    async fn ended_early(&self, name: &str, got: u64, of: u64, attempt: u32) -> Result<()> {
        if attempt == READ_ATTEMPTS {
            let text = format!("each answer ended early, the last after {got} of {of} bytes");
            let cause = io::Error::new(io::ErrorKind::UnexpectedEof, text);
            return Err(Failure::Unreachable.into_error(self, name, cause));
        }
        tracing::debug!(object = name, attempt, got, of, "the answer ended early");
        tokio::time::sleep(pause_after(attempt)).await;
        Ok(())
    }

    /// The whole object, which must be there.
    pub(crate) async fn read_existing(&self, name: &str) -> Result<Bytes> {
        self.read(name).await?.ok_or_else(|| Error::Missing {
            object: name.to_owned(),
        })
    }

    /// Part of an object that must be there and reach so far.
    pub(crate) async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let length = range.end - range.start;
        let mut attempt = 1;
        let error = loop {
            let got = match self.inner.get_range(&self.path(name), range.clone()).await {
                Ok(bytes) if bytes.len() as u64 == length => return Ok(bytes),
                Ok(bytes) => bytes.len() as u64,
                Err(error) => break error,
            };
            match self.size(name).await? {
                Some(size) if size < range.end => {
                    return Err(Error::damaged(name, Damage::Truncated));
                }
                _ => self.ended_early(name, got, length, attempt).await?,
            }
            attempt += 1;
        };
        match Failure::of(&error) {
            Failure::NotFound => Err(Error::Missing {
                object: name.to_owned(),
            }),
            Failure::Other => match self.size(name).await {
                // A range behind the end is an error of its own in every store.
                Ok(Some(size)) if size < range.end => Err(Error::damaged(name, Damage::Truncated)),
                _ => Err(Failure::Other.into_error(self, name, error)),
            },
            failure => Err(failure.into_error(self, name, error)),
        }
    }

    /// The size of an object, or `None` when there is none of that name.
    pub(crate) async fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.inner.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) => match Failure::of(&error) {
                Failure::NotFound => Ok(None),
                failure => Err(failure.into_error(self, name, error)),
            },
        }
    }

    /// Writes an object that must not be there yet.
    pub(crate) async fn create(&self, name: &str, bytes: Bytes) -> Result<Created> {
        if let Some(pace) = &self.pace {
            // Before the time that a write is given begins.
            pace.wait(bytes.len()).await;
        }
        let path = self.path(name);
        if let Some(directories) = &self.directories {
            let prepared = directories.prepare(name).await;
            prepared.map_err(|error| match error.kind() {
                // The root is gone: a volume was unmounted under us.
                io::ErrorKind::NotFound => Error::NotARepository {
                    repository: self.url.to_string(),
                },
                _ => Failure::of_io(&error).into_error(self, name, error),
            })?;
        }
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let options = PutOptions {
                mode: PutMode::Create,
                ..PutOptions::default()
            };
            let payload = PutPayload::from(bytes.clone());
            let error = match self.inner.put_opts(&path, payload, options).await {
                Ok(_) => return Ok(Created::Yes),
                Err(error) => error,
            };
            let retry = match Failure::of(&error) {
                Failure::Exists => {
                    // Some stores answer so while another write of the name is
                    // under way and may yet fail.
                    if self.size(name).await?.is_some() {
                        return self.confirm(name).await;
                    }
                    true
                }
                Failure::Unreachable => self.directories.is_none(),
                _ => false,
            };
            if !retry || attempt == CREATE_ATTEMPTS || started.elapsed() >= self.retry_for {
                return Err(Failure::of(&error).into_error(self, name, error));
            }
            tracing::debug!(object = name, attempt, %error, "create-only write is tried again");
            tokio::time::sleep(pause_after(attempt)).await;
            attempt += 1;
        }
    }

    /// Makes sure that an object found in place is durable: whoever wrote it
    /// may have been killed between linking it and syncing its directory, and
    /// what we confirm to others must survive a power cut (I-07).
    async fn confirm(&self, name: &str) -> Result<Created> {
        if let Some(directories) = &self.directories {
            let synced = directories.sync_existing(name).await;
            synced.map_err(|error| Failure::of_io(&error).into_error(self, name, error))?;
        }
        Ok(Created::Exists)
    }

    /// Fails unless the store has the object that it has confirmed, with that size.
    /// The answer to a put is only what the store says; this is asked where something
    /// is deleted, confirmed or committed because of it.
    pub(crate) async fn prove_stored(&self, name: &str, bytes: u64) -> Result<()> {
        let found = match self.size(name).await? {
            Some(size) if size == bytes => return Ok(()),
            Some(size) => format!("has {size} of its {bytes} bytes"),
            None => "does not have it".to_owned(),
        };
        Err(Error::NotStored {
            object: name.to_owned(),
            found,
        })
    }

    /// Writes an object whose name only this process can have chosen. When it
    /// is there already, that is our own write whose answer was lost, or the
    /// name was not ours after all: the bytes decide.
    pub(crate) async fn create_own(&self, name: &str, bytes: Bytes) -> Result<()> {
        if self.create(name, bytes.clone()).await? == Created::Exists
            && self.read_existing(name).await? != bytes
        {
            return Err(Error::Conflict {
                object: name.to_owned(),
            });
        }
        Ok(())
    }

    /// Every object whose name starts with `directory/`, in no order.
    pub(crate) fn list(&self, directory: &str) -> BoxStream<'static, Result<Listed>> {
        self.list_stream(directory, self.inner.list(Some(&self.path(directory))))
    }

    /// Those of [`Store::list`] whose names sort after `after`.
    pub(crate) fn list_after(
        &self,
        directory: &str,
        after: &str,
    ) -> BoxStream<'static, Result<Listed>> {
        let offset = self.path(after);
        self.list_stream(
            directory,
            self.inner
                .list_with_offset(Some(&self.path(directory)), &offset),
        )
    }

    fn list_stream(
        &self,
        directory: &str,
        stream: BoxStream<'static, object_store::Result<object_store::ObjectMeta>>,
    ) -> BoxStream<'static, Result<Listed>> {
        let store = self.clone();
        let directory = directory.to_owned();
        let listed = stream.filter_map(move |item| {
            let item = match item {
                Ok(meta) => Some(Ok(Listed {
                    name: store.name_of(&meta.location),
                    size: meta.size,
                    modified_micros: meta.last_modified.timestamp_micros(),
                })),
                Err(error) => match Failure::of(&error) {
                    Failure::NotFound => None,
                    failure => Some(Err(failure.into_error(&store, &directory, error))),
                },
            };
            std::future::ready(item)
        });
        listed.boxed()
    }

    /// The names directly below `directory` that hold further objects.
    pub(crate) async fn list_directories(&self, directory: &str) -> Result<Vec<String>> {
        let path = self.path(directory);
        match self.inner.list_with_delimiter(Some(&path)).await {
            Ok(result) => {
                let last = |path: &Path| path.filename().map(str::to_owned);
                Ok(result.common_prefixes.iter().filter_map(last).collect())
            }
            Err(error) => match Failure::of(&error) {
                Failure::NotFound => Ok(Vec::new()),
                failure => Err(failure.into_error(self, directory, error)),
            },
        }
    }

    /// Whether anything is stored below `directory`.
    pub(crate) async fn any_below(&self, directory: &str) -> Result<bool> {
        Ok(self.list(directory).try_next().await?.is_some())
    }

    /// Deletes an object; one that is not there is as good as deleted.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.inner.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error) => match Failure::of(&error) {
                Failure::NotFound => Ok(()),
                failure => Err(failure.into_error(self, name, error)),
            },
        }
    }
}

/// How many objects are deleted at a time.
const DELETIONS: usize = 8;

impl Store {
    /// Deletes objects for good: when this returns, a power cut brings none of them
    /// back. So what is deleted next is deleted after them, whatever happens.
    pub(crate) async fn delete_durably(&self, names: &[String]) -> Result<()> {
        let deletion = |name: String| {
            let store = self.clone();
            async move { store.delete(&name).await }
        };
        let mut deletions = futures_util::stream::iter(names.to_vec())
            .map(deletion)
            .buffer_unordered(DELETIONS);
        while deletions.try_next().await?.is_some() {}
        drop(deletions);
        let (Some(directories), Some(first)) = (&self.directories, names.first()) else {
            return Ok(());
        };
        let synced = directories.sync_deleted(names).await;
        synced.map_err(|error| Failure::of_io(&error).into_error(self, first, error))
    }
}

/// Longer each time, and never the same for two agents: a store that was too busy
/// for all of them would be so again at the next moment that they share.
fn pause_after(attempt: u32) -> Duration {
    let longest = Duration::from_millis(50) * 4u32.pow(attempt - 1);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url)
    }
}
