//! The coverage band of a cluster, what a point in it means, and what a backup carries.
//!
//! Facts are gathered here and judged in `plan::coverage`. Nothing is asked of an agent
//! and nothing is read from a repository: the answers are cheap, and say what the catalog
//! knows. What a restore will do is decided by its plan.

mod band;
mod dependents;
mod gather;
mod marks;
mod point;

pub use band::{
    CoverageHole, CoverageOfRepository, CoverageRole, CoverageStretch, CoverageTimeline,
    CoverageView, LeftOut,
};
pub use dependents::{BackupDependentsView, DependentBackup, LostStretch};
pub use marks::{BackupMark, DrillMark};
pub use point::{PointOfRepository, RecoverabilityView, RestorablePoint};
