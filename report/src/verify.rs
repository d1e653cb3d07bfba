//! Whether a file is a report as somebody signed it, and who that was.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::format::Format;
use crate::seal::{self, ALGORITHM, USE, sha256};

/// What is known of a file whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it is written as.
    pub format: Format,
    /// SHA-256 of the document that was signed, hexadecimal.
    pub sha256: String,
    /// Whom the certificate names.
    pub signer: String,
    /// The certificate's serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// Since when the certificate is good.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_until: Timestamp,
    /// Whose it is.
    pub whose: Whose,
}

/// Whose a signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The CA that was given made the signer's certificate for this.
    Known {
        /// The CA's name.
        ca: String,
    },
    /// No CA was given: anybody could have made this signature.
    NotChecked,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no signature in it.
    #[error("{0}")]
    NotAReport(#[from] seal::NotSealed),
    /// It is not as it was signed.
    #[error("the document is not as it was signed: {0}")]
    Altered(&'static str),
    /// The certificate cannot be read.
    #[error("the certificate in it cannot be read")]
    UnreadableCertificate,
    /// The CA's certificate cannot be read.
    #[error("the CA certificate cannot be used")]
    UnreadableCa,
    /// The certificate is not of the CA that was given, or for something else.
    #[error("its signer {signer} is not one of this CA's for reports: {why}")]
    Foreign {
        /// Whom the certificate names.
        signer: String,
        /// Why not.
        why: String,
    },
    /// The certificate is not good now.
    #[error("the certificate of {signer} is good from {from} until {until}, not at {now}")]
    NotValidNow {
        /// Whom it names.
        signer: String,
        /// Since when it is good.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
        /// When that was asked.
        now: Timestamp,
    },
}

impl Refused {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAReport(_) => "report_not_signed",
            Self::Altered(_) => "report_altered",
            Self::UnreadableCertificate => "report_certificate_unreadable",
            Self::UnreadableCa => "ca_unreadable",
            Self::Foreign { .. } => "report_signer_unknown",
            Self::NotValidNow { .. } => "report_certificate_not_valid",
        }
    }
}

/// Verifies a file at a moment. `ca` is the CA's certificate, DER; without it the file
/// is compared with its signature alone, and [`Whose::NotChecked`] says so.
pub fn verify(file: &[u8], ca: Option<&[u8]>, now: Timestamp) -> Result<Verified, Refused> {
    let sealed = seal::open(file)?;
    let signature = &sealed.signature;
    if signature.algorithm != ALGORITHM {
        return Err(Refused::Altered("its algorithm is not Ed25519"));
    }
    if signature.sha256 != sha256(sealed.document) {
        return Err(Refused::Altered("its hash is another"));
    }
    let unreadable = |_| Refused::UnreadableCertificate;
    let (rest, certificate) =
        X509Certificate::from_der(&signature.certificate).map_err(unreadable)?;
    if !rest.is_empty() {
        return Err(Refused::UnreadableCertificate);
    }
    let public = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&ED25519, public)
        .verify(sealed.document, &signature.value)
        .map_err(|_| Refused::Altered("its signature does not fit"))?;
    let signer = name_of(&certificate);
    let (from, until) = validity(&certificate)?;
    if !(from <= now && now <= until) {
        return Err(Refused::NotValidNow {
            signer,
            from,
            until,
            now,
        });
    }
    let whose = match ca {
        None => Whose::NotChecked,
        Some(ca) => check(&signature.certificate, ca, now).map_err(|error| match error {
            Unproven::Ca => Refused::UnreadableCa,
            Unproven::Chain(why) => Refused::Foreign {
                signer: signer.clone(),
                why,
            },
        })?,
    };
    Ok(Verified {
        format: sealed.format,
        sha256: signature.sha256.clone(),
        signer,
        serial: hex::encode(certificate.raw_serial()),
        fingerprint: sha256(&signature.certificate),
        valid_from: from,
        valid_until: until,
        whose,
    })
}

enum Unproven {
    Ca,
    Chain(String),
}

fn check(certificate: &[u8], ca: &[u8], now: Timestamp) -> Result<Whose, Unproven> {
    let (_, parsed) = X509Certificate::from_der(ca).map_err(|_| Unproven::Ca)?;
    let ca = CertificateDer::from(ca);
    let anchor = anchor_from_trusted_cert(&ca).map_err(|_| Unproven::Ca)?;
    let chain = |error: webpki::Error| Unproven::Chain(said(&error));
    let certificate = CertificateDer::from(certificate);
    let end = EndEntityCert::try_from(&certificate).map_err(chain)?;
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let usage = KeyUsage::required(USE);
    end.verify_for_usage(algorithms, &[anchor], &[], now, usage, None, None)
        .map_err(chain)?;
    let ca = name_of(&parsed);
    Ok(Whose::Known { ca })
}

fn said(error: &webpki::Error) -> String {
    match error {
        webpki::Error::UnknownIssuer => "another CA made its certificate".to_owned(),
        webpki::Error::RequiredEkuNotFoundContext(_) => {
            "its certificate is for something else".to_owned()
        }
        webpki::Error::InvalidSignatureForPublicKey => {
            "the CA did not sign its certificate".to_owned()
        }
        other => format!("{other:?}"),
    }
}

fn name_of(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.subject().iter_common_name().next();
    let name = name.and_then(|name| name.as_str().ok());
    // It is shown on a terminal: nothing in it moves a cursor.
    let plain = |one: char| if one.is_control() { '\u{fffd}' } else { one };
    name.unwrap_or("somebody without a name")
        .chars()
        .map(plain)
        .collect()
}

fn validity(certificate: &X509Certificate<'_>) -> Result<(Timestamp, Timestamp), Refused> {
    let validity = certificate.validity();
    let time = |second| Timestamp::from_second(second).map_err(|_| Refused::UnreadableCertificate);
    Ok((
        time(validity.not_before.timestamp())?,
        time(validity.not_after.timestamp())?,
    ))
}
