//! Storing one file: read, checked against its name and against what is
//! stored, put, noted.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use holdfast_pg::wal::SegmentHeader;
use holdfast_repo::{AsideFile, Error, failpoint};
use holdfast_types::{Failure, Lsn, LsnRange, Timeline, TimelineHistory, WalSegment};
use tokio::time::Instant;

use super::descent::{Verdict, judge};
use super::lane::Lane;
use super::note::FileIdentity;
use super::{PushName, Pushed, failure, read};
use crate::wal::{divergence, trouble};

/// A history or a `.backup` has a few lines.
const SMALL: u64 = 1 << 20;
/// How long a look at the repository's timelines serves: another server may
/// have been promoted meanwhile and archive as well.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What the repository held when it was looked at.
#[derive(Debug)]
pub(super) struct Newest {
    /// The ancestry of the newest timeline of which there is WAL.
    history: Option<TimelineHistory>,
    seen_at: Instant,
    /// Timelines that continue it.
    continued_by: BTreeSet<Timeline>,
}

impl Lane {
    /// Stores one file. A note says that it was stored before.
    pub(super) async fn put(&self, name: &PushName) -> Result<(), Failure> {
        let path = self.path(name);
        let file = read::identity(&path).await?;
        if self.notes.vouches(name, file) {
            return Ok(());
        }
        let size = self.size();
        let file = match name {
            PushName::Segment(text) => {
                let segment = WalSegment::parse(text, size)
                    .map_err(|error| failure::invalid(text, &error.to_string()))?;
                let (bytes, file) = read::whole(&path, size.bytes(), &self.memory).await?;
                failpoint!("push::read::done");
                self.check_segment(text, segment, &bytes)?;
                self.require_descent(segment.timeline(), Some(segment.end()))
                    .await?;
                self.stored(text, self.wal.put_segment(segment, bytes).await)?;
                failpoint!("push::put::done");
                self.tell(Pushed::whole(segment, false));
                file
            }
            PushName::History(timeline) => {
                let (bytes, file) = read::whole(&path, SMALL, &self.memory).await?;
                self.put_history(*timeline, bytes).await?;
                file
            }
            PushName::Aside(text) => self.put_aside(text, &path).await?,
        };
        if let Err(error) = self.notes.write(name, file) {
            // The next call stores it again, which changes nothing.
            tracing::debug!(%error, %name, "it is not noted that a file is stored");
        }
        failpoint!("push::note::done");
        Ok(())
    }

    /// What became of a put, in words.
    pub(super) fn stored<T>(&self, name: &str, put: Result<T, Error>) -> Result<T, Failure> {
        put.map_err(|error| match error {
            // Pitfall 15: the same name and other bytes, loudly.
            Error::Conflict { object } => failure::conflict(name, &object),
            error => crate::failure::of_repository(&error),
        })
    }

    fn check_segment(&self, name: &str, segment: WalSegment, bytes: &Bytes) -> Result<(), Failure> {
        if bytes.len() as u64 != segment.size().bytes() {
            let why = format!("it has {} bytes", bytes.len());
            return Err(failure::invalid(name, &why));
        }
        let header = SegmentHeader::of(bytes, segment)
            .map_err(|why| failure::not_that_segment(name, why))?;
        let expected = self.lineage.lineage().system_identifier;
        if header.system_identifier != expected {
            return Err(failure::foreign_system(
                name,
                header.system_identifier,
                expected,
            ));
        }
        let (wrote, known) = (
            header.version.major(),
            self.lineage.facts().postgres_version / 10_000,
        );
        if wrote == known {
            return Ok(());
        }
        let why = format!("PostgreSQL {wrote} wrote it, and the lineage is of PostgreSQL {known}");
        Err(failure::invalid(name, &why))
    }

    async fn put_aside(&self, text: &str, path: &std::path::Path) -> Result<FileIdentity, Failure> {
        let aside = AsideFile::parse(text, self.size())
            .ok_or_else(|| failure::invalid(text, "segments of this server have other names"))?;
        let most = match aside {
            AsideFile::Partial(_) => self.size().bytes(),
            AsideFile::BackupHistory(..) => SMALL,
        };
        let (bytes, file) = read::whole(path, most, &self.memory).await?;
        if let AsideFile::Partial(segment) = aside {
            self.check_segment(text, segment, &bytes)?;
            self.require_descent(segment.timeline(), Some(segment.start()))
                .await?;
            self.stored(text, self.wal.put_aside(aside, bytes.clone()).await)?;
            self.keep_end_of_timeline(segment, &bytes).await?;
        } else {
            self.stored(text, self.wal.put_aside(aside, bytes).await)?;
        }
        Ok(file)
    }

