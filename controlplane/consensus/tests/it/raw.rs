//! Frames of a peer's service by hand, as no node would send them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::tls::{Authority, Identity};

#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(bytes = "vec", tag = "1")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProposeRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) to: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) entry: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) patience_ms: u64,
}

/// Only the numbers of the outcomes matter here.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProposeReply {
    #[prost(message, optional, tag = "1")]
    pub(crate) done: Option<Anything>,
    #[prost(message, optional, tag = "2")]
    pub(crate) not_leader: Option<Anything>,
    #[prost(message, optional, tag = "5")]
    pub(crate) unreadable: Option<Anything>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Anything {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) to: u64,
}

/// Sends `message` in a frame to `method` of the node at `address`.
pub(crate) async fn send<M: Message + Default>(
    authority: &Authority,
    identity: &Identity,
    address: SocketAddr,
    method: &'static str,
    message: &impl Message,
) -> Result<M, Status> {
    let mut client = authority.client(identity);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let connect = tower::service_fn(move |_: tonic::transport::Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = "127.0.0.1".try_into().unwrap();
            let stream = connector.connect(name, stream).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let channel: Channel = Endpoint::from_static("http://raft.test")
        .timeout(Duration::from_secs(20))
        .connect_with_connector_lazy(connect);
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let mut payload = vec![1];
    message.encode(&mut payload).unwrap();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(method);
    let codec = tonic_prost::ProstCodec::<Frame, Frame>::default();
    let request = Request::new(Frame { payload });
    let reply = grpc.unary(request, path, codec).await?.into_inner();
    assert_eq!(reply.payload[0], 1, "the version of the frame");
    Ok(M::decode(&reply.payload[1..]).unwrap())
}
