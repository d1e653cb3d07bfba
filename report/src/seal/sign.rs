//! Signing.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ALGORITHM, Signature, seal, sha256};
use crate::format::Format;

/// What a report's certificate is good for: signing documents (RFC 9336). A
/// certificate of an agent or a node, which the same CA made, is not.
/// The object identifier 1.3.6.1.5.5.7.3.36, as DER has it.
pub const USE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 36];

/// A key that signs reports, with its certificate.
pub struct Signer {
    key: Ed25519KeyPair,
    certificate: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", sha256(&self.certificate))
    }
}

/// Why a key cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// It is none.
    #[error("this is no Ed25519 key")]
    Key,
    /// The certificate is none, or another key's.
    #[error("the certificate is not that of the key")]
    Certificate,
}

impl Signer {
    /// From a key, PKCS #8, and its certificate, DER.
    pub fn new(pkcs8: &[u8], certificate: Vec<u8>) -> Result<Self, SignerError> {
        let key = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| SignerError::Key)?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| SignerError::Certificate)?;
        if &*parsed.public_key().subject_public_key.data != key.public_key().as_ref() {
            return Err(SignerError::Certificate);
        }
        Ok(Self { key, certificate })
    }

    /// The signature of a document. The same document has the same one.
    pub fn sign(&self, document: &[u8]) -> Signature {
        Signature {
            algorithm: ALGORITHM.to_owned(),
            sha256: sha256(document),
            value: self.key.sign(document).as_ref().to_vec(),
            certificate: self.certificate.clone(),
        }
    }

    /// The file of a document.
    pub fn seal(&self, format: Format, document: &[u8]) -> Vec<u8> {
        seal(format, document, &self.sign(document))
    }
}
