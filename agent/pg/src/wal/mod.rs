//! Reading WAL: pages, records, and the two questions a restore asks: where
//! does it end, and which position belongs to a time.
//!
//! The reader is fed contiguous bytes and pulled for records; it does no I/O.
//! It believes a record only when page headers, links and CRC agree, exactly
//! as PostgreSQL's own recovery does (`xlogreader.c`), so that where it stops
//! PostgreSQL stops too.

mod boundary;
#[cfg(test)]
mod fuzz;
mod page_header;
mod reader;
mod record;
mod resolve;
mod segment;
mod tail;

pub use boundary::claimed_position;
pub use page_header::{PAGE_SIZE, WalVersion};
pub use reader::{Invalid, Reason, WalReader};
pub use record::{Detail, Record, ResourceManager, TransactionEnd};
pub use resolve::{TimeResolver, TimeTarget, resolve_time};
pub use segment::{NotThatSegment, SegmentHeader};
pub use tail::{Ending, Tail, TailScan, tail};
