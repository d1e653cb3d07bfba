//! One session: the stream from its first message to its last.

use std::time::Duration;

use holdfast_proto::v1::agent_message::Message as Up;
use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use holdfast_proto::v1::control_message::Message as Down;
use holdfast_proto::{Assignments, Invalid, PlanAnswer, PlanRequest, v1};
use holdfast_types::DiscoveredInstance;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Channel;
use tracing::Instrument;

use super::heart::Heart;
use super::link::LinkParts;
use super::reports::{self, JobReports, Progress, WalReports};
use crate::facts::Seen;
use crate::host::SessionState;
use crate::journal::JournalError;
use crate::status;
use crate::telemetry::continue_trace;

/// Messages that may wait for the network.
const OUTBOX: usize = 64;
/// How long one may wait before the session counts as stuck.
const STUCK: Duration = Duration::from_secs(10);
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Restores planned at once.
const PLANS: usize = 8;

/// How a session ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether it was ever up.
    pub(super) was_up: bool,
    /// Why it ended.
    pub(super) reason: String,
}

/// Why it goes no further.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Refused(holdfast_types::Failure),
    #[error("the control plane ended the stream")]
    Closed,
    #[error("the control plane did not welcome us in time")]
    NotWelcomed,
    #[error("no heartbeat was answered for {0} s")]
    Silent(u64),
    #[error("the control plane takes no messages")]
    Stuck,
    #[error("{}", crate::failure::chain(.0))]
    Journal(#[from] JournalError),
    #[error("the agent ends")]
    Stopped,
}

/// Runs one session to its end.
pub(super) async fn run(
    mut client: AgentServiceClient<Channel>,
    server: &str,
    parts: &LinkParts,
    boot_id: &str,
    stop: &CancellationToken,
) -> Ended {
    let opened = timeout(WELCOME_WITHIN, open(&mut client, server, parts, boot_id)).await;
    let opened = opened.unwrap_or(Err(Broken::NotWelcomed));
    let (mut session, welcome) = match opened {
        Ok(opened) => opened,
        Err(broken) => {
            return Ended {
                was_up: false,
                reason: broken.to_string(),
            };
        }
    };
    tracing::info!(server, "the session is up");
    parts.nodes.learn(welcome.servers.clone());
    parts.host.set_session(SessionState {
        connected: true,
        quorum_at: None,
    });
    parts.readiness.up(server);
    let reason = match session.work(&welcome, stop).await {
        Ok(never) => match never {},
        Err(broken) => broken.to_string(),
    };
    Ended {
        was_up: true,
        reason,
    }
}

/// Says hello and waits to be welcomed.
async fn open<'a>(
    client: &mut AgentServiceClient<Channel>,
    server: &'a str,
    parts: &'a LinkParts,
    boot_id: &str,
) -> Result<(Session<'a>, v1::Welcome), Broken> {
    let (sender, receiver) = mpsc::channel(OUTBOX);
    let outbox = Outbox { sender };
    let held = parts.journal.held().await?;
    let hello = v1::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: boot_id.to_owned(),
        held: held.into_iter().map(Into::into).collect(),
        offline_unsettled: parts.journal.owes(),
    };
    outbox.send(Up::Hello(hello)).await?;
    let refused = |status: tonic::Status| Broken::Refused(status::failure(&status, server));
    let stream = client
        .session(ReceiverStream::new(receiver))
        .await
        .map_err(refused)?;
    let mut inbox = stream.into_inner();
    let first = inbox
        .message()
        .await
        .map_err(refused)?
        .and_then(|message| message.message);
    let Some(Down::Welcome(welcome)) = first else {
        return Err(Broken::NotWelcomed);
    };
    let heart = Heart::new(parts.host.clock().clone());
    let session = Session {
        parts,
        server,
        outbox,
        inbox,
        heart,
        jobs: JobReports::default(),
        progress: Progress::default(),
        wal: WalReports::new(),
        plans: JoinSet::new(),
    };
    Ok((session, welcome))
}

struct Outbox {
    sender: mpsc::Sender<v1::AgentMessage>,
}

impl Outbox {
    async fn send(&self, message: Up) -> Result<(), Broken> {
        let message = v1::AgentMessage {
            message: Some(message),
        };
        match timeout(STUCK, self.sender.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Broken::Closed),
            Err(_) => Err(Broken::Stuck),
        }
    }
}

struct Session<'a> {
    parts: &'a LinkParts,
    server: &'a str,
    outbox: Outbox,
    inbox: Streaming<v1::ControlMessage>,
    heart: Heart,
    jobs: JobReports,
    progress: Progress,
    wal: WalReports,
    plans: JoinSet<PlanAnswer>,
}

