//! Certificates for nodes and for those who are none.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_consensus::{NodeId, PeerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority, and who of its subjects is a node.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { issuer }
    }

    pub(crate) fn issue(&self) -> Identity {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    pub(crate) fn client(&self, identity: &Identity) -> ClientConfig {
        ClientConfig::builder()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())
            .unwrap()
    }

    /// What a node with `identity` is configured with, when `nodes` are all.
    pub(crate) fn peer_tls(&self, identity: &Identity, nodes: &[Identity]) -> PeerTls {
        let verifier = WebPkiClientVerifier::builder(Arc::new(self.roots()))
            .build()
            .unwrap();
        let server = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
            .unwrap();
        let known: BTreeMap<Vec<u8>, NodeId> = nodes
            .iter()
            .map(|node| node.certificate.as_ref().to_vec())
            .zip((1..).map(NodeId))
            .collect();
        let admit = Arc::new(move |certificate: &CertificateDer<'_>| {
            let node = known.get(certificate.as_ref()).copied();
            node.ok_or_else(|| "it is an agent's certificate".to_owned())
        });
        PeerTls::new(&server, &self.client(identity), admit)
    }
}
