//! Faults: real nodes and agents in network namespaces of one machine, under
//! kill -9, pauses, partitions, broken disks, power cuts and jumping clocks,
//! and the checks that what was promised was kept all the same.
//!
//! Needs root. What a run does follows from its seed as far as real processes
//! allow: the plan of faults is the same, their effects depend on timing.

mod c;
pub mod check;
pub mod clock;
pub mod disk;
pub mod load;
pub mod nemesis;
pub mod net;
pub mod privilege;
pub mod report;
pub mod run;
pub mod world;

/// How everything is called that the machine must not keep: mounts, namespaces.
pub const PREFIX: &str = "hf-faults-";
