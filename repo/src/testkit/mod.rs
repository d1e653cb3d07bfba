//! What tests of several crates need of stores. Not part of any program.

pub mod azurite;
pub mod unreliable;
