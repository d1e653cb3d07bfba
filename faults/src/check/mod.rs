//! What must be true in the end, whatever went wrong.

mod databases;
mod runs;
mod wal;
mod work;

pub use databases::databases;
pub use wal::wal;
pub use work::{Work, work};
