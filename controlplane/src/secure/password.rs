//! Passwords: argon2id, off the async threads, and few at once.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use holdfast_state::PasswordHash;
use holdfast_types::Secret;
use tokio::sync::Semaphore;

/// Hashes and verifies passwords. Each hash takes 19 MiB, so a flood of
/// logins is made to queue instead of eating the machine.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

/// What a wrong user's password is compared with, so that an unknown name
/// takes as long to refuse as a wrong password.
static NOBODY: LazyLock<Option<PasswordHash>> = LazyLock::new(|| hash("nobody has this password"));

impl Default for Passwords {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(2)),
        }
    }
}

impl Passwords {
    /// The hash of a new password; `None` when the library fails.
    pub async fn hash(&self, password: Secret) -> Option<PasswordHash> {
        let _permit = self.permits.acquire().await.ok()?;
        tokio::task::spawn_blocking(move || hash(password.expose()))
            .await
            .ok()
            .flatten()
    }

    /// Whether `password` is the one that was hashed. Without a hash it takes
    /// as long and says no.
    pub async fn verify(&self, password: Secret, known: Option<PasswordHash>) -> bool {
        let Ok(_permit) = self.permits.acquire().await else {
            return false;
        };
        let verified = tokio::task::spawn_blocking(move || match (&known, &*NOBODY) {
            (Some(known), _) => verify(password.expose(), known),
            (None, Some(nobody)) => {
                verify(password.expose(), nobody);
                false
            }
            (None, None) => false,
        });
        verified.await.unwrap_or(false)
    }
}

fn hash(password: &str) -> Option<PasswordHash> {
    let hash = Argon2::default().hash_password(password.as_bytes()).ok()?;
    Some(PasswordHash::new(hash.to_string()))
}

fn verify(password: &str, known: &PasswordHash) -> bool {
    phc::PasswordHash::new(known.as_str()).is_ok_and(|known| {
        Argon2::default()
            .verify_password(password.as_bytes(), &known)
            .is_ok()
    })
}

/// A password that nobody will guess: 24 letters and digits, 142 bits.
pub fn generate_password() -> Result<Secret, aws_lc_rs::error::Unspecified> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(24);
    while password.len() < 24 {
        let mut byte = [0];
        aws_lc_rs::rand::fill(&mut byte)?;
        // 248 is the last multiple of 62: no letter is likelier than another.
        if byte[0] < 248 {
            password.push(char::from(ALPHABET[usize::from(byte[0] % 62)]));
        }
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_accepted() {
        let passwords = Passwords::default();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$"), "{}", hash.as_str());
        assert!(
            passwords
                .verify(Secret::new("correct horse"), Some(hash.clone()))
                .await
        );
        assert!(
            !passwords
                .verify(Secret::new("correct house"), Some(hash))
                .await
        );
        assert!(
            !passwords
                .verify(Secret::new("nobody has this password"), None)
                .await
        );
        let (one, other) = (generate_password().unwrap(), generate_password().unwrap());
        assert_eq!(one.expose().len(), 24);
        assert_ne!(one, other);
    }
}
