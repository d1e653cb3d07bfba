//! An agent under test: its directory, its process's parts, and an engine that
//! does what the test says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_agent::config::{self, Config, Flags};
use holdfast_agent::enroll::{Enrol, enrol};
use holdfast_agent::host::Host;
use holdfast_agent::job::JobContext;
use holdfast_agent::run::run_until;
use holdfast_agent::work::{Runner, SlotKeeping, WalDuty};
use holdfast_proto::{
    Assignment, BackupWork, CopyWork, DrillWork, DumpRestoreWork, InstanceAccess, JobOutcome,
    PlanRequest, RepositoryAccess, RestoreWork, WalReport, WalWork, Work,
};
use holdfast_types::resource::{Compression, MaxRetained, WalMode, WhenFull};
use holdfast_types::{
    AssignmentId, BackupId, BackupKind, Failure, Generation, JobId, JobPhase, Name, RestorePlan,
    Secret, Span,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::control::{Control, PATIENCE};

/// What the engine was told, in order.
#[derive(Debug)]
pub(crate) enum Event {
    /// A job began; it ends with what is sent, or when it is cancelled.
    Job(Job),
    DutyStarted(AssignmentId, Generation, watch::Sender<WalReport>),
    DutyStopped(AssignmentId, Generation),
    DutyRetired(AssignmentId, Generation),
    /// The slot of this cluster is kept; left as it is; dropped.
    SlotKept(Name),
    SlotLeft(Name),
    SlotDropped(Name),
    /// A plan is wanted for this cluster; it is refused with what is sent.
    Plan(String, oneshot::Sender<Failure>),
}

/// A job in the hands of a test.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) context: JobContext,
    pub(crate) end: oneshot::Sender<JobOutcome>,
}

/// An engine that a test directs.
pub(crate) struct Engine {
    events: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl Runner for Engine {
    async fn backup(&self, work: BackupWork, cx: JobContext, _: &Host) -> JobOutcome {
        let (end, ended) = oneshot::channel();
        cx.enter(JobPhase::Copy);
        let job = Job {
            id: work.job,
            context: cx.clone(),
            end,
        };
        self.events.send(Event::Job(job)).unwrap();
        tokio::select! {
            outcome = ended => outcome.unwrap_or(JobOutcome::Cancelled),
            () = cx.cancel().cancelled() => JobOutcome::Cancelled,
        }
    }

    async fn restore(&self, _: RestoreWork, _: JobContext, _: &Host) -> JobOutcome {
        panic!("a defect of the engine")
    }

    async fn restore_dump(&self, _: DumpRestoreWork, _: JobContext, _: &Host) -> JobOutcome {
        panic!("a defect of the engine")
    }

    async fn copy(&self, _: CopyWork, _: JobContext, _: &Host) -> JobOutcome {
        panic!("a defect of the engine")
    }

    async fn drill(&self, _: DrillWork, _: JobContext, _: &Host) -> JobOutcome {
        panic!("a defect of the engine")
    }

    async fn plan(&self, request: PlanRequest, _: &Host) -> Result<RestorePlan, Failure> {
        let (answer, answered) = oneshot::channel();
        self.events
            .send(Event::Plan(request.request.cluster.to_string(), answer))
            .unwrap();
        Err(answered.await.unwrap())
    }

    fn receive_wal(
        &self,
        id: AssignmentId,
        generation: Generation,
        _: WalWork,
        _: Host,
    ) -> Box<dyn WalDuty> {
        let report = watch::Sender::new(blank(id, generation));
        self.events
            .send(Event::DutyStarted(id, generation, report.clone()))
            .unwrap();
        Box::new(Duty {
            id,
            generation,
            report,
            events: self.events.clone(),
        })
    }

    fn keep_slot(&self, work: WalWork, _: Host) -> Box<dyn SlotKeeping> {
        let event = Event::SlotKept(work.cluster.clone());
        self.events.send(event).unwrap();
        let events = self.events.clone();
        let cluster = work.cluster;
        Box::new(Slot { cluster, events })
    }
}

struct Slot {
    cluster: Name,
    events: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl SlotKeeping for Slot {
    async fn stop(self: Box<Self>) {
        let _ = self.events.send(Event::SlotLeft(self.cluster));
    }

    async fn retire(self: Box<Self>) -> Result<(), Failure> {
        let _ = self.events.send(Event::SlotDropped(self.cluster));
        Ok(())
    }
}

struct Duty {
    id: AssignmentId,
    generation: Generation,
    report: watch::Sender<WalReport>,
    events: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl WalDuty for Duty {
    fn report(&self) -> watch::Receiver<WalReport> {
        self.report.subscribe()
    }

    async fn stop(self: Box<Self>) {
        let _ = self
            .events
            .send(Event::DutyStopped(self.id, self.generation));
    }

    async fn retire(self: Box<Self>) -> Result<(), Failure> {
        let _ = self
            .events
            .send(Event::DutyRetired(self.id, self.generation));
        Ok(())
    }
}

pub(crate) fn blank(assignment: AssignmentId, generation: Generation) -> WalReport {
    WalReport {
        assignment,
        generation,
        wal: None,
        frontier: None,
        trouble: None,
        repository: None,
        copies: Vec::new(),
    }
}

/// An enrolled agent's directory.
pub(crate) struct Rig {
    directory: TempDir,
}

/// A running agent.
pub(crate) struct Running {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Rig {
    /// Enrols an agent with `control`, the way a person does.
    pub(crate) async fn enrolled(control: &Control) -> Self {
        let rig = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let request = Enrol {
            server: control.url(),
            token: control.ca.token().parse().unwrap(),
            name: "db1".parse().unwrap(),
            region: None,
            data: rig.data(),
        };
        enrol(&request).await.unwrap();
        rig
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("agent")
    }

