//! Who asks.

use std::net::IpAddr;

use holdfast_state::{Cause, Digest, IdempotencyKey, Principal};
use holdfast_types::{Name, RequestId, SessionId, TokenId, UserId};

/// How current an answer must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// It reflects everything acknowledged before it was asked.
    #[default]
    Linearizable,
    /// Whatever this node has applied.
    Stale,
}

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A person who logged in.
    User {
        /// The user.
        id: UserId,
        /// Its name.
        name: Name,
        /// The login.
        session: SessionId,
    },
    /// An API token, which acts for the user that made it.
    Token {
        /// The token.
        id: TokenId,
        /// Its name.
        name: Name,
        /// The user.
        user: UserId,
        /// The user's name.
        user_name: Name,
    },
}

/// A caller that was proved to be who it says, and its request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// By what it is known.
    pub identity: Identity,
    /// The request.
    pub request: RequestId,
    /// From where.
    pub remote: Option<IpAddr>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// How current answers must be.
    pub consistency: Consistency,
    /// Why it asks, for those who must consent.
    pub reason: Option<String>,
    /// The caller's name for the request, and a digest of it.
    pub idempotency: Option<(String, Digest)>,
}

impl Caller {
    /// As the audit log names it.
    pub fn principal(&self) -> Principal {
        match &self.identity {
            Identity::User { name, .. } => Principal::user(name),
            Identity::Token { name, .. } => Principal::token(name),
        }
    }

    /// The user it is, or acts for.
    pub fn user(&self) -> (UserId, &Name) {
        match &self.identity {
            Identity::User { id, name, .. } => (*id, name),
            Identity::Token {
                user, user_name, ..
            } => (*user, user_name),
        }
    }

    /// The login, when it is one.
    pub fn session(&self) -> Option<SessionId> {
        match &self.identity {
            Identity::User { session, .. } => Some(*session),
            Identity::Token { .. } => None,
        }
    }

    /// What the log records as the cause of its commands.
    pub fn cause(&self) -> Cause {
        Cause {
            principal: self.principal(),
            request: self.request,
            remote: self.remote.map(|remote| remote.to_string()),
        }
    }

    /// What makes a repeat of its request harmless.
    pub fn idempotency_key(&self) -> Option<IdempotencyKey> {
        let (key, fingerprint) = self.idempotency.clone()?;
        Some(IdempotencyKey {
            key,
            principal: self.principal(),
            fingerprint,
        })
    }
}
