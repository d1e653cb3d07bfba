//! A server, a repository and a host, and what the tests ask of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdfast_agent::host::{Host, HostConfig, Sample, SessionState};
use holdfast_agent::wal::{Duty, DutyOptions};
use holdfast_pg::testkit::TestCluster;
use holdfast_proto::{InstanceAccess, RepositoryAccess, WalGap, WalReport, WalWork};
use holdfast_repo::{Codec, LineageRepository, RepositoryKey, WalRepository};
use holdfast_types::resource::{Compression, MaxRetained, WalMode, WhenFull};
use holdfast_types::{
    AssignmentId, Coverage, Generation, Lineage, Lsn, LsnRange, Name, Secret, Span, Timeline,
    WalSegment,
};
use tempfile::TempDir;
use tokio::sync::watch;

/// Longer than anything takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
pub(crate) const SLOT: &str = "holdfast_orders";

/// A repository, and hosts that use it.
pub(crate) struct Place {
    root: TempDir,
    key: Secret,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            root,
            key: RepositoryKey::generate().to_text(),
        }
    }

    /// An agent's process: every call is another one.
    pub(crate) fn host(&self) -> Host {
        let host = Host::with_executable(
            self.root.path().join("agent"),
            HostConfig::default(),
            "/nowhere",
        );
        std::fs::create_dir_all(host.data_dir()).unwrap();
        measure_clock(&host);
        host
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("repository")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn access(&self) -> RepositoryAccess {
        RepositoryAccess {
            name: "eu".parse().unwrap(),
            url: format!("file://{}", self.path().display()),
            region: None,
            endpoint: None,
            credentials: std::collections::BTreeMap::default(),
            key: self.key.clone(),
            bandwidth: None,
        }
    }

    /// A key file for commands.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.root.path().join("key");
        std::fs::write(&path, self.key.expose()).unwrap();
        path
    }

    pub(crate) fn work(&self, server: &TestCluster) -> WalWork {
        WalWork {
            cluster: cluster(),
            repository: self.access(),
            instance: InstanceAccess {
                connection: server.socket_conninfo(),
                password: None,
                data_directory: None,
                system_identifier: None,
            },
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

    pub(crate) fn start(&self, server: &TestCluster) -> Receiving {
        self.start_with(self.work(server), DutyOptions::default())
    }

    pub(crate) fn start_with(&self, work: WalWork, options: DutyOptions) -> Receiving {
        let host = self.host();
        let duty = Duty::start_with(duty_id(), Generation(1), work, host.clone(), options);
        let report = duty.report();
        Receiving { host, duty, report }
    }

    /// The lineage of `server`, looked at from outside.
    pub(crate) async fn lineage(&self, server: &TestCluster) -> LineageRepository {
        let repository = self.host().repository(&self.access()).await.unwrap();
        let lineage = Lineage {
            system_identifier: system_identifier(server),
            incarnation: 1,
        };
        repository.lineage(&cluster(), lineage).await.unwrap()
    }

    pub(crate) async fn wal(&self, server: &TestCluster) -> WalRepository {
        self.lineage(server).await.wal(Codec::DEFAULT)
    }

    /// What the repository holds of a timeline.
    pub(crate) async fn coverage(&self, server: &TestCluster, timeline: Timeline) -> Coverage {
        self.wal(server)
            .await
            .list(timeline)
            .await
            .unwrap()
            .coverage()
    }

    /// Makes every write into the repository fail, even for root.
    pub(crate) fn break_it(&self) {
        std::fs::rename(self.path().join("clusters"), self.path().join("away")).unwrap();
        std::fs::write(self.path().join("clusters"), "in the way").unwrap();
    }

    pub(crate) fn repair_it(&self) {
        std::fs::remove_file(self.path().join("clusters")).unwrap();
        std::fs::rename(self.path().join("away"), self.path().join("clusters")).unwrap();
    }
}

/// A duty at work.
pub(crate) struct Receiving {
    pub(crate) host: Host,
    pub(crate) duty: Duty,
    pub(crate) report: watch::Receiver<WalReport>,
}

impl Receiving {
    /// The first report of which `is` holds.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        is: impl FnMut(&WalReport) -> bool,
    ) -> WalReport {
        until(&mut self.report, what, is).await
    }

    /// Waits until everything that the server has written is stored.
    pub(crate) async fn caught_up(&mut self, server: &TestCluster) -> WalReport {
        let timeline = timeline(server);
        let position = insert_position(server);
        self.until(&format!("WAL to {position} on {timeline}"), |report| {
            end(report, timeline).is_some_and(|end| {
                // What is written behind a bare page header is not there yet.
                end >= position || position.bytes_since(end) <= 40
            })
        })
        .await
    }

    pub(crate) async fn trouble(&mut self, code: &str) -> WalReport {
        self.until(code, |report| {
            report.trouble.as_ref().is_some_and(|t| t.code == code)
        })
        .await
    }
}

