//! `grpc.health.v1.Health`: `/healthz` and `/readyz` for gRPC.
//!
//! The server as a whole (the empty name) serves while it answers; its
//! services serve while the node can answer for the control plane. That is
//! asked when somebody asks, so that no answer is older than the proof of a
//! quorum that `/readyz` gives.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::app::App;

/// How often a watched status is looked at.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct HealthApi {
    app: Arc<App>,
    services: &'static [&'static str],
}

impl HealthApi {
    /// Health of a node with these services.
    pub(super) fn new(app: Arc<App>, services: &'static [&'static str]) -> Self {
        Self { app, services }
    }

    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }
}

async fn status_of(app: &App, service: &str) -> ServingStatus {
    let serves = match service {
        "" => !app.stop.is_cancelled(),
        _ => app.is_ready().await,
    };
    if serves {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for HealthApi {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !self.knows(service) {
            let message = format!("this node has no service \"{service}\"");
            return Err(Status::not_found(message));
        }
        Ok(Response::new(response(status_of(&self.app, service).await)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status now and whenever it changes, until the node ends.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let known = self.knows(&service);
        let watch = (self.app.clone(), service, None, false);
        let changes = stream::unfold(watch, move |(app, service, told, ended)| async move {
            if ended {
                return None;
            }
            loop {
                let status = if known {
                    status_of(&app, &service).await
                } else {
                    ServingStatus::ServiceUnknown
                };
                let ended = app.stop.is_cancelled();
                if told != Some(status) || ended {
                    let watch = (app, service, Some(status), ended);
                    return Some((Ok(response(status)), watch));
                }
                tokio::select! {
                    () = app.stop.cancelled() => {}
                    () = tokio::time::sleep(PERIOD) => {}
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
