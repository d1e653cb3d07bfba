//! Nodes as their owner uses them: real files, real processes, real sockets.

#[cfg(test)]
mod ahead;

mod call;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod group;
#[cfg(test)]
mod members;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