    pub(crate) fn config(&self) -> Config {
        config::load(&self.data(), &Flags::default()).unwrap()
    }

    /// Starts the agent.
    pub(crate) fn start(&self) -> Running {
        self.start_with(self.config())
    }

    pub(crate) fn start_with(&self, config: Config) -> Running {
        let (sender, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (data, stopped) = (self.data(), stop.clone());
        let runner = Arc::new(Engine { events: sender });
        let task = tokio::spawn(async move {
            run_until(&data, config, runner, stopped).await.unwrap();
        });
        Running { stop, task, events }
    }
}

impl Running {
    /// The next thing the engine is told.
    pub(crate) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event
            .expect("the engine is told something")
            .expect("the agent runs")
    }

    /// The next job that begins.
    pub(crate) async fn job(&mut self) -> Job {
        match self.event().await {
            Event::Job(job) => job,
            other => panic!("not a job: {other:?}"),
        }
    }

    /// Stops it as SIGTERM does, and shows what the engine was told meanwhile.
    pub(crate) async fn stop(mut self) -> Vec<Event> {
        self.stop.cancel();
        let within = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        within.expect("it ends within ten seconds").unwrap();
        let mut events = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            events.push(event);
        }
        events
    }
}

/// Numbers made into ids.
pub(crate) fn assignment_id(number: u128) -> AssignmentId {
    AssignmentId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn repository() -> RepositoryAccess {
    RepositoryAccess {
        name: "eu".parse().unwrap(),
        url: "file:///nowhere".to_owned(),
        region: None,
        endpoint: None,
        credentials: std::collections::BTreeMap::new(),
        key: Secret::new("00".repeat(32)),
        bandwidth: None,
    }
}

pub(crate) fn instance(connection: &str) -> InstanceAccess {
    InstanceAccess {
        connection: connection.to_owned(),
        password: Some(Secret::new("the password of the tests")),
        data_directory: None,
        system_identifier: None,
    }
}

/// A backup to be taken.
pub(crate) fn backup(number: u128, generation: u64) -> Assignment {
    let work = BackupWork {
        job: JobId::from_uuid(Uuid::from_u128(number)),
        backup: BackupId::from_uuid(Uuid::from_u128(number)),
        cluster: "orders".parse().unwrap(),
        kind: BackupKind::Full,
        repository: repository(),
        instance: instance("host=/nowhere user=holdfast"),
        compression: Compression::DEFAULT,
        incarnation: 1,
        parent: None,
        dump: None,
        from: None,
        checkpoint: None,
        own_wal: false,
        copies: Vec::new(),
    };
    assignment(number, generation, Work::Backup(Box::new(work)))
}

/// WAL to be received.
pub(crate) fn duty(number: u128, generation: u64) -> Assignment {
    let work = WalWork {
        cluster: format!("orders-{number}").parse().unwrap(),
        repository: repository(),
        instance: instance("host=/nowhere user=holdfast"),
        instance_agent: None,
        volume_bytes: None,
        flush_every: Span::from_secs(1),
        compression: Compression::DEFAULT,
        incarnation: 1,
        mode: WalMode::Streaming,
        copies: Vec::new(),
        max_retained: MaxRetained::default(),
        when_full: WhenFull::Drop,
    };
    assignment(number, generation, Work::ReceiveWal(Box::new(work)))
}

fn assignment(number: u128, generation: u64, work: Work) -> Assignment {
    Assignment {
        id: assignment_id(number),
        generation: Generation(generation),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        cancel_requested: false,
        work,
    }
}

pub(crate) fn all(assignments: &[Assignment]) -> holdfast_proto::Assignments {
    let assignments = assignments.to_vec();
    holdfast_proto::Assignments {
        assignments,
        instances: Vec::new(),
        orders: Vec::new(),
        kept_slots: Vec::new(),
        slots: Vec::new(),
    }
}

/// Waits for a file to be there, or to be gone.
pub(crate) async fn file_is(path: &Path, there: bool) {
    let waiting = tokio::time::timeout(PATIENCE, async {
        while path.exists() != there {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waiting
        .await
        .unwrap_or_else(|_| panic!("{} there: {there}", path.display()));
}
