//! The built-in certificate authority.
//!
//! One CA signs the certificates of nodes and agents. Its key lives sealed in
//! the replicated state; a node unseals it in memory to sign.

use std::time::Duration;

use holdfast_consensus::NodeId;
use holdfast_state::Digest;
use holdfast_types::{AgentId, ControlPlaneId, Name};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

/// How long before now a certificate begins, for clocks that disagree.
const BACKDATE: Duration = Duration::from_secs(3600);
/// By which a node's certificate is told from an agent's.
const NODE_URI: &str = "urn:holdfast:node:";
/// By which groups of nodes of one control plane are told apart.
const GROUP_URI: &str = "urn:holdfast:group:";
const AGENT_URI: &str = "urn:holdfast:agent:";
const REPORTS_URI: &str = "urn:holdfast:reports:";
/// Signing documents (RFC 9336).
const DOCUMENTS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];
const CA_CERTIFICATE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The certificate request is not one, or not signed by its own key.
    #[error("the certificate request cannot be read or is not signed by its own key")]
    BadRequest(#[source] rcgen::Error),
    /// The library failed.
    #[error("the certificate authority cannot make a certificate")]
    Failed(#[from] rcgen::Error),
    /// The CA's certificate is not one.
    #[error("the certificate authority's certificate cannot be read: {0}")]
    BadAuthority(String),
}

/// A CA as bootstrap makes it.
#[derive(Debug)]
pub struct PrivateCa {
    /// Its certificate.
    pub certificate_pem: String,
    /// Its key, PKCS #8.
    pub key: Zeroizing<Vec<u8>>,
}

/// A certificate that was made for somebody else's key, or with its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its DER form.
    pub certificate: CertificateDer<'static>,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER form.
    pub fingerprint: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The CA, ready to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({:?})", self.fingerprint())
    }
}

impl PrivateCa {
    /// Makes a CA.
    pub fn generate(now: Timestamp) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Holdfast CA");
        lasting(&mut params, now, CA_CERTIFICATE);
        let certificate_pem = params.self_signed(&key)?.pem();
        let key = Zeroizing::new(key.serialize_der());
        Ok(Self {
            certificate_pem,
            key,
        })
    }
}

impl Authority {
    /// From its certificate and key.
    pub fn new(certificate_pem: String, key: &[u8]) -> Result<Self, PkiError> {
        let key = PrivatePkcs8KeyDer::from(key.to_vec());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| PkiError::BadAuthority(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            issuer,
            certificate,
            certificate_pem,
        })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When its certificate ends.
    pub fn ends_at(&self) -> Option<Timestamp> {
        ends_at(&self.certificate)
    }

    /// Its certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// SHA-256 of its certificate's DER form, which a join token carries.
    pub fn fingerprint(&self) -> Digest {
        fingerprint(&self.certificate)
    }

    /// The id of the control plane whose CA this is.
    pub fn control_plane(&self) -> ControlPlaneId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.fingerprint().as_bytes()[..16]);
        ControlPlaneId::from_uuid(uuid::Uuid::from_bytes(bytes))
    }

    /// A certificate for an agent's own key: a client's, under its name. What
    /// the request says of names and uses is ignored.
    pub fn sign_agent(
        &self,
        request_pem: &str,
        agent: (AgentId, &Name),
        now: Timestamp,
        lasts: Duration,
    ) -> Result<Issued, PkiError> {
        let request =
            CertificateSigningRequestParams::from_pem(request_pem).map_err(PkiError::BadRequest)?;
        let (id, name) = agent;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
        let uri = format!("{AGENT_URI}{id}");
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let expires_at = lasting(&mut params, now, lasts);
        let serial = serial(&mut params)?;
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(issued(&certificate, serial, expires_at))
    }

    /// A key and certificate for a node that is reached under `names`. A
    /// `group` is that of nodes whose state was restored from a snapshot.
    pub fn issue_node(
        &self,
        node: (u64, &str),
        group: Option<&str>,
        names: Vec<String>,
        now: Timestamp,
        lasts: Duration,
    ) -> Result<(Issued, Zeroizing<String>), PkiError> {
        let (id, name) = node;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let group = group.map(|group| format!("{GROUP_URI}{group}"));
        for uri in [Some(format!("{NODE_URI}{id}")), group]
            .into_iter()
            .flatten()
        {
            let uri = SanType::URI(uri.as_str().try_into()?);
            params.subject_alt_names.push(uri);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Nodes call each other with the same certificate.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let expires_at = lasting(&mut params, now, lasts);
        let serial = serial(&mut params)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok((issued(&certificate, serial, expires_at), key))
    }

    /// A key that signs reports, PKCS #8, and its certificate. It is good for signing
    /// documents and for nothing else, and as long as the CA itself: a report is
    /// verified years after it was made.
    pub fn issue_reports(&self, now: Timestamp) -> Result<(Issued, Zeroizing<Vec<u8>>), PkiError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Holdfast reports");
        let uri = format!("{REPORTS_URI}{}", self.control_plane());
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::ContentCommitment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENTS.to_vec())];
        let (_, ca) = X509Certificate::from_der(&self.certificate)
            .map_err(|error| PkiError::BadAuthority(error.to_string()))?;
        let left = ca.validity().not_after.timestamp() - now.as_second();
        let lasts = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        let expires_at = lasting(&mut params, now, lasts);
        let serial = serial(&mut params)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let pkcs8 = Zeroizing::new(key.serialize_der());
        Ok((issued(&certificate, serial, expires_at), pkcs8))
    }
}

