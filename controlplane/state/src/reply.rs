//! Answers: what a command did, or why it did nothing.
//!
//! A reply travels from the node that applied to the one that proposed, and
//! is kept under an idempotency key: one version byte and JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Refusal, ReplicatedCommand};

const VERSION: u8 = 1;

/// The encoded answer to one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(Vec<u8>);

/// Bytes that are not the reply to this command.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// A version byte that is not known.
    #[error("version {0:?} of the reply format is not known")]
    Version(Option<u8>),
    /// Not what the version promises.
    #[error("the reply cannot be decoded")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Body<T> {
    Accepted(T),
    Refused(Refusal),
}

impl Reply {
    pub(crate) fn of<T: Serialize>(verdict: Result<T, Refusal>) -> Result<Self, serde_json::Error> {
        let body = match verdict {
            Ok(outcome) => Body::Accepted(outcome),
            Err(refusal) => Body::Refused(refusal),
        };
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, &body)?;
        Ok(Self(bytes))
    }

    /// A reply that came from another node.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes, for another node.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The answer to a command of type `C`.
    pub fn outcome<C: ReplicatedCommand>(&self) -> Result<Result<C::Outcome, Refusal>, ReplyError> {
        self.body().map(|body| match body {
            Body::Accepted(outcome) => Ok(outcome),
            Body::Refused(refusal) => Err(refusal),
        })
    }

    /// Why nothing was done; `None` when the command was accepted.
    pub fn refusal(&self) -> Result<Option<Refusal>, ReplyError> {
        let body: Body<serde::de::IgnoredAny> = self.body()?;
        Ok(match body {
            Body::Accepted(_) => None,
            Body::Refused(refusal) => Some(refusal),
        })
    }

    /// What an accepted command answered, as JSON; `None` of a refused one, or of
    /// nothing to say.
    pub fn accepted(&self) -> Result<Option<serde_json::Value>, ReplyError> {
        let body: Body<serde_json::Value> = self.body()?;
        Ok(match body {
            Body::Accepted(outcome) => Some(outcome).filter(|outcome| !outcome.is_null()),
            Body::Refused(_) => None,
        })
    }

    fn body<T: DeserializeOwned>(&self) -> Result<Body<T>, ReplyError> {
        match self.0.split_first() {
            Some((&VERSION, json)) => Ok(serde_json::from_slice(json)?),
            other => Err(ReplyError::Version(other.map(|(version, _)| *version))),
        }
    }
}
