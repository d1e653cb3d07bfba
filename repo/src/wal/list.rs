//! What WAL is there.
//!
//! Coverage is taken from object names: an object appears under its name only
//! when it is whole. Names that are not of this format, such as the temporary
//! files of a killed writer, are passed over.

use futures_util::TryStreamExt;
use holdfast_types::{Coverage, Lsn, LsnRange, Timeline, TimelineHistory, WalSegment};

use super::{
    AsideFile, WalRepository, aside_name, history_name, segment_name, slices_directory,
    timeline_directory,
};
use crate::envelope::Kind;
use crate::error::Damage;
use crate::store::Listed;
use crate::{Error, Result};

/// The WAL of one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineWal {
    /// The timeline.
    pub timeline: Timeline,
    /// What full segments hold.
    pub segments: Coverage,
    /// The slices, by start.
    pub slices: Vec<LsnRange>,
    /// Whether its history file is there.
    pub history: bool,
}

impl TimelineWal {
    fn empty(timeline: Timeline) -> Self {
        Self {
            timeline,
            segments: Coverage::default(),
            slices: Vec::new(),
            history: false,
        }
    }

    /// What segments and slices hold together.
    pub fn coverage(&self) -> Coverage {
        let mut all = self.segments.clone();
        for slice in &self.slices {
            all.insert(*slice);
        }
        all
    }

    /// Where its WAL ends; `None` when there is none.
    pub fn end(&self) -> Option<Lsn> {
        self.coverage().ranges().last().map(|last| last.to_lsn)
    }
}

/// A WAL object, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalObject {
    Segment(WalSegment),
    Slice(Timeline, LsnRange),
    History(Timeline),
    Aside(AsideFile),
}

impl WalRepository {
    /// The timelines of which there is any WAL or a history.
    pub async fn timelines(&self) -> Result<Vec<Timeline>> {
        let names = self
            .lineage
            .repository
            .store
            .list_directories(&self.lineage.name("wal"))
            .await?;
        let mut timelines: Vec<Timeline> = names
            .iter()
            .filter(|name| name.len() == 8)
            .filter_map(|name| Timeline::new(u32::from_str_radix(name, 16).ok()?))
            .collect();
        timelines.sort();
        if timelines.is_empty() {
            self.lineage.prove_present().await?;
        }
        Ok(timelines)
    }

    /// Whether there is any WAL of a timeline, its history aside.
    pub async fn has_wal(&self, timeline: Timeline) -> Result<bool> {
        let directory = self.lineage.name(&timeline_directory(timeline));
        let mut listed = self.lineage.repository.store.list(&directory);
        while let Some(item) = listed.try_next().await? {
            match self.recognise(&item.name) {
                Some(WalObject::Segment(_) | WalObject::Slice(..)) => return Ok(true),
                Some(WalObject::History(_) | WalObject::Aside(_)) | None => {}
            }
        }
        Ok(false)
    }

    /// The WAL of a timeline.
    pub async fn list(&self, timeline: Timeline) -> Result<TimelineWal> {
        let directory = self.lineage.name(&timeline_directory(timeline));
        let slices = self.slices_from(timeline, Lsn::INVALID).await?;
        let rest = self.lineage.repository.store.list(&directory);
        self.collect(timeline, slices, rest).await
    }

    /// The WAL of a timeline from the segment that holds `from` on, without
    /// reading through what is older.
    pub async fn list_from(&self, timeline: Timeline, from: Lsn) -> Result<TimelineWal> {
        let directory = self.lineage.name(&timeline_directory(timeline));
        let size = self.lineage.facts().segment_size;
        let first = size.start_of(from);
        // Just before the first segment wanted; `slices` sorts after every
        // segment name, so it is listed too.
        let before = match first.get().checked_sub(1) {
            Some(last) => segment_name(WalSegment::containing(timeline, Lsn::new(last), size)),
            None => timeline_directory(timeline),
        };
        let after = self.lineage.name(&before);
        let slices = self.slices_from(timeline, first).await?;
        let rest = self.lineage.repository.store.list_after(&directory, &after);
        let mut wal = self.collect(timeline, slices, rest).await?;
        let history = self.lineage.name(&history_name(timeline));
        wal.history = self
            .lineage
            .repository
            .store
            .size(&history)
            .await?
            .is_some();
        Ok(wal)
    }

