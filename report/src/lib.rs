//! Reports for auditors: one body, written as JSON, CSV or PDF, signed, and verified.
//!
//! - A [`Report`] says what was known of a fleet and a period. The same one gives the
//!   same bytes, in every format: nothing of when or by whom it was made is in it.
//! - A [`Signer`] puts its signature beside the document; [`verify`] says whether a file
//!   is as it was signed, and by whom. There is no byte of a file that can be changed
//!   without notice.
//!
//! Nothing here reads a clock or does I/O. Making documents is the feature `render`;
//! whoever verifies them needs nothing of it.

mod body;
mod format;
mod number;
mod record;
mod totals;
mod verify;

#[cfg(feature = "render")]
mod csv;
#[cfg(feature = "render")]
mod pdf;
#[cfg(feature = "render")]
mod render;
#[cfg(feature = "render")]
mod words;

pub mod seal;

pub use body::{
    Backups, Cluster, Control, Curve, Exposures, FailedBackup, Interval, Kept, Promise, Proof,
    Recovery, Report, StateTime, Subject, VERSION, Violation,
};
pub use format::Format;
pub use number::{Level, Percent, Seconds};
pub use record::{Acknowledgement, Approval, Deletion, Drill, Evidence, Exemption, Restore, Vote};
#[cfg(feature = "render")]
pub use render::{RenderError, body, document};
pub use seal::{Signer, SignerError};
pub use totals::{ControlTotals, Totals};
pub use verify::{Refused, Verified, Whose, verify};
