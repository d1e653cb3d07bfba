//! `NodeService`: joining.

use std::sync::Arc;

use holdfast_proto::v1::node_service_server::NodeService;
use holdfast_proto::v1::{JoinRequest, JoinResponse, PeerAddress};
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::status::status_of;
use crate::app::{self, App};

#[derive(Debug)]
pub(super) struct NodeApi {
    app: Arc<App>,
}

impl NodeApi {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let remote = request.remote_addr().map(|remote| remote.ip());
        let message = request.into_inner();
        let span = tracing::info_span!("join", node = message.name, release = message.version);
        let asked = app::JoinRequest {
            token: message.token,
            name: message.name,
            newest_level: message.newest_level,
            remote,
            traceparent: crate::telemetry::traceparent(&span),
        };
        let welcome = self.app.join(asked).instrument(span.clone()).await;
        let welcome = welcome.map_err(|error| {
            span.in_scope(|| tracing::info!("a node was not let in: {error}"));
            status_of(&error)
        })?;
        span.in_scope(|| tracing::info!(node.id = welcome.node, "let a node in"));
        Ok(Response::new(JoinResponse {
            node_id: welcome.node,
            name: welcome.name,
            sealing_key: welcome.sealing_key.to_vec(),
            ca_pem: welcome.ca_pem,
            ca_key_sealed: welcome.ca_key,
            peers: welcome.peers.into_iter().map(address).collect(),
            group: welcome.group.unwrap_or_default(),
        }))
    }
}

fn address((node_id, raft): (u64, String)) -> PeerAddress {
    PeerAddress { node_id, raft }
}
