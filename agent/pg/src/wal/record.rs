//! WAL records (`xlogrecord.h`), with those decoded that a restore asks about.

use holdfast_types::{Lsn, Timeline};
use jiff::Timestamp;

use super::WalVersion;
use crate::time;

/// SizeOfXLogRecord.
pub(super) const RECORD_HEADER: usize = 24;

/// Which part of PostgreSQL wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceManager(pub u8);

impl ResourceManager {
    /// Checkpoints, switches, restore points.
    pub const XLOG: Self = Self(0);
    /// Transactions.
    pub const TRANSACTION: Self = Self(1);
    /// Tablespaces.
    pub const TABLESPACE: Self = Self(5);
    /// The last one that PostgreSQL brings itself, in 14 to 18.
    const LAST_BUILT_IN: u8 = 21;
    /// Extensions' own, since 15.
    const FIRST_CUSTOM: u8 = 128;

    pub(super) const fn is_known(self) -> bool {
        self.0 <= Self::LAST_BUILT_IN || self.0 >= Self::FIRST_CUSTOM
    }
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    /// The transaction; for a prepared one its own, not that of the command.
    pub xid: u32,
    /// The server's clock when it ended.
    pub at: Timestamp,
    /// Whether it had been prepared.
    pub prepared: bool,
}

/// What a record means to a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Nothing of its own.
    Other,
    /// A transaction committed.
    Commit(TransactionEnd),
    /// A transaction was rolled back.
    Abort(TransactionEnd),
    /// A named restore point.
    RestorePoint {
        /// Its name.
        name: String,
        /// When it was made.
        at: Timestamp,
    },
    /// A checkpoint.
    Checkpoint {
        /// Where replay from it starts.
        redo: Lsn,
        /// Its timeline.
        timeline: Timeline,
        /// The timeline before, when it ended a recovery; else the same.
        previous_timeline: Timeline,
        /// Whether the server stopped with it.
        shutdown: bool,
    },
    /// A promotion without a full checkpoint: the first record of a timeline.
    EndOfRecovery {
        /// The new timeline.
        timeline: Timeline,
        /// The timeline before.
        previous_timeline: Timeline,
        /// When it was promoted.
        at: Timestamp,
    },
    /// The end of a base backup of a primary.
    BackupEnd {
        /// Where that backup started.
        start: Lsn,
    },
    /// The rest of the segment is empty.
    Switch,
    /// A tablespace was made. Replay makes it there again, whatever is there.
    CreateTablespace {
        /// The name of its link in `pg_tblspc`.
        oid: u32,
        /// Where; empty when it was made in place.
        location: Vec<u8>,
    },
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its first byte.
    pub start: Lsn,
    /// The byte after it, aligned; what `pg_last_wal_replay_lsn()` shows once
    /// it is replayed. After a switch the end of the segment.
    pub end: Lsn,
    /// The timeline of the page it starts on, when that page was seen.
    pub page_timeline: Option<Timeline>,
    /// The record before it.
    pub previous: Lsn,
    /// The transaction in its header, 0 for none.
    pub xid: u32,
    /// Who wrote it.
    pub resource_manager: ResourceManager,
    /// The kind, in the upper four bits.
    pub info: u8,
    /// Its bytes, the page headers between them aside.
    pub total_length: u32,
    /// What it means.
    pub detail: Detail,
}

/// The fields of a record header.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub(super) total_length: u32,
    pub(super) xid: u32,
    pub(super) previous: Lsn,
    pub(super) info: u8,
    pub(super) resource_manager: ResourceManager,
    pub(super) crc: u32,
}

impl RecordHeader {
    /// Reads the first [`RECORD_HEADER`] bytes of a record.
    pub(super) fn parse(bytes: &[u8; RECORD_HEADER]) -> Self {
        let mut fields = Fields(bytes);
        let mut next = |n: u64| fields.uint(n).unwrap_or_default();
        let total_length = low_u32(next(4));
        let xid = low_u32(next(4));
        let previous = Lsn::new(next(8));
        let (info, manager) = (low_u8(next(1)), low_u8(next(1)));
        let _padding = next(2);
        let crc = low_u32(next(4));
        let resource_manager = ResourceManager(manager);
        Self {
            total_length,
            xid,
            previous,
            info,
            resource_manager,
            crc,
        }
    }

