//! A document and its signature as one file, and apart again.
//!
//! The signature is over the bytes of the document, all of them and nothing else. What
//! is around it has one form only: a file that is not what sealing its own document
//! with its own signature gives is no report, so there is no byte of a file that can
//! be changed without notice.

mod csv;
mod json;
mod pdf;
mod sign;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::format::Format;

pub use sign::{Signer, SignerError, USE};

/// The only algorithm there is.
pub const ALGORITHM: &str = "Ed25519";

/// The SHA-256 of bytes, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// What stands beside a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// The algorithm.
    pub algorithm: String,
    /// SHA-256 of the document, hexadecimal.
    pub sha256: String,
    /// The signature over the document.
    #[serde(with = "text")]
    pub value: Vec<u8>,
    /// The certificate of the key that made it, DER.
    #[serde(with = "text")]
    pub certificate: Vec<u8>,
}

mod text {
    use super::{Deserialize, Engine, STANDARD};

    pub(super) fn serialize<S: serde::Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// A file that is put together as no report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds no signature, or not in the way in which reports do")]
pub struct NotSealed;

/// A file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// What it is written as.
    pub format: Format,
    /// The document that was signed.
    pub document: &'a [u8],
    /// Its signature.
    pub signature: Signature,
}

/// The file of a document and its signature.
pub fn seal(format: Format, document: &[u8], signature: &Signature) -> Vec<u8> {
    match format {
        Format::Json => json::join(document, signature),
        Format::Csv => csv::join(document, signature),
        Format::Pdf => pdf::join(document, signature),
    }
}

/// The document and the signature of a file, whose format its first bytes say.
pub fn open(file: &[u8]) -> Result<Sealed<'_>, NotSealed> {
    let format = if file.starts_with(b"%PDF-") {
        Format::Pdf
    } else if file.starts_with(b"{") {
        Format::Json
    } else {
        Format::Csv
    };
    let apart = match format {
        Format::Json => json::split(file),
        Format::Csv => csv::split(file),
        Format::Pdf => pdf::split(file),
    };
    let (document, signature) = apart.ok_or(NotSealed)?;
    if seal(format, document, &signature) != file {
        return Err(NotSealed);
    }
    Ok(Sealed {
        format,
        document,
        signature,
    })
}

/// Where the last such bytes begin.
fn last(file: &[u8], mark: &[u8]) -> Option<usize> {
    file.windows(mark.len()).rposition(|window| window == mark)
}

/// The signature as one line of JSON.
fn line(signature: &Signature) -> String {
    // A struct of strings always is JSON.
    serde_json::to_string(signature).unwrap_or_default()
}
