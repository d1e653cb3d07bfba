//! Phases start and copy: each database, one after the other, into the
//! repository; then roles and tablespaces; then what says which is which.
//!
//! Roles are dumped last: those that were made meanwhile may own what is in a
//! later snapshot.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_proto::{BackupStarted, BackupWork};
use holdfast_repo::{
    BackupWriter, DUMP_GLOBALS, DUMP_MANIFEST, DumpManifest, DumpedDatabase, DumpedGlobals, Entry,
    EntryPath, FinishedBackup, GeneratedEntry, PackWorker, dump_path, failpoint,
};
use holdfast_types::{BackupKind, DumpFormat, JobPhase, Lsn};
use jiff::Timestamp;

use super::database::Database;
use super::prepare::Ready;
use super::snapshot::Snapshot;
use super::store::{entry_path, file_entry, files_of, store_files, write_all};
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{
    Stopped, copy_beside, or_cancelled, thread_died, threads, unreadable, version, write_options,
};
use crate::job::client::{Purpose, Running};

/// A dump whose bytes are durable and that lacks its proof and its mark.
pub(super) struct Dumped {
    pub(super) finished: FinishedBackup,
    pub(super) manifest: DumpManifest,
    /// Of the earliest snapshot, which is the dump's point of consistency.
    pub(super) lsn: Lsn,
    pub(super) consistent_at: Timestamp,
    pub(super) started_at: Timestamp,
}

/// What the parts of the copy share.
struct Copy<'a> {
    cx: &'a JobContext,
    prepared: &'a Ready,
    writer: BackupWriter,
    /// Fills packs across files, so that many small ones share one.
    worker: Option<PackWorker>,
}

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
    prepared: &Ready,
) -> Result<Dumped, Stopped> {
    cx.enter(JobPhase::Start);
    let begun = prepared
        .lineage
        .begin_backup(work.backup, write_options(work));
    let writer = or_cancelled(cx, async { Ok(begun.await?) }).await?;
    copy_beside(work, host, &prepared.lineage, &writer);
    let started_at = host.clock().now_or_local();
    let mut copy = Copy {
        cx,
        prepared,
        writer,
        worker: None,
    };
    let mut manifest = DumpManifest::new(version(&prepared.facts), prepared.client.version());
    manifest.dump_format = prepared.options.format;
    manifest.schema_only = prepared.options.schema_only;
    let mut first = None;
    for database in &prepared.databases {
        let info = prepared.info.with_database(&database.name);
        let snapshot = or_cancelled(cx, Snapshot::take(host, &info)).await?;
        if first.is_none() {
            first = Some((snapshot.lsn, snapshot.at));
            cx.backup_started(started(work, prepared, &snapshot, started_at));
            failpoint!("dump::start::done");
            cx.enter(JobPhase::Copy);
            cx.expect_bytes(expected(prepared));
        }
        manifest
            .databases
            .push(copy.database(database, &snapshot).await?);
    }
    let Some((lsn, consistent_at)) = first else {
        unreachable!("a dump is of one database at least");
    };
    if prepared.options.globals {
        manifest.globals = Some(copy.globals().await?);
    }
    let finished = copy.finish(&manifest).await?;
    Ok(Dumped {
        finished,
        manifest,
        lsn,
        consistent_at,
        started_at,
    })
}

/// About how many bytes go by: those of a directory are counted when they are
/// written and when they are stored.
fn expected(prepared: &Ready) -> u64 {
    let bytes: u64 = prepared.databases.iter().map(|one| one.bytes).sum();
    match prepared.options.format {
        DumpFormat::Custom => bytes,
        DumpFormat::Directory => bytes.saturating_mul(2),
    }
}

fn started(
    work: &BackupWork,
    prepared: &Ready,
    snapshot: &Snapshot,
    started_at: Timestamp,
) -> BackupStarted {
    BackupStarted {
        backup: work.backup,
        kind: BackupKind::Logical,
        parent: None,
        lineage: prepared.lineage.lineage(),
        timeline: prepared.facts.timeline,
        start_lsn: snapshot.lsn,
        started_at,
    }
}

