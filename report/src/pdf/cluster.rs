//! The part about one cluster.

use super::chart;
use super::page::{GREY, Pages, Style};
use super::table::{BEGINNING, Table, number, text};
use crate::body::{Cluster, Report};
use crate::words::{self, NOTHING};

/// How much of a cluster stays together: its title, its facts and its chart.
const TOGETHER: f32 = 100.0 + chart::HEIGHT;

pub(super) fn lay_out(pages: &mut Pages<'_>, report: &Report, one: &Cluster) {
    pages.chapter(one.cluster.as_str(), TOGETHER);
    promise(pages, one);
    facts(pages, one);
    chart::lay_out(pages, report, one);
    violations(pages, one);
    controls(pages, one);
    backups(pages, one);
    recovery(pages, one);
}

fn promise(pages: &mut Pages<'_>, one: &Cluster) {
    let said = match &one.promise {
        None => "No policy promised anything at the end of the period.".to_owned(),
        Some(promise) => {
            let rpo = match promise.rpo_seconds {
                Some(rpo) => {
                    format!(
                        "RPO {} ({})",
                        words::length(rpo),
                        words::scope(promise.rpo_scope)
                    )
                }
                None => "no RPO".to_owned(),
            };
            let mut parts = vec![format!("Policy {}", promise.policy), rpo];
            let rto = promise
                .rto_seconds
                .map(|rto| format!("RTO {}", words::length(rto)));
            parts.extend(rto);
            let window = promise.window_seconds;
            parts.extend(window.map(|window| format!("window {}", words::length(window))));
            parts.join("  ·  ")
        }
    };
    pages.line(&said, Style::plain(8.0).in_ink(GREY));
    pages.y += 3.0;
}

fn facts(pages: &mut Pages<'_>, one: &Cluster) {
    let kept = &one.kept;
    let exposure = one.exposure.as_ref();
    let quantiles = exposure.map_or_else(
        || NOTHING.to_owned(),
        |one| {
            let [p50, p95, p99] = [one.p50, one.p95, one.p99].map(words::level);
            format!("{p50} / {p95} / {p99}")
        },
    );
    let highest = exposure.map_or_else(|| NOTHING.to_owned(), |one| words::level(one.highest));
    let proof = &one.proof;
    let restored = match &proof.not_proven {
        Some(why) => format!("NOT PROVEN ({})", why.replace('_', " ")),
        None => words::maybe_length(proof.achieved_rto_seconds),
    };
    let facts = [
        ("State at the end", words::state(one.status)),
        ("RPO kept", words::percent(kept.compliance_percent)),
        (
            "Without excused time",
            words::percent(kept.compliance_excused_percent),
        ),
        ("Above the RPO for", words::length(kept.violated_seconds)),
        ("Highest exposure", highest),
        ("Exposure p50 / p95 / p99", quantiles),
        ("Restore time proven by a drill", restored),
        ("Newest drill (UTC)", words::maybe_moment(proof.drilled_at)),
    ];
    pages.facts(&facts, 4);
    let states = one
        .states
        .iter()
        .map(|one| format!("{} {}", words::state(one.state), words::length(one.seconds)));
    let states: Vec<String> = states.collect();
    if states.len() > 1 {
        pages.facts(&[("Time by state", states.join("  ·  "))], 1);
    }
}

fn violations(pages: &mut Pages<'_>, one: &Cluster) {
    if one.violations.is_empty() {
        return;
    }
    let columns = [
        text("Violation from (UTC)", 2.6),
        text("until (UTC)", 2.6),
        number("Lasted", 1.9),
        number("RPO", 1.2),
        number("Highest exposure", 1.7),
        number("Excused", 1.3),
        text("Cause", 2.6),
    ];
    let mut table = Table::new(&columns);
    for violation in &one.violations {
        let lasted = violation.ended_at.map(|ended| {
            let lasted = ended.duration_since(violation.started_at);
            let lasted = std::time::Duration::try_from(lasted).unwrap_or_default();
            words::length(lasted.into())
        });
        table.row([
            words::moment(violation.started_at),
            violation
                .ended_at
                .map_or_else(|| "not over".to_owned(), words::moment),
            lasted.unwrap_or_else(|| NOTHING.to_owned()),
            words::length(violation.rpo_seconds),
            words::level(violation.highest),
            words::length(violation.exempt_seconds),
            violation.cause.clone(),
        ]);
    }
    pages.caption("Violations", BEGINNING);
    table.lay_out(pages);
}

