//! Which server a backup is taken from, and what a standby must have done
//! before it is any use.
//!
//! A standby replays what its primary wrote, and PostgreSQL lets a backup of it
//! begin at its last restart point, which may be old, and end where a recovery
//! must get to at least. So before it begins, the standby has replayed all that
//! the repository holds, or the backup would be older than it looks; and the
//! WAL from its start on must be there, without a hole (I-05). A standby that is
//! promoted in mid-copy is another server: nothing is committed, and the next
//! attempt begins anew.

use std::future::Future;
use std::time::Duration;

use holdfast_pg::sql::{BackupSession, BackupStart, Facts, Session};
use holdfast_pg::{ConnectionInfo, Error as PgError};
use holdfast_proto::BackupWork;
use holdfast_repo::{Codec, LineageRepository};
use holdfast_types::resource::Source;
use holdfast_types::{Failure, Lsn};
use tokio::time::Instant;

use super::Stopped;
use super::prepare::Ready;
use crate::failure::{of_postgres, of_repository};
use crate::job::JobContext;

/// How long a standby may take to replay what the repository holds.
const REPLAY_DEADLINE: Duration = Duration::from_secs(600);
/// How long a restart point may take that begins where the repository has
/// WAL: a primary makes a checkpoint every `checkpoint_timeout`, five minutes
/// by default, while anything is written.
const RESTART_POINT_DEADLINE: Duration = Duration::from_secs(660);
/// How long the first WAL may take to come.
const FIRST_WAL_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);
/// PostgreSQL's `object_not_in_prerequisite_state`: it says so of a standby
/// that was promoted, and of one whose primary wrote no full pages.
const NOT_IN_STATE: &str = "55000";

/// The server must be what the work says it is.
pub(in crate::job) fn check_role(work: &BackupWork, facts: &Facts) -> Result<(), Failure> {
    refused_role(work, facts.in_recovery).map_or(Ok(()), Err)
}

fn refused_role(work: &BackupWork, in_recovery: bool) -> Option<Failure> {
    let wanted = work.from.unwrap_or(Source::Primary);
    let (is, other) = match (wanted, in_recovery) {
        (Source::Primary, false) | (Source::Standby, true) | (Source::PreferStandby, _) => {
            return None;
        }
        (Source::Primary, true) => ("a standby", "the primary"),
        (Source::Standby, false) => ("the primary", "a standby"),
    };
    Some(Failure::transient(
        "role_changed",
        format!(
            "the instance of cluster {} is {is} now, and the backup is to be taken from {other}",
            work.cluster
        ),
        "nothing to do if the cluster has just failed over: the next attempt goes to the instance \
         that is right then; else see what the instance's connection leads to",
    ))
}

