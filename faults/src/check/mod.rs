//! What must be true in the end, whatever went wrong.

mod databases;
mod runs;
mod work;

pub use databases::databases;
pub use work::{Work, work};
