//! Takes a logical dump: one file per phase.
//!
//! PostgreSQL's own pg_dump writes each database, from a snapshot that we hold
//! and whose time we know. What it writes goes into the repository as it comes
//! (`custom`), or from a directory on this host once it is whole
//! (`directory`). The mark comes last: after every program has ended well and
//! `pg_restore` has read the table of contents of each archive back from the
//! repository (I-05). A dump needs no WAL.

mod archive;
mod commit;
mod copy;
mod database;
mod extract;
mod outcome;
mod pack;
mod prepare;
mod snapshot;
mod store;
mod verify;

use holdfast_proto::{BackupWork, JobSuccess};
use holdfast_repo::failpoint;
use holdfast_types::JobPhase;

pub(in crate::job) use archive::list;
pub(in crate::job) use database::{quoted, quoted_text};
pub(crate) use extract::{extract_all, manifest_of};
pub(crate) use pack::pack_all;
pub(in crate::job) use prepare::client;

use super::JobContext;
use super::backup::{self, Stopped, or_cancelled};
use crate::host::Host;

/// The work; `run` of the backup tells how it ended.
pub(super) async fn attempt(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
) -> Result<JobSuccess, Stopped> {
    cx.enter(JobPhase::Prepare);
    let prepared = match or_cancelled(cx, prepare::run(work, cx, host)).await? {
        prepare::Prepared::Ready(prepared) => *prepared,
        prepare::Prepared::Committed(committed) => {
            cx.log("an earlier attempt of this job committed this very dump");
            let lineage = backup::lineage(work, host).await?;
            return Ok(outcome::of_committed(work, &committed, &lineage));
        }
    };
    failpoint!("dump::prepare::done");
    // Programs and threads are ended on request by those that wait for them.
    let dumped = copy::run(work, cx, host, &prepared).await?;
    failpoint!("dump::copy::done");
    let facts = commit::facts(&prepared, &dumped);
    let reader = dumped.finished.reader(facts.clone()).await?;
    let listed = verify::run(cx, &prepared, &dumped, reader).await?;
    failpoint!("dump::verify::done");
    // From here on it cannot be taken back: the mark may be there already.
    let committed = commit::run(work, cx, &dumped, facts).await?;
    failpoint!("dump::commit::done");
    Ok(outcome::of_dump(
        work, &prepared, &dumped, &listed, &committed,
    ))
}
