//! Joining: a one-time token, and trusting exactly the CA that it names.
//!
//! Agents and nodes join alike: the token carries the hash of the CA's
//! certificate, so the first connection is already proof against somebody in
//! the middle.

mod token;
mod verifier;

pub use token::{InvalidToken, JoinToken};
pub use verifier::{PinnedCa, sha256};
