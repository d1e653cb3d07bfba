//! The Raft log: entries, the vote, how far is committed and purged, in one
//! SQLite file of its own.
//!
//! - What is acknowledged is on disk: one thread writes, commits several
//!   operations with one fsync (WAL, `synchronous=FULL`), and answers only
//!   after the commit (I-01).
//! - What is appended is readable at once, from memory, before it is on disk.
//! - Every entry carries a BLAKE3 check; a damaged or missing one stops the
//!   node and is never passed over.
//! - Operations reach the file in the order in which they were made.

mod file;
mod record;
mod store;
mod tail;
mod writer;

pub(crate) use store::LogStore;
