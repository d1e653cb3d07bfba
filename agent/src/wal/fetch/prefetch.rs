//! Segments fetched before PostgreSQL asks for them.
//!
//! They lie in a directory of our own, never in `pg_wal`, where they would be
//! taken for the server's (pitfall 20). They are kept as the repository has
//! them, sealed: what is handed out has been opened with the lineage's key
//! under the segment's name, so a file that is old, torn or of another restore
//! is found out and fetched again. Only full segments are kept; that something
//! is absent is never remembered.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::{self, StreamExt};
use holdfast_repo::{Codec, LineageRepository, WalRepository};
use holdfast_types::WalSegment;

/// Segments kept at most, and their bytes.
const AHEAD: u64 = 8;
const MOST_BYTES: u64 = 256 << 20;
/// Fetched at once.
const AT_ONCE: usize = 3;
/// What another timeline left is given up after this.
const FORGOTTEN: Duration = Duration::from_secs(600);

type Fetching = Shared<BoxFuture<'static, bool>>;

/// The segments of one lineage that wait to be asked for.
pub(super) struct Prefetch {
    directory: PathBuf,
    wal: WalRepository,
    ahead: u64,
    fetching: Mutex<HashMap<String, Fetching>>,
}

impl Prefetch {
    /// Those below `spool`.
    pub(super) fn new(spool: &Path, lineage: &LineageRepository) -> Arc<Self> {
        let size = lineage.facts().segment_size.bytes();
        let (repository, cluster) = (lineage.repository().id(), lineage.cluster());
        let place = format!("{repository}-{cluster}-{}", lineage.lineage());
        Arc::new(Self {
            directory: spool.join("fetch").join(place),
            wal: lineage.wal(Codec::DEFAULT),
            ahead: (MOST_BYTES / size).min(AHEAD),
            fetching: Mutex::default(),
        })
    }

    /// A segment that was fetched before, or is just being fetched.
    pub(super) async fn take(&self, segment: WalSegment) -> Option<Bytes> {
        let name = segment.to_string();
        let running = self.lock().get(&name).cloned();
        if let Some(running) = running {
            running.await;
        }
        let path = self.directory.join(&name);
        let sealed = tokio::fs::read(&path).await.ok()?;
        let opened = self.wal.open_sealed(segment, sealed.into()).await;
        // Used or useless: PostgreSQL asks once, and then in the repository.
        let _ = fs::remove_file(&path);
        opened
            .inspect_err(|error| tracing::warn!(%error, wal.segment = %segment, "a prefetched segment is fetched again"))
            .ok()
    }

    /// Fetches what follows `asked`, up to the first that is not there.
    pub(super) async fn fill(self: &Arc<Self>, asked: WalSegment) {
        let mut wanted = Vec::new();
        let mut next = asked;
        for _ in 0..self.ahead {
            next = next.next();
            wanted.push(next);
        }
        self.sweep(asked, &wanted);
        let there = stream::iter(wanted)
            .map(|segment| self.begin(segment))
            .buffered(AT_ONCE)
            .take_while(|found| std::future::ready(*found));
        there.for_each(|_| std::future::ready(())).await;
    }

    /// Nothing follows `absent`: what is kept of its timeline is of no use.
    pub(super) fn forget(&self, absent: WalSegment) {
        self.sweep(absent, &[]);
    }

    /// Whether the segment after `asked` waits already.
    pub(super) fn has_next(&self, asked: WalSegment) -> bool {
        self.directory.join(asked.next().to_string()).exists()
    }

    fn begin(self: &Arc<Self>, segment: WalSegment) -> Fetching {
        let name = segment.to_string();
        let mut fetching = self.lock();
        if let Some(running) = fetching.get(&name) {
            return running.clone();
        }
        let (this, of) = (Arc::clone(self), name.clone());
        let running = async move {
            let found = this.fetch(segment).await;
            this.lock().remove(&of);
            found
        };
        let running = running.boxed().shared();
        fetching.insert(name, running.clone());
        running
    }

    async fn fetch(&self, segment: WalSegment) -> bool {
        let path = self.directory.join(segment.to_string());
        if path.exists() {
            return true;
        }
        match self.wal.read_sealed(segment).await {
            Ok(Some(sealed)) => match self.keep(&path, &sealed).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(%error, "a prefetched segment cannot be kept");
                    false
                }
            },
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, wal.segment = %segment, "not prefetched");
                false
            }
        }
    }

    /// Not synced: what a power cut tears is found out when it is opened.
    async fn keep(&self, path: &Path, sealed: &[u8]) -> io::Result<()> {
        tokio::fs::create_dir_all(&self.directory).await?;
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        tokio::fs::write(&temporary, sealed).await?;
        tokio::fs::rename(&temporary, path).await
    }

    /// Removes what will not be asked for: everything else of this timeline,
    /// and what another one left long ago.
    fn sweep(&self, asked: WalSegment, wanted: &[WalSegment]) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        let ours = asked.to_string();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let modified = entry.metadata().and_then(|file| file.modified());
            let age = modified.ok().and_then(|at| at.elapsed().ok());
            let is_old = age.is_none_or(|age| age > FORGOTTEN);
            let whole_name = name.len() == ours.len();
            let this_timeline = whole_name && name.as_bytes()[..8] == ours.as_bytes()[..8];
            if !wanted.contains(&*name) && (this_timeline || is_old) && *name != *ours {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Fetching>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Prefetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prefetch({})", self.directory.display())
    }
}

/// All prefetching of an agent, by lineage.
#[derive(Debug, Default)]
pub struct Prefetches {
    known: Mutex<HashMap<PathBuf, Arc<Prefetch>>>,
}

impl Prefetches {
    pub(super) fn of(&self, spool: &Path, lineage: &LineageRepository) -> Arc<Prefetch> {
        let new = Prefetch::new(spool, lineage);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(new.directory.clone()).or_insert(new))
    }
}

/// Removes what an earlier process has left.
pub fn clean(spool: &Path) {
    if let Err(error) = fs::remove_dir_all(spool.join("fetch"))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "prefetched segments of earlier stay");
    }
}
