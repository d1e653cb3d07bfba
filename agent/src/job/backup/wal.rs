//! Phase wal: the WAL that makes the copy consistent must be in the
//! repository before the backup counts (I-05).
//!
//! It gets there by the WAL duty, not by this job. PostgreSQL switched to a
//! new segment when the backup stopped, so it will be complete soon.

use holdfast_proto::LineageWal;
use holdfast_types::{Failure, JobPhase};

use super::Stopped;
use super::prepare::Ready;
use super::stop::Ended;
use crate::host::Host;
use crate::job::JobContext;
use crate::wal::{MissingWal, prove};

pub(super) async fn run(
    cx: &JobContext,
    host: &Host,
    prepared: &Ready,
    ended: &Ended,
) -> Result<LineageWal, Stopped> {
    cx.enter(JobPhase::Wal);
    // From the start of the segment, because that is how WAL is fetched.
    let from = prepared
        .facts
        .segment_size
        .start_of(ended.label.label.start_lsn);
    let to = ended.label.stop_lsn;
    cx.expect_bytes(to.bytes_since(from));
    let proved = prove(host, &prepared.lineage, prepared.facts.timeline, from, to).await;
    let wal = proved.map_err(|missing| Stopped::Failed(not_archived(&missing)))?;
    cx.add_bytes(to.bytes_since(from));
    cx.log(format!("WAL from {from} to {to} is in the repository"));
    Ok(wal)
}

fn not_archived(missing: &MissingWal) -> Failure {
    match missing {
        MissingWal::Gaps { .. } => Failure::transient(
            "wal_not_archived",
            format!("{missing}, and nothing more arrived for a minute; nothing was committed"),
            "check why the cluster's WAL is not being received; then take the backup again",
        ),
        MissingWal::Repository(_) => missing.failure(),
    }
}
