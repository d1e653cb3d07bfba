//! TLS of the listeners: one identity per node, replaced while running.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::pki::ends_at;

/// A node's certificate chain and key, as its listeners present it.
#[derive(Debug)]
pub struct NodeIdentity(ArcSwap<CertifiedKey>);

impl NodeIdentity {
    /// An identity that begins with this certificate.
    pub fn new(key: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(key)))
    }

    /// Presents another certificate from now on.
    pub fn replace(&self, key: CertifiedKey) {
        self.0.store(Arc::new(key));
    }

    /// When the certificate that it presents ends.
    pub fn ends_at(&self) -> Option<Timestamp> {
        ends_at(self.0.load().cert.first()?)
    }
}

impl ResolvesServerCert for NodeIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for NodeIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Makes aws-lc-rs the process's TLS library. The second call does nothing.
pub fn install_provider() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The chain and key that a node presents, from their PEM texts. The chain
/// ends in the CA, for the hash in a join token is of the CA's certificate.
pub fn read_identity(
    certificate_pem: &str,
    ca_pem: &str,
    key_pem: &str,
) -> Result<CertifiedKey, rustls::Error> {
    let unreadable =
        |what: &str| rustls::Error::General(format!("the node's {what} is unreadable"));
    let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
    let certificate = read(certificate_pem).map_err(|_| unreadable("certificate"))?;
    let ca = read(ca_pem).map_err(|_| unreadable("CA certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| unreadable("key"))?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
    Ok(CertifiedKey::new(vec![certificate, ca], key))
}

fn roots(ca_pem: &str) -> Result<Arc<RootCertStore>, rustls::Error> {
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes())
        .map_err(|_| rustls::Error::General("the CA's certificate is unreadable".to_owned()))?;
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    Ok(Arc::new(roots))
}

/// TLS for agents and automation: whoever presents a certificate must have it
/// from the CA; enrolling and bearer tokens need none.
pub fn agent_acceptor(
    identity: Arc<NodeIdentity>,
    ca_pem: &str,
) -> Result<TlsAcceptor, rustls::Error> {
    let verifier = WebPkiClientVerifier::builder(roots(ca_pem)?)
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// TLS for REST.
pub fn rest_acceptor(identity: Arc<NodeIdentity>) -> TlsAcceptor {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Mutual TLS between nodes.
pub fn peer_configs(
    identity: &Arc<NodeIdentity>,
    ca_pem: &str,
) -> Result<(ServerConfig, ClientConfig), rustls::Error> {
    let roots = roots(ca_pem)?;
    let verifier = WebPkiClientVerifier::builder(roots.clone())
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let server = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity.clone());
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_cert_resolver(identity.clone());
    Ok((server, client))
}
