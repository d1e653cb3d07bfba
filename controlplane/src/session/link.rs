//! One agent's session, from its Hello to its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holdfast_proto::v1::{self, agent_message, control_message};
use holdfast_proto::{Assignments, Held, JobProgress, PlanAnswer};
use holdfast_state::query::{self, AgentView};
use holdfast_types::{AssignmentId, Generation, JobState, Name, RepositoryId};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

use super::assign::{self, Holding};
use super::fold::Promised;
use super::identity;
use super::instances::SetsSent;
use super::registry::Opened;
use super::reports::{self, Report};
use super::wal::WalKey;
use super::{HEARTBEAT_EVERY, LOST_AFTER};
use crate::app::App;
use crate::app::error::Result;

/// Effects only wake: what was missed is found after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Orders are for a day without a control plane: what is decided on meanwhile
/// may wait for so long, and most of it comes with a job's own wake-up before.
const ORDERS_WITHIN: Duration = Duration::from_secs(2);
/// How long a restarted agent may take to report from its journal what became
/// of a job, before the job is taken back.
const JOURNAL_GRACE: Duration = Duration::from_secs(5);
/// Messages to an agent that may wait.
const OUTBOX: usize = 64;
/// Reports of an agent that may wait.
const REPORTS: usize = 64;

/// How a session begins.
#[derive(Debug)]
pub struct Greeting {
    /// The agent, as its certificate proves it.
    pub agent: AgentView,
    /// The version it runs.
    pub version: String,
    /// What its process works on at this moment.
    pub held: Vec<Held>,
    /// Whether it owes a report of what it did on its own.
    pub owes: bool,
}

/// Serves a session in the background; what comes out is for the agent.
pub fn serve(
    app: Arc<App>,
    greeting: Greeting,
    inbox: Streaming<v1::AgentMessage>,
) -> mpsc::Receiver<v1::ControlMessage> {
    let (sender, outbox) = mpsc::channel(OUTBOX);
    let Greeting {
        agent,
        version,
        held,
        owes,
    } = greeting;
    let opened = app
        .sessions
        .open(agent.id, version, sender.clone(), &app.stop);
    app.sessions.set_owes(agent.id, owes);
    tokio::spawn(async move {
        tracing::info!(agent = %agent.name, "an agent has connected");
        let number = opened.number;
        let mut link = Link {
            app: app.clone(),
            held,
            interrupted: Vec::new(),
            holdings: BTreeMap::new(),
            identities: Mutex::default(),
            sent: None,
            sets_sent: SetsSent::default(),
            sender,
            opened,
            agent,
        };
        let why = link.run(inbox).await;
        app.sessions.closed(link.agent.id, number);
        tracing::info!(agent = %link.agent.name, "an agent's session has ended: {why}");
    });
    outbox
}

struct Link {
    app: Arc<App>,
    agent: AgentView,
    opened: Opened,
    sender: mpsc::Sender<v1::ControlMessage>,
    held: Vec<Held>,
    /// Jobs that were under way in a process that is gone.
    interrupted: Vec<(AssignmentId, Generation)>,
    holdings: BTreeMap<AssignmentId, (Generation, Holding)>,
    /// Of repositories that are copied to.
    identities: Mutex<BTreeMap<Name, RepositoryId>>,
    sent: Option<Assignments>,
    sets_sent: SetsSent,
}

impl Link {
    async fn run(&mut self, mut inbox: Streaming<v1::AgentMessage>) -> String {
        if !self.send(welcome(&self.app, &self.agent)).await {
            return "it went away".to_owned();
        }
        if let Err(error) = self.find_interrupted().await {
            return format!("its jobs could not be read: {error}");
        }
        let (reports, queue) = mpsc::channel(REPORTS);
        let worker = reports::work(
            self.app.clone(),
            self.agent.clone(),
            (self.sender.clone(), self.opened.close.clone()),
            queue,
            self.sets_sent.clone(),
        );
        let worker = tokio::spawn(worker);
        let why = self.exchange(&mut inbox, reports).await;
        self.opened.close.cancel();
        // What was taken in is finished: its answers are lost, its effect is not.
        if tokio::time::timeout(Duration::from_secs(5), worker)
            .await
            .is_err()
        {
            tracing::warn!(agent = %self.agent.name, "reports were left behind");
        }
        why
    }

