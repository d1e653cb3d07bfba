//! What a drill has shown so far.

use std::time::{Duration, Instant};

use holdfast_types::drill::{CheckResult, DrillEvidence, DrillKind, DrillOrder, DrillVerdict};
use holdfast_types::{Failure, PhaseTime, RestoreTarget};
use jiff::Timestamp;

use crate::job::JobContext;

/// Checks that a failure names.
const NAMED: usize = 3;

/// The evidence in the making.
pub(super) struct Findings {
    pub(super) evidence: DrillEvidence,
    began: Instant,
    asked_at: Timestamp,
}

impl Findings {
    pub(super) fn new(order: &DrillOrder, began: Instant) -> Self {
        let kind = match order.dump {
            Some(_) => DrillKind::Logical,
            None => DrillKind::Physical,
        };
        Self {
            evidence: DrillEvidence {
                verdict: DrillVerdict::Failed,
                cause: None,
                kind,
                target: order.at.clone(),
                target_at: None,
                backup: order.dump.map(|dump| dump.backup),
                lineage: order.dump.map(|dump| dump.lineage),
                timeline: None,
                reached_lsn: None,
                reached_at: None,
                last_commit_at: None,
                server_version: None,
                database_bytes: None,
                phases: Vec::new(),
                ready_millis: None,
                rpo_millis: None,
                checks: Vec::new(),
                row_counts: std::collections::BTreeMap::new(),
            },
            began,
            asked_at: order.asked_at,
        }
    }

    pub(super) const fn kind(&self) -> DrillKind {
        self.evidence.kind
    }

    /// Everything up to `reached_at` is in what was restored.
    pub(super) fn reached(&mut self, reached_at: Timestamp) {
        let evidence = &mut self.evidence;
        evidence.reached_at = Some(reached_at);
        let (target_at, wanted) = match &evidence.target {
            RestoreTarget::Time(time) => (*time, Some(*time)),
            RestoreTarget::Latest => (reached_at, Some(self.asked_at)),
            // Where they lie in time is what was reached, and nothing else was wanted.
            RestoreTarget::Lsn(_)
            | RestoreTarget::Xid(_)
            | RestoreTarget::Name(_)
            | RestoreTarget::Immediate
            | RestoreTarget::Backup(_) => (reached_at, None),
        };
        evidence.target_at = Some(target_at);
        evidence.rpo_millis = wanted.map(|wanted| {
            let lost = wanted.duration_since(reached_at).as_millis();
            u64::try_from(lost).unwrap_or(0)
        });
    }

    /// PostgreSQL has answered with what it was to have: the restore is over.
    pub(super) fn ready(&mut self) {
        self.evidence.ready_millis = Some(millis(self.began.elapsed()));
    }

    pub(super) fn add(&mut self, check: CheckResult) {
        self.evidence.checks.push(check);
    }

    pub(super) fn failed(&mut self, cause: Failure) {
        self.evidence.cause = Some(cause);
    }

    /// The whole of it.
    pub(super) fn conclude(mut self, cx: &JobContext) -> DrillEvidence {
        self.evidence.phases = phases(&cx.phase_times());
        if self.evidence.cause.is_none() {
            self.evidence.cause = failed_checks(&self.evidence.checks);
        }
        self.evidence.verdict = match self.evidence.cause {
            None => DrillVerdict::Passed,
            Some(_) => DrillVerdict::Failed,
        };
        self.evidence
    }
}

/// Each phase with all its times together, in the order in which it was first entered.
fn phases(times: &[PhaseTime]) -> Vec<PhaseTime> {
    let mut phases: Vec<PhaseTime> = Vec::new();
    for time in times {
        match phases.iter_mut().find(|known| known.phase == time.phase) {
            Some(known) => known.milliseconds += time.milliseconds,
            None => phases.push(*time),
        }
    }
    phases
}

fn failed_checks(checks: &[CheckResult]) -> Option<Failure> {
    let failed: Vec<&CheckResult> = checks.iter().filter(|check| !check.passed).collect();
    if checks.is_empty() {
        return Some(Failure::permanent(
            "drill_check_failed",
            "the drill came to no check",
            "look at the job's log",
        ));
    }
    if failed.is_empty() {
        return None;
    }
    let named = failed.iter().take(NAMED);
    let named: Vec<String> = named
        .map(|one| format!("{}: {}", one.name, one.why))
        .collect();
    let more = match failed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(Failure::permanent(
        "drill_check_failed",
        format!(
            "{} of {} checks failed: {}{more}",
            failed.len(),
            checks.len(),
            named.join("; ")
        ),
        "the restore itself worked: look at what the checks saw (`holdfast drill show`), and at \
         the data",
    ))
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use holdfast_types::JobPhase;

    use super::*;

    fn order(at: &str) -> DrillOrder {
        serde_json::from_value(serde_json::json!({
            "cluster": "orders", "at": at, "askedAt": "2026-02-03T02:00:00Z",
        }))
        .unwrap()
    }

    fn lost(at: &str, reached: &str) -> Option<u64> {
        let mut findings = Findings::new(&order(at), Instant::now());
        findings.reached(reached.parse().unwrap());
        findings.evidence.rpo_millis
    }

    #[test]
    fn what_is_lost_is_measured_from_what_was_wanted() {
        assert_eq!(lost("latest", "2026-02-03T01:59:58.5Z"), Some(1_500));
        // More came in while it waited.
        assert_eq!(lost("latest", "2026-02-03T02:00:01Z"), Some(0));
        let time = "2026-02-02T00:00:00Z";
        assert_eq!(lost(time, time), Some(0));
        assert_eq!(lost(time, "2026-02-01T23:59:59Z"), Some(1_000));
        assert_eq!(lost("lsn:0/1", time), None);
    }

    #[test]
    fn a_phase_is_told_once_with_all_its_times() {
        let time = |phase, milliseconds| PhaseTime {
            phase,
            milliseconds,
        };
        let told = phases(&[
            time(JobPhase::Prepare, 1_000),
            time(JobPhase::Copy, 3_000),
            time(JobPhase::Prepare, 2_000),
            time(JobPhase::Check, 4_000),
        ]);
        let expected = [
            time(JobPhase::Prepare, 3_000),
            time(JobPhase::Copy, 3_000),
            time(JobPhase::Check, 4_000),
        ];
        assert_eq!(told, expected);
    }

    /// I-12: nothing passes that was not checked.
    #[test]
    fn no_check_is_no_success() {
        assert!(failed_checks(&[]).is_some());
        let cx = JobContext::new(tokio_util::sync::CancellationToken::new());
        let evidence = Findings::new(&order("latest"), Instant::now()).conclude(&cx);
        assert_eq!(evidence.verdict, DrillVerdict::Failed);
    }
}
