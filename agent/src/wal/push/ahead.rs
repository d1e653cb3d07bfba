//! Reading ahead: what PostgreSQL will ask for next is stored already.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use holdfast_types::Failure;

use super::PushName;
use super::lane::Lane;
use super::note::FileIdentity;

/// Files stored before they are asked for.
const AHEAD: usize = 16;

impl Lane {
    /// Begins to store the files that are ready behind `asked`, and returns
    /// what it began. PostgreSQL asks for histories first and for the rest in
    /// order.
    pub(super) async fn read_ahead(self: &Arc<Self>, asked: &PushName) -> Vec<PushName> {
        let (lane, than) = (Arc::clone(self), asked.to_string());
        let fresh = tokio::task::spawn_blocking(move || lane.fresh_after(&than)).await;
        let fresh = fresh.unwrap_or_default();
        for name in &fresh {
            drop(self.begin(name));
        }
        fresh
    }

    /// The next files that are ready, but for those that are stored and noted.
    fn fresh_after(&self, asked: &str) -> Vec<PushName> {
        let mut ready = self.ready_after(asked);
        ready.retain(|name| {
            let seen = std::fs::metadata(self.path(name));
            seen.is_ok_and(|file| !self.notes.vouches(name, FileIdentity::of(&file)))
        });
        ready
    }

    /// Stores what [`Lane::read_ahead`] began, here and now. What fails will be
    /// asked for, and then says why.
    pub(super) async fn settle(self: &Arc<Self>, begun: &[PushName]) {
        let all = begun.iter().map(|name| self.begin(name));
        let done: Vec<Result<(), Failure>> = futures_util::future::join_all(all).await;
        let failed = done.iter().filter(|one| one.is_err()).count();
        if failed > 0 {
            tracing::debug!(failed, "files that are ready could not be stored yet");
        }
    }

    /// The next segments that PostgreSQL says are ready. It marks them itself;
    /// we only look.
    pub(super) fn ready_after(&self, asked: &str) -> Vec<PushName> {
        let ready = self.ready();
        let later = ready.into_iter().filter(|name| name.as_str() > asked);
        later.take(AHEAD).map(PushName::Segment).collect()
    }

    /// All segments that are ready, in order.
    pub(super) fn ready(&self) -> BTreeSet<String> {
        ready_segments(&self.archive_status())
    }
}

/// The segments that `archive_status` says are ready.
pub(in crate::wal) fn ready_segments(archive_status: &std::path::Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(archive_status) else {
        return BTreeSet::new();
    };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?.strip_suffix(".ready")?;
        match name.parse() {
            Ok(PushName::Segment(name)) => Some(name),
            _ => None,
        }
    });
    names.collect()
}
