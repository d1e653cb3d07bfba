//! Join tokens: `hfj1.<id>.<secret>.<CA sha256>`.

use std::fmt;
use std::str::FromStr;

use holdfast_types::Secret;

const VERSION: &str = "hfj1";

/// A join token. It is sent whole to the server whose CA it names.
#[derive(Clone)]
pub struct JoinToken {
    text: Secret,
    id: String,
    ca: [u8; 32],
}

/// Text that is not a join token. The text itself is a secret and not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the join token is malformed: {0}")]
pub struct InvalidToken(&'static str);

impl JoinToken {
    /// The whole token.
    pub const fn secret(&self) -> &Secret {
        &self.text
    }

    /// SHA-256 of the CA's certificate.
    pub const fn ca_sha256(&self) -> &[u8; 32] {
        &self.ca
    }
}

impl FromStr for JoinToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let [version, id, secret, ca] = parts[..] else {
            return Err(InvalidToken("it has not four parts separated by dots"));
        };
        if version != VERSION {
            return Err(InvalidToken("it does not start with hfj1"));
        }
        if id.is_empty() || secret.is_empty() {
            return Err(InvalidToken("its id or its secret is empty"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !id.bytes().chain(secret.bytes()).all(plain) {
            return Err(InvalidToken(
                "its id or its secret has characters that no token has",
            ));
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(ca, &mut digest)
            .map_err(|_| InvalidToken("its last part is not the SHA-256 of a certificate"))?;
        Ok(Self {
            text: Secret::new(text),
            id: id.to_owned(),
            ca: digest,
        })
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_token_says_what_is_wrong_and_shows_nothing() {
        let ca = "ab".repeat(32);
        let whole = format!("hfj1.jtk_1.s3cret.{ca}");
        let token: JoinToken = format!("{whole}\n").parse().unwrap();
        assert_eq!(token.ca_sha256(), &[0xab; 32]);
        assert_eq!(token.secret().expose(), whole);
        assert_eq!(format!("{token:?}"), "JoinToken(jtk_1)");
        for (bad, reason) in [
            ("", "four parts"),
            ("hfj1.jtk_1.s3cret", "four parts"),
            (&format!("hfj2.jtk_1.s3cret.{ca}"), "hfj1"),
            (&format!("hfj1..s3cret.{ca}"), "empty"),
            (&format!("hfj1.jtk_1.s3cret!.{ca}"), "characters"),
            ("hfj1.jtk_1.s3cret.abcd", "SHA-256"),
        ] {
            let error = bad.parse::<JoinToken>().unwrap_err().to_string();
            assert!(
                error.contains(reason) && !error.contains("s3cret"),
                "{bad}: {error}"
            );
        }
    }
}