/// Two controls in a row, for there are a dozen.
fn controls(pages: &mut Pages<'_>, one: &Cluster) {
    if one.controls.is_empty() {
        return;
    }
    let columns = [
        text("Control", 3.7),
        text("Outcome", 1.9),
        text("Because", 1.9),
        text("Control", 3.7),
        text("Outcome", 1.9),
        text("Because", 1.9),
    ];
    let mut table = Table::new(&columns);
    let half = one.controls.len().div_ceil(2);
    let cells = |index: usize| {
        let control = one.controls.get(index);
        let cell = |of: fn(&crate::Control) -> String| control.map(of).unwrap_or_default();
        [
            cell(|one| one.control.clone()),
            cell(|one| one.outcome.replace('_', " ")),
            cell(|one| one.reason.clone().unwrap_or_default()),
        ]
    };
    for index in 0..half {
        let [[a, b, c], [d, e, f]] = [cells(index), cells(index + half)];
        table.row([a, b, c, d, e, f]);
    }
    pages.caption("Controls at the end of the period", BEGINNING);
    table.lay_out(pages);
}

fn backups(pages: &mut Pages<'_>, one: &Cluster) {
    if !one.backups.is_empty() {
        let columns = [
            text("Backups", 1.6),
            number("Available", 1.2),
            number("Failed", 1.0),
            number("Gone", 1.0),
            text("First (UTC)", 2.4),
            text("Last (UTC)", 2.4),
            number("Longest pause", 1.6),
        ];
        let mut table = Table::new(&columns);
        for kind in &one.backups {
            table.row([
                kind.kind.clone(),
                kind.available.to_string(),
                kind.failed.to_string(),
                kind.gone.to_string(),
                words::maybe_moment(kind.first_at),
                words::maybe_moment(kind.last_at),
                words::maybe_length(kind.longest_pause_seconds),
            ]);
        }
        pages.caption("Backups in the period", BEGINNING);
        table.lay_out(pages);
    }
    if one.failed_backups.is_empty() {
        return;
    }
    let columns = [
        text("Failed backup", 3.4),
        text("Kind", 1.0),
        text("Began (UTC)", 2.0),
        text("Failed (UTC)", 2.0),
        text("Cause", 2.4),
    ];
    let mut table = Table::new(&columns);
    for failed in &one.failed_backups {
        table.row([
            failed.id.clone(),
            failed.kind.clone(),
            words::moment(failed.started_at),
            words::moment(failed.failed_at),
            failed.cause.clone(),
        ]);
    }
    pages.caption("Backups that failed", BEGINNING);
    table.lay_out(pages);
}

fn recovery(pages: &mut Pages<'_>, one: &Cluster) {
    if one.recovery.is_empty() {
        return;
    }
    let columns = [
        text("Repository", 2.0),
        text("Earliest point (UTC)", 2.2),
        text("Latest point (UTC)", 2.2),
        text("Gaps in the promised window (UTC)", 4.6),
    ];
    let mut table = Table::new(&columns);
    for place in &one.recovery {
        let gaps = place
            .gaps
            .iter()
            .map(|gap| format!("{} to {}", words::moment(gap.from), words::moment(gap.to)));
        let gaps: Vec<String> = gaps.collect();
        table.row([
            place.repository.to_string(),
            words::maybe_moment(place.earliest),
            words::maybe_moment(place.latest),
            if gaps.is_empty() {
                NOTHING.to_owned()
            } else {
                gaps.join(", ")
            },
        ]);
    }
    pages.caption("Recovery window at the end of the period", BEGINNING);
    table.lay_out(pages);
}
