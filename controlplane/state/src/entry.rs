//! A log entry: when it was proposed, who caused it, and the command.
//!
//! On the wire it is one version byte and JSON. Old bytes stay readable for
//! ever: `wire/` holds an example of each command that is never edited.

use std::fmt;
use std::str::FromStr;

use holdfast_types::RequestId;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Command, Digest, EntryError};

/// The version byte of the entries this version writes.
const VERSION: u8 = 1;

/// What the log holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The proposer's clock. The only time that apply ever sees (I-02).
    pub at: Timestamp,
    /// Who caused it; `None` when the control plane itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Makes a repeat of the same request harmless (I-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<IdempotencyKey>,
    /// W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What to do.
    pub command: Command,
}

/// The principal and the request behind a command. It is what the audit log
/// records (I-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Who.
    pub principal: Principal,
    /// In which request.
    pub request: RequestId,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// What kind of principal acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// An API token.
    Token,
    /// An agent.
    Agent,
    /// A node of the control plane, such as the one that bootstraps.
    Node,
}

/// Somebody who causes changes: `user:admin`, `token:ci`, `agent:db1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its name.
    pub name: String,
}

/// Text that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a principal such as user:admin, token:ci, agent:db1 or node:n1")]
pub struct InvalidPrincipal(pub String);

impl PrincipalKind {
    /// The word before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Agent => "agent",
            Self::Node => "node",
        }
    }
}

impl Principal {
    /// A person.
    pub fn user(name: impl fmt::Display) -> Self {
        Self::new(PrincipalKind::User, name)
    }

    /// An API token.
    pub fn token(name: impl fmt::Display) -> Self {
        Self::new(PrincipalKind::Token, name)
    }

    /// An agent.
    pub fn agent(name: impl fmt::Display) -> Self {
        Self::new(PrincipalKind::Agent, name)
    }

    /// A node.
    pub fn node(name: impl fmt::Display) -> Self {
        Self::new(PrincipalKind::Node, name)
    }

    fn new(kind: PrincipalKind, name: impl fmt::Display) -> Self {
        let name = name.to_string();
        Self { kind, name }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        use PrincipalKind::{Agent, Node, Token, User};
        let invalid = || InvalidPrincipal(text.to_owned());
        let (word, name) = text.split_once(':').ok_or_else(invalid)?;
        let kind = [User, Token, Agent, Node]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(invalid)?;
        if name.is_empty() {
            return Err(invalid());
        }
        Ok(Self::new(kind, name))
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A caller's own name for a request, so that a retry is answered and not
/// done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdempotencyKey {
    /// The header `Idempotency-Key`.
    pub key: String,
    /// Whose key it is: two principals may choose the same one.
    pub principal: Principal,
    /// A digest of the request, so that a key used for another is refused.
    pub fingerprint: Digest,
}

impl Entry {
    /// An entry without cause, proposed at `at`.
    pub fn new(at: Timestamp, command: impl Into<Command>) -> Self {
        Self {
            at,
            cause: None,
            idempotency: None,
            traceparent: None,
            command: command.into(),
        }
    }

    /// Its bytes for the log.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, self)
            .expect("an entry is JSON: its maps have text keys and a Vec takes every byte");
        bytes
    }

    /// An entry from the log.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        match bytes.split_first() {
            None => Err(EntryError::Empty),
            Some((&VERSION, json)) => Ok(serde_json::from_slice(json)?),
            Some((&version, _)) => Err(EntryError::Version(version)),
        }
    }
}
