//! A restore whose server is looked at and thrown away: the same phases as any, and a
//! server that keeps to itself. Whoever calls takes the directory away.

use std::collections::BTreeMap;

use holdfast_pg::binaries::Programs;
use holdfast_proto::RestoreWork;
use holdfast_types::RestoreResult;

use super::{Layout, Stopped, execute, isolate, or_cancelled, prepare, replay};
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{self, fact};

/// A server that runs and has what it was to have.
pub(in crate::job) struct Rehearsed {
    pub(in crate::job) result: RestoreResult,
    /// Its superuser, whom it lets in by its socket.
    pub(in crate::job) superuser: String,
    pub(in crate::job) programs: Programs,
}

impl From<Stopped> for backup::Stopped {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Failed(failure) => Self::Failed(failure),
            Stopped::Cancelled => Self::Cancelled,
        }
    }
}

/// The settings of a rehearsal's server of this `server_version_num`.
pub(in crate::job) fn settings_for(server_version: u32) -> BTreeMap<String, String> {
    isolate::settings(server_version)
}

/// Executes the plan of `work`, which starts the server and promotes it.
pub(in crate::job) async fn rehearse(
    work: &RestoreWork,
    cx: &JobContext,
    host: &Host,
) -> Result<Rehearsed, backup::Stopped> {
    let mut ready = or_cancelled(cx, prepare::run(Layout::InPlace, work, cx, host)).await?;
    ready.isolated = true;
    let mut note = None;
    let ended = execute(work, cx, host, &ready, &mut note).await;
    // Whoever finds the directory finds its server (`drill::sweep`).
    if let Some(note) = note {
        note.settle();
    }
    match ended {
        Ok(result) => {
            let superuser = ready.backup.facts.get(fact::SUPERUSER).cloned();
            Ok(Rehearsed {
                result,
                superuser: superuser.unwrap_or_else(|| "postgres".to_owned()),
                programs: ready.programs,
            })
        }
        Err(stopped) => {
            if ready.is_taken() {
                replay::stop(&ready).await;
            }
            Err(stopped.into())
        }
    }
}
