//! The control plane's side of the contract, as tests direct it: a CA, mutual
//! TLS, `Enroll`, and sessions whose every message a test sees and sends.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::v1::agent_message::Message as Up;
use holdfast_proto::v1::agent_service_server::{AgentService, AgentServiceServer};
use holdfast_proto::v1::control_message::Message as Down;
use holdfast_proto::{Assignments, JobEvent, JobReport, v1};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// Long enough for a busy machine, short enough to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A CA of the tests.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters
            .distinguished_name
            .push(DnType::CommonName, "holdfast tests");
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(parameters, key).unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn sha256(&self) -> String {
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.issuer.der().as_ref());
        hex::encode(digest)
    }

    /// A token that names this CA.
    pub(crate) fn token(&self) -> String {
        format!("hfj1.jtk_1.s3cret.{}", self.sha256())
    }

    fn sign(&self, csr_pem: &str) -> String {
        let csr = CertificateSigningRequestParams::from_pem(csr_pem).unwrap();
        csr.signed_by(&self.issuer).unwrap().pem()
    }

    /// The server's certificate, with the CA behind it.
    fn server(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = parameters.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(format!("{}{}", leaf.pem(), self.pem()), key.serialize_pem())
    }
}

/// What `Enroll` answers.
#[derive(Clone)]
pub(crate) enum EnrollAnswer {
    Grant,
    Refuse(Status),
}

struct Service {
    ca: Arc<Ca>,
    enroll: EnrollAnswer,
    enrolled: Arc<Mutex<Vec<v1::EnrollRequest>>>,
    sessions: mpsc::UnboundedSender<Session>,
    heartbeats: Heartbeats,
}

/// How heartbeats are answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heartbeats {
    pub(crate) answered: bool,
    pub(crate) quorum: bool,
    /// How far this control plane's clock is ahead.
    pub(crate) ahead_us: i64,
    pub(crate) lost_after_ms: u32,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            answered: true,
            quorum: true,
            ahead_us: 0,
            lost_after_ms: 15_000,
        }
    }
}

/// A control plane that runs until it is dropped.
pub(crate) struct Control {
    pub(crate) ca: Arc<Ca>,
    pub(crate) enrolled: Arc<Mutex<Vec<v1::EnrollRequest>>>,
    address: SocketAddr,
    sessions: mpsc::UnboundedReceiver<Session>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How a control plane of the tests differs from the usual one.
pub(crate) struct Setup {
    pub(crate) ca: Arc<Ca>,
    pub(crate) certified_name: &'static str,
    pub(crate) enroll: EnrollAnswer,
    pub(crate) heartbeats: Heartbeats,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            ca: Arc::new(Ca::new()),
            certified_name: "127.0.0.1",
            enroll: EnrollAnswer::Grant,
            heartbeats: Heartbeats::default(),
        }
    }
}

