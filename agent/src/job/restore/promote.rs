//! Phase promote: the server accepts writes, on a timeline of its own, and
//! everything that was only for recovery goes.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use holdfast_pg::wal::TransactionEnd;
use holdfast_proto::RestoreWork;
use holdfast_repo::failpoint;
use holdfast_types::{Failure, JobPhase, Lsn, RestoreResult, TargetAction, Timeline};

use super::config::Config;
use super::prepare::{Ready, cannot_write};
use super::replay::Replayed;
use super::{Stopped, directory, durable, server};
use crate::failure::of_postgres;
use crate::job::JobContext;
use crate::wal::FetchConfig;

/// The end of recovery writes what is in memory.
const PROMOTE_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) async fn run(
    work: &RestoreWork,
    cx: &JobContext,
    ready: &Ready,
    config: &Config,
    replayed: Replayed,
) -> Result<RestoreResult, Stopped> {
    let timeline = if work.request.action == TargetAction::Promote {
        cx.enter(JobPhase::Promote);
        let timeline = promote(ready, config, &replayed).await?;
        failpoint!("restore::promote::promoted");
        cx.log(format!("accepts writes on timeline {timeline}"));
        config.write(&ready.dir, false)?;
        forget_secrets(&ready.dir)?;
        timeline
    } else {
        cx.log("stays in recovery as asked; its restore_command keeps the repository's key");
        ready.plan.timeline
    };
    let last = last_commit(cx, ready, replayed.reached).await;
    let committed = last.map(|commit| commit.at);
    Ok(RestoreResult {
        dir: ready.dir.display().to_string(),
        port: config.port,
        socket_dir: Some(directory::ours(&ready.dir).display().to_string()),
        timeline,
        reached_lsn: replayed.reached,
        reached_time: committed.or(replayed.progress.last_transaction_at),
        last_xid: last.map(|commit| commit.xid),
        phases: Vec::new(),
        checks: Vec::new(),
        hooks: Vec::new(),
    })
}

/// Until now only we came in.
pub(super) async fn let_others_in(ready: &Ready) -> Result<(), Stopped> {
    if !ready.isolated {
        open_to_others(&ready.dir, ready.owner)?;
    }
    let reloaded = ready.instance().reload().await;
    reloaded.map_err(|error| not_promoted(ready, &error.to_string()))?;
    Ok(())
}

/// The last commit that was replayed. The server replays all WAL that is there
/// when it asks, also what came after the plan: the repository is looked at
/// anew. The server is up and has what was asked for, so not to learn this is
/// no failure of the restore.
async fn last_commit(cx: &JobContext, ready: &Ready, reached: Lsn) -> Option<TransactionEnd> {
    match ready.look_again(reached).await {
        Ok(seen) => seen.commit,
        Err(failure) => {
            cx.log(format!(
                "the last commit that was replayed is not known: {failure}"
            ));
            None
        }
    }
}

async fn promote(ready: &Ready, config: &Config, replayed: &Replayed) -> Result<Timeline, Failure> {
    if replayed.progress.in_recovery {
        let promoted = ready.instance().promote(PROMOTE_TIMEOUT).await;
        promoted.map_err(|error| not_promoted(ready, &error.to_string()))?;
    }
    let session = server::connect(&ready.dir, config)
        .await
        .map_err(|error| of_postgres(&error))?;
    let after = server::progress(&session)
        .await
        .map_err(|error| of_postgres(&error))?;
    let timeline = server::timeline(&session)
        .await
        .map_err(|error| of_postgres(&error));
    match (after.in_recovery, timeline) {
        (false, Ok(Some(timeline))) if timeline > ready.plan.timeline => Ok(timeline),
        (false, Err(failure)) => Err(failure),
        (in_recovery, timeline) => Err(not_promoted(
            ready,
            &format!("in recovery: {in_recovery}, timeline {timeline:?}"),
        )),
    }
}

/// The repository's key is not needed any more (I-10).
fn forget_secrets(dir: &Path) -> Result<(), Failure> {
    let path = FetchConfig::path_in(dir);
    let removed = crate::file::remove(&path).and_then(|()| durable::sync(&directory::ours(dir)));
    removed.map_err(|error| cannot_write(&path, &error))
}

/// Until now only we could come in. The running server reads its rules from a
/// file in our directory; that becomes a link to the one that people edit.
fn open_to_others(dir: &Path, owner: (u32, u32)) -> Result<(), Failure> {
    let path = directory::ours(dir).join("pg_hba.conf");
    let new = directory::ours(dir).join("pg_hba.conf.new");
    let link = || -> io::Result<()> {
        crate::file::remove(&new)?;
        std::os::unix::fs::symlink("../pg_hba.conf", &new)?;
        directory::give(&new, owner)?;
        fs::rename(&new, &path)?;
        durable::sync(&directory::ours(dir))
    };
    link().map_err(|error| cannot_write(&path, &error))
}

fn not_promoted(ready: &Ready, said: &str) -> Failure {
    Failure::permanent(
        "promotion_failed",
        format!(
            "PostgreSQL reached the target and could not be promoted: {said}. Its log ends \
             with:\n{}",
            server::log_tail(&ready.dir)
        ),
        "the log says why",
    )
}
