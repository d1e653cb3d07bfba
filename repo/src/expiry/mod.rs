//! Deleting backups, and what attempts left that never committed.
//!
//! Nothing here decides what is deleted: whoever calls has the licence of the
//! replicated state, confirmed by a quorum before each batch (I-04, I-06). What is
//! decided here is what of it nothing else needs, from the repository alone: every
//! mark is listed and every manifest's packs are read, so that a backup which no
//! catalog knows loses nothing either.
//!
//! The mark goes first: a repository never lists a backup whose packs are gone.

mod remains;
mod stock;

pub use self::remains::{Batch, Remains};
pub use self::stock::Stock;
