//! The plan of a restore: which backup, which WAL, where it ends, and every
//! reason against. It reads the repository and touches nothing.

use std::path::Path;

use holdfast_pg::binaries::Programs;
use holdfast_proto::{PlanRequest, RepositoryAccess};
use holdfast_repo::{Backup, Repository};
use holdfast_types::{
    Failure, Lineage, PlannedWal, RestorePlan, RestoreRequest, RestoreTarget, TargetAction,
};

use super::candidate::{self, Candidate};
use super::chain::Chain;
use super::directory::{self, Wanted};
use super::landmark::Landmark;
use super::places::{Layout, Origins, Places};
use super::rate;
use super::resolve::{Question, Resolved, Unresolved};
use super::reuse;
use super::settings;
use crate::failure::of_repository;
use crate::host::{Host, hook_problem};
use crate::job::backup::{OWN_WAL, fact};

/// Plans the restore that `request` asks for.
///
/// What rules out any plan is an error; what rules out this one on this host
/// is among the plan's problems.
pub async fn plan(request: PlanRequest, host: &Host) -> Result<RestorePlan, Failure> {
    plan_in(Layout::InPlace, request, host).await
}

/// The same for what is written to `layout`.
pub(crate) async fn plan_in(
    layout: Layout,
    request: PlanRequest,
    host: &Host,
) -> Result<RestorePlan, Failure> {
    let asked = &request.request;
    refuse_exclusive(asked)?;
    refuse_standby(asked)?;
    let repository = host.existing_repository(&request.repository).await;
    let repository = repository.map_err(|error| of_repository(&error))?;
    let held = candidate::list(&repository, &asked.cluster).await?;
    let mut eligible = candidate::eligible(&held.backups, &asked.cluster, &asked.at)?;
    refuse_without_wal(eligible.first(), &asked.at)?;
    let landmark = match Landmark::of(&asked.at) {
        Some(landmark) => Some(landmark.find(&eligible).await?),
        None => None,
    };
    if let Some(found) = &landmark {
        // A position means nothing in another lineage.
        eligible.retain(|candidate| candidate.lineage.lineage() == found.lineage);
    }
    eligible.retain(|one| !carries_wal(&one.backup) || at_backup(&asked.at));
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
                let question = (layout, asked, &request.repository);
                return describe(question, host, candidate, &chain, resolved, held.warnings).await;
            }
            Err(Unresolved::BeforeBackup) => {}
            Err(Unresolved::Failed(failure)) => return Err(failure),
        }
    }
    Err(candidate::before_first(&held.backups, &asked.at))
}

/// Whether nobody received WAL but the backup for itself.
fn carries_wal(backup: &Backup) -> bool {
    let wal = backup.facts.get(fact::WAL);
    wal.is_some_and(|wal| wal == OWN_WAL)
}

/// Whether a target is where a backup is consistent.
const fn at_backup(target: &RestoreTarget) -> bool {
    matches!(target, RestoreTarget::Immediate | RestoreTarget::Backup(_))
}

