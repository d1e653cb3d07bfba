//! `wal-push`: what PostgreSQL's `archive_command` runs.
//!
//! It succeeds only when the repository holds the file durably (I-07): bytes
//! that are there already are as good as stored, other bytes of the same name
//! are an incident and stay out, and so does WAL of another system or of a
//! history that does not continue the stored one.
//!
//! PostgreSQL asks for one file at a time. Whoever answers it, the agent or the
//! command itself, stores the files that are ready next at the same time and
//! leaves a note of each, so that the next call is answered at once. Nothing
//! is ever marked in `archive_status`: only PostgreSQL says what is done.

mod ahead;
mod backfill;
mod command;
mod descent;
mod direct;
mod failure;
mod handler;
mod lane;
mod lanes;
mod name;
mod note;
mod partial;
mod put;
mod read;

pub(super) use ahead::ready_segments;
pub use command::{PushArgs, PushExit, push_command};
pub use handler::{PushAnswer, PushHandler, PushQuestion};
pub use lanes::Lanes;
pub use name::{InvalidPushName, PushName};

use holdfast_types::{LsnRange, Timeline, WalSegment};

/// WAL that became durable by a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pushed {
    pub(super) timeline: Timeline,
    pub(super) range: LsnRange,
    /// PostgreSQL asked for it, which it does in order: nothing before it is
    /// still to come.
    pub(super) asked: bool,
}

impl Pushed {
    fn whole(segment: WalSegment, asked: bool) -> Self {
        Self {
            timeline: segment.timeline(),
            range: LsnRange {
                from_lsn: segment.start(),
                to_lsn: segment.end(),
            },
            asked,
        }
    }
}
