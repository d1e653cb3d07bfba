//! A server, a repository, and an agent's work on them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast_agent::host::{HookConfig, Hooks, Host, HostConfig, PostgresConfig};
use holdfast_agent::job::{JobContext, backup, restore};
use holdfast_agent::wal::Duty;
use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, reachable};
use holdfast_pg::{ConnectionInfo, SlotName};
use holdfast_proto::{
    BackupWork, InstanceAccess, JobOutcome, JobSuccess, PlanRequest, ReportedFrontier,
    RepositoryAccess, RestoreWork, WalWork,
};
use holdfast_repo::{Codec, LineageFacts, LineageRepository};
use holdfast_types::resource::{Compression, MaxRetained, WalMode, WhenFull};
use holdfast_types::{
    AssignmentId, BackupId, BackupKind, Failure, Generation, JobId, JobPhase, Lineage, Lsn,
    LsnRange, Name, RestorePlan, RestoreRequest, RestoreResult, Secret, Span, TargetAction,
    Timeline, WalSegment,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Everything lies beside the server's data, so that its user may go there.
pub(crate) struct Fixture {
    pub(crate) cluster: TestCluster,
    pub(crate) host: Host,
    pub(crate) access: RepositoryAccess,
    pub(crate) session: Session,
    restores: AtomicU32,
}

impl Fixture {
    /// A server with small segments, page checksums and a slot.
    pub(crate) async fn new(programs: &Programs) -> Self {
        let builder = TestCluster::builder(programs);
        Self::of(
            builder
                .initdb("--data-checksums")
                .initdb("--wal-segsize=1")
                .start(),
        )
        .await
    }

    pub(crate) async fn of(cluster: TestCluster) -> Self {
        let data = cluster.root().join("agent");
        std::fs::create_dir(&data).unwrap();
        let bin_dirs = vec![cluster.programs().directory().to_owned()];
        let config = HostConfig {
            postgres: PostgresConfig { bin_dirs },
            hooks: hooks(),
        };
        let executable = reachable(Path::new(env!("CARGO_BIN_EXE_holdfast-agent")));
        let access = RepositoryAccess {
            name: "local".parse().unwrap(),
            url: format!("file://{}", cluster.root().join("repo").display()),
            region: None,
            endpoint: None,
            credentials: Default::default(),
            key: Secret::new("5e".repeat(32)),
            bandwidth: None,
        };
        let session = Session::connect(&cluster.local()).await.unwrap();
        let slot = SlotName::for_cluster(&name());
        session
            .rows(
                "SELECT pg_create_physical_replication_slot($1::text::name, true)",
                &[&slot.as_str()],
            )
            .await
            .unwrap();
        let host = Host::with_executable(data, config, executable);
        Self {
            cluster,
            host,
            access,
            session,
            restores: AtomicU32::new(0),
        }
    }

    /// The same server and repository, and another agent's process.
    pub(crate) fn on_host(self, host: Host) -> Self {
        Self { host, ..self }
    }

    /// After the server was stopped and started again.
    pub(crate) async fn reconnected(self) -> Self {
        let session = Session::connect(&self.cluster.local()).await.unwrap();
        Self { session, ..self }
    }

    pub(crate) fn instance(&self) -> InstanceAccess {
        InstanceAccess {
            connection: self.cluster.socket_conninfo(),
            password: None,
            data_directory: None,
            system_identifier: None,
        }
    }

    pub(crate) fn backup_work(&self) -> BackupWork {
        BackupWork {
            job: JobId::from_uuid(Uuid::now_v7()),
            backup: BackupId::from_uuid(Uuid::now_v7()),
            cluster: name(),
            kind: BackupKind::Full,
            repository: self.access.clone(),
            instance: self.instance(),
            compression: Compression::DEFAULT,
            incarnation: 1,
            parent: None,
            dump: None,
            from: None,
            checkpoint: None,
            own_wal: false,
            copies: Vec::new(),
        }
    }

    /// Takes a backup whose WAL somebody else stores.
    pub(crate) async fn backup(&self) -> JobSuccess {
        succeeded(backup::run(self.backup_work(), context(), &self.host).await)
    }

    /// Takes a backup and stores its WAL meanwhile.
    pub(crate) async fn archived_backup(&self) -> JobSuccess {
        self.archived(self.backup_work()).await
    }

    /// The same for any work.
    pub(crate) async fn archived(&self, work: BackupWork) -> JobSuccess {
        let cx = context();
        let run = backup::run(work, cx.clone(), &self.host);
        let archive = async {
            let mut changes = cx.subscribe();
            while cx.state().phase != Some(JobPhase::Wal) {
                changes.changed().await.unwrap();
            }
            self.archive().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = run => succeeded(outcome),
            () = archive => unreachable!("it never ends"),
        }
    }

    /// Receives WAL as an agent does.
    pub(crate) fn receive_wal(&self) -> Duty {
        let id = AssignmentId::from_uuid(Uuid::now_v7());
        Duty::start(id, Generation(1), self.wal_work(), self.host.clone())
    }

    pub(crate) fn wal_work(&self) -> WalWork {
        WalWork {
            cluster: name(),
            repository: self.access.clone(),
            instance: self.instance(),
            instance_agent: None,
            volume_bytes: None,
            flush_every: Span::from_millis(200),
            compression: Compression::DEFAULT,
            incarnation: 1,
            mode: WalMode::Streaming,
            copies: Vec::new(),
            max_retained: MaxRetained::default(),
            when_full: WhenFull::Drop,
        }
    }

    pub(crate) async fn lineage(&self) -> LineageRepository {
        let facts = self.session.facts().await.unwrap();
        let repository = self.host.repository(&self.access).await.unwrap();
        let system_identifier = facts.system_identifier;
        let lineage = Lineage {
            system_identifier,
            incarnation: 1,
        };
        let facts = LineageFacts {
            postgres_version: u32::try_from(facts.server_version_num).unwrap(),
            segment_size: facts.segment_size,
            block_size: facts.block_size,
        };
        repository
            .create_or_open_lineage(&name(), lineage, facts)
            .await
            .unwrap()
    }

    /// Stores all WAL that the server has written until now: what its slot
    /// keeps, the segment being written as a slice. Returns where it ends.
    pub(crate) async fn archive(&self) -> Lsn {
        self.archive_of(&self.cluster, &self.session, Timeline::FIRST)
            .await
    }

    /// The same of another server of the cluster, one timeline of it.
    pub(crate) async fn archive_of(
        &self,
        cluster: &TestCluster,
        session: &Session,
        timeline: Timeline,
    ) -> Lsn {
        let query = "SELECT pg_current_wal_flush_lsn()::text";
        let row = session.row(query, &[]).await.unwrap();
        let end: Lsn = row.get::<_, String>(0).parse().unwrap();
        self.archive_until(cluster, timeline, end).await;
        end
    }

    /// The same up to a position.
    pub(crate) async fn archive_until(&self, cluster: &TestCluster, timeline: Timeline, end: Lsn) {
        let lineage = self.lineage().await;
        let (wal, size) = (lineage.wal(Codec::DEFAULT), lineage.facts().segment_size);
        let directory = cluster.data_dir().join("pg_wal");
        if let Ok(history) = std::fs::read(directory.join(timeline.history_file())) {
            wal.put_history(timeline, history.into()).await.unwrap();
        }
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Ok(segment) = WalSegment::parse(&name, size) else {
                continue;
            };
            if segment.start() >= end || segment.timeline() != timeline {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            if segment.end() <= end {
                wal.put_segment(segment, bytes.into()).await.unwrap();
            } else if let Some(range) = LsnRange::new(segment.start(), end) {
                let length = usize::try_from(range.bytes()).unwrap();
                let slice = bytes[..length].to_vec();
                wal.put_slice(timeline, range, slice.into()).await.unwrap();
            }
        }
    }

    pub(crate) async fn lsn(&self, query: &str) -> Lsn {
        let row = self.session.row(query, &[]).await.unwrap();
        row.get::<_, String>(0).parse().unwrap()
    }

    /// A restore of everything, into a directory that is not there yet.
    pub(crate) fn request(&self, at: &str) -> RestoreRequest {
        let number = self.restores.fetch_add(1, Ordering::Relaxed);
        let dir = self.cluster.root().join(format!("restore-{number}"));
        RestoreRequest {
            cluster: name(),
            at: at.parse().unwrap(),
            exclusive: false,
            agent: "db1".parse().unwrap(),
            dir: dir.to_str().unwrap().to_owned(),
            repository: None,
            start: false,
            port: None,
            set: [("fsync".to_owned(), "off".to_owned())].into(),
            action: TargetAction::Promote,
            tablespace_map: Default::default(),
            delta: false,
            force: false,
            checks: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// A directory beside the data directory, of the server's user.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.cluster.root().join(name);
        std::fs::create_dir(&path).unwrap();
        let owner = self.cluster.run_as();
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path
    }

    pub(crate) async fn plan(&self, request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        self.plan_at(request, None).await
    }

    /// A plan with what a control plane knows of the frontier.
    pub(crate) async fn plan_at(
        &self,
        request: &RestoreRequest,
        frontier: Option<ReportedFrontier>,
    ) -> Result<RestorePlan, Failure> {
        let question = PlanRequest {
            request_id: 1,
            repository: self.access.clone(),
            request: request.clone(),
            frontier,
            traceparent: None,
        };
        restore::plan(question, &self.host).await
    }

    /// Plans and restores.
    pub(crate) async fn restore(&self, request: &RestoreRequest) -> Restored {
        let plan = self.plan(request).await.unwrap();
        self.restore_as(request, plan).await
    }

    /// Restores as it was planned.
    pub(crate) async fn restore_as(&self, request: &RestoreRequest, plan: RestorePlan) -> Restored {
        let outcome = self.execute(request, plan.clone()).await;
        self.restored(plan, outcome)
    }

    /// What a restore that succeeded left.
    pub(crate) fn restored(&self, plan: RestorePlan, outcome: JobOutcome) -> Restored {
        let result: RestoreResult = serde_json::from_value(succeeded(outcome).result).unwrap();
        let phases: Vec<String> = result
            .phases
            .iter()
            .map(|time| time.phase.to_string())
            .collect();
        assert!(
            phases.starts_with(&["prepare", "copy", "wal", "verify"].map(str::to_owned)),
            "{phases:?}"
        );
        Restored {
            plan,
            result,
            programs: self.cluster.programs().clone(),
        }
    }

    pub(crate) async fn execute(&self, request: &RestoreRequest, plan: RestorePlan) -> JobOutcome {
        restore::run(self.restore_work(request, plan), context(), &self.host).await
    }

    pub(crate) fn restore_work(&self, request: &RestoreRequest, plan: RestorePlan) -> RestoreWork {
        RestoreWork {
            job: JobId::from_uuid(Uuid::now_v7()),
            repository: self.access.clone(),
            request: request.clone(),
            plan,
        }
    }

    /// Where the repository keeps an object of the server's timeline.
    pub(crate) async fn wal_object(&self, name: &str) -> PathBuf {
        let lineage = self.lineage().await.lineage();
        let below = format!(
            "repo/clusters/{}/{lineage}/wal/00000001/{name}",
            crate::fixture::name()
        );
        self.cluster.root().join(below)
    }

    /// How many backups the repository holds.
    pub(crate) async fn backups(&self) -> usize {
        self.lineage()
            .await
            .list_backups()
            .await
            .unwrap()
            .available
            .len()
    }

    /// Fails while PostgreSQL is in backup mode for us.
    pub(crate) async fn assert_no_backup_mode(&self) {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                     AND query ~ 'backup_start|start_backup'";
        // The server notices a closed connection a moment later.
        for _ in 0..100 {
            if self.cluster.psql(query) == "0" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a session still holds a backup open");
    }
}

/// A restored directory.
pub(crate) struct Restored {
    pub(crate) plan: RestorePlan,
    pub(crate) result: RestoreResult,
    programs: Programs,
}

impl Restored {
    pub(crate) fn dir(&self) -> &Path {
        Path::new(&self.result.dir)
    }

    fn program(&self, name: &str) -> Command {
        let user = holdfast_pg::binaries::RunAs::owner_of(self.dir()).unwrap();
        self.programs.blocking_command(name, user)
    }

    /// A session with the running copy.
    pub(crate) async fn connect(&self) -> Session {
        let (socket, port) = (
            self.result.socket_dir.as_deref().unwrap(),
            self.result.port.unwrap(),
        );
        connect(Path::new(socket), port).await
    }

    /// Starts a copy that was not started, as anybody would, and waits until
    /// it does or does not accept connections.
    pub(crate) fn start_plainly(&self, port: u16) -> bool {
        let mut start = self.program("pg_ctl");
        let options = format!("-p {port} -k {}", self.dir().parent().unwrap().display());
        start
            .args(["start", "-w", "-t", "60", "-D"])
            .arg(self.dir());
        start.arg("-l").arg(self.log()).args(["-o", &options]);
        start.output().unwrap().status.success()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir().with_extension("log")
    }

    pub(crate) fn stop(&self, mode: &str) {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "-w", "-m", mode, "-D"]).arg(self.dir());
        holdfast_pg::testkit::must_run(&mut stop);
    }

    pub(crate) fn is_running(&self) -> bool {
        let mut status = self.program("pg_ctl");
        status
            .args(["status", "-D"])
            .arg(self.dir())
            .output()
            .unwrap()
            .status
            .success()
    }

    /// `pg_verifybackup` of a directory that was not started.
    pub(crate) fn verify_backup(&self) {
        holdfast_pg::testkit::must_run(self.program("pg_verifybackup").arg(self.dir()));
    }

    /// Every index and table of the running copy, then every page of the
    /// stopped one.
    /// Asks the running copy, in one of its databases.
    pub(crate) fn psql_in(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        let (socket, port) = (
            self.result.socket_dir.as_deref().unwrap(),
            self.result.port.unwrap(),
        );
        psql.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
        ]);
        psql.args(["-h", socket, "-p", &port.to_string(), "-c", sql]);
        holdfast_pg::testkit::must_run(&mut psql)
            .trim_end()
            .to_owned()
    }

    pub(crate) fn check_everything(&self) {
        let mut amcheck = self.program("pg_amcheck");
        amcheck
            .arg("-h")
            .arg(self.result.socket_dir.as_deref().unwrap());
        amcheck.args([
            "-p",
            &self.result.port.unwrap().to_string(),
            "-U",
            "postgres",
        ]);
        amcheck.args(["--install-missing", "--heapallindexed", "-d", "postgres"]);
        holdfast_pg::testkit::must_run(&mut amcheck);
        self.stop("fast");
        let mut checksums = self.program("pg_checksums");
        holdfast_pg::testkit::must_run(checksums.args(["--check", "-D"]).arg(self.dir()));
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if self.is_running() {
            self.stop("immediate");
        }
    }
}

