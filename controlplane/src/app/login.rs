//! Logging in, refreshing, logging out, and telling who a token belongs to.

use std::net::IpAddr;
use std::time::Instant;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{
    CloseSession, OpenSession, RecordLoginFailure, RotateSession, Rotation,
};
use holdfast_state::{Cause, Principal, Refusal, query};
use holdfast_types::{Name, RequestId, Secret, SessionId, TokenId, UserId};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::App;
use super::caller::{Caller, Identity};
use super::code::Code;
use super::error::{AppError, Result};
use crate::secure::{Claims, OpaqueToken};

const REFRESH: &str = "hfr1";
pub(super) const API: &str = "hft1";

/// For how long a browser that lost an answer is given it again.
const LOST_ANSWER: SignedDuration = SignedDuration::from_secs(30);

/// A login that succeeded.
#[derive(Debug)]
pub struct Login {
    /// Proves the user for a short time.
    pub access_token: Secret,
    /// Gives the next access token, once.
    pub refresh_token: Secret,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The user.
    pub user: Name,
}

/// From where somebody tries to log in.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The request.
    pub request: RequestId,
    /// The address.
    pub remote: Option<IpAddr>,
    /// The trace.
    pub traceparent: Option<String>,
}

impl Origin {
    fn context(&self, principal: Principal) -> ProposeContext {
        let cause = Cause {
            principal,
            request: self.request,
            remote: self.remote.map(|remote| remote.to_string()),
        };
        ProposeContext {
            traceparent: self.traceparent.clone(),
            ..ProposeContext::caused_by(cause)
        }
    }
}

impl App {
    /// Whether REST is plain HTTP here, which it is on loopback alone.
    pub(crate) fn rest_is_plain(&self) -> bool {
        self.config.listen.rest.ip().is_loopback()
    }

    /// Logs a user in. An unknown user takes as long to refuse as a wrong
    /// password, and both are told the same.
    pub async fn login(&self, user: &str, password: Secret, from: &Origin) -> Result<Login> {
        if let Some(wait) = self.logins.wait(user, from.remote, Instant::now()) {
            let error = AppError::new(Code::TOO_MANY_LOGINS, "too many logins have failed");
            return Err(error.with_retry_after(wait));
        }
        let name = user.parse::<Name>().ok();
        let known = match &name {
            None => None,
            Some(name) => {
                let view = self.node.read().await?;
                query::user_named(view.connection(), name).await?
            }
        };
        let hash = known.as_ref().map(|user| user.password.clone());
        let verified = self.passwords.verify(password, hash).await;
        match known {
            Some(user) if verified => {
                self.logins.succeeded(user.name.as_str(), from.remote);
                self.open_session((user.id, user.name), from).await
            }
            _ => {
                self.logins.failed(user, from.remote, Instant::now());
                self.record_failure(name, "wrong user or password", from)
                    .await;
                Err(AppError::new(
                    Code::LOGIN_FAILED,
                    "the user or the password is wrong",
                ))
            }
        }
    }

    async fn open_session(&self, user: (UserId, Name), from: &Origin) -> Result<Login> {
        let session = SessionId::from_uuid(Uuid::now_v7());
        let refresh = OpaqueToken::generate(session)?;
        let now = Timestamp::now();
        let command = OpenSession {
            session,
            user: user.0,
            refresh: refresh.secret.digest(),
            expires_at: now + self.config.access.session.get(),
        };
        let context = from.context(Principal::user(&user.1));
        self.propose_as(context, command).await?;
        self.sign(user, session, &refresh, now)
    }

    fn sign(
        &self,
        user: (UserId, Name),
        session: SessionId,
        refresh: &OpaqueToken<SessionId>,
        now: Timestamp,
    ) -> Result<Login> {
        let name = user.1.clone();
        let expires_at = now + self.config.access.access_token.get();
        let claims = Claims::new(user, session, now, expires_at);
        let token = self.signer.sign(&claims).map_err(AppError::internal)?;
        Ok(Login {
            access_token: Secret::new(token),
            refresh_token: refresh.reveal(REFRESH),
            expires_at,
            user: name,
        })
    }

