//! One simulated agent: dials, says hello, lives, and dials again. It waits
//! between two dials as the real agent does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use holdfast_proto::Assignments;
use holdfast_proto::v1::agent_message::Message as Up;
use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use holdfast_proto::v1::control_message::Message as Down;
use holdfast_proto::v1::{self, AgentMessage};
use holdfast_types::Name;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;
use uuid::Uuid;

use super::jobs::{Jobs, Outbox};
use super::server::Server;
use super::{Behaviour, Identity, Nodes, Tally};

// As in the real agent (agent/src/session).
const SPREAD: Duration = Duration::from_secs(2);
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LONGEST: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const STUCK: Duration = Duration::from_secs(10);
const OUTBOX: usize = 64;
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Agent {
    index: usize,
    identity: Identity,
    nodes: Nodes,
    tally: Arc<Tally>,
    behaviour: watch::Receiver<Behaviour>,
    drive: watch::Receiver<usize>,
    boot: String,
    jobs: Jobs,
    server: Server,
    clusters: Vec<Name>,
}

/// A session that is up.
struct Session {
    outbox: Outbox,
    inbox: Streaming<v1::ControlMessage>,
    beat: Interval,
    look: Interval,
    lost_after: Duration,
    answered: Instant,
}

impl Agent {
    pub(super) fn new(
        index: usize,
        identity: Identity,
        nodes: Nodes,
        tally: Arc<Tally>,
        (behaviour, drive): (watch::Receiver<Behaviour>, watch::Receiver<usize>),
    ) -> Self {
        Self {
            index,
            identity,
            nodes,
            tally,
            behaviour,
            drive,
            boot: Uuid::new_v4().simple().to_string(),
            jobs: Jobs::default(),
            server: Server::new(index),
            clusters: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut turn = self.index;
        let (mut failures, mut failed_in_a_row) = (0u32, 0usize);
        let servers = self.nodes.0.clone();
        loop {
            let server = &servers[turn % servers.len()];
            turn = turn.wrapping_add(1);
            let was_up = match self.open(server).await {
                Ok(mut session) => {
                    self.tally.up();
                    let reason = match self.serve(&mut session).await {
                        Ok(never) => match never {},
                        Err(reason) => reason,
                    };
                    self.tally.down(format!("{reason:#}"));
                    true
                }
                Err(reason) => {
                    self.tally.unreachable(format!("{reason:#}"));
                    false
                }
            };
            if was_up {
                (failures, failed_in_a_row) = (0, 0);
            } else {
                failed_in_a_row += 1;
            }
            let wait = if was_up && servers.len() > 1 {
                SPREAD.mul_f64(chance())
            } else if failed_in_a_row > 0 && !failed_in_a_row.is_multiple_of(servers.len()) {
                Duration::ZERO
            } else {
                let doubled = BACKOFF_FIRST.saturating_mul(2u32.saturating_pow(failures));
                failures = failures.saturating_add(1);
                doubled.min(BACKOFF_LONGEST).mul_f64(0.5 + chance() / 2.0)
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn open(&mut self, server: &str) -> Result<Session> {
        let endpoint = Endpoint::from_shared(server.to_owned())?
            .tls_config(self.identity.tls())?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = timeout(CONNECT_TIMEOUT * 2, endpoint.connect()).await;
        let channel = channel
            .context("not connected in time")?
            .map_err(|_| anyhow!("not connected"))?;
        let welcomed = self.hello(AgentServiceClient::new(channel));
        timeout(WELCOME_WITHIN, Box::pin(welcomed))
            .await
            .context("not welcomed in time")?
    }

    async fn hello(
        &mut self,
        mut client: AgentServiceClient<tonic::transport::Channel>,
    ) -> Result<Session> {
        let (outbox, messages) = mpsc::channel(OUTBOX);
        let hello = v1::Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot.clone(),
            held: self.jobs.held().into_iter().map(Into::into).collect(),
            ..Default::default()
        };
        send(&outbox, Up::Hello(hello)).await?;
        let stream = client.session(ReceiverStream::new(messages)).await;
        let mut inbox = stream.map_err(|status| refused(&status))?.into_inner();
        let first = inbox.message().await.map_err(|status| refused(&status))?;
        let Some(Down::Welcome(welcome)) = first.and_then(|first| first.message) else {
            bail!("not welcomed");
        };
        self.jobs.begin_session();
        Ok(Session {
            outbox,
            inbox,
            beat: every(Duration::from_millis(welcome.heartbeat_every_ms.into())),
            look: every(LOOK_EVERY),
            lost_after: Duration::from_millis(welcome.lost_after_ms.into()),
            answered: Instant::now(),
        })
    }

    async fn serve(&mut self, session: &mut Session) -> Result<std::convert::Infallible> {
        loop {
            let end = self.jobs.next_end();
            tokio::select! {
                message = session.inbox.message() => {
                    let message = message.map_err(|status| refused(&status))?;
                    let message = message.context("the node ended the stream")?;
                    self.receive(session, message)?;
                }
                _ = session.beat.tick() => {
                    if session.answered.elapsed() > session.lost_after {
                        bail!("no heartbeat was answered");
                    }
                    let sent_at_us = Timestamp::now().as_microsecond();
                    send(&session.outbox, Up::Heartbeat(v1::Heartbeat { sent_at_us, ..Default::default() })).await?;
                }
                _ = session.look.tick() => self.look(session).await?,
                () = until(end), if end.is_some() => self.jobs.end_due(&self.server),
                Ok(()) = self.drive.changed() => {}
            }
            if *self.drive.borrow() > self.index {
                self.jobs.drive();
            }
            if let Some(report) = self.jobs.next_report() {
                let report = report.into();
                send(&session.outbox, Up::Job(report)).await?;
            }
        }
    }

    /// Looks at the server, and tells of it and its WAL.
    async fn look(&mut self, session: &Session) -> Result<()> {
        if !self.behaviour.borrow().instances || self.clusters.is_empty() {
            return Ok(());
        }
        self.server.advance();
        let facts = self.clusters.iter().cloned();
        let facts = facts.map(|cluster| serde_json::to_string(&self.server.facts(cluster)));
        let facts_json = facts.collect::<Result<_, _>>()?;
        send(
            &session.outbox,
            Up::Instances(v1::InstanceReport {
                facts_json,
                ..v1::InstanceReport::default()
            }),
        )
        .await?;
        if let Some(duty) = self.jobs.duty {
            let report = (&self.server.report(duty)).into();
            send(&session.outbox, Up::Wal(report)).await?;
        }
        Ok(())
    }

    fn receive(&mut self, session: &mut Session, message: v1::ControlMessage) -> Result<()> {
        match message.message {
            Some(Down::Heartbeat(_)) => {
                session.answered = Instant::now();
                self.tally.heartbeat_answered();
            }
            Some(Down::Assignments(assignments)) => {
                let assignments = Assignments::try_from(assignments)?;
                let observed = assignments.instances.iter();
                self.clusters = observed.map(|one| one.cluster.clone()).collect();
                let lasts = self.behaviour.borrow().backup;
                self.jobs.assign(assignments, lasts, &self.tally);
            }
            Some(Down::Report(answer)) => {
                self.jobs
                    .answered(answer.sequence, &answer.refused_code, &self.tally);
            }
            Some(Down::Plan(_) | Down::Welcome(_)) | None => {}
        }
        Ok(())
    }
}

async fn send(outbox: &Outbox, message: Up) -> Result<()> {
    let message = AgentMessage {
        message: Some(message),
    };
    let sent = timeout(STUCK, outbox.send(message)).await;
    sent.context("the node takes no messages")?
        .map_err(|_| anyhow!("the stream is closed"))
}

/// Without addresses and numbers, so that like reasons are counted together.
fn refused(status: &tonic::Status) -> anyhow::Error {
    let message: String = status.message().chars().take(60).collect();
    anyhow!("{:?}: {message}", status.code())
}

async fn until(end: Option<Instant>) {
    if let Some(end) = end {
        tokio::time::sleep_until(end).await;
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
