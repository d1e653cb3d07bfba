//! The agent's local socket: how `wal-fetch`, run by PostgreSQL, asks the agent
//! of its host.
//!
//! One connection carries one question and one reply. A frame is a length
//! (4 bytes, big endian) and that much JSON; a reply may carry bytes behind its
//! frame (8 bytes of length, then the bytes). The reply says in its own words
//! whether the question was answered: a broken connection, a cut frame, a
//! refusal or a failure of the handler is an error at the caller's end and can
//! never be read as an answer such as "absent", which would end a recovery
//! short.
//!
//! Who may ask: the user the agent runs as, and root. An agent that runs as
//! root also answers the owners of the data directories it works for, told by
//! [`Host::peers`]; the kernel says who asks.

mod client;
mod frame;
mod server;

pub use client::{CallError, call};
pub use server::{Handler, serve};

/// What a handler answers: a document, and bytes that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<A> {
    /// The answer.
    pub answer: A,
    /// Bytes that belong to it; none is empty.
    pub body: bytes::Bytes,
}

impl<A> Reply<A> {
    /// A reply without bytes.
    pub const fn new(answer: A) -> Self {
        Self {
            answer,
            body: bytes::Bytes::new(),
        }
    }

    /// A reply with bytes.
    pub const fn with_body(answer: A, body: bytes::Bytes) -> Self {
        Self { answer, body }
    }
}

#[cfg(doc)]
use crate::host::Host;
