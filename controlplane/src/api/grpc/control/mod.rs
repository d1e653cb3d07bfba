//! `ControlService`: REST, over gRPC.
//!
//! No method has code of its own. What a method takes is written as the request
//! of its REST operation (`request`), carried out by the router that serves
//! REST, in this process, and its answer is read back as the method's message
//! (`answer`). So both have the same rights, audit, idempotency, limits,
//! forwarding and refusals, because they are one. Which operation a method is,
//! and where its fields go, is in the options of `control.proto`, which is
//! generated from the OpenAPI document.
//!
//! A client's certificate counts for nothing here: who asks is who the bearer
//! token says, as in REST.

mod answer;
mod codec;
mod events;
mod from_json;
#[cfg(test)]
mod json_tests;
mod method;
mod problem;
mod request;
mod to_json;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http;
use futures_util::future::BoxFuture;
use prost_reflect::DynamicMessage;
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tower::{Service, ServiceExt};

use crate::api::auth;
use crate::app::App;
use crate::app::error::AppError;
use crate::server::Peer;
use codec::DynamicCodec;
use method::Method;

pub(super) use method::Unreadable;

/// What a caller may send before it is known who it is: a message that was
/// read takes hundreds of times its bytes.
const UNPROVED_BYTES: usize = 64 << 10;
/// How many larger messages are read at once.
const LARGE_AT_ONCE: usize = 2;

/// The service.
#[derive(Clone)]
pub(super) struct ControlApi {
    methods: Arc<HashMap<String, Arc<Method>>>,
    edge: Edge,
}

/// What calls need of the node.
#[derive(Clone)]
struct Edge {
    app: Arc<App>,
    rest: Router,
    large: Arc<Semaphore>,
}

impl ControlApi {
    /// The service whose operations `rest` carries out.
    pub(super) fn new(app: Arc<App>, rest: Router) -> Result<Self, Unreadable> {
        let methods = method::read(holdfast_proto::DESCRIPTORS, Self::NAME)?;
        let edge = Edge {
            app,
            rest,
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        };
        Ok(Self {
            methods: Arc::new(methods),
            edge,
        })
    }
}

impl NamedService for ControlApi {
    const NAME: &'static str = "holdfast.v1.ControlService";
}

impl Service<http::Request<tonic::body::Body>> for ControlApi {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let Some(method) = self.methods.get(name).cloned() else {
            let status = Status::unimplemented(format!(
                "this node has no method \"{name}\"; it may be of an older release"
            ));
            return Box::pin(async move { Ok(status.into_http()) });
        };
        let call = Call {
            method: method.clone(),
            edge: self.edge.clone(),
        };
        Box::pin(async move {
            let mut grpc = Grpc::new(DynamicCodec);
            Ok(if method.streams {
                grpc.server_streaming(call, request).await
            } else {
                grpc.unary(call, request).await
            })
        })
    }
}

impl Edge {
    /// Has REST carry out what a method is asked for.
    async fn carry_out(
        self,
        method: Arc<Method>,
        request: Request<Bytes>,
    ) -> Result<http::Response<Body>, Status> {
        let peer = request.remote_addr();
        let written = self.write(method, request).await;
        let mut written = written.map_err(|error| problem::of(&error))?;
        if let Some(peer) = peer {
            written.extensions_mut().insert(ConnectInfo(Peer(peer)));
        }
        match self.rest.oneshot(written).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    async fn write(
        &self,
        method: Arc<Method>,
        request: Request<Bytes>,
    ) -> Result<http::Request<Body>, AppError> {
        let (metadata, _, message) = request.into_parts();
        let headers = metadata.into_headers();
        if message.len() <= UNPROVED_BYTES {
            return request::write(&method, &headers, message);
        }
        self.app.authenticate(&auth::bearer(&headers)?).await?;
        // Reading it takes long enough to hold up others on this thread.
        let permit = self.large.clone().acquire_owned().await;
        let written = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            request::write(&method, &headers, message)
        });
        written.await.map_err(AppError::internal)?
    }
}

/// One call of a method.
struct Call {
    method: Arc<Method>,
    edge: Edge,
}

impl UnaryService<Bytes> for Call {
    type Response = DynamicMessage;
    type Future = BoxFuture<'static, Result<Response<DynamicMessage>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (method, edge) = (self.method.clone(), self.edge.clone());
        Box::pin(async move {
            let response = edge.carry_out(method.clone(), request).await?;
            answer::read(&method, response).await
        })
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;

impl ServerStreamingService<Bytes> for Call {
    type Response = DynamicMessage;
    type ResponseStream = Messages;
    type Future = BoxFuture<'static, Result<Response<Messages>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (method, edge) = (self.method.clone(), self.edge.clone());
        Box::pin(async move {
            let response = edge.carry_out(method.clone(), request).await?;
            answer::follow(&method, response).await
        })
    }
}
