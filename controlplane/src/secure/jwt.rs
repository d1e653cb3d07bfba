//! Access tokens: short-lived JWTs signed with Ed25519.
//!
//! Algorithm, issuer and audience are fixed; the key is chosen by `kid` among
//! those in the replicated state, so that any node verifies what another
//! signed.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use holdfast_types::{Name, SessionId, UserId};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::token::TokenSecret;

const ISSUER: &str = "holdfast";
const AUDIENCE: &str = "holdfast-api";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The user's name.
    pub name: Name,
    /// The login it comes from.
    pub sid: SessionId,
    /// Seconds since 1970 when it was given.
    pub iat: i64,
    /// Seconds since 1970 when it ends.
    pub exp: i64,
    iss: String,
    aud: String,
}

impl Claims {
    /// A token for `user` from `now` until `until`.
    pub fn new(user: (UserId, Name), session: SessionId, now: Timestamp, until: Timestamp) -> Self {
        Self {
            sub: user.0,
            name: user.1,
            sid: session,
            iat: now.as_second(),
            exp: until.as_second(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        }
    }
}

/// A signing key: PKCS #8, and the id by which a token names it.
pub struct SigningKey {
    /// Its id.
    pub id: String,
    /// Its PKCS #8 form.
    pub pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.id)
    }
}

impl SigningKey {
    /// A new key.
    pub fn generate(id: String) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let pair = Ed25519KeyPair::generate()?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec());
        Ok(Self { id, pkcs8 })
    }
}

/// Signs with the newest key and verifies with any.
pub struct Signer {
    current: (String, EncodingKey),
    /// Made of the newest key, for what only the control plane can work out.
    derived: aws_lc_rs::hmac::Key,
    known: BTreeMap<String, DecodingKey>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.current.0)
    }
}

impl Signer {
    /// From every key, the newest last. `None` without a usable key.
    pub fn new(keys: &[SigningKey]) -> Option<Self> {
        let mut known = BTreeMap::new();
        for key in keys {
            let pair = Ed25519KeyPair::from_pkcs8(&key.pkcs8).ok()?;
            let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
            known.insert(key.id.clone(), public);
        }
        let newest = keys.last()?;
        let current = (newest.id.clone(), EncodingKey::from_ed_der(&newest.pkcs8));
        // One purpose, one key: the label keeps it from being the signing key itself.
        let mut label = b"holdfast following refresh tokens\n".to_vec();
        label.extend_from_slice(&newest.pkcs8);
        let label = Zeroizing::new(label);
        let derived = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &label);
        let derived = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, derived.as_ref());
        Some(Self {
            current,
            derived,
            known,
        })
    }

    /// The secret that follows another (`TokenSecret::following`).
    pub fn following(&self, old: &TokenSecret) -> TokenSecret {
        TokenSecret::following(old, &self.derived)
    }

    /// Signs.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.current.0.clone());
        jsonwebtoken::encode(&header, claims, &self.current.1)
    }

    /// The claims of a token that is genuine and still good at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.known.get(&header.kid?)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The end is judged below, against the clock the caller gives.
        validation.validate_exp = false;
        let claims: Claims = jsonwebtoken::decode(token, key, &validation).ok()?.claims;
        (now.as_second() < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(until: i64) -> Claims {
        let id = uuid::Uuid::from_u128(1);
        let user = (UserId::from_uuid(id), "ada".parse().unwrap());
        let at = |second| Timestamp::from_second(second).unwrap();
        Claims::new(user, SessionId::from_uuid(id), at(1000), at(until))
    }

    #[test]
    fn a_token_is_good_until_its_end_and_only_as_it_was_signed() {
        let signer = Signer::new(&[SigningKey::generate("k1".into()).unwrap()]).unwrap();
        let token = signer.sign(&claims(1900)).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(signer.verify(&token, at(1899)), Some(claims(1900)));
        assert_eq!(signer.verify(&token, at(1900)), None);
        let stranger = Signer::new(&[SigningKey::generate("k1".into()).unwrap()]).unwrap();
        assert_eq!(stranger.verify(&token, at(1001)), None);
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[2] = "";
        assert_eq!(signer.verify(&parts.join("."), at(1001)), None);
    }

    #[test]
    fn another_algorithm_or_audience_is_refused() {
        let key = SigningKey::generate("k1".into()).unwrap();
        let signer = Signer::new(std::slice::from_ref(&key)).unwrap();
        let now = Timestamp::from_second(1001).unwrap();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k1".to_owned());
        let public = Ed25519KeyPair::from_pkcs8(&key.pkcs8).unwrap();
        let confused = EncodingKey::from_secret(public.public_key().as_ref());
        let forged = jsonwebtoken::encode(&header, &claims(1900), &confused).unwrap();
        assert_eq!(signer.verify(&forged, now), None);
        let mut foreign = claims(1900);
        foreign.aud = "another".to_owned();
        let token = signer.sign(&foreign).unwrap();
        assert_eq!(signer.verify(&token, now), None);
    }
}
