//! Proving what a repository says it can restore.
//!
//! The quick form reads every mark, manifest section and block map, and
//! compares packs and WAL with the listing. The deep form trusts no listing: it
//! opens every chunk that a backup references and every WAL object.

mod backup;
mod orphans;
mod wal;
mod window;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_types::{Lsn, Name, Timeline};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::wal::WalView;
use self::window::Windows;
use crate::backup::{Backup, BackupKind};
use crate::{Error, LineageRepository, Repository, Result};

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Whether to open every chunk and every WAL object.
    pub deep: bool,
    /// One cluster only.
    pub cluster: Option<Name>,
    /// How old what nothing needs must be to be an orphan: what is younger may be
    /// of a backup under way. The longest pin and a day when it is not said.
    pub orphans_after: Option<SignedDuration>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The object, or the directory in which objects are missing.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What can therefore not be restored.
    pub lost: Vec<Lost>,
}

/// Positions, and the times around them, that cannot be restored to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// The latest known time before them.
    pub from: Option<Timestamp>,
    /// The earliest known time after them; absent when there is none.
    pub to: Option<Timestamp>,
    /// The timeline.
    pub timeline: Timeline,
    /// The first position lost.
    pub from_lsn: Lsn,
    /// The position after the last one lost.
    pub to_lsn: Lsn,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// What is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
}

/// How far a verification is.
#[derive(Debug, Default)]
pub struct VerifyProgress {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl VerifyProgress {
    /// Objects looked at.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Plain bytes whose hash was checked.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn object(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    fn checked(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A problem with an object, before it is known what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    object: String,
    problem: String,
}

impl Problem {
    /// What an error says about an object; an error that says nothing about
    /// one, such as an unreachable store, ends the verification.
    fn of(error: Error) -> Result<Self> {
        match error {
            Error::Damaged { object, damage } => Ok(Self {
                object,
                problem: damage.to_string(),
            }),
            Error::Missing { object } => Ok(Self {
                object,
                problem: "it is missing".into(),
            }),
            other => Err(other),
        }
    }

    fn costing(self, lost: Vec<Lost>) -> Finding {
        Finding {
            object: self.object,
            problem: self.problem,
            lost,
        }
    }
}

impl Repository {
    /// Verifies everything, or one cluster. An error means that verification
    /// itself failed; damage is a finding.
    pub async fn verify(
        &self,
        options: &VerifyOptions,
        progress: &Arc<VerifyProgress>,
    ) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let before = orphans::before(options);
        // Whether every lineage said which keys it needs.
        let (mut keys, mut whole) = (BTreeSet::new(), options.cluster.is_none());
        let clusters = match &options.cluster {
            Some(cluster) => vec![cluster.clone()],
            None => self.clusters().await?,
        };
        for cluster in clusters {
            for lineage in self.lineages(&cluster).await? {
                match self.lineage(&cluster, lineage).await {
                    Ok(lineage) => {
                        report
                            .findings
                            .extend(verify_lineage(&lineage, options.deep, progress).await?);
                        let unneeded = orphans::of_lineage(&lineage, before).await?;
                        keys.extend(unneeded.keys);
                        report.findings.extend(unneeded.findings);
                        whole &= unneeded.is_whole;
                    }
                    Err(Error::UnknownLineage { .. }) => {
                        whole = false;
                        let object = format!("clusters/{cluster}/{lineage}/lineage.json");
                        let problem =
                            "it is missing, and nothing below it can be read without it".into();
                        report.findings.push(Finding {
                            object,
                            problem,
                            lost: Vec::new(),
                        });
                    }
                    Err(error) => {
                        whole = false;
                        let finding = Problem::of(error)?.costing(Vec::new());
                        report.findings.push(finding);
                    }
                }
            }
        }
        if whole {
            report
                .findings
                .extend(orphans::keys(self, &keys, before).await?);
        }
        self.prove_present().await?;
        Ok(report)
    }
}

async fn verify_lineage(
    lineage: &LineageRepository,
    deep: bool,
    progress: &Arc<VerifyProgress>,
) -> Result<Vec<Finding>> {
    progress.object();
    let mut findings = Vec::new();
    let (wal, wal_problems) = WalView::read(lineage, deep, progress).await?;
    let backups = lineage.list_backups().await?;
    for mark in backups.unreadable {
        findings.push(Problem::of(mark.error)?.costing(Vec::new()));
    }
    let mut good: Vec<Backup> = Vec::new();
    let mut broken: Vec<(Backup, Vec<Problem>)> = Vec::new();
    for backup in backups.available {
        progress.object();
        let problems = backup::check(lineage, &backup, deep, progress).await?;
        if problems.is_empty() {
            good.push(backup);
        } else {
            broken.push((backup, problems));
        }
    }
    // A dump needs no WAL and leads to no position: it is what it holds.
    let physical = |backup: &&Backup| backup.kind != BackupKind::Logical;
    let all: Vec<&Backup> = good
        .iter()
        .chain(broken.iter().map(|(backup, _)| backup))
        .filter(physical)
        .collect();
    let windows = Windows::new(&wal, &all);
    let intact: Vec<&Backup> = good.iter().filter(physical).collect();
    for (backup, problems) in &broken {
        let it = Some(backup).filter(physical);
        let with_it: Vec<&Backup> = intact.iter().copied().chain(it).collect();
        let lost = windows.lost(
            &windows.restorable(&wal.held, &with_it),
            &windows.restorable(&wal.held, &intact),
        );
        findings.extend(
            problems
                .iter()
                .map(|problem| problem.clone().costing(lost.clone())),
        );
    }
    let actual = windows.restorable(&wal.held, &intact);
    let intended = windows.restorable(&windows.filled(), &intact);
    let lost = windows.lost(&intended, &actual);
    for (problem, range) in wal_problems {
        let lost = range.map_or_else(Vec::new, |(timeline, range)| {
            let after = |lost: &&Lost| windows.concerns(lost, timeline, range.from_lsn);
            lost.iter().filter(after).cloned().collect()
        });
        findings.push(problem.costing(lost));
    }
    for (timeline, gap) in windows.gaps() {
        let after = |lost: &&Lost| windows.concerns(lost, *timeline, gap.from_lsn);
        let problem = format!("WAL from {} to {} is missing", gap.from_lsn, gap.to_lsn);
        let object = lineage.name(&crate::wal::timeline_directory(*timeline));
        let lost = lost.iter().filter(after).cloned().collect();
        findings.push(Finding {
            object,
            problem,
            lost,
        });
    }
    Ok(findings)
}