impl Copy<'_> {
    async fn database(
        &mut self,
        database: &Database,
        snapshot: &Snapshot,
    ) -> Result<DumpedDatabase, Stopped> {
        let format = self.prepared.options.format;
        let path = dump_path(&database.name, format);
        let bytes = match format {
            DumpFormat::Custom => self.piped(database, snapshot, &path).await?,
            DumpFormat::Directory => self.staged(database, snapshot, &path).await?,
        };
        self.cx.log(format!(
            "database \"{}\" as of {}: {} KiB",
            database.name,
            snapshot.at,
            bytes >> 10
        ));
        Ok(DumpedDatabase {
            name: database.name.clone(),
            path: path.to_string(),
            snapshot_at: snapshot.at,
            lsn: snapshot.lsn,
            owner: database.owner.clone(),
            locale: database.locale.clone(),
            bytes,
        })
    }

    /// pg_dump of a database. It does not compress: the repository does, and
    /// what is compressed already would not shrink there.
    fn pg_dump(&self, database: &Database, snapshot: &Snapshot) -> tokio::process::Command {
        let info = self.prepared.info.with_database(&database.name);
        let mut command = self.prepared.client.connecting("pg_dump", &info);
        command.arg(format!("--snapshot={}", snapshot.id));
        command.arg("--compress=0");
        if self.prepared.options.schema_only {
            command.arg("--schema-only");
        }
        command
    }

    fn purpose(&self, program: &'static str, about: String) -> Purpose {
        Purpose {
            program,
            about,
            code: "dump_failed",
            secret: self.prepared.secret.clone(),
        }
    }

    /// Straight from pg_dump into the repository.
    async fn piped(
        &mut self,
        database: &Database,
        snapshot: &Snapshot,
        path: &EntryPath,
    ) -> Result<u64, Stopped> {
        let mut command = self.pg_dump(database, snapshot);
        command.arg("--format=custom");
        let purpose = self.purpose("pg_dump", format!("database \"{}\"", database.name));
        self.stream(command, purpose, path).await
    }

    async fn globals(&mut self) -> Result<DumpedGlobals, Stopped> {
        let prepared = self.prepared;
        let mut command = prepared.client.connecting("pg_dumpall", &prepared.info);
        command.arg("--globals-only");
        // It takes no database from the connection string.
        command.arg(format!("--database={}", prepared.info.database()));
        if !prepared.role_passwords {
            command.arg("--no-role-passwords");
        }
        let purpose = self.purpose("pg_dumpall", "roles and tablespaces".to_owned());
        let path = entry_path(Path::new(DUMP_GLOBALS))?;
        self.stream(command, purpose, &path).await?;
        Ok(DumpedGlobals {
            path: path.to_string(),
            role_passwords: prepared.role_passwords,
        })
    }

    /// What `command` writes to its standard output becomes a file of the dump,
    /// if it ends well.
    async fn stream(
        &mut self,
        mut command: tokio::process::Command,
        purpose: Purpose,
        path: &EntryPath,
    ) -> Result<u64, Stopped> {
        command.stdout(Stdio::piped());
        let mut running = Running::start(command, purpose, self.cx)?;
        let mut pipe = running.stdout()?;
        let mut worker = self.worker.take().unwrap_or_else(|| self.writer.worker());
        let cx = self.cx.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let extents = write_all(&mut worker, &mut pipe, &cx);
            extents.map(|extents| (worker, extents))
        });
        // A pipe ends when its writer does, so the thread ends with the program;
        // and if the thread fails, the program finds its pipe closed.
        let ended = running.wait(self.cx, std::future::pending()).await;
        let read = reading.await.map_err(|error| thread_died(&error))?;
        if matches!(ended, Err(Stopped::Cancelled)) {
            return Err(Stopped::Cancelled);
        }
        let (worker, extents) = read.map_err(Stopped::from)?;
        // The end of the pipe says nothing: only the exit code does (I-05).
        ended?;
        self.worker = Some(worker);
        let entry = file_entry(path.clone(), extents);
        let bytes = entry.size();
        self.add(entry).await?;
        Ok(bytes)
    }

    /// Onto this host's disk by several processes, then into the repository.
    async fn staged(
        &mut self,
        database: &Database,
        snapshot: &Snapshot,
        path: &EntryPath,
    ) -> Result<u64, Stopped> {
        let staging = &self.prepared.staging;
        let what = format!("a directory dump of database \"{}\"", database.name);
        if !self.prepared.options.schema_only {
            let bytes = or_cancelled(self.cx, snapshot.row_bytes()).await?;
            staging.check_room(bytes, &what)?;
        }
        let name = path.as_path().file_name().unwrap_or_default();
        let directory = staging.path().join(name);
        let mut command = self.pg_dump(database, snapshot);
        command.arg("--format=directory").arg("--no-sync");
        command.arg(format!("--jobs={}", self.prepared.options.jobs));
        command.arg("--file").arg(&directory);
        command.stdout(Stdio::null());
        let purpose = self.purpose("pg_dump", format!("database \"{}\"", database.name));
        let running = Running::start(command, purpose, self.cx)?;
        let watched = staging.watch(&directory, &what, self.cx);
        running.wait(self.cx, watched).await?;
        let bytes = self.take_in(&directory, path).await?;
        let removed = std::fs::remove_dir(&directory);
        removed.map_err(|error| unreadable(&directory, &error))?;
        Ok(bytes)
    }

    /// Stores the files of a directory and removes each that is stored.
    async fn take_in(&self, directory: &Path, path: &EntryPath) -> Result<u64, Stopped> {
        let files = files_of(directory).map_err(|error| unreadable(directory, &error))?;
        let bytes = files.iter().map(|(_, size)| size).sum();
        let number = threads().min(files.len()).max(1);
        let files = Arc::new(Mutex::new(files.into_iter().collect::<VecDeque<_>>()));
        let mut working = tokio::task::JoinSet::new();
        for _ in 0..number {
            let (writer, cx) = (self.writer.clone(), self.cx.clone());
            let (files, path) = (Arc::clone(&files), path.clone());
            working.spawn_blocking(move || store_files(&writer, &files, &path, &cx));
        }
        let mut failed = None;
        while let Some(done) = working.join_next().await {
            let done = done.unwrap_or_else(|error| Err(thread_died(&error)));
            if let Err(failure) = done {
                files.lock().unwrap_or_else(PoisonError::into_inner).clear();
                failed.get_or_insert(failure);
            }
        }
        if self.cx.cancel().is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        failed.map_or(Ok(bytes), |failure| Err(Stopped::Failed(failure)))
    }

    async fn add(&self, entry: Entry) -> Result<(), Stopped> {
        let writer = self.writer.clone();
        let added = tokio::task::spawn_blocking(move || writer.add(&entry)).await;
        Ok(added.map_err(|error| thread_died(&error))??)
    }

    /// Adds what says which file is what, and makes everything durable.
    async fn finish(mut self, manifest: &DumpManifest) -> Result<FinishedBackup, Stopped> {
        self.add(Entry::Generated(GeneratedEntry {
            path: entry_path(Path::new(DUMP_MANIFEST))?,
            mode: 0o600,
            bytes: manifest.encode(),
        }))
        .await?;
        if let Some(worker) = self.worker.take() {
            let finished = tokio::task::spawn_blocking(move || worker.finish()).await;
            finished.map_err(|error| thread_died(&error))??;
        }
        let writer = self.writer;
        or_cancelled(self.cx, async { Ok(writer.finish().await?) }).await
    }
}
