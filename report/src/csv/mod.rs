//! CSV as RFC 4180 has it, for spreadsheets.
//!
//! Tables follow each other. The first cell of each row says of which table it is, and
//! the first row of each table, with `section` there, names its columns. All rows are
//! equally wide. Text that a spreadsheet would take for a formula begins with an
//! apostrophe; numbers and times are never touched.

mod sheet;

use crate::body::{Cluster, Exposures, Report};
use sheet::{Row, Sheet};

/// The document.
pub(crate) fn write(report: &Report, sha256: &str) -> Vec<u8> {
    let mut sheet = Sheet::default();
    head(&mut sheet, report, sha256);
    totals(&mut sheet, report);
    clusters(&mut sheet, report);
    of_clusters(&mut sheet, report);
    backups(&mut sheet, report);
    curves(&mut sheet, report);
    records(&mut sheet, report);
    acts(&mut sheet, report);
    approvals(&mut sheet, report);
    acknowledgements(&mut sheet, report);
    sheet.into_bytes()
}

fn head(sheet: &mut Sheet, report: &Report, sha256: &str) {
    let columns = [
        "report",
        "version",
        "fleet",
        "from",
        "to",
        "as_known_at",
        "body_sha256",
    ];
    sheet.table("report", &columns);
    sheet.row(|row| {
        row.raw("compliance").raw(report.version).raw(&report.fleet);
        row.raw(report.from)
            .raw(report.to)
            .raw(report.as_known_at)
            .raw(sha256);
    });
}

fn totals(sheet: &mut Sheet, report: &Report) {
    let totals = &report.totals;
    sheet.table("total", &["name", "value"]);
    let mut total = |name: &str, value: String| {
        sheet.row(|row| {
            row.raw(name).raw(value);
        });
    };
    let percent = |percent: Option<crate::Percent>| {
        percent
            .map(|percent| percent.to_string())
            .unwrap_or_default()
    };
    total("clusters", totals.clusters.to_string());
    total("with_rpo", totals.with_rpo.to_string());
    total("without_violation", totals.without_violation.to_string());
    total(
        "without_violation_percent",
        percent(totals.without_violation_percent),
    );
    let kept = &totals.kept;
    total("compliance_percent", percent(kept.compliance_percent));
    total(
        "compliance_excused_percent",
        percent(kept.compliance_excused_percent),
    );
    total("measured_seconds", kept.measured_seconds.to_string());
    total("exempt_seconds", kept.exempt_seconds.to_string());
    total("violated_seconds", kept.violated_seconds.to_string());
    total(
        "violated_exempt_seconds",
        kept.violated_exempt_seconds.to_string(),
    );
    total("violations", totals.violations.to_string());
    if let Some(exposure) = &totals.exposure {
        total("exposure_highest_seconds", exposure.highest.to_string());
        total("exposure_p50_seconds", exposure.p50.to_string());
        total("exposure_p95_seconds", exposure.p95.to_string());
        total("exposure_p99_seconds", exposure.p99.to_string());
    }
    total("backups_available", totals.backups_available.to_string());
    total("backups_failed", totals.backups_failed.to_string());
    total("backups_gone", totals.backups_gone.to_string());
    total("drills_passed", totals.drills_passed.to_string());
    total("drills_not_passed", totals.drills_not_passed.to_string());
    total("restores_succeeded", totals.restores_succeeded.to_string());
    total(
        "restores_not_succeeded",
        totals.restores_not_succeeded.to_string(),
    );
    sheet.table(
        "control_total",
        &[
            "control",
            "pass",
            "fail",
            "not_proven",
            "exempt",
            "not_applicable",
        ],
    );
    for one in &totals.controls {
        sheet.row(|row| {
            row.raw(&one.control).raw(one.pass).raw(one.fail);
            row.raw(one.not_proven)
                .raw(one.exempt)
                .raw(one.not_applicable);
        });
    }
}

