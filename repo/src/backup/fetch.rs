//! Fetching parts of packs for one thread.
//!
//! From a store, the next part is on its way while the last one is used. Where
//! packs are files, the thread reads them itself, into memory that it keeps: a
//! part is then in its cache when it is opened, and the kernel is told what
//! comes next.

use std::fs::File;
use std::num::NonZeroU64;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Advice;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::reader::Shared;
use crate::chunk::PackId;
use crate::error::Damage;
use crate::{Error, Result};

/// How much of a pack is asked for at once.
const REMOTE_BYTES: u64 = 4 << 20;
/// The same of a file: what fits the cache of a core.
const LOCAL_BYTES: u64 = 512 << 10;

/// A part of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) pack: PackId,
    pub(super) range: Range<u64>,
}

/// The bytes of a part.
pub(super) enum Fetched {
    Remote(Bytes),
    /// The thread's memory, which may be longer than the part.
    Local(Vec<u8>, usize),
}

impl Deref for Fetched {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Remote(bytes) => bytes,
            Self::Local(memory, length) => &memory[..*length],
        }
    }
}

/// Fetches parts, each of which is named one call before it is needed.
pub(super) struct Fetcher {
    shared: Arc<Shared>,
    runtime: Handle,
    ahead: Option<(Part, JoinHandle<Result<Bytes>>)>,
    memory: Vec<u8>,
    open: Option<(PackId, File)>,
}

impl Fetcher {
    pub(super) const fn new(shared: Arc<Shared>, runtime: Handle) -> Self {
        Self {
            shared,
            runtime,
            ahead: None,
            memory: Vec::new(),
            open: None,
        }
    }

    /// The longest part that is worth one call.
    pub(super) fn longest(&self) -> u64 {
        if self.shared.lineage.repository.store.is_plain_files() {
            LOCAL_BYTES
        } else {
            REMOTE_BYTES
        }
    }

    /// Fetches `part`; `next` is what the next call will ask for. Blocks, so not for
    /// threads of the runtime.
    pub(super) fn fetch(&mut self, part: &Part, next: Option<&Part>) -> Result<Fetched> {
        let object = self.check(part)?;
        if self.shared.lineage.repository.store.is_plain_files() {
            return self.read(&object, part, next);
        }
        let task = match self.ahead.take() {
            Some((of, task)) if of == *part => task,
            _ => self.start(part),
        };
        // Started before the wait: it runs while this part comes and is used.
        self.ahead = next.map(|next| (next.clone(), self.start(next)));
        let fetched = self.runtime.block_on(task);
        let fetched = fetched.unwrap_or_else(|error| Err(Error::Local(error.into())));
        fetched.map(Fetched::Remote)
    }

    /// Takes the memory of a part back that is not needed any more.
    pub(super) fn give_back(&mut self, fetched: Fetched) {
        if let Fetched::Local(memory, _) = fetched {
            self.memory = memory;
        }
    }

    /// The name of the object that holds a part that it must reach to.
    fn check(&self, part: &Part) -> Result<String> {
        let (info, _) = self.shared.pack(part.pack)?;
        let object = self.shared.lineage.name(&part.pack.name());
        if part.range.end <= info.bytes {
            return Ok(object);
        }
        let reason = "a chunk behind its end".to_owned();
        Err(Error::damaged(object, Damage::Structure(reason)))
    }

    fn start(&self, part: &Part) -> JoinHandle<Result<Bytes>> {
        let (shared, range) = (Arc::clone(&self.shared), part.range.clone());
        let object = self.shared.lineage.name(&part.pack.name());
        self.runtime.spawn(async move {
            let store = &shared.lineage.repository.store;
            store.read_range(&object, range).await
        })
    }

    fn read(&mut self, object: &str, part: &Part, next: Option<&Part>) -> Result<Fetched> {
        let store = &self.shared.lineage.repository.store;
        let file = match self.open.take() {
            Some((pack, file)) if pack == part.pack => file,
            _ => store.open_file(object)?,
        };
        if let Some(next) = next.filter(|next| next.pack == part.pack) {
            let length = NonZeroU64::new(next.range.end - next.range.start);
            // It is read later in any case.
            let _ = rustix::fs::fadvise(&file, next.range.start, length, Advice::WillNeed);
        }
        let length = usize::try_from(part.range.end - part.range.start).unwrap_or(usize::MAX);
        let mut memory = std::mem::take(&mut self.memory);
        if memory.len() < length {
            memory.resize(length, 0);
        }
        let read = file.read_exact_at(&mut memory[..length], part.range.start);
        read.map_err(|error| store.of_file(object, error))?;
        self.open = Some((part.pack, file));
        Ok(Fetched::Local(memory, length))
    }
}
