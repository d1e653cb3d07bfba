//! A fleet in numbers: they follow from its clusters and lists.

use serde::{Deserialize, Serialize};

use crate::body::{Cluster, Exposures, Kept, StateTime};
use crate::number::Percent;
use crate::record::{Drill, Restore};

/// The fleet in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Totals {
    /// How many clusters there were.
    pub clusters: u64,
    /// How many of them had an RPO for some of the time.
    pub with_rpo: u64,
    /// How many of those had no violation at all.
    pub without_violation: u64,
    /// Which part of them that is.
    pub without_violation_percent: Option<Percent>,
    /// How well RPOs were kept; each second of each cluster counts the same.
    pub kept: Kept,
    /// For how long clusters were in which state.
    pub states: Vec<StateTime>,
    /// How high exposures were, all clusters taken together.
    pub exposure: Option<Exposures>,
    /// How many violations there were.
    pub violations: u64,
    /// How many backups became available.
    pub backups_available: u64,
    /// How many failed.
    pub backups_failed: u64,
    /// How many were condemned, deleted or lost.
    pub backups_gone: u64,
    /// How many drills passed.
    pub drills_passed: u64,
    /// How many did not.
    pub drills_not_passed: u64,
    /// How many restores succeeded.
    pub restores_succeeded: u64,
    /// How many did not.
    pub restores_not_succeeded: u64,
    /// Of each control, how many clusters had which outcome.
    pub controls: Vec<ControlTotals>,
}

/// A control over all clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlTotals {
    /// Its name.
    pub control: String,
    /// Clusters where it holds.
    pub pass: u64,
    /// Clusters where it does not.
    pub fail: u64,
    /// Clusters where nothing proves it.
    pub not_proven: u64,
    /// Clusters where an exemption excuses it.
    pub exempt: u64,
    /// Clusters where nothing of the kind is promised.
    pub not_applicable: u64,
}

impl Totals {
    /// Of these clusters, drills and restores. How high exposures were taken together
    /// does not follow from those of each.
    pub fn of(
        clusters: &[Cluster],
        drills: &[Drill],
        restores: &[Restore],
        exposure: Option<Exposures>,
    ) -> Self {
        let measured = clusters
            .iter()
            .filter(|one| !one.kept.measured_seconds.is_zero());
        let with_rpo = count(measured.clone());
        let without_violation = count(measured.filter(|one| one.violations.is_empty()));
        let backups = clusters.iter().flat_map(|one| &one.backups);
        let sum = |number: fn(&crate::body::Backups) -> u64| backups.clone().map(number).sum();
        let passed = count(drills.iter().filter(|drill| drill.verdict == "passed"));
        let succeeded = count(restores.iter().filter(|restore| succeeded(&restore.state)));
        Self {
            clusters: count(clusters.iter()),
            with_rpo,
            without_violation,
            without_violation_percent: Percent::of(without_violation, with_rpo),
            kept: Kept::sum(clusters.iter().map(|one| &one.kept)),
            states: states(clusters),
            exposure,
            violations: clusters
                .iter()
                .map(|one| count(one.violations.iter()))
                .sum(),
            backups_available: sum(|one| one.available),
            backups_failed: sum(|one| one.failed),
            backups_gone: sum(|one| one.gone),
            drills_passed: passed,
            drills_not_passed: count(drills.iter()) - passed,
            restores_succeeded: succeeded,
            restores_not_succeeded: count(restores.iter()) - succeeded,
            controls: controls(clusters),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |known, _| known + 1)
}

fn succeeded(state: &str) -> bool {
    matches!(state, "succeeded" | "done")
}

fn states(clusters: &[Cluster]) -> Vec<StateTime> {
    let mut sums: Vec<StateTime> = Vec::new();
    for one in clusters.iter().flat_map(|cluster| &cluster.states) {
        match sums.iter_mut().find(|known| known.state == one.state) {
            Some(known) => known.seconds = [known.seconds, one.seconds].into_iter().sum(),
            None => sums.push(*one),
        }
    }
    sums.sort_by_key(|one| one.state.map(|state| state.to_string()));
    sums
}

fn controls(clusters: &[Cluster]) -> Vec<ControlTotals> {
    let mut totals: Vec<ControlTotals> = Vec::new();
    for one in clusters.iter().flat_map(|cluster| &cluster.controls) {
        let place = totals
            .iter()
            .position(|known| known.control == one.control)
            .unwrap_or_else(|| {
                totals.push(ControlTotals {
                    control: one.control.clone(),
                    pass: 0,
                    fail: 0,
                    not_proven: 0,
                    exempt: 0,
                    not_applicable: 0,
                });
                totals.len() - 1
            });
        let known = &mut totals[place];
        let number = match one.outcome.as_str() {
            "PASS" => &mut known.pass,
            "NOT_PROVEN" => &mut known.not_proven,
            "EXEMPT" => &mut known.exempt,
            "NOT_APPLICABLE" => &mut known.not_applicable,
            // What is not known to be well is not well (I-13).
            _ => &mut known.fail,
        };
        *number += 1;
    }
    totals
}
