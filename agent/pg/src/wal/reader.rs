//! The record reader: fed bytes, pulled for records.
//!
//! It keeps no more than the bytes of the record it is reading. Where a check
//! fails it stops for good and says why: in recovery PostgreSQL treats the
//! same place as the end of WAL.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use holdfast_types::{Lsn, SegmentSize, Timeline};

use super::WalVersion;
use super::page_header::{HeaderFault, LONG_HEADER, PAGE_SIZE, PageHeader, SHORT_HEADER};
use super::record::{RECORD_HEADER, Record, RecordHeader, ResourceManager};

/// Records start at multiples of this (MAXALIGN).
const ALIGNMENT: u64 = 8;

/// Why the bytes at a position are not WAL that continues what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Length zero: nothing has been written here yet. The usual end of WAL.
    NothingThere,
    /// A length that no record has.
    RecordLength(u32),
    /// A resource manager that does not exist.
    ResourceManager(u8),
    /// It does not follow the record before it: left over from earlier use of
    /// the file.
    PreviousRecord(Lsn),
    /// Its CRC is wrong.
    Crc,
    /// Its CRC is right and its content is cut short.
    Content,
    /// A page without the magic number of a known version.
    PageMagic(u16),
    /// A page of another version than those before.
    PageVersion(u32),
    /// A page with impossible flags, or a long header in the wrong place.
    PageFlags,
    /// A page that belongs to another position: an old file used again.
    PageAddress(Lsn),
    /// A page of a timeline older than the page before.
    PageTimeline,
    /// A record that should continue on the page does not.
    NotContinued,
    /// The page continues a record that it should not.
    Continuation,
    /// Other WAL segments, or WAL pages, than this cluster's.
    SegmentSize,
    /// WAL of another database system.
    SystemIdentifier(u64),
}

/// Where WAL ended before the bytes did, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid WAL at {at}: {reason}")]
pub struct Invalid {
    /// The start of the record that is not there, or of the bad page.
    pub at: Lsn,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingThere => f.write_str("nothing has been written there"),
            Self::RecordLength(length) => write!(f, "a record cannot have {length} bytes"),
            Self::ResourceManager(id) => write!(f, "there is no resource manager {id}"),
            Self::PreviousRecord(lsn) => write!(f, "the record follows {lsn}, not the last one"),
            Self::Crc => f.write_str("the record's CRC is wrong"),
            Self::Content => f.write_str("the record's content is cut short"),
            Self::PageMagic(magic) => write!(f, "the page has magic number {magic:04X}"),
            Self::PageVersion(major) => write!(f, "the page is of PostgreSQL {major}"),
            Self::PageFlags => f.write_str("the page's flags are impossible"),
            Self::PageAddress(lsn) => write!(f, "the page belongs to {lsn}"),
            Self::PageTimeline => f.write_str("the page's timeline is older than the last one's"),
            Self::NotContinued => f.write_str("the record is not continued on the page"),
            Self::Continuation => f.write_str("the page continues a record of another length"),
            Self::SegmentSize => f.write_str("the WAL has segments or pages of another size"),
            Self::SystemIdentifier(id) => write!(f, "the WAL is of system {id}"),
        }
    }
}

/// What the bytes at the reader's position are.
#[derive(Debug)]
enum State {
    /// A record starts here, or a page header before one.
    AtRecord,
    /// The middle of a record.
    InRecord {
        start: Lsn,
        timeline: Option<Timeline>,
        total: u32,
        data: BytesMut,
    },
    /// The rest of a record whose beginning was never fed.
    InUnknown { remaining: u64 },
    /// Nothing of interest before that position.
    SkippingTo(Lsn),
    /// Nothing more will come.
    Stopped(Invalid),
}

/// Reads WAL records.
#[derive(Debug)]
pub struct WalReader {
    segment: SegmentSize,
    system_identifier: Option<u64>,
    version: Option<WalVersion>,
    timeline: Option<Timeline>,
    /// The last record read; the next one must name it.
    previous: Option<Lsn>,
    position: Lsn,
    buffer: BytesMut,
    state: State,
}

