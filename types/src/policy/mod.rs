//! What follows from policies: which one is in force, what it promises, whether
//! it can keep that, and what a change of it would change.
//!
//! Pure: facts come in, and whoever asks the same gets the same words, over REST,
//! gRPC and on the command line.

mod affected;
mod changes;
mod contract;
mod fields;
mod in_force;
mod lint;
mod measured;
mod rhythm;
mod suggest;
mod words;

pub use affected::{Affected, AffectedHow, Consequence, Declared, affected};
pub use changes::{FieldChange, changes};
pub use contract::contract;
pub use fields::{FieldOrigin, PolicyField, fields};
pub use in_force::{clash, effective};
pub use lint::{Lint, LintCode, Severity, lint};
pub use measured::{Measured, MeasuredCluster};
pub use suggest::{Ask, Candidate, FieldReason, Means, Suggestion, suggest};
