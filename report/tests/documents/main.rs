//! Reports as files: what they say, that they are the same each time, and that nothing
//! in them can be changed.

mod fleet;
mod golden;
mod keys;
mod pdf;
mod tamper;
