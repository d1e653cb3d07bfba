//! The replicated state of the control plane: what is written in the log, how
//! an entry changes the database, and how the database is read.
//!
//! The log holds [`Entry`]s; [`apply`] is the only writer. Equal logs give
//! equal databases (I-02): time, ids and randomness arrive inside the entry,
//! and nothing here looks at a clock, the environment, or an unordered map.
//! A [`Refusal`] is a replicated answer; a [`StateError`] means that this
//! node's storage failed or is damaged, and the node must stop rather than
//! skip an entry.
//!
//! This crate does not own files, pools or threads: whoever keeps the log
//! hands in a connection ([`Writer`]) or a transaction, and commits it.

mod alarms;
pub mod apply;
pub mod audit;
mod canonical;
mod catalog;
mod column;
pub mod command;
mod context;
mod drills;
pub mod dump;
mod effect;
mod entity;
mod entry;
mod error;
mod expiry;
mod facts;
mod facts_in_force;
mod generations;
mod in_place;
mod leases;
mod lookup;
pub mod meta;
mod pins;
pub mod query;
mod reader;
mod refusal;
mod reply;
mod restores;
pub mod revisions;
mod row;
mod schedules;
pub mod schema;
mod sealed;
mod state_snapshots;
mod wal;
mod writer;

pub use command::{Command, ReplicatedCommand};
pub use context::{ApplyContext, Stop};
pub use effect::{Effect, TaskName};
pub use entity::word::{ApprovalState, CondemnCause, Deletion, Vote};
pub use entry::{Cause, Entry, IdempotencyKey, InvalidPrincipal, Principal, PrincipalKind};
pub use error::{EntryError, StateError};
pub use facts_in_force::FactsInForce;
// Which policy is in force is decided in `types`, where previews are made too.
pub use holdfast_types::policy;
pub use pins::{InvalidHolder, PIN_MOST, PinHolder};
pub use reader::Reader;
pub use refusal::{Noun, Refusal};
pub use reply::{Reply, ReplyError};
pub use sealed::{Digest, InvalidDigest, PasswordHash, Sealed};
pub use wal::LOST as WAL_LOST;
pub use writer::Writer;
