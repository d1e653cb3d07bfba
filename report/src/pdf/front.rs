//! The first pages: what the report is about, the fleet in numbers, and a line for each
//! cluster.

use super::page::{GREY, LEFT, Pages, Style};
use super::table::{BEGINNING, Table, number, text};
use crate::body::{Cluster, Report};
use crate::words::{self, NOTHING};

pub(super) fn lay_out(pages: &mut Pages<'_>, report: &Report, sha256: &str) {
    title(pages, report, sha256);
    fleet(pages, report);
    controls(pages, report);
    clusters(pages, report);
}

fn title(pages: &mut Pages<'_>, report: &Report, sha256: &str) {
    let style = Style::bold(20.0);
    pages.text(LEFT, pages.y + style.size, "Compliance report", style);
    pages.y += style.size + 8.0;
    let style = Style::plain(11.0).in_ink(GREY);
    let line = format!(
        "Fleet {}, {} to {}",
        report.fleet,
        words::day(report.from),
        words::day(report.to)
    );
    pages.line(&line, style);
    pages.y += 8.0;
    let facts = [
        ("Period from (UTC)", words::moment(report.from)),
        ("to, exclusive (UTC)", words::moment(report.to)),
        ("As known at (UTC)", words::moment(report.as_known_at)),
    ];
    pages.facts(&facts, 3);
    pages.facts(
        &[(
            "SHA-256 of the body, the same in every format",
            sha256.to_owned(),
        )],
        1,
    );
    let note = "What became known after that moment is not in this report; asked for again as \
        known at it, the report has the same bytes. Exposure is the time since the latest \
        moment of which it is proved that no commit before it is missing from the copies that \
        the RPO is about; what is not known counts as exposed. A violation is a longest time in \
        which exposure was above the RPO. `holdfast report verify` checks this file.";
    pages.line(note, Style::plain(7.2).in_ink(GREY));
}

fn fleet(pages: &mut Pages<'_>, report: &Report) {
    pages.chapter("The fleet", 80.0);
    let totals = &report.totals;
    let kept = &totals.kept;
    let level = |of: fn(&crate::Exposures) -> crate::Level| {
        let exposure = totals.exposure.as_ref();
        exposure.map_or_else(|| NOTHING.to_owned(), |one| words::level(of(one)))
    };
    let without = format!("{} of {}", totals.without_violation, totals.with_rpo);
    let facts = [
        ("Clusters", totals.clusters.to_string()),
        ("Clusters with an RPO and no violation", without),
        ("That is", words::percent(totals.without_violation_percent)),
        ("Violations", totals.violations.to_string()),
        (
            "RPO kept, by cluster-seconds",
            words::percent(kept.compliance_percent),
        ),
        (
            "The same without excused time",
            words::percent(kept.compliance_excused_percent),
        ),
        ("Above the RPO for", words::length(kept.violated_seconds)),
        (
            "Of that excused",
            words::length(kept.violated_exempt_seconds),
        ),
        ("Highest exposure", level(|one| one.highest)),
        ("For 50 % of the time at most", level(|one| one.p50)),
        ("For 95 %", level(|one| one.p95)),
        ("For 99 %", level(|one| one.p99)),
        (
            "Backups that became available",
            totals.backups_available.to_string(),
        ),
        ("Backups that failed", totals.backups_failed.to_string()),
        ("Backups that went", totals.backups_gone.to_string()),
        ("Deletions on record", report.deletions.len().to_string()),
        ("Drills passed", totals.drills_passed.to_string()),
        ("Drills not passed", totals.drills_not_passed.to_string()),
        (
            "Restores",
            (totals.restores_succeeded + totals.restores_not_succeeded).to_string(),
        ),
        (
            "Of those without success",
            totals.restores_not_succeeded.to_string(),
        ),
    ];
    pages.facts(&facts, 4);
    let states = totals.states.iter();
    let states =
        states.map(|one| format!("{} {}", words::state(one.state), words::length(one.seconds)));
    let states: Vec<String> = states.collect();
    if !states.is_empty() {
        pages.facts(
            &[("Time of all clusters by state", states.join("  ·  "))],
            1,
        );
    }
}

fn controls(pages: &mut Pages<'_>, report: &Report) {
    if report.totals.controls.is_empty() {
        return;
    }
    let columns = [
        text("Control, at the end of the period", 4.0),
        number("Pass", 1.0),
        number("Fail", 1.0),
        number("Not proven", 1.0),
        number("Exempt", 1.0),
        number("Not applicable", 1.2),
    ];
    let mut table = Table::new(&columns);
    for one in &report.totals.controls {
        let number = |count: u64| count.to_string();
        table.row([
            one.control.clone(),
            number(one.pass),
            number(one.fail),
            number(one.not_proven),
            number(one.exempt),
            number(one.not_applicable),
        ]);
    }
    pages.caption("Controls: how many clusters", BEGINNING);
    table.lay_out(pages);
}

fn clusters(pages: &mut Pages<'_>, report: &Report) {
    pages.chapter("Clusters", BEGINNING);
    if report.clusters.is_empty() {
        pages.line(
            "No cluster of the fleet was declared in the period.",
            Style::plain(9.0),
        );
        return;
    }
    let columns = [
        text("Cluster", 2.5),
        text("Policy", 1.8),
        number("RPO", 1.3),
        number("RPO kept", 1.6),
        number("Without excused time", 1.7),
        number("Violations", 1.6),
        number("Above RPO for", 2.1),
        number("Highest exposure", 2.1),
        text("State at the end", 1.9),
    ];
    let mut table = Table::new(&columns);
    for one in &report.clusters {
        table.row(row(one));
    }
    table.lay_out(pages);
}

fn row(one: &Cluster) -> [String; 9] {
    let promise = one.promise.as_ref();
    let nothing = || NOTHING.to_owned();
    let exposure = one.exposure.as_ref();
    [
        one.cluster.to_string(),
        promise.map_or_else(nothing, |promise| promise.policy.to_string()),
        words::maybe_length(promise.and_then(|promise| promise.rpo_seconds)),
        words::percent(one.kept.compliance_percent),
        words::percent(one.kept.compliance_excused_percent),
        one.violations.len().to_string(),
        words::length(one.kept.violated_seconds),
        exposure.map_or_else(nothing, |one| words::level(one.highest)),
        words::state(one.status),
    ]
}