const CLUSTER: [&str; 25] = [
    "cluster",
    "policy",
    "rpo_seconds",
    "rpo_scope",
    "rto_seconds",
    "window_seconds",
    "status_at_end",
    "compliance_percent",
    "compliance_excused_percent",
    "measured_seconds",
    "exempt_seconds",
    "violated_seconds",
    "violated_exempt_seconds",
    "violations",
    "exposure_highest_seconds",
    "exposure_p50_seconds",
    "exposure_p95_seconds",
    "exposure_p99_seconds",
    "drilled_at",
    "achieved_rto_seconds",
    "achieved_rpo_seconds",
    "not_proven",
    "backups_available",
    "backups_failed",
    "backups_gone",
];

fn clusters(sheet: &mut Sheet, report: &Report) {
    sheet.table("cluster", &CLUSTER);
    for one in &report.clusters {
        sheet.row(|row| cluster(row, one));
    }
}

fn cluster(row: &mut Row, one: &Cluster) {
    row.raw(&one.cluster);
    let promise = one.promise.as_ref();
    row.maybe(promise.map(|promise| &promise.policy));
    row.maybe(promise.and_then(|promise| promise.rpo_seconds));
    row.maybe(promise.map(|promise| promise.rpo_scope));
    row.maybe(promise.and_then(|promise| promise.rto_seconds));
    row.maybe(promise.and_then(|promise| promise.window_seconds));
    row.maybe(one.status);
    let kept = &one.kept;
    row.maybe(kept.compliance_percent)
        .maybe(kept.compliance_excused_percent);
    row.raw(kept.measured_seconds).raw(kept.exempt_seconds);
    row.raw(kept.violated_seconds)
        .raw(kept.violated_exempt_seconds);
    row.raw(one.violations.len());
    let exposure = one.exposure.as_ref();
    let level = |level: fn(&Exposures) -> crate::Level| exposure.map(level);
    row.maybe(level(|one| one.highest))
        .maybe(level(|one| one.p50));
    row.maybe(level(|one| one.p95)).maybe(level(|one| one.p99));
    let proof = &one.proof;
    row.maybe(proof.drilled_at)
        .maybe(proof.achieved_rto_seconds);
    row.maybe(proof.achieved_rpo_seconds)
        .maybe(proof.not_proven.as_ref());
    let sum = |number: fn(&crate::Backups) -> u64| one.backups.iter().map(number).sum::<u64>();
    row.raw(sum(|one| one.available))
        .raw(sum(|one| one.failed))
        .raw(sum(|one| one.gone));
}

fn of_clusters(sheet: &mut Sheet, report: &Report) {
    let clusters = &report.clusters;
    sheet.table("state", &["cluster", "state", "seconds"]);
    for (cluster, one) in each(clusters, |one| &one.states) {
        sheet.row(|row| {
            row.raw(cluster).maybe(one.state).raw(one.seconds);
        });
    }
    let columns = [
        "cluster",
        "started_at",
        "ended_at",
        "rpo_seconds",
        "rpo_scope",
        "cause",
        "highest_seconds",
        "exempt_seconds",
    ];
    sheet.table("violation", &columns);
    for (cluster, one) in each(clusters, |one| &one.violations) {
        sheet.row(|row| {
            row.raw(cluster)
                .raw(one.started_at)
                .maybe(one.ended_at)
                .raw(one.rpo_seconds);
            row.raw(one.rpo_scope)
                .text(&one.cause)
                .raw(one.highest)
                .raw(one.exempt_seconds);
        });
    }
    sheet.table(
        "recovery",
        &["cluster", "repository", "earliest", "latest", "gaps"],
    );
    for (cluster, one) in each(clusters, |one| &one.recovery) {
        sheet.row(|row| {
            row.raw(cluster).raw(&one.repository);
            row.maybe(one.earliest)
                .maybe(one.latest)
                .raw(one.gaps.len());
        });
    }
    sheet.table("gap", &["cluster", "repository", "from", "to"]);
    for (cluster, recovery) in each(clusters, |one| &one.recovery) {
        for gap in &recovery.gaps {
            sheet.row(|row| {
                row.raw(cluster)
                    .raw(&recovery.repository)
                    .raw(gap.from)
                    .raw(gap.to);
            });
        }
    }
    sheet.table("control", &["cluster", "control", "outcome", "reason"]);
    for (cluster, one) in each(clusters, |one| &one.controls) {
        sheet.row(|row| {
            row.raw(cluster).raw(&one.control).raw(&one.outcome);
            row.maybe_text(one.reason.as_deref());
        });
    }
}

