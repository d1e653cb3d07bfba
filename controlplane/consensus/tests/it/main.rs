//! Nodes as their owner uses them: real files, real processes, real sockets.

mod crash;
mod damage;
mod directory;
mod group;
mod snapshot;
mod support;
mod tls;
