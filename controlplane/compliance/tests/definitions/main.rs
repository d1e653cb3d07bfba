//! Each definition, by an example small enough to compute by hand. Times are
//! seconds; the RPO is 30 s and WAL is flushed every 5 s unless said otherwise, so
//! that one is blind after 15 s.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bitemporal;
mod causes;
mod controls;
mod frontiers;
mod periods;
mod scopes;
mod states;
mod story;
mod violations;
