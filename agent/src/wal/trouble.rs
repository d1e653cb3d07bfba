//! Why an attempt to receive ended.

use std::future::Future;
use std::time::Duration;

use holdfast_types::Failure;

use crate::failure;

/// What ended an attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The server, or the way to it.
    #[error(transparent)]
    Postgres(#[from] holdfast_pg::Error),
    /// The repository.
    #[error(transparent)]
    Repository(#[from] holdfast_repo::Error),
    /// It may pass: try again.
    #[error("{0}")]
    Waiting(Failure),
    /// Going on could do harm: a person must act first.
    #[error("{0}")]
    Refused(Failure),
}

impl Trouble {
    /// What is reported.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Postgres(error) => failure::of_postgres(error),
            Self::Repository(error) => failure::of_repository(error),
            Self::Waiting(failure) | Self::Refused(failure) => failure.clone(),
        }
    }
}

/// Two servers, or one that lost its memory, wrote different WAL at the same
/// place. Nothing was overwritten.
pub(super) fn conflict(what: &str) -> Failure {
    Failure::permanent(
        "wal_conflict",
        format!("WAL received from PostgreSQL differs from what the repository holds: {what}"),
        "two servers archive under one identity, or this one was set back (a volume snapshot, a \
         copy): find out which history is right; give the other a new incarnation and a full \
         backup. Nothing was overwritten, and receiving has stopped",
    )
}

/// The server's history does not continue the one that is stored.
pub(super) fn diverged(reason: &str) -> Failure {
    Failure::permanent(
        "lineage_diverged",
        format!("this server's WAL does not continue the lineage in the repository: {reason}"),
        "if it is a restored copy or a clone, or took over without the last WAL of the old \
         primary, give the cluster a new incarnation and take a full backup; if it is the wrong \
         server, correct the connection",
    )
}

/// What `work` comes to, if that is within `patience`: nothing that hangs may hold its
/// duty up. `what` did not happen in time; `hint` says where to look.
pub(super) async fn within<T>(
    patience: Duration,
    (what, hint): (&str, &str),
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let done = tokio::time::timeout(patience, work).await;
    done.unwrap_or_else(|_| {
        let message = format!("{what} within {} s", patience.as_secs());
        let hint = format!("it is tried again; if it stays, {hint}");
        Err(Trouble::Waiting(Failure::transient(
            "pg_timed_out",
            message,
            hint,
        )))
    })
}
