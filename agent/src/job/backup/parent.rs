//! What an incremental is made against, or why all is copied instead.
//!
//! A doubt is no failure: the backup is then a full one, and says why. Nothing
//! is referred to but what of a pinned parent is proved to be there (I-06).

use std::path::Path;

use holdfast_pg::sql::Facts;
use holdfast_proto::{BackupWork, PinnedParent};
use holdfast_repo::{Backup, Error, LineageRepository, Parent};
use holdfast_types::{BackupId, BackupKind, Failure, TimelineHistory};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stopped;
use super::commit::fact;
use crate::host::Host;
use crate::job::JobContext;

/// Nothing is begun on a pin that ends so soon.
const LEFT_AT_LEAST: SignedDuration = SignedDuration::from_mins(10);

/// What a backup is made against.
pub(super) enum Against {
    /// Nothing: a full one was asked for.
    Nothing,
    /// A backup that is kept until then.
    Parent(Parent, Timestamp),
    /// Nothing, though an incremental was asked for.
    Instead(Why),
}

/// Why all is copied though an incremental was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    /// Stable, for scripts.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
}

impl Against {
    /// The kind that the backup has.
    pub(super) const fn kind(&self) -> BackupKind {
        match self {
            Self::Parent(..) => BackupKind::Incremental,
            Self::Nothing | Self::Instead(_) => BackupKind::Full,
        }
    }

    /// The backup it builds on.
    pub(super) fn parent(&self) -> Option<BackupId> {
        match self {
            Self::Parent(parent, _) => Some(parent.backup().id),
            Self::Nothing | Self::Instead(_) => None,
        }
    }

    /// Fails once the parent may be gone: what rests on it must not come to
    /// exist (I-06).
    pub(super) fn still_pinned(&self, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Parent(parent, until) => refuse_expired(parent.backup().id, *until, now),
            Self::Nothing | Self::Instead(_) => Ok(()),
        }
    }
}

fn refuse_expired(parent: BackupId, until: Timestamp, now: Timestamp) -> Result<(), Failure> {
    if now < until {
        return Ok(());
    }
    Err(Failure::transient(
        "parent_pin_expired",
        format!("{parent} was kept for this backup until {until:.0}, and it is later now"),
        "nothing to do: the next attempt builds on what is kept anew; if backups take days, raise \
         jobs.pinFor",
    ))
}

impl Why {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// As it is shown with a job's result.
    pub(super) fn shown(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }
}

/// What the work is to be done against. An error is one of the repository that
/// says nothing of the parent.
pub(super) async fn choose(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
    lineage: &LineageRepository,
    server: &Facts,
    data_dir: &Path,
) -> Result<Against, Stopped> {
    if work.kind != BackupKind::Incremental {
        return Ok(Against::Nothing);
    }
    let chosen = pinned(work.parent, host.clock().now_or_local());
    let chosen = match chosen {
        Ok(pinned) => match find(lineage, pinned).await? {
            Ok(backup) => fits(&backup, server, data_dir).map(|()| (backup, pinned.until)),
            Err(why) => Err(why),
        },
        Err(why) => Err(why),
    };
    let opened = match chosen {
        Ok((backup, until)) => open(lineage, host, work.backup, backup)
            .await?
            .map(|parent| (parent, until)),
        Err(why) => Err(why),
    };
    Ok(match opened {
        Ok((parent, until)) => {
            let id = parent.backup().id;
            cx.log(format!("builds on {id}, which is kept until {until:.0}"));
            Against::Parent(parent, until)
        }
        Err(why) => {
            cx.log(format!("all is copied ({}): {}", why.code, why.message));
            Against::Instead(why)
        }
    })
}

fn pinned(parent: Option<PinnedParent>, now: Timestamp) -> Result<PinnedParent, Why> {
    let Some(parent) = parent else {
        let message = "no backup of this database in this repository is kept to build on";
        return Err(Why::new("no_parent", message));
    };
    if parent.until.duration_since(now) < LEFT_AT_LEAST {
        let message = format!("{} is kept until {:.0} only", parent.backup, parent.until);
        return Err(Why::new("pin_expired", message));
    }
    Ok(parent)
}

