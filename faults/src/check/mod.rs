//! What must be true in the end, whatever went wrong.

mod databases;
mod expiry;
mod runs;
mod wal;
mod work;

pub use databases::databases;
pub use runs::{wrong_alone, wrong_backups, wrong_jobs, wrong_runs};
pub use wal::wal;
pub use work::{Work, work};