impl WalReader {
    /// A reader for WAL from `start`. If that is the boundary of a page, the
    /// rest of a record that began before is passed over; else a record must
    /// start exactly there.
    pub fn new(start: Lsn, segment: SegmentSize) -> Self {
        Self {
            segment,
            system_identifier: None,
            version: None,
            timeline: None,
            previous: None,
            position: start,
            buffer: BytesMut::new(),
            state: State::AtRecord,
        }
    }

    /// Refuses WAL of another database system.
    #[must_use]
    pub const fn of_system(mut self, system_identifier: u64) -> Self {
        self.system_identifier = Some(system_identifier);
        self
    }

    /// Adds the bytes that follow those fed before.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Stopped(_)) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The position after the last byte fed.
    pub fn fed_to(&self) -> Lsn {
        Lsn::new(self.position.get().saturating_add(len(&self.buffer)))
    }

    /// The version that wrote the WAL, once a page header was seen.
    pub const fn version(&self) -> Option<WalVersion> {
        self.version
    }

    /// The start of a record of which not all bytes were fed.
    pub fn incomplete(&self) -> Option<Lsn> {
        match &self.state {
            State::InRecord { start, .. } => Some(*start),
            State::AtRecord if !self.at_page() && !self.buffer.is_empty() => Some(self.position),
            _ => None,
        }
    }

    /// Who wrote the record of which not all bytes were fed; `None` when that
    /// is not known yet, or there is none.
    pub fn incomplete_manager(&self) -> Option<ResourceManager> {
        match &self.state {
            State::InRecord { data, .. } => {
                let header = data.first_chunk::<RECORD_HEADER>()?;
                Some(RecordHeader::parse(header).resource_manager)
            }
            _ => None,
        }
    }

    /// The next record. `None` asks for more bytes; an error is the end of
    /// WAL and stays.
    pub fn next_record(&mut self) -> Result<Option<Record>, Invalid> {
        loop {
            if let State::Stopped(invalid) = &self.state {
                return Err(*invalid);
            }
            match self.step() {
                Ok(Step::On) => {}
                Ok(Step::Found(record)) => return Ok(Some(record)),
                Ok(Step::Starved) => return Ok(None),
                Err(invalid) => {
                    self.buffer = BytesMut::new();
                    self.state = State::Stopped(invalid);
                }
            }
        }
    }

    fn step(&mut self) -> Result<Step, Invalid> {
        if let State::SkippingTo(target) = self.state {
            let gap = target.bytes_since(self.position).min(len(&self.buffer));
            self.consume(gap);
            if self.position < target {
                return Ok(Step::Starved);
            }
            self.state = State::AtRecord;
            return Ok(Step::On);
        }
        if self.at_page() {
            return self.page_header();
        }
        match &mut self.state {
            State::AtRecord => self.record_start(),
            State::InRecord { .. } => self.record_rest(),
            State::InUnknown { remaining } => {
                let here = (*remaining).min(self.page_left());
                self.pass_over(here)
            }
            // Handled above and by the caller.
            State::SkippingTo(_) | State::Stopped(_) => Ok(Step::Starved),
        }
    }

    /// Passes over the rest of a record whose beginning is not known.
    fn pass_over(&mut self, here: u64) -> Result<Step, Invalid> {
        let taken = here.min(len(&self.buffer));
        self.consume(taken);
        if let State::InUnknown { remaining } = &mut self.state {
            *remaining -= taken;
            if *remaining == 0 {
                self.state = State::SkippingTo(aligned(self.position));
                return Ok(Step::On);
            }
        }
        Ok(if taken < here {
            Step::Starved
        } else {
            Step::On
        })
    }

    fn page_header(&mut self) -> Result<Step, Invalid> {
        let Some(first) = self.buffer.first_chunk() else {
            return Ok(Step::Starved);
        };
        let length = PageHeader::length(first);
        let Some(bytes) = self.buffer.get(..to_usize(length)) else {
            return Ok(Step::Starved);
        };
        let header = PageHeader::parse(bytes).map_err(|fault| {
            self.invalid(match fault {
                HeaderFault::Magic(magic) => Reason::PageMagic(magic),
                HeaderFault::Flags(_) => Reason::PageFlags,
                HeaderFault::Timeline => Reason::PageTimeline,
            })
        })?;
        self.check_header(&header)?;
        self.continue_on(&header)?;
        self.version = Some(header.version);
        self.timeline = Some(header.timeline);
        self.consume(length);
        Ok(Step::On)
    }