    async fn exchange(
        &mut self,
        inbox: &mut Streaming<v1::AgentMessage>,
        reports: mpsc::Sender<Report>,
    ) -> String {
        let wake = self.opened.wake.clone();
        let wake_soon = self.opened.wake_soon.clone();
        let soon = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(soon);
        let mut orders_wait = false;
        let close = self.opened.close.clone();
        let grace = tokio::time::sleep(JOURNAL_GRACE);
        tokio::pin!(grace);
        let mut graced = false;
        // An interval: agents say something all the time, and a pause that began
        // anew with every message would never be over.
        let mut again = tokio::time::interval(LOOK_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.reset();
        if let Err(why) = self.refresh().await {
            return why;
        }
        loop {
            tokio::select! {
                () = close.cancelled() => return "it was ended".to_owned(),
                message = inbox.next() => match message {
                    Some(Ok(message)) => {
                        if let Err(why) = self.receive(message, &reports).await {
                            return why;
                        }
                    }
                    Some(Err(status)) => return format!("its stream broke: {}", status.message()),
                    None => return "it went away".to_owned(),
                },
                () = wake.notified() => {
                    orders_wait = false;
                    if let Err(why) = self.refresh().await {
                        return why;
                    }
                }
                () = wake_soon.notified(), if !orders_wait => {
                    orders_wait = true;
                    soon.as_mut().reset(tokio::time::Instant::now() + ORDERS_WITHIN);
                }
                () = &mut soon, if orders_wait => {
                    orders_wait = false;
                    if let Err(why) = self.refresh().await {
                        return why;
                    }
                }
                _ = again.tick() => {
                    if let Err(why) = self.refresh().await {
                        return why;
                    }
                }
                () = &mut grace, if !graced => {
                    graced = true;
                    for (assignment, generation) in std::mem::take(&mut self.interrupted) {
                        let interrupted = Report::Interrupted(assignment, generation);
                        if reports.send(interrupted).await.is_err() {
                            return "its reports could not be taken in".to_owned();
                        }
                    }
                }
            }
        }
    }

    /// Jobs that this agent had begun and its process does not know.
    async fn find_interrupted(&mut self) -> Result<()> {
        let view = self.app.node.read().await?;
        let assignments = query::assignments_of_agent(view.connection(), self.agent.id).await?;
        for assignment in assignments {
            let query::Work::Job(job) = &assignment.work else {
                continue;
            };
            let begun = matches!(job.state, JobState::Running | JobState::Committing);
            let held = self.held.contains(&Held {
                assignment: assignment.id,
                generation: assignment.generation,
            });
            if begun && !held {
                self.interrupted
                    .push((assignment.id, assignment.generation));
            }
        }
        Ok(())
    }

    /// Looks at the state and tells the agent what is new.
    async fn refresh(&mut self) -> std::result::Result<(), String> {
        let view = self.app.look_up();
        let agent = query::agent(view.connection(), self.agent.id).await;
        match agent {
            Ok(Some(agent)) if agent.revoked_at.is_none() => self.agent = agent,
            Ok(_) => return Err("it was revoked".to_owned()),
            Err(error) => return Err(format!("its record could not be read: {error}")),
        }
        let computed =
            assign::assignments_of(&self.app, &view, &self.agent, &self.interrupted).await;
        let set = match computed {
            Ok(set) => set,
            Err(error) => {
                tracing::warn!(agent = %self.agent.name, "its assignments cannot be computed: {error}");
                return Ok(());
            }
        };
        self.holdings = set.held;
        let ordered = set.message.orders.iter().map(|orders| &orders.cluster);
        self.app.sessions.ordered(self.agent.id, ordered);
        if self.sent.as_ref() == Some(&set.message) {
            return Ok(());
        }
        let message = control_message::Message::Assignments((&set.message).into());
        if !self.send(message).await {
            return Err("it went away".to_owned());
        }
        self.sent = Some(set.message);
        self.sets_sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn receive(
        &mut self,
        message: v1::AgentMessage,
        reports: &mpsc::Sender<Report>,
    ) -> std::result::Result<(), String> {
        use agent_message::Message;

        let received_at = Timestamp::now();
        self.app.sessions.seen(self.agent.id);
        let broken = |invalid: holdfast_proto::Invalid| format!("it broke the contract: {invalid}");
        let report = match message.message {
            None => return Ok(()),
            Some(Message::Hello(_)) => return Err("it said hello twice".to_owned()),
            Some(Message::Heartbeat(beat)) => {
                self.app
                    .sessions
                    .set_owes(self.agent.id, beat.offline_unsettled);
                self.answer_heartbeat(&beat, received_at);
                return Ok(());
            }
            Some(Message::Progress(progress)) => {
                let progress = JobProgress::try_from(progress).map_err(broken)?;
                if self.holds(progress.assignment, progress.generation) {
                    self.app.progress.record(progress);
                }
                return Ok(());
            }
            Some(Message::Plan(answer)) => {
                self.app
                    .plans
                    .answered(PlanAnswer::try_from(answer).map_err(broken)?);
                return Ok(());
            }
            Some(Message::Instances(report)) => Report::instances(&report)?,
            Some(Message::Job(report)) => Report::Job(report.try_into().map_err(broken)?),
            Some(Message::Offline(report)) => Report::Offline(report.try_into().map_err(broken)?),
            Some(Message::Wal(report)) => {
                let report: holdfast_proto::WalReport = report.try_into().map_err(broken)?;
                let holding = self.holdings.get(&report.assignment);
                match holding {
                    Some((generation, Holding::Wal(cluster, repository, known)))
                        if *generation == report.generation =>
                    {
                        let key = (cluster.clone(), repository.clone());
                        self.take_copies(&key, &report, reports).await?;
                        let report = identity::as_it_counts(report, repository, *known);
                        let promised = self.promised(&key.0).await;
                        if !self.app.wal.record(key.clone(), &report, promised) {
                            return Ok(());
                        }
                        Report::Wal(key, Box::new(report))
                    }
                    // Of a duty that changed hands: it is told by its set.
                    _ => return Ok(()),
                }
            }
        };
        self.hand_over(report, reports).await
    }

    /// A job's transition waits for its turn. Facts and WAL reports stand
    /// alone: while the log takes nothing they are dropped rather than let
    /// heartbeats wait behind them; the next one says the same.
    async fn hand_over(
        &self,
        report: Report,
        reports: &mpsc::Sender<Report>,
    ) -> std::result::Result<(), String> {
        let gone = || "its reports could not be taken in".to_owned();
        match &report {
            Report::Job(_) | Report::Offline(_) | Report::Interrupted(..) => {
                reports.send(report).await.map_err(|_| gone())
            }
            Report::Wal(..) | Report::Copy(..) | Report::Instances(..) => {
                match reports.try_send(report) {
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
                    Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
                }
            }
        }
    }

    /// What was found where a copy is. It never changes once it is known.
    async fn identity_of(&self, repository: &Name) -> Option<RepositoryId> {
        let lock = || {
            let known = self.identities.lock();
            known.unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some(known) = lock().get(repository) {
            return Some(*known);
        }
        let view = self.app.look_up();
        let found = query::repository_identity(view.connection(), repository).await;
        let found = found.ok().flatten()?;
        lock().insert(repository.clone(), found);
        Some(found)
    }

    /// What the claims of a cluster's duty are folded by, as far as this node knows.
    async fn promised(&self, cluster: &Name) -> Promised {
        let view = self.app.look_up();
        let promise = query::promise(view.connection(), cluster).await;
        // What cannot be read now is read with the next report.
        Promised::of(promise.ok().flatten().as_ref())
    }

    /// What a duty says of its copies: each is a report of its own, of another
    /// repository.
    async fn take_copies(
        &self,
        key: &WalKey,
        report: &holdfast_proto::WalReport,
        reports: &mpsc::Sender<Report>,
    ) -> std::result::Result<(), String> {
        let promised = self.promised(&key.0).await;
        for copy in &report.copies {
            let of_copy = holdfast_proto::WalReport {
                assignment: report.assignment,
                generation: report.generation,
                wal: copy.wal.clone(),
                frontier: copy.frontier,
                trouble: copy.trouble.clone(),
                repository: copy.repository,
                copies: Vec::new(),
            };
            let name = copy.name.clone();
            let known = self.identity_of(&name).await;
            let of_copy = identity::as_it_counts(of_copy, &name, known);
            let of = (key.0.clone(), name.clone());
            if self.app.wal.record(of, &of_copy, promised) {
                let report = Report::Copy(key.clone(), name, Box::new(of_copy));
                self.hand_over(report, reports).await?;
            }
        }
        Ok(())
    }

    fn holds(&self, assignment: AssignmentId, generation: Generation) -> bool {
        self.holdings
            .get(&assignment)
            .is_some_and(|(held, _)| *held == generation)
    }

    /// Answers without holding up anything else: proving a quorum may wait.
    fn answer_heartbeat(&self, beat: &v1::Heartbeat, received_at: Timestamp) {
        let (app, sender, sent_at) = (self.app.clone(), self.sender.clone(), beat.sent_at_us);
        tokio::spawn(async move {
            let began = Instant::now();
            let quorum = tokio::time::timeout(HEARTBEAT_EVERY, app.has_quorum());
            let quorum = quorum.await.unwrap_or(false);
            let waited = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
            let received = received_at.as_microsecond();
            let answer = control_message::Message::Heartbeat(v1::HeartbeatAnswer {
                agent_sent_at_us: sent_at,
                received_at_us: received,
                sent_at_us: received.saturating_add(waited),
                quorum,
            });
            // An agent that went away needs no answer.
            let _ = sender
                .send(v1::ControlMessage {
                    message: Some(answer),
                })
                .await;
        });
    }

    async fn send(&self, message: control_message::Message) -> bool {
        let message = v1::ControlMessage {
            message: Some(message),
        };
        let sent = tokio::time::timeout(LOST_AFTER, self.sender.send(message)).await;
        matches!(sent, Ok(Ok(())))
    }
}

fn welcome(app: &App, agent: &AgentView) -> control_message::Message {
    let millis = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    control_message::Message::Welcome(v1::Welcome {
        agent_id: agent.id.to_string(),
        heartbeat_every_ms: millis(HEARTBEAT_EVERY),
        lost_after_ms: millis(LOST_AFTER),
        servers: servers(app),
    })
}

/// Where agents reach the nodes that vote; a learner may know nothing yet.
fn servers(app: &App) -> Vec<String> {
    let members = app.node.status().members.into_iter();
    let voters = members.filter(|member| member.voter && !member.member.grpc.is_empty());
    voters
        .map(|member| format!("https://{}", member.member.grpc))
        .collect()
}

impl Greeting {
    /// Reads the first message of a session.
    pub fn read(
        agent: AgentView,
        first: Option<v1::AgentMessage>,
    ) -> std::result::Result<Self, Status> {
        let Some(agent_message::Message::Hello(hello)) = first.and_then(|first| first.message)
        else {
            return Err(Status::invalid_argument("a session begins with a Hello"));
        };
        let held = hello.held.into_iter().map(Held::try_from);
        let held = held.collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            agent,
            version: hello.version,
            held,
            owes: hello.offline_unsettled,
        })
    }
}
