//! A node of the control plane with a namespace, a disk and a clock of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_tests::cli::Cli;
use holdfast_tests::programs::program;

use super::{Host, REST};
use crate::clock::Clock;
use crate::net::Net;

/// The port at which nodes hear each other.
pub const RAFT: u16 = 8444;

/// How long a node may take to serve again, with others that do.
pub(super) const READY_MAX: Duration = Duration::from_secs(60);

/// A node.
#[derive(Debug)]
pub struct FaultyNode {
    /// Where it runs, with its data on the disk.
    pub host: Host,
    /// What it takes for the time.
    pub clock: Clock,
    doomed: bool,
    /// What it said when it stopped by itself, since that was taken last.
    pub stopped: Vec<String>,
}

impl FaultyNode {
    /// A place for a node, with nothing on its disk.
    ///
    /// # Panics
    /// When the disk cannot be mounted.
    pub fn place(net: &Arc<Net>, folder: &Path, name: &str) -> Self {
        Self {
            host: Host::place(net, folder, name),
            clock: Clock::new(folder, name).expect("a clock"),
            doomed: false,
            stopped: Vec::new(),
        }
    }

    /// Its disk has failed it: it may stop, now or in a moment, and is then
    /// started again.
    pub const fn doom(&mut self) {
        self.doomed = true;
    }

    /// Notes that it has stopped by itself, and starts it again.
    pub fn start_what_stopped(&mut self) {
        let Some(status) = self.host.ended() else {
            return;
        };
        self.doomed = false;
        let log = self.host.log();
        let said: Vec<&str> = log.lines().rev().take(2).collect();
        let said = format!("{} ({status}): {}", self.host.name(), said.join(" / "));
        self.stopped.push(said);
        self.start(false);
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.host.disk.path().join("data")
    }

    /// Starts it.
    pub fn start(&mut self, bootstrap: bool) {
        let address = self.host.address();
        let (grpc, raft) = (format!("{address}:8443"), format!("{address}:{RAFT}"));
        let mut command = Command::new(program("holdfastd"));
        command.args(["run", "--rest", "127.0.0.1:8080", "--advertise", address]);
        command.args(["--grpc", &grpc, "--raft", &raft]);
        command.arg("--data").arg(self.data());
        command.envs(self.clock.environment());
        // What expires goes soon, so that it goes while things go wrong.
        command.env("HOLDFAST_EXPIRY__EVERY", "2s");
        command.env("HOLDFAST_EXPIRY__GRACE", "5s");
        if bootstrap {
            command.arg("--bootstrap");
        }
        // What an earlier life left says nothing about this one.
        drop(std::fs::remove_file(self.data().join("listen.json")));
        self.host.start(command);
    }

    /// Makes it a member of the group that is reached at `server`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn join(&mut self, server: &str, token: &str) {
        let name = self.host.name();
        let mut command = Command::new(program("holdfastd"));
        command.args(["join", "--server", server, "--token", token]);
        command.args(["--name", name, "--advertise", self.host.address()]);
        command.arg("--data").arg(self.data());
        let joined = self.host.output(command);
        let said = String::from_utf8_lossy(&joined.stderr);
        assert!(joined.status.success(), "{name} joins: {said}");
        self.start(false);
    }

    /// Empties its disk, as a new one is.
    ///
    /// # Panics
    /// When that fails.
    pub fn wipe(&mut self) {
        self.host.kill();
        std::fs::remove_dir_all(self.data()).expect("the data can be removed");
    }

    /// Whether it has said that it serves.
    pub fn is_ready(&self) -> bool {
        self.data().join("listen.json").exists()
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it ends instead, or does not in time.
    pub fn wait_ready(&mut self) {
        let started = Instant::now();
        loop {
            let ended = self.host.ended();
            if self.doomed && ended.is_some() {
                self.start_what_stopped();
                continue;
            }
            if ended.is_none() && self.is_ready() {
                return;
            }
            let log = self.host.log();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            let name = self.host.name();
            if let Some(status) = ended {
                panic!("{name} ended with {status}, the last first: {last:#?}");
            }
            let in_time = started.elapsed() < READY_MAX;
            assert!(in_time, "{name} does not serve, the last first: {last:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Does something with a CLI that asks this node alone.
    pub fn cli<T: Send>(&self, act: impl FnOnce(&Cli) -> T + Send) -> T {
        let cli = Cli::new(REST, &self.host.folder().join("cli.toml"));
        self.host.inside(|| act(&cli))
    }
}
