//! Phase prepare: what the plan promised must still hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_pg::binaries::Programs;
use holdfast_pg::instance::Instance;
use holdfast_proto::{RepositoryAccess, RestoreWork};
use holdfast_repo::{Backup, LineageRepository};
use holdfast_types::{Failure, JobPhase, Lsn, RestorePlan};

use super::chain::{Chain, Seen, wal_missing};
use super::places::{Layout, Origins, Places};
use super::{Stopped, directory, plan};
use crate::failure::of_repository;
use crate::host::Host;
use crate::job::JobContext;

/// What the later phases rely on.
pub(super) struct Ready {
    pub(super) plan: RestorePlan,
    pub(super) access: RepositoryAccess,
    pub(super) executable: PathBuf,
    pub(super) dir: PathBuf,
    /// Whether there may be something in it, to be written over.
    pub(super) delta: bool,
    /// Whether the directory is ours by now: until then nothing in it may be
    /// changed, also when the restore has failed.
    pub(super) taken: Arc<AtomicBool>,
    /// What is elsewhere.
    pub(super) places: Places,
    /// User and group of everything in it.
    pub(super) owner: (u32, u32),
    pub(super) lineage: LineageRepository,
    pub(super) backup: Backup,
    pub(super) chain: Chain,
    pub(super) programs: Programs,
    /// Nobody but us comes in, and it speaks to nobody: a rehearsal.
    pub(super) isolated: bool,
}

impl Ready {
    /// Whether the directory is ours by now.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }

    /// The server of the new directory.
    pub(super) fn instance(&self) -> Instance {
        Instance::new(self.programs.clone(), &self.dir)
    }

    /// What lies at the end of the way to `reached`, as the repository is now.
    pub(super) async fn look_again(&self, reached: Lsn) -> Result<Seen, Failure> {
        let (start, stop) = (self.backup.start_lsn, self.backup.stop_lsn);
        let (to, from) = (self.plan.timeline, self.backup.timeline);
        let chain = Chain::open_on(&self.lineage, to, from, start, stop).await?;
        chain.last_before(start, reached).await
    }
}

pub(super) async fn run(
    layout: Layout,
    work: &RestoreWork,
    cx: &JobContext,
    host: &Host,
) -> Result<Ready, Stopped> {
    cx.enter(JobPhase::Prepare);
    let plan = work.plan.clone();
    if let Some(problem) = plan.problems.first() {
        return Err(Stopped::Failed(problem.clone()));
    }
    let repository = plan::open(host, &work.repository).await?;
    let lineage = repository.lineage(&plan.cluster, plan.lineage).await?;
    let backup = lineage.find_backup(plan.backup).await?;
    let dir = PathBuf::from(&work.request.dir);
    let places = Origins::of(&backup)
        .and_then(|origins| decide(layout, &origins, &work.request.tablespace_map, &dir))?;
    let (problems, programs) = plan::problems(
        (&work.request, &work.repository),
        host,
        (plan.lineage, plan.server_version),
        (plan.database_bytes, &places),
    )
    .await;
    if let Some(problem) = problems.into_iter().next() {
        return Err(Stopped::Failed(problem));
    }
    let programs = programs.expect("that there are none is a problem");
    let chain = open_chain(&lineage, &backup, &plan).await?;
    let owner = directory::owner(&dir).map_err(|error| directory::of_programs(&error))?;
    cx.log(format!(
        "{} of cluster {} into {}, to {} on timeline {}, with PostgreSQL {}",
        plan.backup,
        plan.cluster,
        dir.display(),
        plan.wal.to_lsn,
        plan.timeline,
        programs.version()
    ));
    Ok(Ready {
        plan,
        access: work.repository.clone(),
        executable: host.executable().to_owned(),
        dir,
        delta: work.request.delta,
        taken: Arc::default(),
        places,
        owner: (owner.uid(), owner.gid()),
        lineage,
        backup,
        chain,
        programs,
        isolated: false,
    })
}

/// The first reason will do: the plan has told all of them.
fn decide(
    layout: Layout,
    origins: &Origins,
    map: &BTreeMap<String, String>,
    dir: &Path,
) -> Result<Places, Failure> {
    Places::decide_in(layout, origins, map, dir).map_err(|problems| {
        let first = problems.into_iter().next();
        first.expect("a refusal has a reason")
    })
}

/// The WAL of the plan must still be there, to its end, on the plan's way.
async fn open_chain(
    lineage: &LineageRepository,
    backup: &Backup,
    plan: &RestorePlan,
) -> Result<Chain, Failure> {
    let (start, stop) = (backup.start_lsn, backup.stop_lsn);
    let chain = Chain::open_on(lineage, plan.timeline, backup.timeline, start, stop).await?;
    let end = chain.contiguous_end(start);
    // The end of a record may lie behind its bytes: a switch skips the rest of
    // its segment, which need not be there.
    if end > plan.wal.last_record_lsn {
        return Ok(chain);
    }
    let hole = chain
        .hole_after(start)
        .or_else(|| holdfast_types::LsnRange::new(end, plan.wal.to_lsn));
    let hole = hole.unwrap_or(holdfast_types::LsnRange {
        from_lsn: end,
        to_lsn: plan.wal.to_lsn,
    });
    Err(wal_missing(hole, plan.timeline))
}

/// A failure of the file system at the new directory.
pub(super) fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::permanent(
        "restore_io_failed",
        format!("{} cannot be written: {error}", path.display()),
        "check the volume: its space, its mount, the kernel's log",
    )
}

/// The same for the error of a read from the repository into a file.
pub(super) fn cannot_copy(path: &std::path::Path, error: &holdfast_repo::Error) -> Failure {
    match error {
        holdfast_repo::Error::Local(error) => cannot_write(path, error),
        error => of_repository(error),
    }
}
