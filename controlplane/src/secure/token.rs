//! Opaque tokens: 256 random bits, of which the state keeps only the SHA-256.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_state::Digest;
use holdfast_types::{JoinTokenId, NodeTokenId, Secret};

/// A random secret.
pub struct TokenSecret(Secret);

/// Text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not one that this control plane gave")]
pub struct InvalidToken;

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(hidden)")
    }
}

impl TokenSecret {
    /// A new one.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bytes)?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }

    /// The one that follows `old` under a key that only the control plane has: whoever
    /// asks again because the answer was lost is given the same.
    pub fn following(old: &Self, key: &aws_lc_rs::hmac::Key) -> Self {
        let tag = aws_lc_rs::hmac::sign(key, old.0.expose().as_bytes());
        Self(Secret::new(URL_SAFE_NO_PAD.encode(tag)))
    }

    /// The digest that is kept.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.expose().as_bytes())
    }

    /// Whether it is the secret of which `digest` was kept; takes the same
    /// time whichever byte differs.
    pub fn matches(&self, digest: &Digest) -> bool {
        verify_slices_are_equal(self.digest().as_bytes(), digest.as_bytes()).is_ok()
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// `PREFIX.ID.SECRET`: an API token (`hft1`) or a refresh token (`hfr1`).
#[derive(Debug)]
pub struct OpaqueToken<Id> {
    /// By which it is looked up.
    pub id: Id,
    /// What proves it.
    pub secret: TokenSecret,
}

impl<Id: fmt::Display + FromStr> OpaqueToken<Id> {
    /// A new one.
    pub fn generate(id: Id) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let secret = TokenSecret::generate()?;
        Ok(Self { id, secret })
    }

    /// Reads one.
    pub fn parse(prefix: &str, text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.split('.');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(found), Some(id), Some(secret), None) = parts else {
            return Err(InvalidToken);
        };
        if found != prefix || secret.len() != 43 {
            return Err(InvalidToken);
        }
        let id = id.parse().map_err(|_| InvalidToken)?;
        let secret = TokenSecret(Secret::new(secret));
        Ok(Self { id, secret })
    }

    /// The text that is shown once.
    pub fn reveal(&self, prefix: &str) -> Secret {
        Secret::new(format!("{prefix}.{}.{}", self.id, self.secret.expose()))
    }
}

/// The text of a join token: it proves the CA to the agent or node, and that
/// to the control plane.
pub fn join_token(id: impl fmt::Display, secret: &TokenSecret, ca: &Digest) -> Secret {
    Secret::new(format!("hfj1.{id}.{}.{ca}", secret.expose()))
}

/// The id and secret of an agent's join token. The CA's digest is the agent's
/// concern.
pub fn parse_join_token(text: &str) -> Result<OpaqueToken<JoinTokenId>, InvalidToken> {
    parse(text)
}

/// The same of a node's.
pub fn parse_node_token(text: &str) -> Result<OpaqueToken<NodeTokenId>, InvalidToken> {
    parse(text)
}

fn parse<Id: fmt::Display + FromStr>(text: &str) -> Result<OpaqueToken<Id>, InvalidToken> {
    let (token, ca) = text.rsplit_once('.').ok_or(InvalidToken)?;
    ca.parse::<Digest>().map_err(|_| InvalidToken)?;
    OpaqueToken::parse("hfj1", token)
}

#[cfg(test)]
mod tests {
    use holdfast_types::TokenId;

    use super::*;

    #[test]
    fn a_token_reads_back_and_its_text_is_shown_nowhere_else() {
        let id = TokenId::from_uuid(uuid::Uuid::from_u128(7));
        let token = OpaqueToken::generate(id).unwrap();
        let text = token.reveal("hft1");
        let read = OpaqueToken::<TokenId>::parse("hft1", text.expose()).unwrap();
        assert_eq!(read.id, id);
        assert!(read.secret.matches(&token.secret.digest()));
        assert!(!format!("{token:?}").contains(token.secret.expose()));
        assert!(OpaqueToken::<TokenId>::parse("hfr1", text.expose()).is_err());
        for bad in ["", "hft1", "hft1.x.y", &format!("{}.more", text.expose())] {
            assert!(OpaqueToken::<TokenId>::parse("hft1", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_join_token_carries_the_ca() {
        let id = JoinTokenId::from_uuid(uuid::Uuid::from_u128(7));
        let secret = TokenSecret::generate().unwrap();
        let text = join_token(id, &secret, &Digest::of(b"ca"));
        let read = parse_join_token(text.expose()).unwrap();
        assert_eq!(read.id, id);
        assert!(read.secret.matches(&secret.digest()));
        assert!(parse_join_token("hfj1.a.b").is_err());
    }
}