    /// The CRC that belongs to `record`: its data first, then its header up
    /// to the CRC.
    pub(super) fn crc_of(record: &[u8]) -> u32 {
        let data = crc32c::crc32c(&record[RECORD_HEADER..]);
        crc32c::crc32c_append(data, &record[..RECORD_HEADER - 4])
    }

    pub(super) const fn is_switch(&self) -> bool {
        self.resource_manager.0 == ResourceManager::XLOG.0 && self.info & 0xF0 == xlog::SWITCH
    }

    /// What the record means; `None` when its content is cut short, which a
    /// right CRC rules out for records that PostgreSQL wrote.
    pub(super) fn decode(&self, record: &[u8], version: Option<WalVersion>) -> Option<Detail> {
        let kind = self.info & 0xF0;
        match self.resource_manager {
            ResourceManager::XLOG if xlog::MATTERS.contains(&kind) => {
                decode_xlog(kind, main_data(record)?)
            }
            ResourceManager::TRANSACTION => {
                let committed = match self.info & transaction::OPERATION {
                    transaction::COMMIT | transaction::COMMIT_PREPARED => true,
                    transaction::ABORT | transaction::ABORT_PREPARED => false,
                    _ => return Some(Detail::Other),
                };
                let end = decode_transaction(self, main_data(record)?, version)?;
                Some(if committed {
                    Detail::Commit(end)
                } else {
                    Detail::Abort(end)
                })
            }
            ResourceManager::TABLESPACE if kind == CREATE_TABLESPACE => {
                let mut fields = Fields(main_data(record)?);
                let oid = low_u32(fields.uint(4)?);
                let location = fields.0.split(|&byte| byte == 0).next();
                let location = location.unwrap_or_default().to_vec();
                Some(Detail::CreateTablespace { oid, location })
            }
            _ => Some(Detail::Other),
        }
    }
}

/// `XLOG_TBLSPC_CREATE`.
const CREATE_TABLESPACE: u8 = 0x00;

mod xlog {
    pub(super) const CHECKPOINT_SHUTDOWN: u8 = 0x00;
    pub(super) const CHECKPOINT_ONLINE: u8 = 0x10;
    pub(super) const SWITCH: u8 = 0x40;
    pub(super) const BACKUP_END: u8 = 0x50;
    pub(super) const RESTORE_POINT: u8 = 0x70;
    pub(super) const END_OF_RECOVERY: u8 = 0x90;
    pub(super) const MATTERS: [u8; 6] = [
        CHECKPOINT_SHUTDOWN,
        CHECKPOINT_ONLINE,
        SWITCH,
        BACKUP_END,
        RESTORE_POINT,
        END_OF_RECOVERY,
    ];
}

mod transaction {
    pub(super) const OPERATION: u8 = 0x70;
    pub(super) const HAS_INFO: u8 = 0x80;
    pub(super) const COMMIT: u8 = 0x00;
    pub(super) const ABORT: u8 = 0x20;
    pub(super) const COMMIT_PREPARED: u8 = 0x30;
    pub(super) const ABORT_PREPARED: u8 = 0x40;

    pub(super) const HAS_DATABASE: u64 = 1;
    pub(super) const HAS_SUBTRANSACTIONS: u64 = 1 << 1;
    pub(super) const HAS_RELATIONS: u64 = 1 << 2;
    pub(super) const HAS_INVALIDATIONS: u64 = 1 << 3;
    pub(super) const HAS_TWO_PHASE: u64 = 1 << 4;
    pub(super) const HAS_DROPPED_STATISTICS: u64 = 1 << 8;
}

fn decode_xlog(kind: u8, data: &[u8]) -> Option<Detail> {
    let mut fields = Fields(data);
    Some(match kind {
        xlog::SWITCH => Detail::Switch,
        xlog::BACKUP_END => Detail::BackupEnd {
            start: Lsn::new(fields.uint(8)?),
        },
        xlog::RESTORE_POINT => {
            let at = fields.instant()?;
            let name = fields.0.split(|&byte| byte == 0).next().unwrap_or_default();
            Detail::RestorePoint {
                name: String::from_utf8_lossy(name).into_owned(),
                at,
            }
        }
        xlog::END_OF_RECOVERY => Detail::EndOfRecovery {
            at: fields.instant()?,
            timeline: fields.timeline()?,
            previous_timeline: fields.timeline()?,
        },
        _ => Detail::Checkpoint {
            redo: Lsn::new(fields.uint(8)?),
            timeline: fields.timeline()?,
            previous_timeline: fields.timeline()?,
            shutdown: kind == xlog::CHECKPOINT_SHUTDOWN,
        },
    })
}