fn backups(sheet: &mut Sheet, report: &Report) {
    let clusters = &report.clusters;
    let columns = [
        "cluster",
        "kind",
        "available",
        "failed",
        "gone",
        "first_at",
        "last_at",
        "longest_pause_seconds",
    ];
    sheet.table("backups", &columns);
    for (cluster, one) in each(clusters, |one| &one.backups) {
        sheet.row(|row| {
            row.raw(cluster)
                .raw(&one.kind)
                .raw(one.available)
                .raw(one.failed)
                .raw(one.gone);
            row.maybe(one.first_at)
                .maybe(one.last_at)
                .maybe(one.longest_pause_seconds);
        });
    }
    let columns = ["cluster", "id", "kind", "started_at", "failed_at", "cause"];
    sheet.table("failed_backup", &columns);
    for (cluster, one) in each(clusters, |one| &one.failed_backups) {
        sheet.row(|row| {
            row.raw(cluster).raw(&one.id).raw(&one.kind);
            row.raw(one.started_at).raw(one.failed_at).text(&one.cause);
        });
    }
}

fn each<'a, T: 'a>(
    clusters: &'a [Cluster],
    items: fn(&'a Cluster) -> &'a [T],
) -> impl Iterator<Item = (&'a holdfast_types::Name, &'a T)> {
    let of = move |one: &'a Cluster| items(one).iter().map(|item| (&one.cluster, item));
    clusters.iter().flat_map(of)
}

fn curves(sheet: &mut Sheet, report: &Report) {
    sheet.table("exposure", &["cluster", "from", "highest_seconds"]);
    for cluster in &report.clusters {
        let Some(curve) = &cluster.curve else {
            continue;
        };
        for (at, level) in curve.points(report.from) {
            sheet.row(|row| {
                row.raw(&cluster.cluster).raw(at).maybe(level);
            });
        }
    }
}

fn records(sheet: &mut Sheet, report: &Report) {
    let columns = [
        "id",
        "cluster",
        "from",
        "until",
        "ended_at",
        "reason",
        "approved_by",
    ];
    sheet.table("exemption", &columns);
    for one in &report.exemptions {
        sheet.row(|row| {
            row.raw(&one.id)
                .raw(&one.cluster)
                .raw(one.from)
                .raw(one.until);
            row.maybe(one.ended_at)
                .text(&one.reason)
                .text(&one.approved_by);
        });
    }
    let columns = [
        "id",
        "cluster",
        "finished_at",
        "verdict",
        "at",
        "repository",
        "agent",
        "achieved_rto_seconds",
        "achieved_rpo_seconds",
        "checks_passed",
        "checks",
        "cause",
    ];
    sheet.table("drill", &columns);
    for one in &report.drills {
        sheet.row(|row| {
            row.raw(&one.id)
                .raw(&one.cluster)
                .raw(one.finished_at)
                .raw(&one.verdict);
            row.maybe_text(one.at.as_deref())
                .raw(&one.repository)
                .raw(&one.agent);
            row.maybe(one.achieved_rto_seconds)
                .maybe(one.achieved_rpo_seconds);
            row.raw(one.checks_passed)
                .raw(one.checks)
                .maybe_text(one.cause.as_deref());
        });
    }
}

fn acts(sheet: &mut Sheet, report: &Report) {
    let columns = [
        "id",
        "cluster",
        "asked_at",
        "finished_at",
        "state",
        "at",
        "agent",
        "requested_by",
        "cause",
    ];
    sheet.table("restore", &columns);
    for one in &report.restores {
        sheet.row(|row| {
            row.raw(&one.id)
                .raw(&one.cluster)
                .raw(one.asked_at)
                .raw(one.finished_at);
            row.raw(&one.state)
                .maybe_text(one.at.as_deref())
                .maybe(one.agent.as_ref());
            row.maybe_text(one.requested_by.as_deref())
                .maybe_text(one.cause.as_deref());
        });
    }
    evidence(sheet, report);
    let columns = ["at", "audit_seq", "cluster", "action", "subject", "by"];
    sheet.table("deletion", &columns);
    for one in &report.deletions {
        sheet.row(|row| {
            row.raw(one.at)
                .raw(one.audit_seq)
                .maybe(one.cluster.as_ref());
            row.raw(&one.action).text(&one.subject).text(&one.by);
        });
    }
}

fn evidence(sheet: &mut Sheet, report: &Report) {
    let columns = [
        "restore",
        "repository",
        "dir",
        "plan_sha256",
        "approval",
        "approved_by",
        "begun_at",
        "restored_at",
        "predicted_loss_seconds",
        "achieved_loss_seconds",
        "predicted_rto_seconds",
        "achieved_rto_seconds",
        "checks_passed",
        "checks",
    ];
    sheet.table("restore_evidence", &columns);
    for restore in &report.restores {
        let Some(one) = &restore.evidence else {
            continue;
        };
        sheet.row(|row| {
            row.raw(&restore.id)
                .raw(&one.repository)
                .text(&one.dir)
                .raw(&one.plan_sha256);
            row.maybe(one.approval.as_ref())
                .text(&one.approved_by.join(", "))
                .maybe(one.begun_at)
                .maybe(one.restored_at);
            row.maybe(one.predicted_loss_seconds)
                .maybe(one.achieved_loss_seconds)
                .maybe(one.predicted_rto_seconds)
                .maybe(one.achieved_rto_seconds);
            row.raw(one.checks_passed).raw(one.checks);
        });
    }
}

fn acknowledgements(sheet: &mut Sheet, report: &Report) {
    let columns = [
        "at",
        "audit_seq",
        "alarm",
        "cluster",
        "rule",
        "subject",
        "opened_at",
        "by",
        "note",
    ];
    sheet.table("acknowledgement", &columns);
    for one in &report.acknowledgements {
        sheet.row(|row| {
            row.raw(one.at)
                .raw(one.audit_seq)
                .raw(&one.alarm)
                .raw(&one.cluster);
            row.raw(&one.rule).text(&one.subject).raw(one.opened_at);
            row.text(&one.by).maybe_text(one.note.as_deref());
        });
    }
}

fn approvals(sheet: &mut Sheet, report: &Report) {
    let columns = [
        "id",
        "asked_at",
        "requested_by",
        "action",
        "subject",
        "reason",
        "needed",
        "state",
        "decided_at",
    ];
    sheet.table("approval", &columns);
    for one in &report.approvals {
        sheet.row(|row| {
            row.raw(&one.id)
                .raw(one.asked_at)
                .text(&one.requested_by)
                .raw(&one.action);
            row.text(&one.subject)
                .maybe_text(one.reason.as_deref())
                .raw(one.needed);
            row.raw(&one.state).maybe(one.decided_at);
        });
    }
    sheet.table("vote", &["approval", "at", "by", "vote", "note"]);
    for one in &report.approvals {
        for vote in &one.votes {
            sheet.row(|row| {
                row.raw(&one.id).raw(vote.at).text(&vote.by).raw(&vote.vote);
                row.maybe_text(vote.note.as_deref());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_is_wider_than_all_are() {
        assert!(CLUSTER.len() < sheet::WIDTH);
    }
}