/// A backup that carries its own WAL restores to where it is consistent and
/// nowhere else. An older one that would do, with all WAL since, is not what
/// was asked for: it cannot be known that nothing is missing.
fn refuse_without_wal(best: Option<&Candidate>, target: &RestoreTarget) -> Result<(), Failure> {
    let Some(best) = best.filter(|best| carries_wal(&best.backup) && !at_backup(target)) else {
        return Ok(());
    };
    let (id, at) = (best.backup.id, best.backup.finished_at);
    Err(Failure::permanent(
        "target_needs_wal",
        format!(
            "{target} cannot be reached from {id} of {at:.0}: no WAL was received after it \
             (wal.mode: none)"
        ),
        format!("restore to immediate, or to backup:{id}; for points in time have WAL received"),
    ))
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

/// Nothing but a delta writes over anything.
fn refuse_force(asked: &RestoreRequest) -> Result<(), Failure> {
    if asked.delta || !asked.force {
        return Ok(());
    }
    Err(Failure::permanent(
        "force_without_delta",
        "a restore that is no delta writes over nothing, and cannot be forced to",
        "leave force out, or ask for a delta too",
    ))
}

/// A standby goes on replaying: it cannot stop anywhere.
fn refuse_standby(asked: &RestoreRequest) -> Result<(), Failure> {
    if asked.action != TargetAction::Standby || asked.at == RestoreTarget::Latest {
        return Ok(());
    }
    Err(Failure::permanent(
        "standby_needs_latest",
        format!(
            "a standby replays all there is, and would not stay at {}",
            asked.at
        ),
        "restore to latest with the action standby, or take pause to look at a point in time",
    ))
}

async fn describe(
    (layout, asked, access): (Layout, &RestoreRequest, &RepositoryAccess),
    host: &Host,
    candidate: &Candidate,
    chain: &Chain,
    resolved: Resolved,
    mut warnings: Vec<String>,
) -> Result<RestorePlan, Failure> {
    let backup = &candidate.backup;
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
    let (places, unplaced) = match places(layout, backup, asked, &mut warnings) {
        Ok(places) => (places, Vec::new()),
        Err(problems) => (Places::default(), problems),
    };
    let reuse_bytes = reuse::estimate(asked, &places, &reader).await?;
    let (mut problems, _) = problems(
        (asked, access),
        host,
        (backup.lineage, backup.postgres_version),
        (directory_bytes, &places),
    )
    .await;
    problems.extend(unplaced);
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
        reuse_bytes,
        estimated_seconds: rate::estimate(host, directory_bytes, wal_bytes),
        tablespaces: places.planned(),
        wal_directory: places.wal.as_ref().map(|path| path.display().to_string()),
        problems,
        warnings,
    })
}

/// Where everything goes that is not in the directory.
fn places(
    layout: Layout,
    backup: &Backup,
    asked: &RestoreRequest,
    warnings: &mut Vec<String>,
) -> Result<Places, Vec<Failure>> {
    let origins = Origins::of(backup).map_err(|failure| vec![failure])?;
    let (map, dir) = (&asked.tablespace_map, Path::new(&asked.dir));
    let places = Places::decide_in(layout, &origins, map, dir)?;
    if let (Some(was), None) = (&origins.wal, &places.wal) {
        warnings.push(format!(
            "pg_wal was a link to {}; it will be in the data directory, unless it is given a \
             place by pg_wal=NEW in the tablespace map",
            was.display()
        ));
    }
    Ok(places)
}

/// Everything on this host that speaks against it, now, and PostgreSQL's programs
/// as they were found on the way.
pub(super) async fn problems(
    (asked, repository): (&RestoreRequest, &RepositoryAccess),
    host: &Host,
    (lineage, server_version): (Lineage, u32),
    (bytes, places): (u64, &Places),
) -> (Vec<Failure>, Option<Programs>) {
    let mut problems = settings::reserved(&asked.set, asked.action);
    problems.extend(refuse_force(asked).err());
    let hooks = &host.config().hooks;
    problems.extend(
        asked
            .hooks
            .iter()
            .filter_map(|name| hook_problem(hooks, name)),
    );
    let (asked, bin_dirs) = (asked.clone(), host.config().postgres.bin_dirs.clone());
    let (executable, url) = (host.executable().to_owned(), repository.url.clone());
    let places = places.clone();
    let (system_identifier, major) = (lineage.system_identifier, server_version / 10_000);
    // It runs programs and looks at file systems that may be slow.
    let looked = tokio::task::spawn_blocking(move || {
        let wanted = Wanted {
            bytes,
            places: &places,
            system_identifier,
            major,
        };
        let mut problems = directory::problems(&asked, wanted, (&executable, &url));
        let programs = Programs::find(major, &bin_dirs);
        let programs = programs.map_err(|error| problems.push(directory::of_programs(&error)));
        (problems, programs.ok())
    });
    match looked.await {
        Ok((found, programs)) => {
            problems.extend(found);
            (problems, programs)
        }
        Err(error) => {
            problems.push(crate::job::backup::thread_died(&error));
            (problems, None)
        }
    }
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
