//! I-05: a backup may be committed only when its WAL is in the repository.
//!
//! The repository itself is looked at, again whenever a duty of this process
//! stored something, until the WAL is there or nothing moves any more.

use std::time::Duration;

use holdfast_proto::{LineageWal, TimelineWal};
use holdfast_repo::{Codec, LineageRepository};
use holdfast_types::{Failure, Lsn, LsnRange, Timeline};
use tokio::time::Instant;

use crate::failure;
use crate::host::Host;

/// How long nothing may move before we give up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Another agent may be the one that stores, so we look without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A busy duty stores many times a second; a listing each time helps nobody.
const LOOK_AT_MOST: Duration = Duration::from_millis(250);

/// WAL that is not in the repository.
#[derive(Debug, thiserror::Error)]
pub enum MissingWal {
    /// It was not stored in time.
    #[error(
        "WAL of timeline {timeline} that the backup needs is not in the repository: {}",
        gaps_text(gaps)
    )]
    Gaps {
        /// The timeline.
        timeline: Timeline,
        /// What is missing.
        gaps: Vec<LsnRange>,
    },
    /// The repository could not be looked at.
    #[error("cannot see which WAL the repository holds")]
    Repository(#[from] holdfast_repo::Error),
}

fn gaps_text(gaps: &[LsnRange]) -> String {
    let texts = gaps
        .iter()
        .map(|gap| format!("{} to {}", gap.from_lsn, gap.to_lsn));
    texts.collect::<Vec<_>>().join(", ")
}

impl MissingWal {
    /// What a person is told.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Gaps { .. } => Failure::transient(
                "backup_wal_missing",
                self.to_string(),
                "see why WAL is not being received (`holdfast exposure`, the agent's log); the \
                 backup was not committed and can be taken again",
            ),
            Self::Repository(error) => failure::of_repository(error),
        }
    }
}

/// Proves that the WAL of `timeline` from `from` to before `to` is in the
/// repository, waiting for the duty as long as it gets on.
pub async fn prove(
    host: &Host,
    lineage: &LineageRepository,
    timeline: Timeline,
    from: Lsn,
    to: Lsn,
) -> Result<LineageWal, MissingWal> {
    prove_within(
        host,
        lineage,
        timeline,
        LsnRange {
            from_lsn: from,
            to_lsn: to,
        },
        PATIENCE,
    )
    .await
}

/// [`prove`] with another patience: how long nothing may move.
pub async fn prove_within(
    host: &Host,
    lineage: &LineageRepository,
    timeline: Timeline,
    needed: LsnRange,
    patience: Duration,
) -> Result<LineageWal, MissingWal> {
    let wal = lineage.wal(Codec::DEFAULT);
    let mut progress = host.wal().progress();
    let (mut reached, mut moved) = (needed.from_lsn, Instant::now());
    loop {
        progress.mark_unchanged();
        let looked = wal.list_from(timeline, needed.from_lsn).await;
        let covered = looked.map(|listed| listed.coverage());
        if let Ok(coverage) = &covered {
            if coverage.covers(needed) {
                let wal = TimelineWal {
                    timeline,
                    coverage: coverage.clone(),
                    gaps: Vec::new(),
                };
                return Ok(LineageWal {
                    lineage: lineage.lineage(),
                    timelines: vec![wal],
                });
            }
            let end = coverage.contiguous_end(needed.from_lsn);
            if end > reached {
                (reached, moved) = (end, Instant::now());
            }
        }
        if moved.elapsed() >= patience {
            return Err(MissingWal::Gaps {
                timeline,
                gaps: covered?.gaps(needed),
            });
        }
        if let Err(error) = &covered {
            tracing::debug!(%error, "looking for the backup's WAL again");
        }
        let looked_at = Instant::now();
        let left = patience.saturating_sub(moved.elapsed());
        // Woken, or time to look anyway; the sender lives in the host.
        let _ = tokio::time::timeout(LOOK_EVERY.min(left), progress.changed()).await;
        tokio::time::sleep_until(looked_at + LOOK_AT_MOST.min(left)).await;
    }
}
