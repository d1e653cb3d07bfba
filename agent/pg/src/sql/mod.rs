//! SQL to one server: a session, the facts that the agent reports, the rights
//! it needs, and the held session of a base backup.

mod backup;
mod facts;
mod rights;
mod session;

pub use backup::{BackupSession, BackupStart, Replay, StoppedBackup};
pub use facts::{ArchiverFacts, Facts, SlotFacts, TablespaceFacts};
pub use rights::{Lacking, grants, lacking};
pub use session::Session;
