//! Phase commit: the mark is put, and the dump exists.

use holdfast_proto::BackupWork;
use holdfast_repo::{Backup, BackupKind, CommitFacts};
use holdfast_types::JobPhase;

use super::copy::Dumped;
use super::prepare::Ready;
use crate::job::JobContext;
use crate::job::backup::{Stopped, tell_copies, version};

/// What the mark will say. The dump is consistent at its earliest snapshot:
/// everything that was committed by then is in it, of every database.
pub(super) fn facts(prepared: &Ready, dumped: &Dumped) -> CommitFacts {
    CommitFacts {
        run: prepared.run.clone(), // I-03
        kind: BackupKind::Logical,
        parent: None,
        postgres_version: version(&prepared.facts),
        timeline: prepared.facts.timeline,
        start_lsn: dumped.lsn,
        stop_lsn: dumped.lsn,
        started_at: dumped.started_at,
        finished_at: dumped.consistent_at,
        facts: dumped.manifest.facts(),
    }
}

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    dumped: &Dumped,
    facts: CommitFacts,
) -> Result<Backup, Stopped> {
    if cx.cancel().is_cancelled() {
        return Err(Stopped::Cancelled);
    }
    cx.enter(JobPhase::Commit);
    // I-05: every program ended well, and what it wrote was read back.
    let backup = dumped.finished.commit(facts).await?;
    tell_copies(work, cx, &dumped.finished.kept_up());
    cx.log(format!(
        "{} of cluster {} is available",
        backup.id, work.cluster
    ));
    Ok(backup)
}
