//! Mutual TLS between nodes.

use std::fmt;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// Says whether a verified client certificate is that of a node, or why not.
pub type AdmitPeer = Arc<dyn Fn(&CertificateDer<'_>) -> Result<(), String> + Send + Sync>;

/// With what a node proves itself to its peers, and how it knows them.
///
/// Certificates rotate by the resolvers inside the two configurations.
#[derive(Clone)]
pub struct PeerTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    admit: AdmitPeer,
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerTls")
    }
}

/// Why a connection between nodes did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("\"{0}\" is not an address such as host:8444")]
    Address(String),
    #[error("the host \"{host}\" can be in no certificate")]
    Name {
        host: String,
        #[source]
        source: InvalidDnsNameError,
    },
    #[error("failed to connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    #[error("the peer has no client certificate")]
    NoCertificate,
    #[error("the peer is no node of this control plane: {0}")]
    NotAdmitted(String),
}

impl PeerTls {
    /// `server` must ask for a client certificate and verify it, `client` must
    /// present one. A server's certificate must name the host of its member's
    /// Raft address.
    pub fn new(server: &ServerConfig, client: &ClientConfig, admit: AdmitPeer) -> Self {
        let mut server = server.clone();
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = client.clone();
        client.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            server: Arc::new(server),
            client: Arc::new(client),
            admit,
        }
    }

    pub(super) async fn connect(
        &self,
        address: &str,
    ) -> Result<client::TlsStream<TcpStream>, TlsError> {
        let (host, _port) = address
            .rsplit_once(':')
            .ok_or_else(|| TlsError::Address(address.to_owned()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|source| TlsError::Name {
            host: host.to_owned(),
            source,
        })?;
        let connected = TcpStream::connect(address).await;
        let stream = connected.map_err(|source| TlsError::Connect {
            address: address.to_owned(),
            source,
        })?;
        // Small messages are latency; a socket that refuses is still usable.
        let _ = stream.set_nodelay(true);
        TlsConnector::from(Arc::clone(&self.client))
            .connect(name, stream)
            .await
            .map_err(TlsError::Handshake)
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<server::TlsStream<TcpStream>, TlsError> {
        let _ = stream.set_nodelay(true);
        let stream = TlsAcceptor::from(Arc::clone(&self.server))
            .accept(stream)
            .await
            .map_err(TlsError::Handshake)?;
        let (_, session) = stream.get_ref();
        // A configuration that forgot to ask for one must not open the door.
        let certificate = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .ok_or(TlsError::NoCertificate)?;
        (self.admit)(certificate).map_err(TlsError::NotAdmitted)?;
        Ok(stream)
    }
}
