//! What comes after the server is there: it is looked at while nobody else comes in, then
//! others are let in, then the host's own commands are run.
//!
//! A check that fails ends none of what was restored, and everything that would come
//! after it: the server runs and lets nobody in but its owner, by its socket (I-12).

use holdfast_proto::RestoreWork;
use holdfast_repo::failpoint;
use holdfast_types::{JobPhase, RestoreResult};

use super::prepare::Ready;
use super::{Stopped, hooks, or_cancelled, promote};
use crate::host::Host;
use crate::job::backup::fact;
use crate::job::{JobContext, drill};

/// Of a server that runs.
pub(super) async fn run(
    work: &RestoreWork,
    cx: &JobContext,
    (host, ready): (&Host, &Ready),
    mut result: RestoreResult,
) -> Result<RestoreResult, Stopped> {
    if !work.request.checks.is_empty() {
        result.checks =
            or_cancelled(cx, async { Ok(look(work, cx, ready, &result).await) }).await?;
        failpoint!("restore::check::done");
        let failed = result.checks.iter().filter(|check| !check.passed).count();
        if failed > 0 {
            cx.log(format!(
                "{failed} checks failed: PostgreSQL is left running and lets nobody in but by its \
                 socket in {}; no hook is run",
                result.socket_dir.as_deref().unwrap_or_default()
            ));
            return Ok(result);
        }
    }
    promote::let_others_in(ready).await?;
    Ok(hand_over(work, cx, (host, ready), result).await)
}

/// Of a directory, with or without a server. From here on it may be in use: nothing that
/// comes takes it away again.
pub(super) async fn hand_over(
    work: &RestoreWork,
    cx: &JobContext,
    (host, ready): (&Host, &Ready),
    mut result: RestoreResult,
) -> RestoreResult {
    if work.request.hooks.is_empty() {
        return result;
    }
    cx.enter(JobPhase::Check);
    result.hooks = hooks::run(work, cx, (host, &ready.dir), &result).await;
    failpoint!("restore::hooks::done");
    result
}

async fn look(
    work: &RestoreWork,
    cx: &JobContext,
    ready: &Ready,
    result: &RestoreResult,
) -> Vec<holdfast_types::drill::CheckResult> {
    cx.enter(JobPhase::Check);
    let superuser = ready.backup.facts.get(fact::SUPERUSER).cloned();
    let looked = drill::Looked {
        request: &work.request,
        result,
        recovers_to: ready.plan.recovers_to,
        superuser: superuser.unwrap_or_else(|| "postgres".to_owned()),
        programs: ready.programs.clone(),
    };
    // Boxed: it is large, and most restores make no checks.
    Box::pin(drill::look(looked, cx)).await
}
