//! Opening a socket to the server: TCP or Unix, keepalive, TLS.

use std::io;
use std::time::Duration;

use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::connection::{ConnectionInfo, Endpoint, TlsMode};
use crate::error::Target;
use crate::{Error, tls};

/// A dead peer is noticed after about a minute even on an idle connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Anything bytes go through both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection on which nothing has been said yet.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Duplex>,
    pub(crate) encrypted: bool,
    /// The hash that ties SCRAM to this TLS session.
    pub(crate) channel_binding: Option<Vec<u8>>,
}

/// Connects and, as `sslmode` says, encrypts. The caller limits the time.
pub(crate) async fn open(info: &ConnectionInfo, target: &Target) -> Result<Opened, Error> {
    let unreachable = |source| Error::Unreachable {
        target: Box::new(target.clone()),
        source,
    };
    match info.endpoint() {
        Endpoint::Unix(path) => {
            // Like libpq: no TLS over a Unix socket, whatever sslmode says.
            let stream = UnixStream::connect(path).await.map_err(unreachable)?;
            Ok(Opened {
                stream: Box::new(stream),
                encrypted: false,
                channel_binding: None,
            })
        }
        Endpoint::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), port))
                .await
                .map_err(unreachable)?;
            keep_alive(&stream).map_err(unreachable)?;
            encrypt(stream, info, target).await
        }
    }
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

async fn encrypt(
    mut stream: TcpStream,
    info: &ConnectionInfo,
    target: &Target,
) -> Result<Opened, Error> {
    let plain = |stream| Opened {
        stream,
        encrypted: false,
        channel_binding: None,
    };
    if info.tls() == TlsMode::Disable {
        return Ok(plain(Box::new(stream)));
    }
    let broke = |source| Error::Disconnected {
        target: Box::new(target.clone()),
        source: Some(source),
    };
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(broke)?;
    // One byte exactly: anything behind it would be unencrypted data that
    // somebody slipped in before the handshake (CVE-2021-23222).
    let answer = stream.read_u8().await.map_err(broke)?;
    match (answer, info.tls()) {
        (b'S', _) => {
            let (stream, channel_binding) = tls::handshake(stream, info, target).await?;
            Ok(Opened {
                stream: Box::new(stream),
                encrypted: true,
                channel_binding,
            })
        }
        (b'N', TlsMode::Prefer) => Ok(plain(Box::new(stream))),
        (b'N', _) => Err(Error::Tls {
            target: Box::new(target.clone()),
            reason: "the server offers none and sslmode demands it".to_owned(),
        }),
        // A server in trouble answers with an error instead (57P03).
        (b'E', _) => Err(Error::Tls {
            target: Box::new(target.clone()),
            reason: "the server answered the request for TLS with an error".to_owned(),
        }),
        (other, _) => Err(Error::Protocol {
            target: Box::new(target.clone()),
            reason: format!("byte {other} answers the request for TLS"),
        }),
    }
}
