//! As much of etcd's protocol as a put needs: its method and two messages.

use anyhow::Result;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::certificates::Certificates;

/// `etcdserverpb.PutRequest`; fields that are not set are not sent.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`; what it says is not needed.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// A client with a connection of its own.
#[derive(Debug)]
pub struct Client {
    grpc: Grpc<Channel>,
}

impl Client {
    pub(super) async fn connect(server: &str, certificates: &Certificates) -> Result<Self> {
        let endpoint = Endpoint::from_shared(server.to_owned())?
            .tls_config(certificates.tls())?
            .tcp_nodelay(true);
        let grpc = Grpc::new(endpoint.connect().await?);
        Ok(Self { grpc })
    }

    /// Puts a value and waits until it is committed.
    pub async fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.grpc.ready().await?;
        let request = PutRequest {
            key: key.to_vec(),
            value: value.to_vec(),
        };
        let method = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        self.grpc
            .unary(Request::new(request), method, codec)
            .await?;
        Ok(())
    }
}
