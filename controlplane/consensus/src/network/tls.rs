//! Mutual TLS between nodes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tonic::transport::server::Connected;

use crate::raft::NodeId;

/// Says which node a verified client certificate belongs to, or why it is no
/// node's. The node itself refuses the ids of nodes that were removed from the
/// group; other reasons, such as a revoked serial number, are this function's.
/// It is asked for each new connection.
pub type AdmitPeer = Arc<dyn Fn(&CertificateDer<'_>) -> Result<NodeId, String> + Send + Sync>;

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

    pub(super) async fn accept(&self, stream: TcpStream) -> Result<Admitted, TlsError> {
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
        let peer = (self.admit)(certificate).map_err(TlsError::NotAdmitted)?;
        Ok(Admitted { stream, peer })
    }
}

/// Which node is at the other end of a connection. Every request on it carries
/// this among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerId(pub(super) NodeId);

/// The connection of an admitted node.
pub(super) struct Admitted {
    stream: server::TlsStream<TcpStream>,
    pub(super) peer: NodeId,
}

impl Connected for Admitted {
    type ConnectInfo = PeerId;

    fn connect_info(&self) -> PeerId {
        PeerId(self.peer)
    }
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
