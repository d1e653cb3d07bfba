//! Phase copy: the archive onto this host's disk, where pg_restore can seek in
//! it, and from there into the database.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use holdfast_proto::DumpRestoreWork;
use holdfast_types::Failure;

use super::database::Target;
use super::prepare::Ready;
use crate::job::JobContext;
use crate::job::backup::Stopped;
use crate::job::client::{Purpose, Running};
use crate::job::dump::{extract_all, list};

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Brings the archive out of the repository.
pub(super) async fn extract(ready: &Ready, cx: &JobContext) -> Result<PathBuf, Stopped> {
    let path = PathBuf::from(&ready.database.path);
    let wanted = {
        let path = path.clone();
        // The file itself, or what lies in the directory.
        move |entry: &Path| entry.starts_with(&path)
    };
    extract_all(&ready.reader, ready.staging.path(), wanted, cx).await?;
    Ok(ready.staging.path().join(path))
}

/// How many entries the archive has; that it can be read, before a database is
/// made for it.
pub(super) async fn contents(
    ready: &Ready,
    archive: &Path,
    cx: &JobContext,
) -> Result<u64, Stopped> {
    let contents = list(&ready.client, archive, &ready.database.name, cx).await?;
    Ok(contents.entries)
}

pub(super) async fn run(
    work: &DumpRestoreWork,
    ready: &Ready,
    target: &Target,
    archive: &Path,
    cx: &JobContext,
) -> Result<(), Stopped> {
    let request = &work.request;
    let info = ready.info.with_database(&target.name);
    let mut command = ready.client.connecting("pg_restore", &info);
    // The first error ends it: a part of a database is no database (I-12).
    command.arg("--exit-on-error");
    if request.jobs > 1 {
        command.arg(format!("--jobs={}", request.jobs));
    } else if target.in_place {
        // All or nothing, of what we did not make. One that we made is dropped
        // instead: a lock for each of its tables may be more than there are.
        command.arg("--single-transaction");
    }
    if let Some(owner) = &request.owner {
        command.arg("--no-owner").arg(format!("--role={owner}"));
    }
    if request.no_privileges {
        command.arg("--no-privileges");
    }
    command.arg(archive).stdout(Stdio::null());
    let purpose = Purpose {
        program: "pg_restore",
        about: format!(
            "database \"{}\" into \"{}\"",
            request.database, request.into
        ),
        code: "dump_restore_failed",
        secret: ready.secret.clone(),
    };
    let running = Running::start(command, purpose, cx)?;
    running.wait(cx, watch(ready, target, cx)).await
}

/// What the server has done for the database so far: files that grow, and the
/// rows that are read and sorted for an index while no file does.
const WORK: &str = "\
SELECT pg_database_size(d.oid) \
     + coalesce((SELECT sum(bytes_processed) FROM pg_stat_progress_copy p WHERE p.datid = d.oid), 0)::bigint \
     + coalesce((SELECT sum(blocks_done + tuples_done) FROM pg_stat_progress_create_index p \
                  WHERE p.datid = d.oid), 0)::bigint \
  FROM pg_database d WHERE d.datname = $1::text::name";

/// Tells the job how far the server is, by which it is judged whether it goes
/// on at all. It never comes back.
async fn watch(ready: &Ready, target: &Target, cx: &JobContext) -> Failure {
    let mut before: i64 = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A server that does not answer makes no progress that we know of.
        let Ok(row) = ready.session.row(WORK, &[&target.name]).await else {
            continue;
        };
        let now: i64 = row.try_get(0).unwrap_or(before);
        cx.add_bytes(now.abs_diff(before));
        before = now;
    }
}
