//! What clusters were and are exposed to: facts go in, verdicts come out.
//!
//! The definitions:
//! - A *chain* in a repository is an available backup and the WAL behind it,
//!   without a hole. A dump is a chain of one point.
//! - The *frontier* of a repository is the latest time of which it is proved
//!   that no commit before it is missing from its chains.
//! - *Exposure* is now minus the frontier, for one repository or for what an RPO
//!   is about ([`Scope`](holdfast_types::RpoScope)): any copy, the loss of a
//!   region, two copies. What is not known counts as exposed (I-13).
//! - A *violation* is a longest interval in which exposure is above the RPO. It
//!   begins at frontier + RPO, whenever somebody looked, and ends when a fact
//!   lowered the exposure.
//!
//! Each fact has the time since when it is so and the time at which it became
//! known. [`History`] says what was true as it was known at any moment: a late
//! fact corrects what was, and leaves what was known as it was. [`Current`] says
//! what is true now, and takes facts in one by one.
//!
//! Nothing here reads a clock or does I/O. Whoever gathers facts resolves
//! timelines: positions of one lineage are compared as they are, and a hole is
//! told only where the path of the timelines in use passes it.

mod cause;
mod claim;
mod control;
mod copy;
mod course;
mod current;
mod deciding;
mod fact;
mod force;
mod history;
mod judgement;
mod look;
mod period;
mod phase;
mod promise;
mod proof;
mod reach;
mod scope;
mod segment;
mod shape;
mod span;
mod spread;
mod sweep;
mod told;
mod verdict;
mod violation;
mod window;

pub use cause::Cause;
pub use claim::{Claim, Stretch, tolerance};
pub use control::{Control, ControlResult, Outcome};
pub use current::{Current, Late};
pub use deciding::{Deciding, Heard, deciding};
pub use fact::{Backup, Drill, Exemption, Fact, KeptStretch, Recorded};
pub use history::History;
pub use judgement::{CopyJudgement, Judgement};
pub use period::{Budget, Height, Period, PeriodResult};
pub use phase::Phase;
pub use promise::{Place, Promise};
pub use proof::{NotProven, Proof};
pub use segment::Segment;
pub use spread::Spread;
pub use told::Told;
pub use verdict::Verdict;
pub use violation::Violation;
pub use window::RecoveryWindow;