pub(crate) async fn connect(socket: &Path, port: u16) -> Session {
    let text = format!("host={} port={port} user=postgres", socket.display());
    Session::connect(&ConnectionInfo::parse(&text, None).unwrap())
        .await
        .unwrap()
}

pub(crate) fn name() -> Name {
    "orders".parse().unwrap()
}

/// Cancels a backup as soon as it is in a phase.
pub(crate) async fn cancelled_in(phase: JobPhase, work: BackupWork, host: &Host) -> JobOutcome {
    let cancel = CancellationToken::new();
    let cx = JobContext::new(cancel.clone());
    let run = backup::run(work, cx.clone(), host);
    let ending = async {
        let mut changes = cx.subscribe();
        while cx.state().phase != Some(phase) {
            changes.changed().await.unwrap();
        }
        cancel.cancel();
        std::future::pending::<JobOutcome>().await
    };
    tokio::select! {
        biased;
        outcome = ending => outcome,
        outcome = run => outcome,
    }
}

pub(crate) fn context() -> JobContext {
    JobContext::new(CancellationToken::new())
}

/// What every host of these tests allows: something that does nothing.
pub(crate) fn hooks() -> Hooks {
    let hook = HookConfig {
        command: vec!["/bin/true".to_owned()],
        timeout: Span::from_secs(60),
    };
    [("true".parse().unwrap(), hook)].into()
}

#[track_caller]
pub(crate) fn succeeded(outcome: JobOutcome) -> JobSuccess {
    match outcome {
        JobOutcome::Succeeded(success) => success,
        other => panic!("the job ended as {other:?}"),
    }
}

#[track_caller]
pub(crate) fn failure(outcome: JobOutcome) -> Failure {
    match outcome {
        JobOutcome::Failed(failure) => failure,
        other => panic!("the job ended as {other:?}"),
    }
}