impl Control {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let Setup {
            ca,
            certified_name,
            enroll,
            heartbeats,
        } = setup;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::unbounded_channel();
        let enrolled = Arc::<Mutex<Vec<_>>>::default();
        let service = Service {
            ca: ca.clone(),
            enroll,
            enrolled: enrolled.clone(),
            sessions: sender,
            heartbeats,
        };
        let tls = ServerTlsConfig::new()
            .identity(ca.server(certified_name))
            .client_ca_root(Certificate::from_pem(ca.pem()))
            .client_auth_optional(true);
        let mut server = Server::builder().tls_config(tls).unwrap();
        let serving = server
            .add_service(AgentServiceServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            ca,
            enrolled,
            address,
            sessions,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The next session that an agent opens.
    pub(crate) async fn session(&mut self) -> Session {
        let session = tokio::time::timeout(PATIENCE, self.sessions.recv()).await;
        session
            .expect("an agent connects")
            .expect("the server runs")
    }
}

#[tonic::async_trait]
impl AgentService for Service {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        let request = request.into_inner();
        self.enrolled.lock().unwrap().push(request.clone());
        if let EnrollAnswer::Refuse(status) = &self.enroll {
            return Err(status.clone());
        }
        Ok(Response::new(v1::EnrollResponse {
            agent_id: "agt_0199f3c2a7b47d1e8f0123456789abcd".to_owned(),
            certificate_pem: self.ca.sign(&request.csr_pem),
            ca_pem: self.ca.pem(),
            certificate_expires_at_us: 0,
            region: request.region,
        }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        Ok(Response::new(v1::RenewResponse {
            certificate_pem: self.ca.sign(&request.get_ref().csr_pem),
            ca_pem: self.ca.pem(),
            certificate_expires_at_us: 0,
        }))
    }

    type SessionStream =
        Pin<Box<dyn Stream<Item = Result<v1::ControlMessage, Status>> + Send + 'static>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if request
            .peer_certs()
            .is_none_or(|certificates| certificates.is_empty())
        {
            return Err(Status::unauthenticated("no client certificate"));
        }
        let inbox = request.into_inner();
        let (sender, receiver) = mpsc::channel(64);
        let session = Session::open(inbox, sender, self.heartbeats).await;
        self.sessions
            .send(session)
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One session. Dropping it ends the stream, as a dying node does.
pub(crate) struct Session {
    pub(crate) hello: v1::Hello,
    inbox: mpsc::UnboundedReceiver<Up>,
    outbox: mpsc::Sender<Result<v1::ControlMessage, Status>>,
    set_aside: VecDeque<Up>,
    beats: watch::Receiver<u32>,
    pump: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Session {
    async fn open(
        mut inbox: Streaming<v1::AgentMessage>,
        outbox: mpsc::Sender<Result<v1::ControlMessage, Status>>,
        heartbeats: Heartbeats,
    ) -> Self {
        let first = inbox.message().await.unwrap().unwrap().message;
        let Some(Up::Hello(hello)) = first else {
            panic!("not a hello: {first:?}")
        };
        let welcome = v1::Welcome {
            servers: Vec::new(),
            agent_id: "agt_0199f3c2a7b47d1e8f0123456789abcd".to_owned(),
            heartbeat_every_ms: 100,
            lost_after_ms: heartbeats.lost_after_ms,
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let answers = outbox.downgrade();
        let (beaten, beats) = watch::channel(0);
        let pump = tokio::spawn(async move {
            while let Ok(Some(message)) = inbox.message().await {
                match message.message {
                    Some(Up::Heartbeat(beat)) => {
                        let now = Timestamp::now().as_microsecond() + heartbeats.ahead_us;
                        let answer = v1::HeartbeatAnswer {
                            agent_sent_at_us: beat.sent_at_us,
                            received_at_us: now,
                            sent_at_us: now,
                            quorum: heartbeats.quorum,
                        };
                        let message = Some(Down::Heartbeat(answer));
                        if let Some(answers) = answers.upgrade()
                            && heartbeats.answered
                        {
                            let _ = answers.send(Ok(v1::ControlMessage { message })).await;
                            beaten.send_modify(|beats| *beats += 1);
                        }
                    }
                    Some(other) => drop(sender.send(other)),
                    None => {}
                }
            }
        });
        let session = Self {
            hello,
            inbox: receiver,
            outbox,
            set_aside: VecDeque::new(),
            beats,
            pump,
        };
        session.send(Down::Welcome(welcome)).await;
        session
    }

    pub(crate) async fn send(&self, message: Down) {
        let message = v1::ControlMessage {
            message: Some(message),
        };
        self.outbox
            .send(Ok(message))
            .await
            .expect("the agent listens");
    }

    pub(crate) async fn assign(&self, assignments: &Assignments) {
        self.send(Down::Assignments(assignments.into())).await;
    }

    /// The next message that `wanted` takes; others stay for later.
    pub(crate) async fn next<T>(&mut self, mut wanted: impl FnMut(&Up) -> Option<T>) -> T {
        if let Some(place) = self
            .set_aside
            .iter()
            .position(|message| wanted(message).is_some())
        {
            let message = self.set_aside.remove(place).unwrap();
            return wanted(&message).unwrap();
        }
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let message = self.inbox.recv().await.expect("the session lives");
                match wanted(&message) {
                    Some(found) => return found,
                    None => self.set_aside.push_back(message),
                }
            }
        });
        found.await.expect("the message comes")
    }

    /// The next report of a job.
    pub(crate) async fn report(&mut self) -> JobReport {
        let report = self.next(|message| match message {
            Up::Job(report) => Some(report.clone()),
            _ => None,
        });
        report.await.try_into().unwrap()
    }

    /// The next report of a job's end; those before it are accepted.
    pub(crate) async fn finished(&mut self) -> JobReport {
        loop {
            let report = self.report().await;
            if matches!(report.event, JobEvent::Finished { .. }) {
                return report;
            }
            self.answer(&report, "").await;
        }
    }

    /// Answers a report: an empty code accepts it.
    pub(crate) async fn answer(&self, report: &JobReport, refused_code: &str) {
        let answer = v1::ReportAnswer {
            sequence: report.sequence,
            refused_code: refused_code.to_owned(),
            refused_message: refused_code.to_owned(),
        };
        self.send(Down::Report(answer)).await;
    }

    /// Waits until the agent has seen everything that was sent before: it
    /// answers a plan only after the messages in front of it.
    pub(crate) async fn settle(&mut self, request_id: u64) {
        let plan = v1::PlanRequest {
            request_id,
            ..v1::PlanRequest::default()
        };
        self.send(Down::Plan(plan)).await;
        self.plan(request_id).await;
    }

    /// Waits until the agent has taken the answer to a heartbeat.
    pub(crate) async fn heartbeat(&mut self) {
        let answered = tokio::time::timeout(PATIENCE, self.beats.wait_for(|beats| *beats > 0));
        drop(
            answered
                .await
                .expect("heartbeats come")
                .expect("the session lives"),
        );
        self.settle(u64::MAX).await;
    }

    /// The answer to a plan request.
    pub(crate) async fn plan(&mut self, request_id: u64) -> v1::PlanAnswer {
        let answer = self.next(|message| match message {
            Up::Plan(answer) if answer.request_id == request_id => Some(answer.clone()),
            _ => None,
        });
        answer.await
    }

    /// Whether the agent hangs up.
    pub(crate) async fn ended(mut self) {
        let ended = tokio::time::timeout(PATIENCE, async {
            while self.inbox.recv().await.is_some() {}
        });
        ended.await.expect("the agent hangs up");
    }
}