    /// Exchanges a refresh token for the next pair. One that was exchanged
    /// before is stolen or replayed: the whole login ends.
    pub async fn refresh(&self, token: &str, from: &Origin) -> Result<Login> {
        let old = OpaqueToken::<SessionId>::parse(REFRESH, token).map_err(|_| not_refreshed())?;
        let new = OpaqueToken::generate(old.id)?;
        self.rotate(&old, new, from).await
    }

    /// The same for a browser, whose answer may be lost with the node that gave it
    /// while a page is open: the token that was exchanged last is, for a moment,
    /// answered with the same pair again.
    pub async fn renew_browser(&self, token: &str, from: &Origin) -> Result<Login> {
        let old = OpaqueToken::<SessionId>::parse(REFRESH, token).map_err(|_| not_refreshed())?;
        let new = OpaqueToken {
            id: old.id,
            secret: self.signer.following(&old.secret),
        };
        let view = self.node.read().await?;
        let conn = view.connection();
        let now = Timestamp::now();
        let given = query::session_by_refresh(conn, new.secret.digest()).await?;
        let given = given.filter(|given| {
            given.id == old.id && now.duration_since(given.refreshed_at) < LOST_ANSWER
        });
        match given {
            None => self.rotate(&old, new, from).await,
            Some(given) => {
                let user = query::user(conn, given.user).await?;
                let user = user.ok_or_else(not_refreshed)?;
                self.sign((user.id, user.name), given.id, &new, now)
            }
        }
    }

