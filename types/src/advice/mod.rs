//! Advice on policies: what one promises, in a sentence; what of it cannot be
//! kept; and which policy keeps an objective. Pure, as planners are.

mod contract;
mod interval;
mod lint;
mod suggest;

pub use contract::{Beyond, contract};
pub use interval::longest_between;
pub use lint::{Lint, Measured, Severity, lint};
pub use suggest::{Ask, Method, Rates, Suggestion, Weighed, suggest};
