//! Why a file is not stored, in words for PostgreSQL's log.

use std::io;
use std::path::Path;

use holdfast_pg::wal::NotThatSegment;
use holdfast_types::{Failure, Timeline};

/// Codes that say that something was refused: trying again changes nothing
/// before a person acts.
const REFUSALS: [&str; 6] = [
    "wal_conflict",
    "lineage_diverged",
    "foreign_system_identifier",
    "lineage_mismatch",
    "wal_file_invalid",
    "wal_path_foreign",
];

pub(super) fn is_refusal(failure: &Failure) -> bool {
    REFUSALS.contains(&failure.code.as_str())
}

/// Other bytes under the same name: two servers, or one that was set back
/// (pitfall 15).
pub(super) fn conflict(name: &str, object: &str) -> Failure {
    Failure::permanent(
        "wal_conflict",
        format!("{name} differs from what the repository holds: {object}"),
        "two servers archive under one identity, or this one was set back (a volume snapshot, a \
         copy): find out which history is right; give the other a new incarnation and a full \
         backup. Nothing was overwritten, and PostgreSQL keeps the file",
    )
}

pub(super) fn foreign_system(name: &str, found: u64, expected: u64) -> Failure {
    Failure::permanent(
        "foreign_system_identifier",
        format!("{name} was written by system {found}; this cluster is system {expected}"),
        "archive_command runs in the data directory of another server, or names the wrong \
         cluster: correct it. Nothing was stored",
    )
}

pub(super) fn not_that_segment(name: &str, why: NotThatSegment) -> Failure {
    Failure::permanent(
        "wal_file_invalid",
        format!("{name} is not the WAL that its name says: {why}"),
        "look at the server's storage and log: PostgreSQL hands over only segments that are \
         whole. Nothing was stored",
    )
}

pub(super) fn invalid(name: &str, why: &str) -> Failure {
    Failure::permanent(
        "wal_file_invalid",
        format!("{name} is not what its name says: {why}"),
        "look at the server's storage and log. Nothing was stored",
    )
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::transient(
        "wal_file_unreadable",
        format!("{} cannot be read: {error}", path.display()),
        "run archive_command as PostgreSQL's user, and let the agent run as that user or as root",
    )
}

pub(super) fn changed(path: &Path) -> Failure {
    Failure::transient(
        "wal_file_changed",
        format!("{} changed while it was read", path.display()),
        "PostgreSQL hands over only files that are finished: see what else writes there",
    )
}

pub(super) fn history_missing(timeline: Timeline) -> Failure {
    Failure::transient(
        "timeline_history_missing",
        format!(
            "neither the repository nor pg_wal has the history of timeline {timeline}, so what \
             it descends from is not known"
        ),
        "put the .history file back into pg_wal, from the server that was promoted",
    )
}

pub(super) fn timed_out() -> Failure {
    Failure::transient(
        "wal_push_timed_out",
        "the repository did not confirm the file in time",
        "check the repository and the network; PostgreSQL keeps the file and asks again",
    )
}
