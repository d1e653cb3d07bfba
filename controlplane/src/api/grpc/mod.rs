//! gRPC: the listener for agents, for automation, and for nodes that join.
//!
//! A client's certificate proves an agent, to `AgentService` alone; a bearer
//! token proves a person or a program, to `ControlService` alone. Health and
//! reflection ask nobody who they are: they tell whether the node serves, and
//! what the source says anyway.

mod agent;
mod control;
mod health;
mod node;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router as RestRouter;
use holdfast_proto::v1::agent_service_server::{AgentServiceServer, SERVICE_NAME as AGENT};
use holdfast_proto::v1::node_service_server::NodeServiceServer;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::pb::health_server::HealthServer;

use crate::app::App;
use control::ControlApi;

/// The services whose health is told apart from the node's.
const SERVICES: &[&str] = &[ControlApi::NAME, AGENT];

/// The gRPC services of this node; `rest` carries out what `ControlService` is
/// asked for.
pub fn server(
    app: Arc<App>,
    rest: RestRouter,
) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(holdfast_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = health::HealthApi::new(app.clone(), SERVICES);
    Ok(Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(Some(128))
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(ControlApi::new(app.clone(), rest)?)
        .add_service(NodeServiceServer::new(node::NodeApi::new(app.clone())))
        .add_service(AgentServiceServer::new(agent::AgentApi::new(app))))
}
