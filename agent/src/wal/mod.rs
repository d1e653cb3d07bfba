//! Receiving WAL as a standing duty, proving what is stored, and giving it
//! back to PostgreSQL.
//!
//! A [`Duty`] streams from a physical slot into one repository: full segments,
//! and slices of the segment being written so that exposure is seconds. It
//! confirms to PostgreSQL only what the repository holds durably (I-07), goes
//! on without a control plane (I-08), claims a frontier only where it is
//! proved (I-13) and bounds what PostgreSQL keeps for it (I-15). What cannot
//! be received is reported as a gap, never passed over in silence.
//!
//! With `wal.mode: archive` PostgreSQL's `archive_command` hands WAL over
//! instead ([`push`]), and the duty counts it; with `both` it does so beside
//! the stream. The same bytes twice are one object.
//!
//! A [`Keeper`] keeps the slot at an instance that nobody receives from now, and
//! fills gaps with what that instance still has.
//!
//! [`prove`] answers, from the repository itself, whether a backup's WAL is
//! there (I-05). [`fetch`] is `wal-fetch`.

pub(crate) mod archive;
mod attempt;
mod backoff;
mod buffer;
mod cleaner;
mod copies;
mod divergence;
mod duty;
pub mod fetch;
mod frontier;
mod history;
mod keeper;
mod known;
mod local;
mod mend;
mod observe;
mod open;
mod place;
mod prove;
pub mod push;
mod quiet;
mod receive;
mod refetch;
mod registry;
mod resume;
mod retention;
mod slot;
mod status;
mod store;
mod stored;
mod trouble;

pub use duty::{Duty, DutyOptions};
pub use fetch::{
    FetchAnswer, FetchArgs, FetchConfig, FetchExit, FetchHandler, FetchQuestion, fetch_command,
};
pub use keeper::Keeper;
pub use local::{LocalAnswer, LocalHandler, LocalQuestion};
pub use prove::{MissingWal, prove, prove_within};
pub use push::{PushAnswer, PushArgs, PushExit, PushHandler, PushName, PushQuestion, push_command};
pub use registry::{Registry, Source};

use holdfast_types::{Lsn, Timeline};

/// A place in the log: a position means nothing without its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    timeline: Timeline,
    lsn: Lsn,
}
