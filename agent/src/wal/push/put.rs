//! Storing one file: read, checked against its name and against what is
//! stored, put, noted.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use holdfast_pg::wal::SegmentHeader;
use holdfast_repo::{AsideFile, Error};
use holdfast_types::{Failure, Lsn, Timeline, TimelineHistory, WalSegment};
use tokio::time::Instant;

use super::descent::{StoredTimeline, StoredTimelines, Verdict, judge};
use super::lane::Lane;
use super::note::FileIdentity;
use super::{PushName, Pushed, failure, read};
use crate::wal::divergence;

/// A history or a `.backup` has a few lines.
const SMALL: u64 = 1 << 20;
/// How long a look at the repository's timelines serves: another server may
/// have been promoted meanwhile and archive as well.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What the repository holds, by timeline.
#[derive(Debug)]
pub(super) struct Timelines {
    stored: StoredTimelines,
    seen_at: Instant,
    /// WAL past a switch that was found to hold no whole record.
    harmless: BTreeMap<Timeline, Lsn>,
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
                let (bytes, file) = read::whole(&path, size.bytes()).await?;
                self.check_segment(text, segment, &bytes)?;
                self.require_descent(segment.timeline(), Some(segment.end()))
                    .await?;
                self.stored(text, self.wal.put_segment(segment, bytes).await)?;
                self.tell(Pushed::whole(segment, false));
                file
            }
            PushName::History(timeline) => {
                let (bytes, file) = read::whole(&path, SMALL).await?;
                self.put_history(*timeline, bytes).await?;
                file
            }
            PushName::Aside(text) => self.put_aside(text, &path).await?,
        };
        if let Err(error) = self.notes.write(name, file) {
            // The next call stores it again, which changes nothing.
            tracing::debug!(%error, %name, "it is not noted that a file is stored");
        }
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

    async fn put_aside(
        &self,
        text: &str,
        path: &std::path::Path,
    ) -> Result<FileIdentity, Failure> {
        let aside = AsideFile::parse(text, self.size())
            .ok_or_else(|| failure::invalid(text, "segments of this server have other names"))?;
        let most = match aside {
            AsideFile::Partial(_) => self.size().bytes(),
            AsideFile::BackupHistory(..) => SMALL,
        };
        let (bytes, file) = read::whole(path, most).await?;
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
                Err(crate::wal::trouble::diverged(&reason))
            }
            put => self.stored(&name, put).map(drop),
        }
    }

    /// WAL of `timeline` must continue what is stored; its history is stored
    /// before the first of it (pitfall 18).
    async fn require_descent(
        &self,
        timeline: Timeline,
        end: Option<Lsn>,
    ) -> Result<(), Failure> {
        let history = self.history_of(timeline).await?;
        self.require_judged(&history, end).await
    }

    pub(super) async fn history_of(&self, timeline: Timeline) -> Result<TimelineHistory, Failure> {
        if timeline == Timeline::FIRST {
            return Ok(TimelineHistory::root(timeline));
        }
        let known = self.look(|known| {
            let stored = known.stored.get(&timeline)?;
            let history = stored.history.clone();
            (!history.ancestors.is_empty()).then_some(history)
        });
        match known.await? {
            Some(history) => Ok(history),
            None => self.history_from_afar(timeline).await,
        }
    }

    /// From the repository, else from `pg_wal`, and then into the repository.
    async fn history_from_afar(
        &self,
        timeline: Timeline,
    ) -> Result<TimelineHistory, Failure> {
        let fetched = self.wal.fetch_history(timeline).await;
        if let Some(text) = self.stored(&timeline.history_file(), fetched)? {
            return TimelineHistory::parse(timeline, &String::from_utf8_lossy(&text))
                .map_err(|error| failure::invalid(&timeline.history_file(), &error.to_string()));
        }
        let path = self.path(&PushName::History(timeline));
        let Ok((bytes, _)) = read::whole(&path, SMALL).await else {
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
        let verdict = self.look(|known| judge(history, end, &known.stored)).await?;
        let (timeline, overhang) = match verdict {
            Verdict::Continues => return Ok(()),
            Verdict::Diverged(reason) => return Err(crate::wal::trouble::diverged(&reason)),
            Verdict::Unless(timeline, overhang) => (timeline, overhang),
        };
        let judged = self
            .look(|known| known.harmless.get(&timeline) == Some(&overhang.to_lsn))
            .await?;
        if judged {
            return Ok(());
        }
        let found = divergence::holds_record(&self.wal, timeline, overhang, self.size()).await;
        if found.map_err(|error| crate::failure::of_repository(&error))? {
            return Err(crate::wal::trouble::diverged(&format!(
                "it left timeline {timeline} at {}, the repository holds WAL of that timeline to {}",
                overhang.from_lsn, overhang.to_lsn
            )));
        }
        let mut timelines = self.timelines.lock().await;
        if let Some(known) = timelines.as_mut() {
            known.harmless.insert(timeline, overhang.to_lsn);
        }
        Ok(())
    }

    /// Asks what the repository holds, looking there when that is long ago.
    pub(super) async fn look<T>(&self, ask: impl FnOnce(&Timelines) -> T) -> Result<T, Failure> {
        let mut timelines = self.timelines.lock().await;
        let is_fresh = |known: &&mut Timelines| known.seen_at.elapsed() < LOOK_AGAIN;
        if let Some(known) = timelines.as_mut().filter(is_fresh) {
            return Ok(ask(known));
        }
        let (harmless, before) = match timelines.take() {
            Some(known) => (known.harmless, known.stored),
            None => <(BTreeMap<_, _>, StoredTimelines)>::default(),
        };
        let seen_at = Instant::now();
        let stored = self.stored_timelines(&before).await;
        let stored = stored.map_err(|error| crate::failure::of_repository(&error))?;
        let known = timelines.insert(Timelines {
            stored,
            seen_at,
            harmless,
        });
        Ok(ask(known))
    }

    /// The timelines of which there is WAL. Where one ends matters only of the
    /// newest: it is read from where it ended before.
    async fn stored_timelines(&self, before: &StoredTimelines) -> Result<StoredTimelines, Error> {
        let mut stored = StoredTimelines::new();
        let timelines = self.wal.timelines().await?;
        let newest = timelines.last().copied();
        for timeline in timelines {
            let known = before.get(&timeline);
            if let Some(known) = known
                && newest != Some(timeline)
            {
                stored.insert(timeline, known.clone());
                continue;
            }
            let from = known.map_or(Lsn::INVALID, |known| known.end);
            let listed = self.wal.list_from(timeline, from).await?;
            let end = listed.end().or(known.map(|known| known.end));
            let Some(end) = end else { continue };
            let history = match known {
                Some(known) if !known.history.ancestors.is_empty() => known.history.clone(),
                _ => self.wal.history(timeline).await?,
            };
            stored.insert(timeline, StoredTimeline { end, history });
        }
        Ok(stored)
    }
}