    pub(super) async fn put_history(
        &self,
        timeline: Timeline,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let name = timeline.history_file();
        let history = TimelineHistory::parse(timeline, &String::from_utf8_lossy(&bytes))
            .map_err(|error| failure::invalid(&name, &error.to_string()))?;
        self.require_judged(&history, None).await?;
        match self.wal.put_history(timeline, bytes).await {
            Err(Error::Conflict { .. }) => {
                let reason = format!("the repository holds another history of {timeline}");
                Err(trouble::diverged(&reason))
            }
            put => self.stored(&name, put).map(drop),
        }
    }

    /// WAL of `timeline` must continue what is stored; its history is stored
    /// before the first of it (pitfall 18).
    async fn require_descent(&self, timeline: Timeline, end: Option<Lsn>) -> Result<(), Failure> {
        let history = self.history_of(timeline).await?;
        self.require_judged(&history, end).await
    }

    pub(super) async fn history_of(&self, timeline: Timeline) -> Result<TimelineHistory, Failure> {
        if timeline == Timeline::FIRST {
            return Ok(TimelineHistory::root(timeline));
        }
        let known = self.look(|newest| {
            let history = newest.history.as_ref()?;
            let known = history.timeline == timeline && !history.ancestors.is_empty();
            known.then(|| history.clone())
        });
        match known.await? {
            Some(history) => Ok(history),
            None => self.history_from_afar(timeline).await,
        }
    }

    /// From the repository, else from `pg_wal`, and then into the repository.
    async fn history_from_afar(&self, timeline: Timeline) -> Result<TimelineHistory, Failure> {
        let fetched = self.wal.fetch_history(timeline).await;
        if let Some(text) = self.stored(&timeline.history_file(), fetched)? {
            return TimelineHistory::parse(timeline, &String::from_utf8_lossy(&text))
                .map_err(|error| failure::invalid(&timeline.history_file(), &error.to_string()));
        }
        let path = self.path(&PushName::History(timeline));
        let Ok((bytes, _)) = read::whole(&path, SMALL, &self.memory).await else {
            return Err(failure::history_missing(timeline));
        };
        self.put_history(timeline, bytes.clone()).await?;
        TimelineHistory::parse(timeline, &String::from_utf8_lossy(&bytes))
            .map_err(|error| failure::invalid(&timeline.history_file(), &error.to_string()))
    }

    async fn require_judged(
        &self,
        history: &TimelineHistory,
        end: Option<Lsn>,
    ) -> Result<(), Failure> {
        let timeline = history.timeline;
        let verdict = self.look(|newest| match newest.continued_by.contains(&timeline) {
            true => Verdict::Continues,
            false => judge(history, end, newest.history.as_ref()),
        });
        let (newest, switch) = match verdict.await? {
            Verdict::Continues => return Ok(()),
            Verdict::Diverged(reason) => return Err(trouble::diverged(&reason)),
            Verdict::IfNothingPast(newest, switch) => (newest, switch),
        };
        let repository_failed = |error: Error| crate::failure::of_repository(&error);
        let listed = self.wal.list_from(newest, switch).await;
        let end = listed.map_err(repository_failed)?.end();
        if let Some(overhang) = end.and_then(|end| LsnRange::new(switch, end)) {
            let found = divergence::holds_record(&self.wal, newest, overhang, self.size()).await;
            if found.map_err(repository_failed)? {
                return Err(trouble::diverged(&format!(
                    "it left timeline {newest} at {}, the repository holds WAL of that timeline \
                     to {}",
                    overhang.from_lsn, overhang.to_lsn
                )));
            }
        }
        if let Some(known) = self.newest.lock().await.as_mut() {
            known.continued_by.insert(timeline);
        }
        Ok(())
    }

    /// Asks what the repository holds, looking there when that is long ago.
    async fn look<T>(&self, ask: impl FnOnce(&Newest) -> T) -> Result<T, Failure> {
        let mut newest = self.newest.lock().await;
        if let Some(known) = newest.as_ref()
            && known.seen_at.elapsed() < LOOK_AGAIN
        {
            return Ok(ask(known));
        }
        let seen_at = Instant::now();
        let history = self.newest_history(newest.as_ref()).await;
        let history = history.map_err(|error| crate::failure::of_repository(&error))?;
        let known = newest.insert(Newest {
            history,
            seen_at,
            continued_by: BTreeSet::new(),
        });
        Ok(ask(known))
    }

    /// The ancestry of the newest timeline of which there is WAL. One of which
    /// only the history is there was begun and never used.
    async fn newest_history(
        &self,
        before: Option<&Newest>,
    ) -> Result<Option<TimelineHistory>, Error> {
        for timeline in self.wal.timelines().await?.into_iter().rev() {
            let known = before.and_then(|before| before.history.as_ref());
            if let Some(known) = known.filter(|known| known.timeline == timeline) {
                return Ok(Some(known.clone()));
            }
            if self.wal.has_wal(timeline).await? {
                return self.wal.history(timeline).await.map(Some);
            }
        }
        Ok(None)
    }
}
