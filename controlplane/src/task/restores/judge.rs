//! What is concluded of what an agent reports of a restore. Pure.
//!
//! Nothing is handed over that is not as planned, or that was to be checked and was not
//! (I-12).

use holdfast_state::command::RestoreMove;
use holdfast_state::query::RestoreView;
use holdfast_types::drill::{CheckKind, CheckResult};
use holdfast_types::restoring::RestoreCheck;
use holdfast_types::{Failure, HookRun, Name, RestoreResult, TargetAction};

/// Failed checks that an error names.
const NAMED: usize = 3;

/// Looks at what the agent reports against what was promised. `measures` where every node
/// knows a loss that was measured.
pub(super) fn judged(restore: &RestoreView, measures: bool) -> RestoreMove {
    let result = result_of(restore);
    let mut checks = checks_of(restore, result.as_ref());
    if let Some(missed) = checks.iter().find(|check| !check.passed) {
        let failure = Failure::permanent(
            "restore_not_as_planned",
            format!(
                "what was restored is not what was planned: {}: {}",
                missed.name, missed.seen
            ),
            "do not use it; look at the job's log, and restore again",
        );
        return RestoreMove::Failed { failure, checks };
    }
    let looked_at = result.as_ref().map(|result| wanted(restore, result));
    let looked_at = looked_at.unwrap_or_default();
    let failure = refuse_unchecked(&looked_at, result.as_ref());
    checks.extend(looked_at);
    if let Some(failure) = failure {
        return RestoreMove::Failed { failure, checks };
    }
    let reached = result.and_then(|result| result.reached_time);
    let loss_millis = restore.order.achieved_loss_millis(reached);
    RestoreMove::HandingOver {
        checks,
        loss_millis: loss_millis.filter(|_| measures),
    }
}

/// What every restore is looked at for.
fn checks_of(restore: &RestoreView, result: Option<&RestoreResult>) -> Vec<RestoreCheck> {
    let (request, plan) = (&restore.order.request, &restore.order.plan);
    let Some(result) = result else {
        let seen = "its agent reported no result".to_owned();
        return vec![check("reported", false, seen)];
    };
    let dir = result.dir == request.dir;
    let mut checks = vec![
        check("directory", dir, result.dir.clone()),
        check(
            "reached",
            result.reached_lsn >= plan.wal.last_record_lsn,
            format!("{} of {}", result.reached_lsn, plan.wal.to_lsn),
        ),
    ];
    if request.start {
        let seen = match result.port {
            Some(port) => format!("PostgreSQL listens on {port}"),
            None => "no server was started".to_owned(),
        };
        checks.push(check("started", result.port.is_some(), seen));
        // A promoted server is on a timeline of its own.
        if request.action == TargetAction::Promote {
            let promoted = result.timeline > plan.timeline;
            checks.push(check(
                "promoted",
                promoted,
                format!("timeline {}", result.timeline),
            ));
        }
    }
    checks
}

/// What its agent was to check, with what it saw. One that is not reported has failed.
fn wanted(restore: &RestoreView, result: &RestoreResult) -> Vec<RestoreCheck> {
    let asked = &restore.order.request.checks;
    if asked.is_empty() {
        return Vec::new();
    }
    let shown = |one: &CheckResult| check(&one.name, one.passed, one.why.clone());
    let mut checks: Vec<RestoreCheck> = result.checks.iter().map(shown).collect();
    let made = result.checks.iter();
    let made = made.filter(|one| one.kind != CheckKind::Reached).count();
    if made < asked.len() {
        let seen = format!("its agent made {made} of {}", asked.len());
        checks.push(check("checks", false, seen));
    }
    checks
}

fn check(name: &str, passed: bool, seen: String) -> RestoreCheck {
    RestoreCheck {
        name: name.to_owned(),
        passed,
        seen,
    }
}

fn refuse_unchecked(checks: &[RestoreCheck], result: Option<&RestoreResult>) -> Option<Failure> {
    let failed: Vec<&RestoreCheck> = checks.iter().filter(|check| !check.passed).collect();
    if failed.is_empty() {
        return None;
    }
    let named = failed.iter().take(NAMED);
    let named: Vec<String> = named
        .map(|one| format!("{}: {}", one.name, one.seen))
        .collect();
    let more = match failed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let sockets = result.and_then(|result| result.socket_dir.clone());
    Some(Failure::permanent(
        "restore_check_failed",
        format!(
            "it is restored, and was not handed over: {} of {} checks failed: {}{more}",
            failed.len(),
            checks.len(),
            named.join("; ")
        ),
        format!(
            "look at it: PostgreSQL runs and lets nobody in but its owner, by the socket in {}",
            sockets.unwrap_or_default()
        ),
    ))
}

/// What came of a hook, as a step of handing over.
pub(super) fn hooked(restore: &RestoreView, name: &str) -> Result<String, Failure> {
    let result = result_of(restore);
    let runs = result.map(|result| result.hooks).unwrap_or_default();
    let is_it = |run: &&HookRun| Name::as_str(&run.name) == name;
    let Some(run) = runs.iter().find(is_it) else {
        return Err(Failure::permanent(
            "hook_failed",
            format!("its agent did not run the hook \"{name}\""),
            "look at the job's log; do by hand what it was to do",
        ));
    };
    match &run.failure {
        Some(failure) => Err(failure.clone()),
        None => {
            let last = run.output.trim_end().lines().next_back();
            let said = last.map(|last| format!(": {last}")).unwrap_or_default();
            Ok(format!("it ended with 0 after {} ms{said}", run.millis))
        }
    }
}

pub(super) fn result_of(restore: &RestoreView) -> Option<RestoreResult> {
    let result = restore.result.clone()?;
    serde_json::from_value(result).ok()
}
