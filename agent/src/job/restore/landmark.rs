//! Targets that are a record of the log: the end of a transaction, a named
//! restore point.
//!
//! Neither says where it is, so the log is searched, from the newest backup to
//! the oldest. PostgreSQL would stop at the first that it meets; a name that was
//! given twice would then mean another point for each backup that replay starts
//! from. So all of the log is searched for a name, and one that is there twice is
//! refused. A transaction's number comes again only after four billion others:
//! the newest is meant.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_pg::wal::{Detail, Record};
use holdfast_types::{Failure, Lineage, Lsn, RestoreTarget, Timeline};

use super::candidate::Candidate;
use super::chain::Chain;

/// As many of one name are told.
const TOLD: usize = 5;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Landmark {
    /// The end of a transaction.
    Transaction(u32),
    /// A named restore point.
    Point(String),
}

/// Where it is.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) lineage: Lineage,
    pub(super) record: Record,
}

impl Landmark {
    pub(super) fn of(target: &RestoreTarget) -> Option<Self> {
        match target {
            RestoreTarget::Xid(xid) => Some(Self::Transaction(*xid)),
            RestoreTarget::Name(name) => Some(Self::Point(name.clone())),
            _ => None,
        }
    }

    fn is(&self, record: &Record) -> bool {
        match (self, &record.detail) {
            (Self::Transaction(xid), Detail::Commit(end) | Detail::Abort(end)) => end.xid == *xid,
            (Self::Point(ours), Detail::RestorePoint { name, .. }) => name == ours,
            _ => false,
        }
    }

    /// Searches the log that leads on from `backups`, which come newest first.
    pub(super) async fn find(&self, backups: &[Candidate]) -> Result<Found, Failure> {
        let mut read = Read::default();
        let mut found: Vec<Found> = Vec::new();
        for candidate in backups {
            for record in read.on_from(candidate, self).await? {
                let lineage = candidate.lineage.lineage();
                let again = |it: &Found| it.lineage == lineage && is_same(&it.record, &record);
                if !found.iter().any(again) {
                    found.push(Found { lineage, record });
                }
            }
            if matches!(self, Self::Transaction(_)) && !found.is_empty() {
                break;
            }
        }
        if matches!(self, Self::Point(_)) && found.len() > 1 {
            return Err(self.ambiguous(&found));
        }
        found.pop().ok_or_else(|| self.not_found(&read))
    }

    fn ambiguous(&self, found: &[Found]) -> Failure {
        let mut places: Vec<_> = found.iter().map(|it| &it.record).collect();
        places.sort_by_key(|record| record.start);
        let told: Vec<_> = places.iter().take(TOLD).map(|it| place(it)).collect();
        let more = if found.len() > TOLD { ", …" } else { "" };
        Failure::permanent(
            "target_ambiguous",
            format!(
                "{self} is there {} times: {}{more}",
                found.len(),
                told.join(", ")
            ),
            "give the position of the one that is meant, as lsn:X, or a time",
        )
    }

    fn not_found(&self, read: &Read) -> Failure {
        let searched = match (read.from, read.to) {
            (Some(from), Some(to)) => format!("from {from} to {to}"),
            _ => "that is there".to_owned(),
        };
        let holes = if read.holes {
            ", in which some is missing"
        } else {
            ""
        };
        let hint = match self {
            Self::Transaction(_) => {
                "a subtransaction ends with the transaction that it is in, and what is still \
                 running has no end; one that has just ended is there once the frontier is past \
                 it. A time or a position (lsn:X) can be given instead"
            }
            Self::Point(_) => {
                "check the spelling, which is case-sensitive; one that has just been made is there \
                 once the frontier is past it. A time or a position (lsn:X) can be given instead"
            }
        };
        Failure::permanent(
            "target_not_found",
            format!("{self} is not in the WAL {searched}{holes}"),
            hint,
        )
    }
}

impl std::fmt::Display for Landmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transaction(xid) => write!(f, "the end of transaction {xid}"),
            Self::Point(name) => write!(f, "the restore point \"{name}\""),
        }
    }
}

/// The same record, met on another way.
pub(super) fn is_same(one: &Record, other: &Record) -> bool {
    // The page is not always seen; the record before it tells histories apart.
    (one.start, one.end, one.previous) == (other.start, other.end, other.previous)
        && one.detail == other.detail
}

fn place(record: &Record) -> String {
    match &record.detail {
        Detail::RestorePoint { at, .. } => format!("{} (made at {at})", record.start),
        _ => record.start.to_string(),
    }
}

/// What has been searched.
#[derive(Debug, Default)]
struct Read {
    /// From where on, of each way.
    ways: BTreeMap<(Lineage, Timeline), Lsn>,
    from: Option<Lsn>,
    to: Option<Lsn>,
    holes: bool,
}

impl Read {
    /// What `landmark` means in the log from a backup on, as far as it has not
    /// been searched for a newer one.
    async fn on_from(
        &mut self,
        candidate: &Candidate,
        landmark: &Landmark,
    ) -> Result<Vec<Record>, Failure> {
        let backup = &candidate.backup;
        let (start, stop) = (backup.start_lsn, backup.stop_lsn);
        let chain = Chain::open(&candidate.lineage, backup.timeline, start, stop).await?;
        self.holes |= chain.hole_after(start).is_some();
        let end = chain.contiguous_end(start);
        let way = (candidate.lineage.lineage(), chain.timeline());
        let to = self.ways.get(&way).map_or(end, |read| end.min(*read));
        self.ways.insert(way, start);
        if to <= start {
            return Ok(Vec::new());
        }
        self.from = Some(self.from.map_or(start, |from| from.min(start)));
        self.to = Some(self.to.map_or(end, |known| known.max(end)));
        let found: Arc<Mutex<Vec<Record>>> = Arc::default();
        let (into, looked_for) = (Arc::clone(&found), landmark.clone());
        let observe = move |record: &Record| {
            if looked_for.is(record) {
                let mut found = into.lock().unwrap_or_else(PoisonError::into_inner);
                found.push(record.clone());
            }
            ControlFlow::Continue(())
        };
        drop(chain.scan(start, to, observe).await?);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *found))
    }
}