    async fn rotate(
        &self,
        old: &OpaqueToken<SessionId>,
        new: OpaqueToken<SessionId>,
        from: &Origin,
    ) -> Result<Login> {
        let refused = not_refreshed;
        let now = Timestamp::now();
        let command = RotateSession {
            old: old.secret.digest(),
            new: new.secret.digest(),
            expires_at: now + self.config.access.session.get(),
        };
        let context = ProposeContext {
            traceparent: from.traceparent.clone(),
            ..ProposeContext::internal()
        };
        match self.node.propose(context, command).await? {
            Ok(Rotation::Rotated {
                session,
                user,
                name,
            }) if session == old.id => self.sign((user, name), session, &new, now),
            Ok(Rotation::Rotated { .. }) | Err(Refusal::SessionUnknown) => Err(refused()),
            Ok(Rotation::Closed { session }) => {
                let reason = format!("a refresh token of {session} was used twice");
                tracing::warn!(session = %session, "a refresh token was used twice");
                self.record_failure(None, &reason, from).await;
                Err(refused())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Ends a login. Its access token ends by itself within minutes, and is
    /// refused from now on.
    pub async fn logout(&self, by: &Caller) -> Result<()> {
        if let Some(session) = by.session() {
            self.propose(by, CloseSession { session }).await?;
        }
        Ok(())
    }

    /// Ends the login that a refresh token belongs to, or all of its user's. One that
    /// belongs to none has ended already.
    pub async fn end_login(&self, token: &str, everywhere: bool, from: &Origin) -> Result<()> {
        let Ok(token) = OpaqueToken::<SessionId>::parse(REFRESH, token) else {
            return Ok(());
        };
        let view = self.node.read().await?;
        let conn = view.connection();
        let found = query::session_by_refresh(conn, token.secret.digest()).await?;
        let Some(found) = found.filter(|found| found.id == token.id) else {
            return Ok(());
        };
        let user = query::user(conn, found.user).await?;
        let user = user.ok_or_else(|| AppError::failed("a session belongs to no user"))?;
        let ended = match everywhere {
            true => query::sessions_of(conn, found.user).await?,
            false => vec![found],
        };
        for session in ended {
            let context = from.context(Principal::user(&user.name));
            let command = CloseSession {
                session: session.id,
            };
            self.propose_as(context, command).await?;
        }
        Ok(())
    }

    /// What is wrong must be on record even when the caller is nobody.
    async fn record_failure(&self, user: Option<Name>, reason: &str, from: &Origin) {
        let principal = match &user {
            Some(name) => Principal::user(name),
            None => Principal::user("unknown"),
        };
        let reason = reason.to_owned();
        let command = RecordLoginFailure { user, reason };
        if let Err(error) = self.propose_as(from.context(principal), command).await {
            tracing::warn!("a failed login is not on record: {error}");
        }
    }

    /// Who a bearer token belongs to.
    pub async fn authenticate(&self, token: &str) -> Result<Identity> {
        let proof = self.proof(token)?;
        let here = self.prove(&self.local(), &proof).await;
        match here {
            // Given out a moment ago by another node, it may not have come here
            // yet: what is not valid here is not valid anywhere only after a
            // look at everything that was acknowledged.
            Err(error) if error.code() == Code::UNAUTHENTICATED.name => {
                self.prove(&self.node.read().await?, &proof).await
            }
            here => here,
        }
    }

    /// Refuses a caller whose login or token has ended by everything that was
    /// acknowledged: the gate looked at what its node knew, which may lag.
    pub(crate) async fn still_counts(&self, view: &StateView, by: &Caller) -> Result<()> {
        let (conn, now) = (view.connection(), Timestamp::now());
        let counts = match &by.identity {
            Identity::User { id, session, .. } => {
                let found = query::session(conn, *session).await?;
                found.is_some_and(|found| found.user == *id && now < found.expires_at)
            }
            Identity::Token { id, user, .. } => {
                let found = query::api_token(conn, *id).await?;
                found.is_some_and(|found| found.user == *user && found.is_usable(now))
            }
        };
        match counts {
            true => Ok(()),
            false => Err(not_valid()),
        }
    }

    /// What a token claims, as far as it can be told without the state.
    fn proof(&self, token: &str) -> Result<Proof> {
        if token.starts_with(API) {
            let token = OpaqueToken::<TokenId>::parse(API, token).map_err(|_| not_valid())?;
            return Ok(Proof::Token(token));
        }
        let claims = self.signer.verify(token, Timestamp::now());
        claims.map(Proof::Login).ok_or_else(not_valid)
    }

    async fn prove(&self, view: &StateView, proof: &Proof) -> Result<Identity> {
        match proof {
            Proof::Login(claims) => prove_login(view, claims).await,
            Proof::Token(token) => prove_token(view, token).await,
        }
    }
}

/// What somebody shows to say who he is.
enum Proof {
    /// The claims of a login; their signature is ours.
    Login(Claims),
    /// An API token.
    Token(OpaqueToken<TokenId>),
}

/// A login that was ended, or whose user is gone, ends at once.
async fn prove_login(view: &StateView, claims: &Claims) -> Result<Identity> {
    let session = query::session(view.connection(), claims.sid).await?;
    let now = Timestamp::now();
    let alive =
        session.is_some_and(|session| session.user == claims.sub && now < session.expires_at);
    if !alive {
        return Err(not_valid());
    }
    Ok(Identity::User {
        id: claims.sub,
        name: claims.name.clone(),
        session: claims.sid,
    })
}

async fn prove_token(view: &StateView, token: &OpaqueToken<TokenId>) -> Result<Identity> {
    let digest = token.secret.digest();
    let row = query::api_token_by_hash(view.connection(), digest).await?;
    let row = row.filter(|row| row.id == token.id).ok_or_else(not_valid)?;
    let now = Timestamp::now();
    let expired = row.expires_at.is_some_and(|end| end <= now);
    if expired || row.revoked_at.is_some() {
        return Err(not_valid());
    }
    let user = query::user(view.connection(), row.user).await?;
    let user = user.ok_or_else(not_valid)?;
    Ok(Identity::Token {
        id: row.id,
        name: row.name,
        user: user.id,
        user_name: user.name,
    })
}

fn not_refreshed() -> AppError {
    AppError::new(Code::UNAUTHENTICATED, "the refresh token is not valid")
}

fn not_valid() -> AppError {
    AppError::new(
        Code::UNAUTHENTICATED,
        "the token is not valid, or not any more",
    )
}