    fn check_header(&self, header: &PageHeader) -> Result<(), Invalid> {
        let fault = |reason| Err(self.invalid(reason));
        if self
            .version
            .is_some_and(|version| version != header.version)
        {
            return fault(Reason::PageVersion(header.version.major()));
        }
        if header.address != self.position {
            return fault(Reason::PageAddress(header.address));
        }
        if let Some(long) = &header.long {
            let expected = self.system_identifier.unwrap_or(long.system_identifier);
            if long.system_identifier != expected {
                return fault(Reason::SystemIdentifier(long.system_identifier));
            }
            if u64::from(long.segment_bytes) != self.segment.bytes()
                || u64::from(long.page_bytes) != PAGE_SIZE
            {
                return fault(Reason::SegmentSize);
            }
        }
        let first_of_segment = self.position == self.segment.start_of(self.position);
        if header.long.is_some() != first_of_segment {
            return fault(Reason::PageFlags);
        }
        if self
            .timeline
            .is_some_and(|timeline| header.timeline < timeline)
        {
            return fault(Reason::PageTimeline);
        }
        Ok(())
    }

    /// Whether the page goes on as the state expects.
    fn continue_on(&mut self, header: &PageHeader) -> Result<(), Invalid> {
        let unexpected = |at, reason| Err(Invalid { at, reason });
        match &self.state {
            State::InRecord { .. } | State::InUnknown { .. } if header.overwrites() => {
                // After a crash the server gave the torn record up and wrote
                // another here; the chain goes on from the last whole one.
                self.state = State::AtRecord;
                Ok(())
            }
            State::InRecord {
                start, total, data, ..
            } => {
                let missing = u64::from(*total).saturating_sub(len(data));
                if !header.continues() {
                    return unexpected(*start, Reason::NotContinued);
                }
                if u64::from(header.remaining) != missing {
                    return unexpected(*start, Reason::Continuation);
                }
                Ok(())
            }
            State::InUnknown { remaining } => {
                if !header.continues() || u64::from(header.remaining) != *remaining {
                    return unexpected(self.position, Reason::Continuation);
                }
                Ok(())
            }
            State::AtRecord if header.continues() => {
                if self.previous.is_some() || header.remaining == 0 {
                    return unexpected(self.position, Reason::Continuation);
                }
                self.state = State::InUnknown {
                    remaining: header.remaining.into(),
                };
                Ok(())
            }
            State::AtRecord | State::SkippingTo(_) | State::Stopped(_) => Ok(()),
        }
    }

