//! What goes wrong, chosen by a seed.

mod act;
mod fault;
mod lasting;

pub use act::{Event, Nemesis};
pub use fault::{Away, Fault, Kind, Meanwhile, Plan, Step};
