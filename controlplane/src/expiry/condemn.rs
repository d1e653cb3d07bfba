//! Condemns what the plan keeps no longer.

use std::collections::BTreeSet;

use holdfast_consensus::StateView;
use holdfast_state::command::{
    Basis, Condemn, CondemnBackups, CondemnWal, CondemnedBy, DeletableWal, Verdict,
};
use holdfast_types::{BackupId, Name, Revision};
use jiff::Timestamp;

use crate::app::App;
use crate::app::error::Result;
use crate::app::expiry::{Planned, expired_by, plan_expiry};

/// Backups in one log entry.
const TOGETHER: usize = 128;

/// Condemns what of a cluster expires now; answers how much.
pub(crate) async fn condemn(app: &App, view: &StateView, cluster: &Name) -> Result<u64> {
    let planned = plan_expiry(view, cluster, Timestamp::now()).await?;
    let (Some(policy), None) = (planned.policy, planned.nothing_because) else {
        return Ok(0);
    };
    let mut done = 0;
    // A backup goes from all of its repositories at once, so all must agree.
    let kept: BTreeSet<BackupId> = planned
        .of
        .iter()
        .flat_map(|of| of.verdicts.kept())
        .collect();
    for of in &planned.of {
        let basis = Basis {
            revision: Revision(view.applied().saturating_sub(1)),
            kept: of.verdicts.kept().collect(),
        };
        done += condemn_backups(app, (of, &kept), &policy, &basis).await?;
        done += condemn_wal(app, cluster, of, &basis).await?;
    }
    Ok(done)
}

async fn condemn_backups(
    app: &App,
    (of, kept): (&Planned, &BTreeSet<BackupId>),
    policy: &Name,
    basis: &Basis,
) -> Result<u64> {
    let expired = of.verdicts.expired().filter(|id| !kept.contains(id));
    let expired: Vec<BackupId> = expired.collect();
    let mut done = 0;
    for some in expired.chunks(TOGETHER) {
        let reason = expired_by(policy);
        let one = |backup: &BackupId| Condemn {
            backup: *backup,
            reason: reason.clone(),
        };
        let command = CondemnBackups {
            backups: some.iter().map(one).collect(),
            by: CondemnedBy::Retention(basis.clone()),
            grace_millis: app.config.expiry.grace.millis(),
        };
        let context = app.own_context();
        match app.node.propose(context, command).await? {
            Ok(verdicts) => {
                for (backup, verdict) in some.iter().zip(verdicts) {
                    match verdict {
                        Verdict::Condemned(after) => {
                            done += 1;
                            tracing::info!(%backup, %after, "a backup is condemned");
                        }
                        // Held or pinned since it was planned.
                        Verdict::Refused(refusal) => {
                            tracing::info!(%backup, "a backup is not condemned: {refusal}");
                        }
                    }
                }
            }
            // Something else is there than was planned on: the next run plans anew.
            Err(refusal) => {
                tracing::info!("nothing is condemned: {refusal}");
                return Ok(done);
            }
        }
    }
    Ok(done)
}

/// After the backups: what only the condemned need is needed by nobody.
async fn condemn_wal(app: &App, cluster: &Name, of: &Planned, basis: &Basis) -> Result<u64> {
    let mut done = 0;
    for (lineage, timelines) in of.verdicts.expired_wal() {
        let timelines = timelines
            .into_iter()
            .map(|(timeline, ranges)| DeletableWal { timeline, ranges });
        let command = CondemnWal {
            cluster: cluster.clone(),
            repository: of.repository.clone(),
            lineage,
            timelines: timelines.collect(),
            basis: basis.clone(),
            grace_millis: app.config.expiry.grace.millis(),
        };
        match app.node.propose(app.own_context(), command).await? {
            Ok(bytes) => done += u64::from(bytes > 0),
            Err(refusal) => {
                tracing::info!(%cluster, %lineage, "no WAL is condemned: {refusal}");
            }
        }
    }
    Ok(done)
}
