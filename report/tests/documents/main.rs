//! Reports as files: what they say, that they are the same each time, and that nothing
//! in them can be changed.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod fleet;
mod golden;
mod keys;
mod pdf;
mod tamper;
