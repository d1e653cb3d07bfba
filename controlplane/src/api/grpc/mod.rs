//! gRPC: the listener for agents.

mod agent;
mod node;
mod status;

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::v1::agent_service_server::AgentServiceServer;
use holdfast_proto::v1::node_service_server::NodeServiceServer;
use tonic::transport::Server;
use tonic::transport::server::Router;

use crate::app::App;

/// The gRPC services of this node.
pub fn server(app: Arc<App>) -> Router {
    let (_, health) = tonic_health::server::health_reporter();
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(128))
        .add_service(health)
        .add_service(NodeServiceServer::new(node::NodeApi::new(app.clone())))
        .add_service(AgentServiceServer::new(agent::AgentApi::new(app)))
}