impl Session<'_> {
    async fn work(
        &mut self,
        welcome: &v1::Welcome,
        stop: &CancellationToken,
    ) -> Result<std::convert::Infallible, Broken> {
        let mut beat = every(Duration::from_millis(
            welcome.heartbeat_every_ms.max(100).into(),
        ));
        let lost_after = Duration::from_millis(welcome.lost_after_ms.max(1_000).into());
        let mut tick = every(PROGRESS_EVERY);
        let mut journal = self.parts.journal.subscribe();
        journal.mark_changed();
        let mut duties = self.parts.executor.duties();
        duties.mark_changed();
        let mut facts = self.parts.facts.clone();
        facts.mark_changed();
        let mut discovered = self.parts.discovered.clone();
        discovered.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(Broken::Stopped),
                message = self.inbox.message() => self.receive(message).await?,
                _ = beat.tick() => {
                    let silent = self.heart.silent_for();
                    if silent > lost_after {
                        return Err(Broken::Silent(silent.as_secs()));
                    }
                    let heartbeat = self.heart.beat(self.parts.journal.owes());
                    self.outbox.send(Up::Heartbeat(heartbeat)).await?;
                }
                _ = tick.tick() => {
                    for progress in self.progress.of(&self.parts.executor.jobs()) {
                        self.outbox.send(Up::Progress(progress)).await?;
                    }
                    self.report_jobs().await?;
                }
                Ok(()) = journal.changed() => self.report_jobs().await?,
                Ok(()) = duties.changed() => {
                    reports::follow(&mut self.wal, &duties.borrow_and_update());
                }
                Some((_, report)) = self.wal.next() => {
                    self.outbox.send(Up::Wal((&report).into())).await?;
                }
                // Whichever of the two is news: what is not said is not there.
                Ok(()) = facts.changed() => {
                    self.report_instances(&mut facts, &mut discovered).await?;
                }
                Ok(()) = discovered.changed() => {
                    self.report_instances(&mut facts, &mut discovered).await?;
                }
                Some(Ok(answer)) = self.plans.join_next() => {
                    self.outbox.send(Up::Plan((&answer).into())).await?;
                }
            }
        }
    }

    async fn report_instances(
        &self,
        facts: &mut watch::Receiver<Vec<Seen>>,
        discovered: &mut watch::Receiver<Option<Vec<DiscoveredInstance>>>,
    ) -> Result<(), Broken> {
        let report = reports::instances(
            &facts.borrow_and_update(),
            discovered.borrow_and_update().as_deref(),
        );
        let report = report.map_err(JournalError::from)?;
        self.outbox.send(Up::Instances(report)).await
    }

    async fn report_jobs(&mut self) -> Result<(), Broken> {
        loop {
            let due = self.jobs.due(&self.parts.journal).await?;
            if due.is_empty() {
                return Ok(());
            }
            for report in due {
                self.outbox.send(report).await?;
            }
        }
    }

    async fn receive(
        &mut self,
        message: Result<Option<v1::ControlMessage>, tonic::Status>,
    ) -> Result<(), Broken> {
        let message = message
            .map_err(|status| Broken::Refused(status::failure(&status, self.server)))?
            .ok_or(Broken::Closed)?;
        match message.message {
            Some(Down::Heartbeat(answer)) => {
                if let Some(state) = self.heart.answered(&answer) {
                    self.parts.host.set_session(state);
                }
            }
            Some(Down::Assignments(assignments)) => match Assignments::try_from(assignments) {
                Ok(assignments) => self.parts.executor.assign(assignments),
                // Nothing ends because of a message that was not understood.
                Err(invalid) => tracing::error!(%invalid, "assignments are not understood"),
            },
            Some(Down::Report(answer)) => {
                let owed = self.parts.journal.owes();
                self.jobs.answered(&answer, &self.parts.journal).await?;
                if owed && !self.parts.journal.owes() {
                    // The control plane waits for this word before it decides.
                    let heartbeat = self.heart.beat(false);
                    self.outbox.send(Up::Heartbeat(heartbeat)).await?;
                }
            }
            Some(Down::Plan(request)) => self.plan(request),
            // A newer control plane may say what we do not know yet.
            Some(Down::Welcome(_)) | None => {}
        }
        Ok(())
    }

    /// Plans beside everything else: reading a repository takes its time.
    fn plan(&mut self, request: v1::PlanRequest) {
        let request_id = request.request_id;
        let request = match PlanRequest::try_from(request) {
            Ok(request) if self.plans.len() < PLANS => request,
            Ok(_) => {
                self.plans
                    .spawn(std::future::ready(refuse_plan(request_id, busy())));
                return;
            }
            Err(invalid) => {
                self.plans.spawn(std::future::ready(refuse_plan(
                    request_id,
                    not_ours(&invalid),
                )));
                return;
            }
        };
        let executor = self.parts.executor.clone();
        let span = tracing::info_span!("plan", cluster = %request.request.cluster, trace.id = tracing::field::Empty);
        continue_trace(&span, request.traceparent.as_deref());
        let planning = async move {
            let answer = executor.plan(request).await.map(Box::new);
            PlanAnswer { request_id, answer }
        };
        self.plans.spawn(planning.instrument(span));
    }
}

fn refuse_plan(request_id: u64, failure: holdfast_types::Failure) -> PlanAnswer {
    PlanAnswer {
        request_id,
        answer: Err(failure),
    }
}

fn busy() -> holdfast_types::Failure {
    let message = format!("the agent plans {PLANS} restores already");
    holdfast_types::Failure::transient("agent_busy", message, "ask again in a moment")
}

fn not_ours(invalid: &Invalid) -> holdfast_types::Failure {
    let hint = "use agents and holdfastd of matching versions";
    holdfast_types::Failure::permanent("plan_request_invalid", invalid.to_string(), hint)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
