//! What goes wrong, chosen by a seed.

mod act;
mod fault;

pub use act::{Event, Nemesis};
pub use fault::{Fault, Kind, Plan, Step};