    /// Puts a listing together. The slices were listed first: one is deleted
    /// only once its segment is durable, so whatever they lack by then, the
    /// segments listed after them have. The other way round a segment that is
    /// completed in between would be in neither list.
    async fn collect(
        &self,
        timeline: Timeline,
        slices: Vec<LsnRange>,
        mut listed: futures_util::stream::BoxStream<'static, Result<Listed>>,
    ) -> Result<TimelineWal> {
        let mut wal = TimelineWal::empty(timeline);
        wal.slices = slices;
        let mut ranges: Vec<LsnRange> = Vec::new();
        while let Some(item) = listed.try_next().await? {
            match self.recognise(&item.name) {
                Some(WalObject::Segment(segment)) if segment.timeline() == timeline => {
                    ranges.extend(LsnRange::new(segment.start(), segment.end()));
                }
                Some(WalObject::History(of)) if of == timeline => wal.history = true,
                _ => {}
            }
        }
        // In order, each joins the last range: one step instead of a search.
        ranges.sort_unstable();
        wal.segments = ranges.into_iter().collect();
        if wal == TimelineWal::empty(timeline) {
            self.lineage.prove_present().await?;
        }
        Ok(wal)
    }

    /// The slices that lie in a segment, by start.
    pub(super) async fn slices_in(&self, segment: WalSegment) -> Result<Vec<LsnRange>> {
        let mut slices = self
            .slices_from(segment.timeline(), segment.start())
            .await?;
        slices.retain(|slice| slice.from_lsn < segment.end());
        Ok(slices)
    }

    /// The slices of a timeline that start at `from` or later, by start.
    async fn slices_from(&self, timeline: Timeline, from: Lsn) -> Result<Vec<LsnRange>> {
        let directory = self.lineage.name(&slices_directory(timeline));
        let after = format!("{directory}/{:016X}", from.get());
        let mut listed = self.lineage.repository.store.list_after(&directory, &after);
        let mut slices = Vec::new();
        while let Some(item) = listed.try_next().await? {
            if let Some(WalObject::Slice(of, range)) = self.recognise(&item.name)
                && of == timeline
                && range.from_lsn >= from
            {
                slices.push(range);
            }
        }
        slices.sort_unstable();
        Ok(slices)
    }

    /// What a listed object is, if its name is of this format.
    pub(crate) fn recognise(&self, name: &str) -> Option<WalObject> {
        let mut parts = self.lineage.below(name)?.strip_prefix("wal/")?.split('/');
        let directory = parts.next()?;
        let timeline = Timeline::new(u32::from_str_radix(directory, 16).ok()?)?;
        let object = match (parts.next()?, parts.next()) {
            ("slices", Some(range)) => {
                let (from, to) = range.split_once('-')?;
                let lsn = |text: &str| u64::from_str_radix(text, 16).ok().map(Lsn::new);
                let range = LsnRange::new(lsn(from)?, lsn(to)?)?;
                self.segment_of(timeline, range).ok()?;
                WalObject::Slice(timeline, range)
            }
            (file, None) if file.ends_with(".history") => WalObject::History(timeline),
            (file, None) if file.contains('.') => {
                WalObject::Aside(AsideFile::parse(file, self.lineage.facts().segment_size)?)
            }
            (file, None) => {
                let segment = WalSegment::parse(file, self.lineage.facts().segment_size).ok()?;
                WalObject::Segment(segment)
            }
            _ => return None,
        };
        // One spelling only: a name that we would not write is not ours.
        (self.lineage.name(&object.name()) == name).then_some(object)
    }

    /// The history of a timeline as PostgreSQL wrote it, or `None` when it is
    /// proved not to be there.
    pub async fn fetch_history(&self, timeline: Timeline) -> Result<Option<Vec<u8>>> {
        match self
            .lineage
            .get(Kind::History, &history_name(timeline))
            .await?
        {
            Some((_, text)) => Ok(Some(text)),
            None => {
                self.lineage.prove_present().await?;
                Ok(None)
            }
        }
    }

    /// The ancestry of a timeline. One without a history file descends from
    /// nothing that is stored.
    pub async fn history(&self, timeline: Timeline) -> Result<TimelineHistory> {
        let Some(text) = self.fetch_history(timeline).await? else {
            return Ok(TimelineHistory::root(timeline));
        };
        TimelineHistory::parse(timeline, &String::from_utf8_lossy(&text)).map_err(|error| {
            let object = self.lineage.name(&history_name(timeline));
            Error::damaged(object, Damage::Structure(error.to_string()))
        })
    }
}

impl WalObject {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Segment(segment) => segment_name(segment),
            Self::Slice(timeline, range) => super::slice_name(timeline, range),
            Self::History(timeline) => history_name(timeline),
            Self::Aside(file) => aside_name(file),
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Segment(_) => Kind::Segment,
            Self::Slice(..) => Kind::Slice,
            Self::History(_) => Kind::History,
            Self::Aside(file) => file.kind(),
        }
    }
}
