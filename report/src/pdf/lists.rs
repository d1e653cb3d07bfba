//! What people and schedules did.

use super::page::{Pages, Style};
use super::table::{BEGINNING, Column, Table, number, text};
use crate::body::Report;
use crate::words::{self, NOTHING};

pub(super) fn lay_out(pages: &mut Pages<'_>, report: &Report) {
    exemptions(pages, report);
    drills(pages, report);
    restores(pages, report);
    evidence(pages, report);
    deletions(pages, report);
    approvals(pages, report);
    acknowledgements(pages, report);
}

fn nothing() -> String {
    NOTHING.to_owned()
}

/// A chapter with one table, or that there is nothing to tell.
fn chapter(pages: &mut Pages<'_>, title: &str, table: &Table<'_>) {
    pages.chapter(title, BEGINNING);
    if table.is_empty() {
        pages.line("None in the period.", Style::plain(8.5));
    } else {
        table.lay_out(pages);
    }
}

fn exemptions(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 6] = [
        text("Cluster", 1.8),
        text("From (UTC)", 1.9),
        text("Until (UTC)", 1.9),
        text("Ended early (UTC)", 1.9),
        text("Reason", 3.4),
        text("Approved by", 1.8),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.exemptions {
        table.row([
            one.cluster.to_string(),
            words::moment(one.from),
            words::moment(one.until),
            words::maybe_moment(one.ended_at),
            one.reason.clone(),
            one.approved_by.clone(),
        ]);
    }
    chapter(pages, "Exemptions", &table);
}

fn drills(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 8] = [
        text("Cluster", 1.8),
        text("Ended (UTC)", 2.0),
        text("Verdict", 1.1),
        text("Restored to", 2.6),
        text("From, on", 2.0),
        number("RTO", 1.1),
        number("RPO", 1.0),
        text("Checks", 1.9),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.drills {
        let checks = format!("{} of {}", one.checks_passed, one.checks);
        let cause = one.cause.as_ref().map(|cause| format!("{checks}; {cause}"));
        table.row([
            one.cluster.to_string(),
            words::moment(one.finished_at),
            one.verdict.clone(),
            one.at.clone().unwrap_or_else(nothing),
            format!("{}, {}", one.repository, one.agent),
            words::maybe_length(one.achieved_rto_seconds),
            words::maybe_length(one.achieved_rpo_seconds),
            cause.unwrap_or(checks),
        ]);
    }
    chapter(pages, "Drills", &table);
}

fn restores(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 8] = [
        text("Cluster", 1.7),
        text("Asked for (UTC)", 2.2),
        text("Ended (UTC)", 2.2),
        text("State", 1.3),
        text("Restored to", 2.7),
        text("On", 1.2),
        text("Asked by", 1.4),
        text("Cause", 1.4),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.restores {
        table.row([
            one.cluster.to_string(),
            words::moment(one.asked_at),
            words::moment(one.finished_at),
            one.state.clone(),
            one.at.clone().unwrap_or_else(nothing),
            one.agent.as_ref().map_or_else(nothing, ToString::to_string),
            one.requested_by.clone().unwrap_or_else(nothing),
            one.cause.clone().unwrap_or_else(nothing),
        ]);
    }
    chapter(pages, "Restores", &table);
}

fn evidence(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 7] = [
        text("Restore", 1.6),
        text("From, into", 2.6),
        text("Approved by", 1.7),
        text("Loss: predicted, was", 2.0),
        text("Time: predicted, was", 2.0),
        text("Checks", 1.0),
        text("Plan (SHA-256)", 3.2),
    ];
    let mut table = Table::new(&COLUMNS);
    for restore in &report.restores {
        let Some(one) = &restore.evidence else {
            continue;
        };
        let both = |predicted, was| {
            let (predicted, was) = (words::maybe_length(predicted), words::maybe_length(was));
            format!("{predicted}, {was}")
        };
        table.row([
            restore.id.clone(),
            format!("{}, {}", one.repository, one.dir),
            if one.approved_by.is_empty() {
                nothing()
            } else {
                one.approved_by.join(", ")
            },
            both(one.predicted_loss_seconds, one.achieved_loss_seconds),
            both(one.predicted_rto_seconds, one.achieved_rto_seconds),
            format!("{} of {}", one.checks_passed, one.checks),
            one.plan_sha256.clone(),
        ]);
    }
    chapter(pages, "Evidence of restores", &table);
}

fn acknowledgements(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 6] = [
        text("At (UTC)", 1.9),
        text("Cluster", 1.7),
        text("Alarm", 3.2),
        text("Open since (UTC)", 1.9),
        text("By", 1.6),
        text("Note", 3.0),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.acknowledgements {
        table.row([
            words::moment(one.at),
            one.cluster.to_string(),
            format!("{}: {}", one.rule, one.subject),
            words::moment(one.opened_at),
            one.by.clone(),
            one.note.clone().unwrap_or_else(nothing),
        ]);
    }
    chapter(pages, "Acknowledged alarms", &table);
}

fn deletions(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 6] = [
        text("At (UTC)", 2.0),
        number("Audit row", 1.0),
        text("Cluster", 1.8),
        text("Act", 1.8),
        text("Of", 3.6),
        text("By", 2.0),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.deletions {
        table.row([
            words::moment(one.at),
            one.audit_seq.to_string(),
            one.cluster
                .as_ref()
                .map_or_else(nothing, ToString::to_string),
            one.action.clone(),
            one.subject.clone(),
            one.by.clone(),
        ]);
    }
    chapter(pages, "Deletions", &table);
}

fn approvals(pages: &mut Pages<'_>, report: &Report) {
    const COLUMNS: [Column; 7] = [
        text("Asked for (UTC)", 1.8),
        text("By", 1.4),
        text("Act", 1.6),
        text("Of", 2.2),
        text("Reason", 2.2),
        text("State", 1.4),
        text("Votes", 3.4),
    ];
    let mut table = Table::new(&COLUMNS);
    for one in &report.approvals {
        let votes = one.votes.iter().map(|vote| {
            let note = vote.note.as_ref().map(|note| format!(": {note}"));
            let at = words::moment(vote.at);
            format!(
                "{} {} at {at}{}",
                vote.by,
                vote.vote,
                note.unwrap_or_default()
            )
        });
        let votes: Vec<String> = votes.collect();
        table.row([
            words::moment(one.asked_at),
            one.requested_by.clone(),
            one.action.clone(),
            one.subject.clone(),
            one.reason.clone().unwrap_or_else(nothing),
            format!("{}, {} needed", one.state, one.needed),
            if votes.is_empty() {
                nothing()
            } else {
                votes.join("; ")
            },
        ]);
    }
    chapter(pages, "Approvals", &table);
}
