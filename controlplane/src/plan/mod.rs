//! Pure planners: facts and the time go in, a plan with its reasons comes out.

pub(crate) mod alarm;
pub(crate) mod compliance;
pub(crate) mod coverage;
pub mod drill;
pub(crate) mod expiry;
pub mod exposure;
pub(crate) mod inventory;
pub(crate) mod overview;
pub mod placement;
pub(crate) mod report;
pub mod restoring;
pub(crate) mod runs;
pub(crate) mod state_snapshots;