/// Which node of this group a certificate belongs to. Agents have theirs from
/// the same CA; so have the nodes of a group that was lost, whose state this
/// one goes on from.
pub fn admit_node(certificate: &CertificateDer<'_>, group: Option<&str>) -> Result<NodeId, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|error| error.to_string())?;
    let names = names.map(|names| names.value.general_names.as_slice());
    let named = |prefix: &str| {
        let mut names = names.unwrap_or_default().iter();
        names.find_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(prefix),
            _ => None,
        })
    };
    let node = named(NODE_URI).and_then(|id| id.parse().ok().map(NodeId));
    let node =
        node.ok_or_else(|| format!("the certificate of {} is not a node's", parsed.subject()))?;
    if named(GROUP_URI) != group {
        return Err(format!(
            "node {node} is of another group: the control plane was restored from a snapshot, \
             and nodes from before are not let in"
        ));
    }
    Ok(node)
}

/// When a certificate ends.
pub(super) fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
}

/// SHA-256 of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Digest {
    Digest::of(certificate)
}

fn issued(certificate: &rcgen::Certificate, serial: String, expires_at: Timestamp) -> Issued {
    Issued {
        certificate_pem: certificate.pem(),
        certificate: certificate.der().clone(),
        serial,
        fingerprint: fingerprint(certificate.der()),
        expires_at,
    }
}

fn serial(params: &mut CertificateParams) -> Result<String, PkiError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // A serial number is positive, and its first byte is not zero.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&bytes));
    Ok(hex::encode(bytes))
}

fn lasting(params: &mut CertificateParams, now: Timestamp, lasts: Duration) -> Timestamp {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    params.not_before = epoch + seconds.saturating_sub(BACKDATE);
    params.not_after = epoch + seconds + lasts;
    let end = i64::try_from((seconds + lasts).as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn now() -> Timestamp {
        "2026-02-03T02:41:07Z".parse().unwrap()
    }

    fn authority() -> Authority {
        let ca = PrivateCa::generate(now()).unwrap();
        Authority::new(ca.certificate_pem, &ca.key).unwrap()
    }

    #[test]
    fn an_agents_certificate_says_what_we_say_and_not_what_it_asked() {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        asked
            .distinguished_name
            .push(DnType::CommonName, "someone-else");
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();
        let id = AgentId::from_uuid(uuid::Uuid::from_u128(3));
        let name = "db1".parse().unwrap();
        let hour = Duration::from_secs(3600);
        let issued = authority
            .sign_agent(&request, (id, &name), now(), hour)
            .unwrap();
        let (_, certificate) = X509Certificate::from_der(&issued.certificate).unwrap();
        let (_, ca) = X509Certificate::from_der(authority.certificate()).unwrap();
        certificate.verify_signature(Some(ca.public_key())).unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=db1");
        assert_eq!(
            certificate.validity().not_after.timestamp(),
            issued.expires_at.as_second()
        );
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert!(!format!("{names:?}").contains("localhost"));
        let uses = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(uses.client_auth && !uses.server_auth);
        assert_eq!(issued.fingerprint, fingerprint(&issued.certificate));
        assert!(admit_node(&issued.certificate, None).is_err());
    }

    #[test]
    fn what_reports_are_signed_with_is_good_for_nothing_else() {
        let authority = authority();
        let (issued, pkcs8) = authority.issue_reports(now()).unwrap();
        assert!(admit_node(&issued.certificate, None).is_err());
        let (_, certificate) = X509Certificate::from_der(&issued.certificate).unwrap();
        let uses = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(!uses.client_auth && !uses.server_auth);
        let signer = holdfast_report::Signer::new(&pkcs8, issued.certificate.to_vec()).unwrap();
        let file = signer.seal(holdfast_report::Format::Json, b"{}");
        let verified = holdfast_report::verify(&file, Some(authority.certificate()), now());
        let ca = "Holdfast CA".to_owned();
        assert_eq!(
            verified.unwrap().whose,
            holdfast_report::Whose::Known { ca }
        );
    }

    #[test]
    fn a_node_is_told_from_an_agent() {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let (issued, key) = authority()
            .issue_node((1, "node-1"), None, names, now(), DAY)
            .unwrap();
        assert_eq!(admit_node(&issued.certificate, None), Ok(NodeId(1)));
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    }

    /// I-14: of two groups with one CA, neither lets in the other's nodes.
    #[test]
    fn a_node_is_let_in_by_its_own_group_alone() {
        let authority = authority();
        let issue = |group| {
            let names = vec!["localhost".to_owned()];
            let issued = authority.issue_node((4, "node-4"), group, names, now(), DAY);
            issued.unwrap().0.certificate
        };
        let groups = [None, Some("first"), Some("second")];
        for own in groups {
            for other in groups {
                let admitted = admit_node(&issue(other), own);
                assert_eq!(admitted.is_ok(), own == other, "{own:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_request_that_is_none_is_refused() {
        let name = "db1".parse().unwrap();
        let id = AgentId::from_uuid(uuid::Uuid::from_u128(3));
        let refused = authority().sign_agent("-----BEGIN", (id, &name), now(), BACKDATE);
        assert!(matches!(refused, Err(PkiError::BadRequest(_))));
    }
}
