//! Policies: what a change would change, what they said before, what is in force
//! for a cluster and why, and which one would do.
//!
//! The answers are made in `holdfast_types::policy`; here the facts are gathered.

mod expires;
mod history;
mod in_force;
mod measure;
mod preview;
mod suggest;

pub use expires::{Expiring, ExpiringOfCluster};
pub use history::{RevisionAction, RevisionView};
pub use in_force::{PassedOver, PolicyInForce};
pub(in crate::app) use measure::{Rates, rates};
pub use preview::{PolicyPreview, Preview, PreviewedRun};
pub use suggest::{SuggestionView, Wanted};
