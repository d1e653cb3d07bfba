//! Which backups and which WAL are kept, and why; the rest can be deleted.
//!
//! `retention` is what a policy keeps of backups, `repository` what that means for
//! the WAL of a cluster in one repository. Both are pure: the dry run that people
//! see and what the leader condemns are the same function of the same facts.
//!
//! What is around it (pins, agents that are alone, marks, condemning and deletions
//! that come late) is checked by a model: `controlplane/state/tests/model`.

pub(crate) mod repository;
pub(crate) mod retention;
