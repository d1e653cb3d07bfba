//! Drills: restores that are rehearsed, one file per phase.
//!
//! The same plan and the same code as a restore's make a server in a directory of the
//! agent's own. It is promoted, looked at, and thrown away with everything it was,
//! however the drill ends: at once, or when the next process of the agent begins. It
//! never archives, follows nobody, and takes no room that the host's own database may
//! need (I-15).
//!
//! What comes of it is evidence, of failures too: a drill that could not restore is one
//! that has shown something. Only what may pass by itself is tried again.

mod check;
mod findings;
mod lair;
mod logical;
mod look;
mod physical;
mod server;
mod sweep;

use std::time::Instant;

use holdfast_proto::{DrillWork, JobOutcome, JobSuccess};
use holdfast_types::JobPhase;
use holdfast_types::drill::DrillKind;

use super::JobContext;
use super::backup::{Stopped, or_cancelled};
use crate::host::Host;
use findings::Findings;
use lair::Lair;

pub(in crate::job) use look::{Looked, look};
pub use sweep::sweep;

/// Makes the drill that `work` describes.
pub async fn run(work: DrillWork, cx: JobContext, host: &Host) -> JobOutcome {
    let mut findings = Findings::new(&work.order, Instant::now());
    // Boxed: it is large, and lives in the futures of all who call.
    let ended = Box::pin(attempt(&work, &cx, host, &mut findings)).await;
    match ended {
        Ok(()) => {}
        Err(Stopped::Cancelled) => return JobOutcome::Cancelled,
        Err(Stopped::Failed(failure)) => {
            cx.log(format!("failed: {failure}"));
            if failure.retryable {
                return JobOutcome::Failed(failure);
            }
            findings.failed(failure);
        }
        Err(Stopped::Superseded(_)) => unreachable!("a drill commits nothing"),
    }
    let evidence = findings.conclude(&cx);
    cx.log(format!("the drill {}", evidence.verdict));
    JobOutcome::Succeeded(JobSuccess {
        result: serde_json::to_value(&evidence).unwrap_or_default(),
        backup: None,
        wal: None,
        repository: None,
    })
}

async fn attempt(
    work: &DrillWork,
    cx: &JobContext,
    host: &Host,
    findings: &mut Findings,
) -> Result<(), Stopped> {
    cx.enter(JobPhase::Prepare);
    let lair = Lair::make(host.data_dir())?;
    let ended = rehearse(work, cx, (host, &lair), findings).await;
    // Whatever came of it: nothing of it is left when the job has ended.
    lair.remove(cx).await;
    ended
}

async fn rehearse(
    work: &DrillWork,
    cx: &JobContext,
    (host, lair): (&Host, &Lair),
    findings: &mut Findings,
) -> Result<(), Stopped> {
    // What copies ends its own threads when it is to end, and is waited for.
    let server = match findings.kind() {
        DrillKind::Physical => physical::run(work, cx, (host, lair), findings).await?,
        DrillKind::Logical => logical::run(work, cx, (host, lair), findings).await?,
    };
    cx.enter(JobPhase::Check);
    let server = (&server, check::Fate::Thrown);
    or_cancelled(cx, check::run(&work.order, server, cx, findings)).await
}
