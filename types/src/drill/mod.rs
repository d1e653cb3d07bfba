//! Drills: restores that are rehearsed, and what they prove.
//!
//! What is to be checked is written in a policy (`resource::Drill`), read and judged
//! here, and done by agents. Judging is pure: the same answer of a database gets the
//! same verdict wherever it is judged.

mod evidence;
mod expect;
mod order;
mod point;
mod proof;

pub use evidence::{
    CheckKind, CheckResult, DrillEvidence, DrillKind, DrillVerdict, ROW_COUNTS_MAX,
};
pub use expect::{Expect, InvalidExpect, Judged};
pub use order::{DrillBefore, DrillOrder, DumpToDrill, SeenBefore};
pub use point::DrillPoint;
pub use proof::{NotProven, Proof, ProvenBy, prove};
