//! Condemning what policies keep no longer, and deleting what was condemned long
//! enough (I-06), on the leader.
//!
//! Every step is a command or can be repeated: whoever leads next goes on from the
//! state and the repository alone. Before each batch of objects a quorum confirms
//! that this node leads, and that the deletion is in the state (I-04). One that is
//! deposed in the middle of a batch deletes nothing that its successor keeps, for
//! what is condemned never comes back.

mod condemn;
mod lineage;
mod orphans;
mod sweep;

pub(crate) use self::condemn::condemn;
pub(crate) use self::orphans::{Looked, condemn_orphans};
pub(crate) use self::sweep::{Tried, sweep};
