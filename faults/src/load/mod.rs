//! Clients under faults, and the check of what they were told.

mod client;
mod history;
mod registers;

pub use client::{Answer, Client};
pub use history::{Call, History, Operation, Outcome, Value, violations};
pub use registers::{Load, Served};
