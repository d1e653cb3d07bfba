//! Copies a backup to another repository, as it is.
//!
//! Nothing of PostgreSQL is touched and nothing is opened: the same objects are put
//! under the same names, and the mark last (I-05). Whatever ends this job, the next
//! attempt goes on with what is missing. The WAL from the backup on comes along, so
//! that the copy reaches as far as the original; what is stored later is shipped by
//! whoever receives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::{CopyWork, JobOutcome, JobSuccess, LineageWal, TimelineWal};
use holdfast_repo::{Backup, BackupKind, Codec, CopyProgress, CopyScope, LineageCopy, failpoint};
use holdfast_types::{JobPhase, Lsn, Timeline};
use serde_json::json;

use super::JobContext;
use super::backup::{Stopped, or_cancelled};
use crate::host::Host;

/// How often it is said how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Copies what `work` describes.
pub async fn run(work: CopyWork, cx: JobContext, host: &Host) -> JobOutcome {
    // Boxed: it is large, and lives in the futures of all who call.
    match Box::pin(or_cancelled(&cx, attempt(&work, &cx, host))).await {
        Ok(success) => JobOutcome::Succeeded(success),
        Err(Stopped::Failed(failure)) => {
            cx.log(format!("failed: {failure}"));
            JobOutcome::Failed(failure)
        }
        Err(Stopped::Cancelled) => {
            cx.log("cancelled on request; what is there already serves the next attempt");
            JobOutcome::Cancelled
        }
        Err(Stopped::Superseded(_)) => unreachable!("a copy commits nothing of its own"),
    }
}

async fn attempt(work: &CopyWork, cx: &JobContext, host: &Host) -> Result<JobSuccess, Stopped> {
    cx.enter(JobPhase::Prepare);
    let from = host.existing_repository(&work.from).await?;
    let lineage = from.lineage(&work.cluster, work.lineage).await?;
    let backup = lineage.find_backup(work.backup).await?;
    let to = host.repository(&work.to).await?;
    let progress = Arc::<CopyProgress>::default();
    let copy = LineageCopy::begin(&lineage, &to, progress.clone()).await?;
    failpoint!("copy::prepare::done");
    cx.enter(JobPhase::Copy);
    let copied = telling(cx, &progress, copy.copy_backup(&backup)).await?;
    cx.log(match copied.was_there {
        true => format!("{} was there already", backup.id),
        false => format!("{} is there, and so is all that it needs", backup.id),
    });
    failpoint!("copy::commit::done");
    cx.enter(JobPhase::Wal);
    if let Some(scope) = scope(&copy, &backup) {
        let wal = telling(cx, &progress, copy.copy_wal(scope)).await?;
        cx.log(format!(
            "{} objects of WAL copied, {} were there",
            wal.copied, wal.there
        ));
    }
    failpoint!("copy::wal::done");
    cx.enter(JobPhase::Verify);
    let wal = listed(&copy).await?;
    let ends: BTreeMap<Timeline, Option<Lsn>> = wal
        .timelines
        .iter()
        .map(|wal| {
            let last = wal.coverage.ranges().last();
            (wal.timeline, last.map(|last| last.to_lsn))
        })
        .collect();
    let newest = ends.last_key_value();
    let result = json!({
        "backup": backup.id,
        "from": work.from.name,
        "to": work.to.name,
        "wasThere": copied.was_there,
        "copiedBytes": progress.copied_bytes(),
        "walTimeline": newest.map(|(timeline, _)| timeline),
        "walEndLsn": newest.and_then(|(_, lsn)| *lsn),
    });
    Ok(JobSuccess {
        result,
        backup: None,
        wal: Some(wal),
        repository: Some(to.id()),
    })
}

fn scope(copy: &LineageCopy, backup: &Backup) -> Option<CopyScope> {
    if backup.kind == BackupKind::Logical {
        return None;
    }
    let size = copy.from().facts().segment_size;
    Some(CopyScope::From(
        backup.timeline,
        size.start_of(backup.start_lsn),
    ))
}

/// What the copy holds now, by its own list.
async fn listed(copy: &LineageCopy) -> Result<LineageWal, Stopped> {
    let wal = copy.to().wal(Codec::DEFAULT);
    let mut timelines = Vec::new();
    for timeline in wal.timelines().await? {
        timelines.push(TimelineWal {
            timeline,
            coverage: wal.list(timeline).await?.coverage(),
            gaps: Vec::new(),
        });
    }
    Ok(LineageWal {
        lineage: copy.to().lineage(),
        timelines,
    })
}

/// `work`, saying how far it is meanwhile.
async fn telling<T>(
    cx: &JobContext,
    progress: &CopyProgress,
    work: impl Future<Output = Result<T, holdfast_repo::Error>>,
) -> Result<T, Stopped> {
    let before = (progress.bytes(), progress.total_bytes());
    let mut told = 0;
    let mut tell = || {
        cx.expect_bytes(progress.total_bytes() - before.1);
        let done = progress.bytes() - before.0;
        cx.add_bytes(done - told);
        told = done;
    };
    let mut ticks = tokio::time::interval(TELL_EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                tell();
                return Ok(done?);
            }
            _ = ticks.tick() => tell(),
        }
    }
}
