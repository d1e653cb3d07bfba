//! The RTO against restores that were measured.

use jiff::Timestamp;

use super::{Findings, LintCode, Measured, Severity};
use crate::policy::rhythm::{Which, longest_gap};
use crate::policy::words::{about, list, rate, real, size};
use crate::resource::Policy;

const RTO: &str = "spec.objectives.rto";
/// Above this part of the RTO there is no room for anything to go wrong.
const NEAR: f64 = 0.8;
/// How many clusters a message names.
const NAMED: usize = 5;

pub(super) fn check(policy: &Policy, measured: &Measured, now: Timestamp, found: &mut Findings) {
    let Some(rto) = policy.rto() else { return };
    let Some(copied) = measured.copy_bytes_per_second else {
        let message = format!(
            "no restore was measured yet, so that nothing says whether one takes less than {rto}"
        );
        let hint = "restore a cluster of this size once: `holdfast restore run … --wait`";
        found.add(
            (LintCode::RtoNotMeasured, Severity::Note),
            RTO,
            message,
            hint,
        );
        return;
    };
    // To the newest state: what a restore to an older point replays beyond that
    // is the matter of the window.
    let gap = longest_gap(policy, Which::Physical, now);
    let replay = gap.filter(|_| policy.receives_wal()).unwrap_or(0.0);
    let (mut longer, mut near) = (Vec::new(), Vec::new());
    let mut worst: f64 = 0.0;
    let mut unknown = Vec::new();
    for cluster in &measured.clusters {
        let Some(seconds) = measured.restore_seconds(cluster, replay) else {
            unknown.push(cluster.name.to_string());
            continue;
        };
        if seconds > rto.as_secs_f64() * NEAR {
            let bytes = cluster.database_bytes.map_or(0.0, real);
            let said = format!("{} ({}: {})", cluster.name, size(bytes), about(seconds));
            worst = worst.max(seconds);
            let over = seconds > rto.as_secs_f64();
            (if over { &mut longer } else { &mut near }).push(said);
        }
    }
    let by = format!(
        "at the {} that restores were measured to copy",
        rate(copied)
    );
    let hint = "take physical backups more often, so that less WAL is replayed; restore over a \
                faster path; or keep a standby for what must be back sooner";
    if !longer.is_empty() {
        let message = format!(
            "{by}, a restore takes longer than {rto}: {}",
            list(&longer, NAMED)
        );
        found.add(
            (LintCode::RtoBelowRestore, Severity::Infeasible),
            RTO,
            message,
            hint,
        );
    }
    if !near.is_empty() {
        let message = format!("{by}, a restore takes nearly {rto}: {}", list(&near, NAMED));
        found.add(
            (LintCode::RtoNearRestore, Severity::Warning),
            RTO,
            message,
            hint,
        );
    }
    if !unknown.is_empty() {
        let message = format!(
            "how large these are is not known before their first backup: {}",
            list(&unknown, NAMED)
        );
        let hint = "take a backup of each";
        found.add(
            (LintCode::RtoNotMeasured, Severity::Note),
            RTO,
            message,
            hint,
        );
    }
}
