//! The report of a run, for people and for docs/reliability.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::nemesis::Kind;
use crate::run::Outcome;

/// What lies between these is written by the run.
const BEGIN: &str = "<!-- the last long run: begin -->";
const END: &str = "<!-- the last long run: end -->";

/// Tells a run in Markdown.
pub fn markdown(outcome: &Outcome, at: Timestamp) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    line("when", &at.strftime("%Y-%m-%d %H:%M UTC"));
    line("release", &env!("CARGO_PKG_VERSION"));
    line("machine", &machine());
    line("seed", &outcome.seed);
    line("took", &seconds(outcome.took));
    line("**faults**", &format!("**{}**", outcome.faults()));
    line(
        "**violations**",
        &format!("**{}**", outcome.violations.len()),
    );
    line("requests answered", &outcome.served.done);
    line("requests checked for linearizability", &outcome.calls);
    line("writes of unknown outcome", &outcome.served.unknown);
    let refused: u64 = outcome.served.not_done.values().sum();
    line(
        "requests refused",
        &format!("{refused} ({})", counts(&outcome.served.not_done)),
    );
    line(
        "longest time without a write done",
        &seconds(outcome.served.longest_without_writes),
    );
    line(
        "longest until all nodes were whole again",
        &seconds(longest(outcome)),
    );
    line(
        "nodes that stopped by themselves, saying why",
        &stopped(outcome),
    );
    line("due times on record", &counts(&outcome.work.runs));
    line("of them served by the agent alone", &outcome.work.alone);
    line("times that WAL's receiver moved", &outcome.moved);
    line("rows committed, and restored", &outcome.written);
    line("jobs", &counts(&outcome.work.jobs));
    line(
        "everything due was done after",
        &seconds(outcome.work.done_after),
    );
    line("rows equal on all nodes", &outcome.rows);
    let mut whole = String::from("| | |\n|---|---|\n");
    whole.push_str(&text);
    whole.push_str("\n| fault | times |\n|---|---|\n");
    for (kind, times) in kinds(outcome) {
        let _ = writeln!(whole, "| {kind} | {times} |");
    }
    for violation in &outcome.violations {
        let _ = writeln!(whole, "\nViolation: {violation}");
    }
    whole
}

fn kinds(outcome: &Outcome) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    let faults = outcome.events.iter().flat_map(|event| &event.step.faults);
    for fault in faults {
        *kinds.entry(fault.kind()).or_default() += 1;
    }
    kinds
}

fn stopped(outcome: &Outcome) -> usize {
    outcome.events.iter().map(|event| event.stopped.len()).sum()
}

fn longest(outcome: &Outcome) -> Duration {
    let times = outcome.events.iter().map(|event| event.whole_after);
    times.max().unwrap_or_default()
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let parts = counts.iter().map(|(name, count)| format!("{count} {name}"));
    parts.collect::<Vec<_>>().join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: String = kernel
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, Linux {}", version.trim_end_matches('.'))
}

/// Writes the report into the page at `path`, between its marks; a file without
/// marks, or none, becomes the report.
pub fn write(path: &Path, report: &str) -> io::Result<()> {
    let page = fs::read_to_string(path).unwrap_or_default();
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let text = match parts {
        Some((before, after)) => format!("{before}{BEGIN}\n{report}{END}{after}"),
        None => report.to_owned(),
    };
    fs::write(path, text)
}
