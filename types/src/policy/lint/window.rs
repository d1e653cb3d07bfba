//! The window against what is kept.

use jiff::Timestamp;

use super::{Findings, LintCode, Severity};
use crate::policy::rhythm::{Which, longest_gap, longest_replay};
use crate::policy::words::about;
use crate::resource::{Policy, WhenFull};

const DAY: f64 = 86_400.0;
const WINDOW: &str = "spec.objectives.window";

pub(super) fn check(policy: &Policy, now: Timestamp, found: &mut Findings) {
    if let Some(window) = policy.window()
        && !policy.receives_wal()
    {
        let message = format!(
            "any point of the last {window} is promised, and without WAL there are no points \
             between two backups"
        );
        let hint = "receive WAL with wal.mode: streaming, or promise no window and keep backups \
                    with retention.keep";
        found.add(
            (LintCode::WindowNeedsWal, Severity::Infeasible),
            WINDOW,
            message,
            hint,
        );
    }
    if policy.retention.is_none() {
        let message = "without `retention` no backup and no WAL ever expires, and the repository \
                       grows for ever";
        let hint = "say what is kept, such as retention: {keep: {daily: 14}}";
        let code = (LintCode::NothingExpires, Severity::Note);
        found.add(code, "spec.retention", message, hint);
    }
    beyond_keep(policy, now, found);
    if policy.wal_mode().streams() && policy.when_full() == WhenFull::Stall {
        let message = format!(
            "once a slot keeps {} of WAL nothing is given up: the volume may fill up until the \
             database stops",
            policy.max_retained()
        );
        let hint = "leave whenFull at drop where the database matters more than its WAL";
        let code = (LintCode::VolumeMayFill, Severity::Warning);
        found.add(code, "spec.wal.whenFull", message, hint);
    }
}

/// Points far behind the nearest kept backup can be restored, but slowly.
fn beyond_keep(policy: &Policy, now: Timestamp, found: &mut Findings) {
    let gap = longest_gap(policy, Which::Physical, now);
    let (Some(gap), Some(replay), Some(window)) = (gap, longest_replay(policy, now), policy.pitr())
    else {
        return;
    };
    // A day of WAL more than between two backups is worth telling.
    if replay < gap + DAY {
        return;
    }
    let message = format!(
        "backups begin up to {} apart, and retention keeps so few of them that a restore into the \
         window of {window} may have to replay {} of WAL",
        about(gap),
        about(replay)
    );
    let days = (window.as_secs_f64() / DAY).ceil();
    let hint = format!("keep the backups of the window: retention.keep.daily: {days:.0}");
    let code = (LintCode::WindowBeyondKeep, Severity::Warning);
    found.add(code, "spec.retention.keep", message, hint);
}
