//! Certificates for etcd's members and its clients.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// One CA and one certificate, which members and clients share.
#[derive(Debug)]
pub(super) struct Certificates {
    folder: PathBuf,
    ca: String,
    certificate: String,
    key: String,
}

impl Certificates {
    /// Makes them, as files in `folder`.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(DnType::CommonName, "bench CA");
        let ca = parameters.self_signed(&ca_key)?;
        let issuer = Issuer::new(parameters, ca_key);
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, "bench");
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = parameters.signed_by(&key, &issuer)?;
        let made = Self {
            folder: folder.to_owned(),
            ca: ca.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        };
        fs::write(folder.join("ca.pem"), &made.ca)?;
        fs::write(folder.join("etcd.pem"), &made.certificate)?;
        fs::write(folder.join("etcd.key"), &made.key)?;
        Ok(made)
    }

    /// etcd's flags and the files they name.
    pub(super) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let file = |name: &str| self.folder.join(name);
        vec![
            ("--cert-file", file("etcd.pem")),
            ("--key-file", file("etcd.key")),
            ("--trusted-ca-file", file("ca.pem")),
            ("--peer-cert-file", file("etcd.pem")),
            ("--peer-key-file", file("etcd.key")),
            ("--peer-trusted-ca-file", file("ca.pem")),
        ]
    }

    pub(super) fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca))
            .identity(Identity::from_pem(&self.certificate, &self.key))
    }
}