    /// The beginning of a record: its length is always on this page, since
    /// records are aligned; the rest of its header may not be.
    fn record_start(&mut self) -> Result<Step, Invalid> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            return Ok(Step::Starved);
        };
        let total = u32::from_le_bytes(*length);
        if total == 0 {
            return Err(self.invalid(Reason::NothingThere));
        }
        if to_usize(total.into()) < RECORD_HEADER {
            return Err(self.invalid(Reason::RecordLength(total)));
        }
        let page_left = self.page_left();
        if u64::from(total) > page_left {
            let (start, timeline) = (self.position, self.timeline);
            self.state = State::InRecord {
                start,
                timeline,
                total,
                data: BytesMut::new(),
            };
            return Ok(Step::On);
        }
        // The header is judged first: a bogus length must not make us wait
        // for bytes that never come.
        let Some(header) = self.buffer.first_chunk() else {
            return Ok(Step::Starved);
        };
        let header = RecordHeader::parse(header);
        self.check_record(self.position, &header)?;
        if len(&self.buffer) < u64::from(total) {
            return Ok(Step::Starved);
        }
        let (start, timeline) = (self.position, self.timeline);
        let record = self.buffer.split_to(to_usize(total.into())).freeze();
        self.position = advanced(self.position, u64::from(total));
        self.finish(start, timeline, &record).map(Step::Found)
    }

    /// More of a record that crosses pages.
    fn record_rest(&mut self) -> Result<Step, Invalid> {
        let page_left = self.page_left();
        let State::InRecord {
            start,
            timeline,
            total,
            data,
        } = &mut self.state
        else {
            return Ok(Step::On);
        };
        let (start, timeline, total) = (*start, *timeline, u64::from(*total));
        let known_before = data.len();
        let here = (total - len(data)).min(page_left);
        let taken = here.min(len(&self.buffer));
        data.extend_from_slice(&self.buffer[..to_usize(taken)]);
        let header = data.first_chunk().filter(|_| known_before < RECORD_HEADER);
        let header = header.map(RecordHeader::parse);
        let complete = len(data) == total;
        let record = if complete {
            std::mem::take(data).freeze()
        } else {
            Bytes::new()
        };
        self.consume(taken);
        if let Some(header) = header {
            self.check_record(start, &header)?;
        }
        if complete {
            return self.finish(start, timeline, &record).map(Step::Found);
        }
        Ok(if taken < here {
            Step::Starved
        } else {
            Step::On
        })
    }

    fn check_record(&self, start: Lsn, header: &RecordHeader) -> Result<(), Invalid> {
        let fault = |reason| Err(Invalid { at: start, reason });
        if !header.resource_manager.is_known() {
            return fault(Reason::ResourceManager(header.resource_manager.0));
        }
        let follows = match self.previous {
            Some(previous) => header.previous == previous,
            None => header.previous < start,
        };
        if follows {
            Ok(())
        } else {
            fault(Reason::PreviousRecord(header.previous))
        }
    }

    /// Judges a whole record; the position is already behind it.
    fn finish(
        &mut self,
        start: Lsn,
        page_timeline: Option<Timeline>,
        record: &[u8],
    ) -> Result<Record, Invalid> {
        let fault = |reason| Err(Invalid { at: start, reason });
        let Some(header) = record.first_chunk().map(RecordHeader::parse) else {
            return fault(Reason::Content);
        };
        if RecordHeader::crc_of(record) != header.crc {
            return fault(Reason::Crc);
        }
        let Some(detail) = header.decode(record, self.version) else {
            return fault(Reason::Content);
        };
        let mut end = aligned(self.position);
        if header.is_switch() {
            // The rest of the segment is zeroes without page headers.
            let into_segment = end.bytes_since(self.segment.start_of(end));
            if into_segment != 0 {
                end = advanced(end, self.segment.bytes() - into_segment);
            }
        }
        self.previous = Some(start);
        self.state = State::SkippingTo(end);
        Ok(Record {
            start,
            end,
            page_timeline,
            previous: header.previous,
            xid: header.xid,
            resource_manager: header.resource_manager,
            info: header.info,
            total_length: header.total_length,
            detail,
        })
    }

    const fn at_page(&self) -> bool {
        self.position.get().is_multiple_of(PAGE_SIZE)
    }

    fn page_left(&self) -> u64 {
        PAGE_SIZE - self.position.get() % PAGE_SIZE
    }

    fn consume(&mut self, bytes: u64) {
        self.buffer.advance(to_usize(bytes));
        self.position = advanced(self.position, bytes);
    }

    const fn invalid(&self, reason: Reason) -> Invalid {
        Invalid {
            at: self.position,
            reason,
        }
    }
}

enum Step {
    /// Something changed: look again.
    On,
    /// More bytes are needed.
    Starved,
    Found(Record),
}

/// WAL positions stay far below the end of 64 bits; a bogus one must not wrap.
const fn advanced(position: Lsn, bytes: u64) -> Lsn {
    Lsn::new(position.get().saturating_add(bytes))
}

const fn aligned(position: Lsn) -> Lsn {
    Lsn::new(position.get().saturating_add(ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)
}

fn len(bytes: &BytesMut) -> u64 {
    bytes.len() as u64
}

/// Never cut: the values are bounded by a page or by a buffer in memory.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const _: () = assert!(SHORT_HEADER < LONG_HEADER);
