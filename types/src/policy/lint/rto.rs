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
        let code = (LintCode::RtoNotMeasured, Severity::Note);
        found.add(code, RTO, message, hint);
        return;
    };
    // To the newest state: what a restore to an older point replays beyond that
    // is the matter of the window.
    let gap = longest_gap(policy, Which::Physical, now);
    let replay = gap.filter(|_| policy.receives_wal()).unwrap_or(0.0);
    let sorted = Sorted::by(rto.as_secs_f64(), measured, replay);
    let by = format!(
        "at the {} that restores were measured to copy",
        rate(copied)
    );
    let hint = "take physical backups more often, so that less WAL is replayed; restore over a \
                faster path; or keep a standby for what must be back sooner";
    if !sorted.longer.is_empty() {
        let these = list(&sorted.longer, NAMED);
        let message = format!("{by}, a restore takes longer than {rto}: {these}");
        let code = (LintCode::RtoBelowRestore, Severity::Infeasible);
        found.add(code, RTO, message, hint);
    }
    if !sorted.near.is_empty() {
        let these = list(&sorted.near, NAMED);
        let message = format!("{by}, a restore takes nearly {rto}: {these}");
        let code = (LintCode::RtoNearRestore, Severity::Warning);
        found.add(code, RTO, message, hint);
    }
    if !sorted.unknown.is_empty() {
        let these = list(&sorted.unknown, NAMED);
        let message =
            format!("how large these are is not known before their first backup: {these}");
        let code = (LintCode::RtoNotMeasured, Severity::Note);
        found.add(code, RTO, message, "take a backup of each");
    }
}

/// The clusters by how long a restore of them takes; those that are fine left out.
#[derive(Default)]
struct Sorted {
    longer: Vec<String>,
    near: Vec<String>,
    unknown: Vec<String>,
}

impl Sorted {
    fn by(rto: f64, measured: &Measured, replay: f64) -> Self {
        let mut sorted = Self::default();
        for cluster in &measured.clusters {
            let Some(seconds) = measured.restore_seconds(cluster, replay) else {
                sorted.unknown.push(cluster.name.to_string());
                continue;
            };
            let bytes = cluster.database_bytes.map_or(0.0, real);
            let said = format!("{} ({}: {})", cluster.name, size(bytes), about(seconds));
            if seconds > rto {
                sorted.longer.push(said);
            } else if seconds > rto * NEAR {
                sorted.near.push(said);
            }
        }
        sorted
    }
}