/// The parent's mark; of this lineage, because it lies there.
async fn find(
    lineage: &LineageRepository,
    pinned: PinnedParent,
) -> Result<Result<Backup, Why>, Stopped> {
    // Its job names its mark; one that was adopted is looked for.
    let by_run = match pinned.job.to_string().parse() {
        Ok(run) => lineage.backup_of_run(&run).await,
        Err(_) => Ok(None),
    };
    let found = match by_run {
        Ok(Some(backup)) if backup.id == pinned.backup => Ok(backup),
        Ok(_) => lineage.find_backup(pinned.backup).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(backup) => Ok(Ok(backup)),
        Err(error @ Error::UnknownBackup { .. }) => {
            Ok(Err(Why::new("parent_missing", error.to_string())))
        }
        Err(error @ (Error::Damaged { .. } | Error::Missing { .. })) => {
            Ok(Err(Why::new("parent_damaged", error.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the server is what it was in the parent, later.
fn fits(parent: &Backup, server: &Facts, data_dir: &Path) -> Result<(), Why> {
    let id = parent.id;
    let checksums = parent.facts.get(fact::CHECKSUMS).map(String::as_str);
    if checksums
        != Some(if server.data_checksums {
            "true"
        } else {
            "false"
        })
    {
        let message = format!("data checksums are not what they were in {id}");
        return Err(Why::new("checksums_toggled", message));
    }
    if parent.timeline == server.timeline {
        let back = server.position.is_none_or(|now| now < parent.stop_lsn);
        return if back {
            let message = format!("the server is not as far as {id}: it went back in time");
            Err(Why::new("parent_ahead", message))
        } else {
            Ok(())
        };
    }
    let history = history(server, data_dir);
    if history.is_some_and(|history| history.contains(parent.timeline, parent.stop_lsn)) {
        return Ok(());
    }
    Err(Why::new(
        "not_an_ancestor",
        format!(
            "{id} is on timeline {}, up to {}, from where timeline {} does not descend",
            parent.timeline, parent.stop_lsn, server.timeline
        ),
    ))
}

/// As the server itself keeps it. Without it, nothing is known.
fn history(server: &Facts, data_dir: &Path) -> Option<TimelineHistory> {
    let path = data_dir.join("pg_wal").join(server.timeline.history_file());
    let text = std::fs::read_to_string(path).ok()?;
    TimelineHistory::parse(server.timeline, &text).ok()
}

async fn open(
    lineage: &LineageRepository,
    host: &Host,
    attempt: BackupId,
    backup: Backup,
) -> Result<Result<Parent, Why>, Stopped> {
    let spool = spool(host, attempt)?;
    match lineage.open_parent(backup, spool).await {
        Ok(parent) => Ok(Ok(parent)),
        Err(error @ Error::Parent { .. }) => Ok(Err(Why::new("parent_damaged", error.to_string()))),
        Err(error) => Err(error.into()),
    }
}

/// A file without a name, for what the parent says of its files.
fn spool(host: &Host, attempt: BackupId) -> Result<std::fs::File, Failure> {
    let path = host.data_dir().join(format!("{attempt}.parent"));
    let made = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    let made = made.and_then(|file| std::fs::remove_file(&path).map(|()| file));
    made.map_err(|error| {
        Failure::transient(
            "local_io_failed",
            format!("{}: {error}", path.display()),
            "the agent keeps what the parent holds in its own directory while it works: it needs \
             room for about 300 bytes a file",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_785_000_000 + minute * 60).unwrap()
    }

    fn parent(until: Timestamp) -> PinnedParent {
        PinnedParent {
            backup: "bkp_00000000000000000000000000000001".parse().unwrap(),
            job: "job_00000000000000000000000000000002".parse().unwrap(),
            until,
        }
    }

    /// I-06: neither begun on a pin that is about to end, nor committed after.
    #[test]
    fn a_pin_counts_for_as_long_as_it_lasts() {
        let code = |parent, now| pinned(parent, now).map_err(|why| why.code);
        assert_eq!(code(None, at(0)), Err("no_parent"));
        let given = parent(at(60));
        assert_eq!(code(Some(given), at(0)), Ok(given));
        assert_eq!(code(Some(given), at(50)), Ok(given));
        for late in [51, 60, 61] {
            assert_eq!(code(Some(given), at(late)), Err("pin_expired"), "{late}");
        }
        assert!(refuse_expired(given.backup, given.until, at(59)).is_ok());
        for late in [60, 61] {
            let refused = refuse_expired(given.backup, given.until, at(late)).unwrap_err();
            assert_eq!(refused.code, "parent_pin_expired");
            assert!(refused.retryable);
        }
    }
}