/// `xl_xact_commit` and `xl_xact_abort`: the time, then what the flags name,
/// in this order. Only a prepared transaction needs more than the time: its
/// id stands behind all the lists.
fn decode_transaction(
    header: &RecordHeader,
    data: &[u8],
    version: Option<WalVersion>,
) -> Option<TransactionEnd> {
    let mut fields = Fields(data);
    let at = fields.instant()?;
    let operation = header.info & transaction::OPERATION;
    let prepared = matches!(
        operation,
        transaction::COMMIT_PREPARED | transaction::ABORT_PREPARED
    );
    let committed = matches!(
        operation,
        transaction::COMMIT | transaction::COMMIT_PREPARED
    );
    let flags = if header.info & transaction::HAS_INFO == 0 {
        0
    } else {
        fields.uint(4)?
    };
    let mut xid = header.xid;
    if prepared && flags & transaction::HAS_TWO_PHASE != 0 {
        if flags & transaction::HAS_DATABASE != 0 {
            fields.skip(8)?;
        }
        if flags & transaction::HAS_SUBTRANSACTIONS != 0 {
            fields.skip_list(4)?;
        }
        if flags & transaction::HAS_RELATIONS != 0 {
            fields.skip_list(12)?;
        }
        if flags & transaction::HAS_DROPPED_STATISTICS != 0 {
            // 18 made the object's number 64 bits wide.
            let width = if version.is_none_or(|v| v < WalVersion::V18) {
                12
            } else {
                16
            };
            fields.skip_list(width)?;
        }
        if committed && flags & transaction::HAS_INVALIDATIONS != 0 {
            fields.skip_list(16)?;
        }
        xid = low_u32(fields.uint(4)?);
    }
    Some(TransactionEnd { xid, at, prepared })
}

/// The part of a record that belongs to its resource manager: after the
/// headers of blocks and the blocks' own data. It is always the last part.
fn main_data(record: &[u8]) -> Option<&[u8]> {
    const MAIN_SHORT: u64 = 255;
    const MAIN_LONG: u64 = 254;
    const ORIGIN: u64 = 253;
    const TOP_LEVEL_XID: u64 = 252;
    let mut fields = Fields(record.get(RECORD_HEADER..)?);
    loop {
        let length = match fields.uint(1) {
            // A record without main data, such as a switch.
            None => return Some(&[]),
            Some(MAIN_SHORT) => fields.uint(1)?,
            Some(MAIN_LONG) => fields.uint(4)?,
            Some(ORIGIN) => {
                fields.skip(2)?;
                continue;
            }
            Some(TOP_LEVEL_XID) => {
                fields.skip(4)?;
                continue;
            }
            // Blocks: no record that we decode has any.
            Some(_) => return None,
        };
        let start = record.len().checked_sub(usize::try_from(length).ok()?)?;
        return record.get(start..);
    }
}

fn low_u32(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

fn low_u8(value: u64) -> u8 {
    u8::try_from(value & 0xFF).unwrap_or_default()
}

/// Little-endian fields, read from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn uint(&mut self, bytes: u64) -> Option<u64> {
        let (field, rest) = self.0.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.0 = rest;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    /// A count of four bytes and so many items.
    fn skip_list(&mut self, item_bytes: u64) -> Option<()> {
        let count = self.uint(4)?;
        self.skip(count * item_bytes)
    }

    fn timeline(&mut self) -> Option<Timeline> {
        Timeline::new(low_u32(self.uint(4)?))
    }

    fn instant(&mut self) -> Option<Timestamp> {
        time::from_postgres(self.uint(8)?.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decoding_never_panics(mut record in proptest::collection::vec(any::<u8>(), 24..200)) {
            for (manager, info) in [(0, 0), (0, 0x70), (0, 0x90), (1, 0x80), (1, 0xB0), (1, 0xC0)] {
                record[16] = info;
                record[17] = manager;
                let header = RecordHeader::parse(record.first_chunk().unwrap());
                let _ = header.decode(&record, Some(WalVersion::V18));
            }
        }
    }
}
