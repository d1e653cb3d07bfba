//! The plan of a restore: which backup, which WAL, where it ends, and every
//! reason against. It reads the repository and touches nothing.

use holdfast_pg::binaries::Programs;
use holdfast_proto::{PlanRequest, RepositoryAccess};
use holdfast_repo::Repository;
use holdfast_types::{Failure, PlannedWal, RestorePlan, RestoreRequest, RestoreTarget};

use super::candidate::{self, Candidate};
use super::chain::Chain;
use super::directory;
use super::landmark::Landmark;
use super::rate;
use super::resolve::{Question, Resolved, Unresolved};
use super::settings;
use crate::failure::of_repository;
use crate::host::Host;
use crate::job::backup::fact;

/// Plans the restore that `request` asks for.
///
/// What rules out any plan is an error; what rules out this one on this host
/// is among the plan's problems.
pub async fn plan(request: PlanRequest, host: &Host) -> Result<RestorePlan, Failure> {
    let asked = &request.request;
    refuse_exclusive(asked)?;
    let repository = host.existing_repository(&request.repository).await;
    let repository = repository.map_err(|error| of_repository(&error))?;
    let held = candidate::list(&repository, &asked.cluster).await?;
    let mut eligible = candidate::eligible(&held.backups, &asked.cluster, &asked.at)?;
    let landmark = match Landmark::of(&asked.at) {
        Some(landmark) => Some(landmark.find(&eligible).await?),
        None => None,
    };
    if let Some(found) = &landmark {
        // A position means nothing in another lineage.
        eligible.retain(|candidate| candidate.lineage.lineage() == found.lineage);
    }
    for candidate in &eligible {
        let backup = &candidate.backup;
        let (start, stop) = (backup.start_lsn, backup.stop_lsn);
        let chain = Chain::open(&candidate.lineage, backup.timeline, start, stop).await?;
        let (exclusive, frontier) = (asked.exclusive, request.frontier);
        let question = Question {
            chain: &chain,
            backup,
            exclusive,
            frontier,
            landmark: landmark.as_ref().map(|found| &found.record),
        };
        match question.resolve(&asked.at).await {
            Ok(resolved) => {
                let question = (asked, &request.repository);
                return describe(question, host, candidate, &chain, resolved, held.warnings).await;
            }
            Err(Unresolved::BeforeBackup) => {}
            Err(Unresolved::Failed(failure)) => return Err(failure),
        }
    }
    Err(candidate::before_first(&held.backups, &asked.at))
}

fn refuse_exclusive(asked: &RestoreRequest) -> Result<(), Failure> {
    let has_edge = !matches!(
        asked.at,
        RestoreTarget::Latest | RestoreTarget::Immediate | RestoreTarget::Backup(_)
    );
    if has_edge || !asked.exclusive {
        return Ok(());
    }
    Err(Failure::permanent(
        "exclusive_without_edge",
        format!("{} cannot be exclusive: nothing is at its edge", asked.at),
        "leave exclusive out, or give a time or a position",
    ))
}

async fn describe(
    question: (&RestoreRequest, &RepositoryAccess),
    host: &Host,
    candidate: &Candidate,
    chain: &Chain,
    resolved: Resolved,
    mut warnings: Vec<String>,
) -> Result<RestorePlan, Failure> {
    let (asked, backup) = (question.0, &candidate.backup);
    let reader = candidate.lineage.open_backup(backup.clone()).await;
    let reader = reader.map_err(|error| of_repository(&error))?;
    let wal_bytes = resolved.to_lsn.bytes_since(backup.start_lsn);
    // In the directory are the segments that make the copy consistent; the
    // others come and go while they replay.
    let segment = chain.segment_size().bytes();
    let directory_bytes =
        backup.database_bytes + chain.segments(backup.start_lsn, backup.stop_lsn) * segment;
    warnings.extend(warnings_of(backup));
    warnings.extend(resolved.warning);
    Ok(RestorePlan {
        cluster: asked.cluster.clone(),
        at: asked.at.clone(),
        lineage: backup.lineage,
        backup: backup.id,
        backup_finished_at: backup.finished_at,
        timeline: chain.timeline(),
        wal: PlannedWal {
            from_lsn: backup.start_lsn,
            to_lsn: resolved.to_lsn,
            last_record_lsn: resolved.last_record_lsn,
            segments: chain.segments(backup.start_lsn, resolved.to_lsn),
        },
        recovers_to: resolved.recovers_to,
        last_commit_at: resolved.last_commit.map(|commit| commit.at),
        stop_before: resolved.stop_before,
        server_version: backup.postgres_version,
        database_bytes: directory_bytes,
        fetch_bytes: reader.live_bytes() + wal_bytes,
        estimated_seconds: rate::estimate(host, directory_bytes, wal_bytes),
        problems: problems(question, host, backup.postgres_version, directory_bytes).await,
        warnings,
    })
}

/// Everything on this host that speaks against it, now.
pub(super) async fn problems(
    (asked, repository): (&RestoreRequest, &RepositoryAccess),
    host: &Host,
    server_version: u32,
    bytes: u64,
) -> Vec<Failure> {
    let mut problems = settings::reserved(&asked.set);
    let (asked, bin_dirs) = (asked.clone(), host.config().postgres.bin_dirs.clone());
    let (executable, url) = (host.executable().to_owned(), repository.url.clone());
    // It runs programs and looks at file systems that may be slow.
    let looked = tokio::task::spawn_blocking(move || {
        let mut problems = directory::problems(&asked, bytes, (&executable, &url));
        if let Err(error) = Programs::find(server_version / 10_000, &bin_dirs) {
            problems.push(directory::of_programs(&error));
        }
        problems
    });
    match looked.await {
        Ok(found) => problems.extend(found),
        Err(error) => problems.push(crate::job::backup::thread_died(&error)),
    }
    problems
}

fn warnings_of(backup: &holdfast_repo::Backup) -> Option<String> {
    let corrupt = backup.facts.get(fact::CORRUPT_PAGES)?;
    (corrupt != "0").then(|| {
        format!(
            "{corrupt} pages were damaged on disk when {} was taken",
            backup.id
        )
    })
}

/// The repository of a restore, for those who have only its access.
pub(super) async fn open(
    host: &Host,
    access: &RepositoryAccess,
) -> Result<std::sync::Arc<Repository>, Failure> {
    host.existing_repository(access)
        .await
        .map_err(|error| of_repository(&error))
}
