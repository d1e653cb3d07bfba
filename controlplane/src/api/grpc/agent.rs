//! `AgentService`: enrolling, and the session of an enrolled agent.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::v1::agent_service_server::AgentService;
use holdfast_proto::v1::{
    AgentMessage, ControlMessage, EnrollRequest, EnrollResponse, RenewRequest, RenewResponse,
};
use holdfast_state::Digest;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use super::status::status_of;
use crate::app::{self, App};
use crate::secure::fingerprint;
use crate::session::{self, Greeting};
use crate::telemetry;

/// How long an agent may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct AgentApi {
    app: Arc<App>,
}

impl AgentApi {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl AgentService for AgentApi {
    async fn enroll(
        &self,
        request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        let remote = request.remote_addr().map(|remote| remote.ip());
        let span = tracing::info_span!("enroll", agent = %request.get_ref().name);
        let traceparent = request.metadata().get("traceparent");
        let given = traceparent
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        telemetry::continue_trace(&span, given.as_deref());
        let traceparent = telemetry::traceparent(&span).or(given);
        let message = request.into_inner();
        let asked = app::EnrollRequest {
            token: message.token,
            name: message.name,
            region: (!message.region.is_empty()).then_some(message.region),
            csr_pem: message.csr_pem,
            remote,
            traceparent,
        };
        let enrolled = self.app.enroll(asked).instrument(span.clone()).await;
        let enrolled = enrolled.map_err(|error| {
            span.in_scope(|| tracing::info!("an agent was not enrolled: {error}"));
            status_of(&error)
        })?;
        span.in_scope(|| tracing::info!(agent.id = %enrolled.agent, "enrolled an agent"));
        Ok(Response::new(EnrollResponse {
            agent_id: enrolled.agent.to_string(),
            certificate_pem: enrolled.certificate.certificate_pem,
            ca_pem: enrolled.ca_pem,
            certificate_expires_at_us: enrolled.certificate.expires_at.as_microsecond(),
            region: enrolled.region.unwrap_or_default(),
        }))
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<RenewResponse>, Status> {
        let used = shown(&request)?;
        let renewed = self.app.renew(used, &request.get_ref().csr_pem).await;
        let renewed = renewed.map_err(|error| {
            tracing::info!("an agent's certificate was not renewed: {error}");
            status_of(&error)
        })?;
        tracing::info!(agent.id = %renewed.agent, "renewed an agent's certificate");
        Ok(Response::new(RenewResponse {
            certificate_pem: renewed.certificate.certificate_pem,
            ca_pem: renewed.ca_pem,
            certificate_expires_at_us: renewed.certificate.expires_at.as_microsecond(),
        }))
    }

    type SessionStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let recognised = self.app.recognise(shown(&request)?).await;
        let agent = recognised.map_err(|error| status_of(&error))?;
        let mut inbox = request.into_inner();
        let app = self.app.clone();
        // Answered at once: an agent says hello once its call is accepted.
        let outbox = async_session(app, agent, async move {
            let first = tokio::time::timeout(HELLO, inbox.next()).await;
            let first = first.map_err(|_| Status::deadline_exceeded("no Hello came"))?;
            Ok((first.transpose()?, inbox))
        });
        Ok(Response::new(Box::pin(outbox)))
    }
}

/// The SHA-256 of the certificate that the caller showed.
fn shown<T>(request: &Request<T>) -> Result<Digest, Status> {
    let certificates = request.peer_certs();
    let first = certificates
        .as_ref()
        .and_then(|certificates| certificates.first());
    first
        .map(fingerprint)
        .ok_or_else(|| Status::unauthenticated("this needs the agent's certificate"))
}

/// The messages of a session; its first is the answer to the Hello.
fn async_session(
    app: Arc<App>,
    agent: holdfast_state::query::AgentView,
    hello: impl Future<Output = Result<(Option<AgentMessage>, Streaming<AgentMessage>), Status>>
    + Send
    + 'static,
) -> impl Stream<Item = Result<ControlMessage, Status>> + Send {
    let begun = futures_util::stream::once(async move {
        let (first, inbox) = hello.await?;
        let greeting = Greeting::read(agent, first)?;
        Ok(session::serve(app, greeting, inbox))
    });
    futures_util::StreamExt::flat_map(begun, |begun: Result<_, Status>| match begun {
        Ok(outbox) => futures_util::future::Either::Left(ReceiverStream::new(outbox).map(Ok)),
        Err(status) => {
            let refused = futures_util::stream::once(async move { Err(status) });
            futures_util::future::Either::Right(Box::pin(refused))
        }
    })
}