/// Waits until a standby has replayed all that the repository holds, and
/// returns what it says of itself then.
pub(super) async fn caught_up(
    cx: &JobContext,
    (info, session): (&ConnectionInfo, &Session),
    lineage: &LineageRepository,
    mut facts: Facts,
) -> Result<Facts, Stopped> {
    if !facts.in_recovery {
        return Ok(facts);
    }
    if refuse_old_timeline(lineage, &facts).await.is_err() {
        // The last restart point may be from before the standby followed its
        // cluster. A backup that begins and ends at once makes a new one.
        let nudge = BackupStart {
            label: "holdfast: a restart point",
            fast: true,
        };
        match BackupSession::start(info, nudge).await {
            Ok(begun) => drop(begun),
            Err(error) => return Err(explained(info, true, &error).await),
        }
        facts = session.facts().await?;
        refuse_old_timeline(lineage, &facts).await?;
    }
    let began = Instant::now();
    let held = loop {
        let replayed = session.replay_position().await?.unwrap_or(Lsn::INVALID);
        if let Some(held) = held_to(lineage, &facts, replayed).await? {
            break held;
        }
        if began.elapsed() >= FIRST_WAL_DEADLINE {
            return Err(Stopped::Failed(Failure::transient(
                "wal_not_archived",
                format!(
                    "the repository holds no WAL of timeline {} at or after {replayed}, where the \
                     standby is",
                    facts.timeline
                ),
                "check why the cluster's WAL is not being received; then take the backup again",
            )));
        }
        tokio::time::sleep(POLL).await;
    };
    let mut told = false;
    loop {
        let replayed = session.replay_position().await?.unwrap_or(Lsn::INVALID);
        if replayed >= held {
            break;
        }
        if !std::mem::replace(&mut told, true) {
            cx.log(format!(
                "the standby has replayed to {replayed}, the repository holds WAL to {held}: waiting"
            ));
        }
        if began.elapsed() >= REPLAY_DEADLINE {
            return Err(Stopped::Failed(Failure::transient(
                "standby_behind",
                format!(
                    "the standby has replayed to {replayed} only, and the repository holds WAL to \
                     {held}"
                ),
                "look at its replication (pg_stat_wal_receiver, recovery_min_apply_delay), or take \
                 the backup from the primary",
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    // What it is against, and on which timeline, is decided by what is so now.
    Ok(session.facts().await?)
}

/// A standby that did not follow its cluster to a new timeline.
async fn refuse_old_timeline(lineage: &LineageRepository, facts: &Facts) -> Result<(), Failure> {
    let wal = lineage.wal(Codec::DEFAULT);
    let timelines = wal
        .timelines()
        .await
        .map_err(|error| of_repository(&error))?;
    let Some(newer) = timelines
        .into_iter()
        .filter(|one| *one > facts.timeline)
        .max()
    else {
        return Ok(());
    };
    Err(Failure::transient(
        "standby_behind",
        format!(
            "the standby's last restart point is on timeline {}, and the repository holds WAL of \
             timeline {newer}",
            facts.timeline
        ),
        "wait until the standby has followed its new primary and made a restart point there, or \
         take the backup from the primary",
    ))
}

/// Where the WAL ends that the repository holds, as far as it reaches `from`.
async fn held_to(
    lineage: &LineageRepository,
    facts: &Facts,
    from: Lsn,
) -> Result<Option<Lsn>, Failure> {
    let wal = lineage.wal(Codec::DEFAULT);
    // At the boundary of a segment nothing of the next one need be written.
    let before = Lsn::new(from.get().saturating_sub(1));
    let from = facts.segment_size.start_of(before);
    let listed = wal.list_from(facts.timeline, from).await;
    let listed = listed.map_err(|error| of_repository(&error))?;
    Ok(listed.coverage().ranges().last().map(|last| last.to_lsn))
}

/// Whether the repository holds the WAL from `start` on as far as it holds any.
async fn holds_from(
    lineage: &LineageRepository,
    facts: &Facts,
    start: Lsn,
) -> Result<bool, Failure> {
    let wal = lineage.wal(Codec::DEFAULT);
    let from = facts.segment_size.start_of(start);
    let listed = wal.list_from(facts.timeline, from).await;
    let coverage = listed.map_err(|error| of_repository(&error))?.coverage();
    let end = coverage.ranges().last().map(|last| last.to_lsn);
    Ok(end.is_some_and(|end| end <= from || coverage.contiguous_end(from) == end))
}

/// Begins a backup with what `start` does, again and again on a standby until
/// its restart point lies where the repository has the WAL.
pub(super) async fn begin<F>(
    cx: &JobContext,
    prepared: &Ready,
    mut start: impl FnMut() -> F,
) -> Result<BackupSession, Stopped>
where
    F: Future<Output = Result<BackupSession, PgError>>,
{
    let began = Instant::now();
    let mut told = false;
    loop {
        let session = match start().await {
            Ok(session) => session,
            Err(error) => {
                return Err(explained(&prepared.info, prepared.facts.in_recovery, &error).await);
            }
        };
        let begins_at = session.start_lsn();
        if !session.in_recovery()
            || prepared.carried.is_some()
            || holds_from(&prepared.lineage, &prepared.facts, begins_at).await?
        {
            return Ok(session);
        }
        // Its end ends the backup on the server.
        drop(session);
        if !std::mem::replace(&mut told, true) {
            cx.log(format!(
                "the standby's last restart point is at {begins_at}, and the repository lacks WAL \
                 from there on: waiting for another"
            ));
        }
        if began.elapsed() >= RESTART_POINT_DEADLINE {
            return Err(Stopped::Failed(restart_point_too_old(begins_at)));
        }
        tokio::time::sleep(POLL * 4).await;
    }
}

/// Fails unless the repository has the WAL from where a stream of a standby
/// begins: it cannot be begun again without asking for all of it.
pub(super) async fn require_wal(prepared: &Ready, start: Lsn) -> Result<(), Failure> {
    if holds_from(&prepared.lineage, &prepared.facts, start).await? {
        return Ok(());
    }
    Err(restart_point_too_old(start))
}

fn restart_point_too_old(at: Lsn) -> Failure {
    Failure::transient(
        "restart_point_too_old",
        format!(
            "the standby's last restart point is at {at}, and the repository lacks WAL from there \
             on"
        ),
        "run CHECKPOINT on the primary, wait until the standby has replayed it, and take the \
         backup again",
    )
}

/// A position that no page was changed behind, as far as it is known.
pub(super) async fn last_position(session: &BackupSession, prepared: &Ready) -> Option<Lsn> {
    let position = session.session().last_position().await.ok().flatten()?;
    if !session.in_recovery() {
        return Some(position);
    }
    // The record that is being replayed is not counted yet.
    position.checked_add(prepared.facts.segment_size.bytes())
}

/// Fails when the server holds our backup no more, or is another by now.
pub(super) async fn still_the_same(session: &BackupSession) -> Result<(), Failure> {
    match session.check().await {
        Err(error) => Err(of_postgres(&error)),
        Ok(false) if session.in_recovery() => Err(promoted()),
        Ok(_) => Ok(()),
    }
}

fn promoted() -> Failure {
    Failure::transient(
        "promoted_during_backup",
        "the standby was promoted while it was copied; nothing was committed",
        "nothing to do: the next attempt reads an instance that is right for it then",
    )
}

/// Why PostgreSQL refuses to begin or to end a backup, in words of ours where
/// there is something to do about it. Its own text is in any language.
pub(super) async fn explained(
    info: &ConnectionInfo,
    began_in_recovery: bool,
    error: &PgError,
) -> Stopped {
    let refused = matches!(
        error,
        PgError::Server { message, .. } if message.sqlstate == NOT_IN_STATE
    );
    if !refused || !began_in_recovery {
        return Stopped::Failed(of_postgres(error));
    }
    let now = match Session::connect(info).await {
        Ok(session) => session.in_recovery().await,
        Err(error) => Err(error),
    };
    Stopped::Failed(match now {
        Ok(false) => promoted(),
        Ok(true) => Failure::permanent(
            "standby_without_full_pages",
            format!("{error}"),
            "set full_page_writes = on on the primary, run CHECKPOINT there, wait until the \
             standby has replayed it, and take the backup again",
        ),
        Err(_) => of_postgres(error),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_types::BackupKind;
    use holdfast_types::resource::Compression;

    use super::*;

    fn work(from: Option<Source>) -> BackupWork {
        BackupWork {
            job: "job_00000000000000000000000000000001".parse().unwrap(),
            backup: "bkp_00000000000000000000000000000001".parse().unwrap(),
            cluster: "orders".parse().unwrap(),
            kind: BackupKind::Full,
            repository: holdfast_proto::RepositoryAccess {
                name: "eu".parse().unwrap(),
                url: "file:///r".to_owned(),
                region: None,
                endpoint: None,
                credentials: Default::default(),
                key: holdfast_types::Secret::new("k"),
                bandwidth: None,
            },
            instance: holdfast_proto::InstanceAccess {
                connection: "host=/s".to_owned(),
                password: None,
                data_directory: None,
                system_identifier: None,
            },
            compression: Compression::DEFAULT,
            incarnation: 1,
            parent: None,
            dump: None,
            from,
            checkpoint: None,
            own_wal: false,
            copies: Vec::new(),
        }
    }

    // Pitfall 6
    #[test]
    fn a_server_that_is_not_what_was_chosen_is_not_copied() {
        let role = |from, in_recovery| {
            let refused = refused_role(&work(from), in_recovery);
            refused.map(|failure| (failure.code, failure.retryable))
        };
        let changed = Some(("role_changed".to_owned(), true));
        assert_eq!(role(None, false), None);
        assert_eq!(role(None, true), changed);
        assert_eq!(role(Some(Source::Primary), true), changed);
        assert_eq!(role(Some(Source::Standby), true), None);
        assert_eq!(role(Some(Source::Standby), false), changed);
        for in_recovery in [true, false] {
            assert_eq!(role(Some(Source::PreferStandby), in_recovery), None);
        }
    }
}
