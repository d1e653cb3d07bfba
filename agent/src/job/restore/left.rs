//! Servers that an agent before this one started for a restore, and did not live to
//! promote: nobody follows them any more, and none is left running (I-12).

use std::path::Path;

use holdfast_pg::binaries::Programs;
use holdfast_pg::control_file::{self, ClusterState, ControlFile};
use holdfast_pg::instance::{Instance, StopMode};
use holdfast_types::Failure;

use super::marker::Marker;
use super::replay::STOP_TIMEOUT;
use super::{directory, verify};
use crate::host::Host;
use crate::job::unfinished::{self, Unfinished};
use crate::wal::FetchConfig;

/// Stops them. What it cannot stop now, the next start of the agent tries.
pub async fn take_back(host: Host) {
    for (note, what) in unfinished::left(host.data_dir()) {
        let Unfinished::Server { dir, version } = what else {
            continue;
        };
        match stop(&host, &dir, version).await {
            Ok(what) => {
                tracing::warn!(dir = %dir.display(), "a restore was not finished: {what}");
                note.settle();
            }
            Err(failure) => {
                let dir = dir.display();
                tracing::error!(%dir, %failure, "the server of an unfinished restore goes on");
            }
        }
    }
}

/// Stops the server in `dir`, and says what came of it.
async fn stop(host: &Host, dir: &Path, version: u32) -> Result<&'static str, Failure> {
    // By now it may be somebody else's directory, and so is what runs there (I-12).
    if Marker::of(dir).is_none() {
        return Ok("another directory is in its place, and is left alone");
    }
    let instance = Instance::new(programs(host, version).await?, dir);
    let failed = |error: &dyn std::error::Error| {
        Failure::transient(
            "postgres_not_stopped",
            crate::failure::chain(error),
            "stop the server with pg_ctl, and delete the directory",
        )
    };
    if instance
        .running()
        .map_err(|error| failed(&error))?
        .is_none()
    {
        return Ok("no server runs in its directory, which is as it was left");
    }
    let bytes = std::fs::read(dir.join(control_file::PATH)).map_err(|error| failed(&error))?;
    let control = ControlFile::parse(&bytes).map_err(|error| failed(&error))?;
    // Promoted: by us before the agent died, or by somebody since. It may be in use.
    if control.state == ClusterState::InProduction {
        // It needs the repository's key no more (I-10).
        let key = FetchConfig::path_in(dir);
        crate::file::remove(&key).map_err(|error| failed(&error))?;
        return Ok("its server accepts writes and is left alone");
    }
    let stopped = instance.stop(StopMode::Immediate, STOP_TIMEOUT).await;
    stopped.map_err(|error| failed(&error))?;
    verify::withdraw_control_file(dir).map_err(|error| failed(&error))?;
    crate::wal::fetch::clean(&directory::ours(dir));
    Ok("its server is stopped, and the directory cannot be started: delete it")
}

async fn programs(host: &Host, version: u32) -> Result<Programs, Failure> {
    let bin_dirs = host.config().postgres.bin_dirs.clone();
    let found = tokio::task::spawn_blocking(move || Programs::find(version / 10_000, &bin_dirs));
    match found.await {
        Ok(found) => found.map_err(|error| directory::of_programs(&error)),
        Err(error) => Err(crate::job::backup::thread_died(&error)),
    }
}
