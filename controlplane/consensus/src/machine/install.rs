//! Installing a snapshot: the state is replaced as a whole.

use std::io;
use std::sync::Arc;

use super::database::{self, Database};
use super::snapshot::{self, SnapshotFile};
use super::{Gate, Machine, Notice, next_index};
use crate::directory;
use crate::fault::{Fault, FaultKind};
use crate::held;
use crate::raft::SnapshotMeta;

impl Machine {
    /// Keeps `snapshot` as this node's own, and makes a copy of it the state.
    /// In this order: after a crash in between, opening finds a snapshot newer
    /// than the state and installs it.
    pub(super) async fn install(
        &self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> io::Result<()> {
        let gate = self.inner.gate.lock().await;
        if *gate == Gate::Closed {
            return Err(io::Error::other("the node is shutting down"));
        }
        let snapshot = self.keep(meta, snapshot).await?;
        let old = self.inner.database.load_full();
        let number = database::file_number(
            &old.path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        );
        let name = database::file_name(number.unwrap_or(0) + 1);
        let path = self.inner.dir.join(&name);
        let copy = path.clone();
        let copied = tokio::task::spawn_blocking(move || snapshot.copy_to(&copy)).await;
        let whole = copied
            .map_err(io::Error::other)
            .and_then(|copied| copied)
            .map_err(|error| {
                let fault = Fault::new(
                    FaultKind::SnapshotFailed,
                    &path,
                    "the snapshot cannot be installed",
                );
                self.inner.fault.report(fault.caused_by(error))
            })?;
        if !whole {
            let what = "the snapshot changed while it was installed";
            return Err(self.report(FaultKind::SnapshotDamaged, &path, what).into());
        }
        let database = Database::open(path)
            .await
            .map_err(|fault| self.inner.fault.report(fault))?;
        let roster = database::roster(&database.readers, &database.path)
            .await
            .map_err(|fault| self.inner.fault.report(fault))?;
        self.switch_to(database, &name).await?;
        self.inner.roster.send_replace(Arc::new(roster));
        let index = next_index(meta.last_log_id);
        self.inner.applied.send_replace(index);
        // Nobody listening is fine.
        let _ = self.inner.notices.send(Notice::Replaced {
            index: index.saturating_sub(1),
        });
        self.retire(old);
        drop(gate);
        Ok(())
    }

    /// The snapshot as a file of this directory that `SNAPSHOT` names.
    async fn keep(&self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<SnapshotFile> {
        let current = held(&self.inner.snapshot).clone();
        if let Some(current) = current
            && current.file.path == snapshot.path
        {
            return Ok(current.file);
        }
        let found = snapshot::read_meta(&snapshot.path)
            .await
            .map_err(|fault| self.inner.fault.report(fault))?;
        if found != *meta {
            let what = format!("the snapshot holds {found}, not {meta} as its sender said");
            let fault = self.report(FaultKind::SnapshotDamaged, &snapshot.path, what);
            return Err(fault.into());
        }
        let ours = snapshot.path.parent() == Some(self.inner.dir.as_path());
        let path = if ours {
            snapshot.path
        } else {
            let copy = self.inner.dir.join("incoming-copy.db");
            let target = copy.clone();
            let copied = tokio::task::spawn_blocking(move || snapshot.copy_to(&target));
            copied.await.map_err(io::Error::other)??;
            copy
        };
        Ok(self.store(path, found).await?.file)
    }

    async fn switch_to(&self, database: Database, name: &str) -> io::Result<()> {
        let dir = self.inner.dir.clone();
        let pointed = {
            let name = name.to_owned();
            tokio::task::spawn_blocking(move || database::point_to(&dir, &name)).await
        };
        pointed
            .map_err(io::Error::other)
            .and_then(|pointed| pointed)
            .map_err(|error| {
                let what = "the installed state cannot be made durable";
                let fault = Fault::new(FaultKind::StateUnusable, &database.path, what);
                self.inner.fault.report(fault.caused_by(error))
            })?;
        self.inner.database.store(Arc::new(database));
        Ok(())
    }

    /// Closes and deletes a replaced database when its last query is done.
    fn retire(&self, old: Arc<Database>) {
        let closing = tokio::spawn(async move {
            old.close().await;
            if let Err(error) = directory::remove_database(&old.path) {
                // Opening the directory tries again.
                tracing::warn!(path = %old.path.display(), "failed to delete a state: {error}");
            }
        });
        let mut retired = held(&self.inner.retired);
        retired.retain(|task| !task.is_finished());
        retired.push(closing);
    }
}
