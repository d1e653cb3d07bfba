//! A simulated agent that speaks the real protocol.

use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use holdfast_proto::v1::{self, agent_message, control_message};
use holdfast_proto::{Assignment, Assignments, Held, JobEvent, JobReport};
use holdfast_types::Failure;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};

use crate::node::Node;

pub struct Agent {
    certificate: String,
    key: String,
}

pub struct Session {
    pub sender: mpsc::Sender<v1::AgentMessage>,
    inbox: Streaming<v1::ControlMessage>,
    sequence: u64,
}

pub async fn connect(node: &Node, identity: Option<Identity>) -> Result<Channel, Status> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(node.ca()));
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    let endpoint = Endpoint::from_shared(node.grpc.clone()).unwrap();
    let connected = endpoint.tls_config(tls).unwrap().connect().await;
    connected.map_err(|error| Status::unavailable(error.to_string()))
}

pub async fn join_token(node: &Node, body: serde_json::Value) -> String {
    let token = node.post("/api/v1/agents/tokens", body).await.expect(201);
    token["token"].as_str().unwrap().to_owned()
}

impl Agent {
    pub async fn enrol(node: &Node, name: &str) -> Self {
        let token = join_token(node, json!({})).await;
        Self::enrol_with(node, name, &token, "").await.unwrap()
    }

    pub async fn enrol_with(
        node: &Node,
        name: &str,
        token: &str,
        region: &str,
    ) -> Result<Self, Status> {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let mut client = AgentServiceClient::new(connect(node, None).await?);
        let enrolled = client
            .enroll(v1::EnrollRequest {
                token: token.to_owned(),
                name: name.to_owned(),
                region: region.to_owned(),
                csr_pem: request.pem().unwrap(),
                version: "0.1.0".to_owned(),
            })
            .await?
            .into_inner();
        assert_eq!(enrolled.ca_pem, node.ca());
        Ok(Self {
            certificate: enrolled.certificate_pem,
            key: key.serialize_pem(),
        })
    }

    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key)
    }

    pub async fn session(&self, node: &Node, held: &[Held]) -> Result<Session, Status> {
        let mut client = AgentServiceClient::new(connect(node, Some(self.identity())).await?);
        let (sender, receiver) = mpsc::channel(16);
        let hello = v1::Hello {
            version: "0.1.0".to_owned(),
            boot_id: "boot".to_owned(),
            held: held.iter().copied().map(Into::into).collect(),
            offline_unsettled: false,
        };
        let hello = agent_message::Message::Hello(hello);
        sender
            .send(v1::AgentMessage {
                message: Some(hello),
            })
            .await
            .unwrap();
        let inbox = client
            .session(ReceiverStream::new(receiver))
            .await?
            .into_inner();
        let mut session = Session {
            sender,
            inbox,
            sequence: 0,
        };
        match session.next().await? {
            control_message::Message::Welcome(welcome) => {
                assert_eq!(welcome.heartbeat_every_ms, 5000);
                assert_eq!(welcome.lost_after_ms, 15000);
            }
            other => panic!("{other:?} is no welcome"),
        }
        Ok(session)
    }
}

impl Session {
    /// Sends heartbeats on its own, while the test is busy with another agent.
    pub fn keep_alive(self) -> Self {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let message = || v1::AgentMessage {
                message: Some(agent_message::Message::Heartbeat(v1::Heartbeat::default())),
            };
            while sender.send(message()).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            }
        });
        self
    }

    /// The next message. Who waits for long sends heartbeats meanwhile, whose
    /// answers are passed over.
    pub async fn next(&mut self) -> Result<control_message::Message, Status> {
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let within = std::time::Duration::from_secs(3);
            let Ok(message) = tokio::time::timeout(within, self.inbox.message()).await else {
                assert!(tokio::time::Instant::now() < end, "no message came");
                self.send(agent_message::Message::Heartbeat(v1::Heartbeat::default()))
                    .await;
                continue;
            };
            match message?.and_then(|message| message.message) {
                Some(control_message::Message::Heartbeat(answer))
                    if answer.agent_sent_at_us == 0 => {}
                Some(message) => return Ok(message),
                None => return Err(Status::cancelled("the session has ended")),
            }
        }
    }

    pub async fn send(&self, message: agent_message::Message) {
        let message = v1::AgentMessage {
            message: Some(message),
        };
        self.sender.send(message).await.unwrap();
    }

    /// The next set of assignments that fits.
    pub async fn assigned(&mut self, fits: impl Fn(&Assignments) -> bool) -> Assignments {
        loop {
            if let control_message::Message::Assignments(set) = self.next().await.unwrap() {
                let set = Assignments::try_from(set).unwrap();
                if fits(&set) {
                    return set;
                }
            }
        }
    }

    /// The assignment of the next job that comes.
    pub async fn job(&mut self) -> Assignment {
        let is_job = |assignment: &Assignment| {
            !matches!(assignment.work, holdfast_proto::Work::ReceiveWal(_))
        };
        let set = self
            .assigned(|set| set.assignments.iter().any(is_job))
            .await;
        set.assignments.into_iter().find(is_job).unwrap()
    }

    /// Reports a transition; gives the code of the refusal, if it is one.
    pub async fn report(&mut self, assignment: &Assignment, event: JobEvent) -> String {
        self.sequence += 1;
        let report = JobReport {
            sequence: self.sequence,
            assignment: assignment.id,
            generation: assignment.generation,
            event,
        };
        self.send(agent_message::Message::Job((&report).into()))
            .await;
        loop {
            if let control_message::Message::Report(answer) = self.next().await.unwrap() {
                assert_eq!(answer.sequence, self.sequence);
                return answer.refused_code;
            }
        }
    }

    pub async fn observe(&self, cluster: &str, system_identifier: u64) {
        self.observe_as("primary", cluster, system_identifier).await;
    }

    pub async fn observe_as(&self, role: &str, cluster: &str, system_identifier: u64) {
        let seen = Self::seen(role, cluster, system_identifier);
        self.observe_facts(&seen).await;
    }

    /// The same of a standby, with what is wrong with the slot that is kept there.
    pub async fn observe_slot(&self, cluster: &str, trouble: Option<&Failure>) {
        let mut seen = Self::seen("standby", cluster, 7);
        if let Some(trouble) = trouble {
            seen["slotTrouble"] = json!(trouble);
        }
        self.observe_facts(&seen).await;
    }

    fn seen(role: &str, cluster: &str, system_identifier: u64) -> serde_json::Value {
        json!({"cluster": cluster, "observedAt": jiff::Timestamp::now(), "reachable": {
            "serverVersion": 150_018, "systemIdentifier": system_identifier.to_string(),
            "role": role, "timeline": 1, "dataDirectory": "/d", "databaseBytes": 1,
            "checksums": true, "archiver": {"mode": "off", "lastArchived": null, "lastFailed": null},
            "slots": [], "disk": null}})
    }

    async fn observe_facts(&self, seen: &serde_json::Value) {
        let facts_json = vec![seen.to_string()];
        self.send(agent_message::Message::Instances(v1::InstanceReport {
            facts_json,
            ..v1::InstanceReport::default()
        }))
        .await;
    }
}
