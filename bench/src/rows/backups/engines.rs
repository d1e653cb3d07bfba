//! What makes and restores backups here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use holdfast_pg::testkit::give_to_server_user;
use holdfast_tests::fleet::Fleet;
use holdfast_tests::programs::program;
use holdfast_tests::store::Store;
use jiff::Timestamp;

use super::{Cost, bytes_below, timed};
use crate::pgbackrest::{PgBackRest, run_as_server};
use crate::process::{cpu_seconds, cpu_seconds_of_children};

/// How long one job may take.
const LONGEST: &str = "30m";

/// Holdfast.
#[derive(Debug)]
pub(super) struct Ours {
    fleet: Fleet,
    level: i32,
    /// The backup that is on top.
    newest: Option<String>,
}

impl Ours {
    /// Protects the cluster and waits until its WAL is there.
    pub(super) fn protect(fleet: Fleet) -> Result<Self> {
        fleet.protect();
        fleet.wait_frontier(Timestamp::UNIX_EPOCH);
        Ok(Self {
            fleet,
            level: 0,
            newest: None,
        })
    }

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// A full backup at this level. What the one before it stored goes.
    pub(super) fn full(&mut self, level: i32) -> Result<Cost> {
        if self.level != level {
            let yaml = self.fleet.cluster_yaml();
            let compression = format!("compression: {{codec: zstd, level: {level}}}");
            self.fleet.cli.apply(&format!("{yaml}  {compression}\n"));
            self.level = level;
        }
        if let Some(old) = self.newest.take() {
            for folder in self.folders(&old)? {
                fs::remove_dir_all(folder)?;
            }
        }
        self.backup("full")
    }

    pub(super) fn incremental(&mut self) -> Result<Cost> {
        self.backup("incremental")
    }

    fn backup(&mut self, kind: &str) -> Result<Cost> {
        let agent = self.fleet.agent.process().id();
        let before = cpu_seconds(agent)?;
        let mut id = String::new();
        let mut cost = timed(|| {
            let run = ["backup", "run", "orders", "--kind", kind];
            let wait = ["--wait", "--timeout", LONGEST];
            let done = self.fleet.cli.json(run.into_iter().chain(wait));
            ensure!(done["result"]["kind"] == kind, "{done}");
            id = done["backup"].as_str().context("its id")?.to_owned();
            Ok((0.0, 0))
        })?;
        cost.cpu = cpu_seconds(agent)? - before;
        for folder in self.folders(&id)? {
            cost.bytes += bytes_below(&folder)?;
        }
        self.newest = Some(id);
        Ok(cost)
    }

    /// Where a backup's packs and manifest lie.
    fn folders(&self, id: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        find(&self.repository()?.join("clusters"), id, &mut found)?;
        Ok(found)
    }

    fn repository(&self) -> Result<&Path> {
        match &self.fleet.store {
            Store::Directory(repository) => Ok(repository),
            other => anyhow::bail!("{other:?} is no directory"),
        }
    }

    /// The key file, for whoever restores without a control plane.
    pub(super) fn key(&self) -> Result<PathBuf> {
        let key = self.fleet.scratch.server_folder("key").join("main.key");
        let path = key.display().to_string();
        let export = ["repository", "key", "export", "main", "--to-file", &path];
        ensure!(self.fleet.cli.run(export).code == 0, "the key is exported");
        give_to_server_user(&key);
        Ok(key)
    }

    /// Restores the newest backup without a control plane.
    pub(super) fn restore(&self, key: &Path, round: usize) -> Result<Cost> {
        let newest = self.newest.as_deref().context("a backup")?;
        let folder = self.fleet.scratch.server_folder(&format!("ours-{round}"));
        let command = format!(
            "{} repo restore --repo file://{} --key-file {} --cluster orders --at backup:{newest} \
             --dir {}",
            program("holdfast-agent").display(),
            self.repository()?.display(),
            key.display(),
            folder.join("data").display()
        );
        restored(&self.fleet, &command, &folder)
    }
}

/// Folders of this name.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.file_name().to_string_lossy() == name {
            found.push(entry.path());
        } else {
            find(&entry.path(), name, found)?;
        }
    }
    Ok(())
}

/// pgBackRest, with a repository of its own.
#[derive(Debug)]
pub(super) struct Peer {
    root: PathBuf,
    engine: PgBackRest,
}

impl Peer {
    pub(super) fn prepare(fleet: &Fleet, name: &str, level: i32) -> Result<Self> {
        let root = fleet.scratch.server_folder(&format!("peer-{name}"));
        let settings = format!(
            "compress-type=zst\ncompress-level={level}\nprocess-max=2\nrepo1-bundle=y\n\
             repo1-block=y\nbeta=y\nstart-fast=y\n"
        );
        let engine = PgBackRest::prepare(&root, &fleet.postgres, &settings)?;
        Ok(Self { root, engine })
    }

    /// A backup, `full` or `incr`.
    pub(super) fn backup(&self, kind: &str) -> Result<Cost> {
        let stored = bytes_below(&self.engine.backups())?;
        let before = cpu_seconds_of_children()?;
        let mut cost = timed(|| {
            let what = format!("--type={kind} --no-archive-check backup");
            self.engine.run(&what)?;
            Ok((cpu_seconds_of_children()? - before, 0))
        })?;
        cost.bytes = bytes_below(&self.engine.backups())? - stored;
        Ok(cost)
    }

    /// Restores the newest backup.
    pub(super) fn restore(&self, fleet: &Fleet, round: usize) -> Result<Cost> {
        let folder = fleet
            .scratch
            .server_folder(&format!("peer-restored-{round}"));
        let data = folder.join("data");
        fs::create_dir(&data)?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        give_to_server_user(&data);
        let what = format!("--pg1-path={} restore", data.display());
        restored(fleet, &self.engine.command(&what), &folder)
    }

    pub(super) fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(self.root)?)
    }
}

/// `pg_basebackup` into a directory, for comparison: nothing is compressed.
pub(super) fn base_backup(fleet: &Fleet) -> Result<Cost> {
    let folder = fleet.scratch.server_folder("base");
    let server = &fleet.postgres;
    let command = format!(
        "{}/pg_basebackup -h {} -p {} -U postgres -D {}/data -c fast -X none",
        server.programs().directory().display(),
        server.socket_dir().display(),
        server.port(),
        folder.display()
    );
    restored(fleet, &command, &folder)
}

/// Fills a folder by a command of the server's user, and removes it.
fn restored(fleet: &Fleet, command: &str, folder: &Path) -> Result<Cost> {
    let before = cpu_seconds_of_children()?;
    let mut cost = timed(|| {
        run_as_server(&fleet.postgres.data_dir(), command)?;
        Ok((cpu_seconds_of_children()? - before, 0))
    })?;
    cost.bytes = bytes_below(folder)?;
    fs::remove_dir_all(folder)?;
    Ok(cost)
}
