//! Who this agent is to the control plane: a key, a certificate for it, and
//! the CA that signed both ends' certificates. Files of the agent's directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_types::{Failure, Secret};
use jiff::Timestamp;
use tonic::transport::{Certificate, ClientTlsConfig, Identity as TlsIdentity};
use x509_parser::pem::parse_x509_pem;

use crate::file::write_atomically;

const KEY: &str = "agent.key";
const CERTIFICATE: &str = "agent.crt";
const CA: &str = "ca.crt";

/// The three, as PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The private key.
    pub key: Secret,
    /// The certificate that the control plane signed.
    pub certificate: String,
    /// The control plane's CA.
    pub ca: String,
}

/// Why the identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate's file is not one.
    #[error("{} does not hold a certificate", .0.display())]
    NotACertificate(PathBuf),
}

impl IdentityError {
    /// What a person is told.
    pub fn failure(&self) -> Failure {
        Failure::permanent(
            "identity_unusable",
            crate::failure::chain(self),
            "check the file's owner and mode (the agent's user, 0600); if it is lost, revoke the \
             agent (`holdfast agent revoke NAME`), empty the directory and enrol it again",
        )
    }
}

impl Identity {
    /// Reads the identity in `data`.
    pub fn read(data: &Path) -> Result<Self, IdentityError> {
        let read = |name: &str| {
            let path = data.join(name);
            std::fs::read_to_string(&path)
                .map_err(|source| IdentityError::Unreadable { path, source })
        };
        let identity = Self {
            key: Secret::new(read(KEY)?),
            certificate: read(CERTIFICATE)?,
            ca: read(CA)?,
        };
        if identity.expires_at().is_none() {
            return Err(IdentityError::NotACertificate(data.join(CERTIFICATE)));
        }
        Ok(identity)
    }

    /// Writes certificate and CA beside a key that is there already.
    pub fn write_certificates(data: &Path, certificate: &str, ca: &str) -> io::Result<()> {
        write_atomically(&data.join(CERTIFICATE), certificate.as_bytes(), 0o644)?;
        write_atomically(&data.join(CA), ca.as_bytes(), 0o644)
    }

    /// Writes the private key.
    pub fn write_key(data: &Path, key: &Secret) -> io::Result<()> {
        write_atomically(&data.join(KEY), key.expose().as_bytes(), 0o600)
    }

    /// Removes all three, of an enrolment that did not come to its end.
    pub fn remove(data: &Path) -> io::Result<()> {
        [KEY, CERTIFICATE, CA]
            .iter()
            .try_for_each(|name| crate::file::remove(&data.join(name)))
    }

    /// When the certificate ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.validity().map(|(_, to)| to)
    }

    /// Whether it is time for the next certificate: a third of its life is left.
    pub fn should_renew(&self, now: Timestamp) -> bool {
        let Some((from, to)) = self.validity() else {
            return true;
        };
        let life = to.duration_since(from);
        to.duration_since(now) < life / 3
    }

    fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        let (_, pem) = parse_x509_pem(self.certificate.as_bytes()).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let validity = certificate.validity();
        let from = Timestamp::from_second(validity.not_before.timestamp()).ok()?;
        let to = Timestamp::from_second(validity.not_after.timestamp()).ok()?;
        Some((from, to))
    }

    /// TLS in both directions: we trust only our CA, and show our certificate.
    pub fn tls(&self) -> ClientTlsConfig {
        let identity = TlsIdentity::from_pem(&self.certificate, self.key.expose());
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.ca))
            .identity(identity)
    }
}

/// The identity of a running agent, which is renewed while it runs.
#[derive(Debug, Clone)]
pub struct SharedIdentity(Arc<Mutex<Identity>>);

impl SharedIdentity {
    /// Begins with this one.
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(Mutex::new(identity)))
    }

    /// The one that counts now.
    pub fn get(&self) -> Identity {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another counts from now on.
    pub fn replace(&self, identity: Identity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}