pub(crate) async fn until(
    report: &mut watch::Receiver<WalReport>,
    what: &str,
    is: impl FnMut(&WalReport) -> bool,
) -> WalReport {
    let found = tokio::time::timeout(PATIENCE, report.wait_for(is)).await;
    let found = found.ok().map(|found| found.unwrap().clone());
    if let Some(found) = found {
        return found;
    }
    panic!(
        "waited in vain for {what}; the last report: {:#?}",
        report.borrow()
    );
}

/// Waits for what no report tells.
pub(crate) async fn eventually(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn cluster() -> Name {
    "orders".parse().unwrap()
}

pub(crate) fn duty_id() -> AssignmentId {
    "asg_00000000000000000000000000000001".parse().unwrap()
}

/// The control plane's clock is this host's.
pub(crate) fn measure_clock(host: &Host) {
    let now = host.clock().local_now();
    host.clock().measure(&Sample {
        agent_sent: now,
        control_received: now,
        control_sent: now,
        agent_received: now,
    });
}

pub(crate) fn quorum(host: &Host) {
    host.set_session(SessionState {
        connected: true,
        quorum_at: Some(Instant::now()),
    });
}

pub(crate) fn system_identifier(server: &TestCluster) -> u64 {
    server
        .psql("SELECT system_identifier FROM pg_control_system()")
        .parse()
        .unwrap()
}

pub(crate) fn insert_position(server: &TestCluster) -> Lsn {
    server
        .psql("SELECT pg_current_wal_insert_lsn()")
        .parse()
        .unwrap()
}

pub(crate) fn timeline(server: &TestCluster) -> Timeline {
    let sql = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";
    Timeline::new(u32::from_str_radix(&server.psql(sql), 16).unwrap()).unwrap()
}

/// The oldest WAL that the slot keeps; `None` without the slot.
pub(crate) fn kept_from(server: &TestCluster) -> Option<Lsn> {
    let sql = format!("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
    server.psql(&sql).parse().ok()
}

/// Some WAL: `megabytes` of incompressible rows.
pub(crate) fn write(server: &TestCluster, megabytes: u32) {
    server.psql("CREATE TABLE IF NOT EXISTS filler (data text)");
    server.psql(&format!(
        "INSERT INTO filler SELECT string_agg(md5(random()::text), '') \
         FROM generate_series(1, {megabytes}) m, generate_series(1, 32768) r GROUP BY m, r % 500"
    ));
}

/// Fills and recycles segments until the oldest WAL of now is gone.
pub(crate) fn lose_wal(server: &TestCluster) {
    for _ in 0..4 {
        write(server, 1);
        server.psql("SELECT pg_switch_wal()");
    }
    server.psql("CHECKPOINT\nCHECKPOINT");
}

pub(crate) fn end(report: &WalReport, timeline: Timeline) -> Option<Lsn> {
    let wal = report.wal.as_ref()?;
    let of_timeline = wal.timelines.iter().find(|one| one.timeline == timeline)?;
    Some(of_timeline.coverage.ranges().last()?.to_lsn)
}

pub(crate) fn gaps(report: &WalReport) -> Vec<WalGap> {
    let timelines = report.wal.iter().flat_map(|wal| &wal.timelines);
    timelines
        .flat_map(|timeline| timeline.gaps.clone())
        .collect()
}

/// Compares all stored segments that the server still has, and says how many.
pub(crate) async fn compare_with_server(wal: &WalRepository, server: &TestCluster) -> usize {
    let mut compared = 0;
    for timeline in wal.timelines().await.unwrap() {
        let listed = wal.list(timeline).await.unwrap();
        let size = server.psql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'");
        let size = holdfast_types::SegmentSize::new(size.parse().unwrap()).unwrap();
        for LsnRange { from_lsn, to_lsn } in listed.segments.ranges() {
            let mut segment = WalSegment::containing(timeline, *from_lsn, size);
            while segment.start() < *to_lsn {
                let file = server.data_dir().join("pg_wal").join(segment.to_string());
                if let Ok(expected) = std::fs::read(file) {
                    let fetched = wal.fetch_segment(segment).await.unwrap();
                    let holdfast_repo::Fetched::Full(bytes) = fetched else {
                        panic!("{segment} is listed as full")
                    };
                    assert!(bytes == expected, "{segment} is not what the server has");
                    compared += 1;
                }
                segment = segment.next();
            }
        }
    }
    compared
}
