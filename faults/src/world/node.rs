//! A node of the control plane with a namespace, a disk and a clock of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_tests::cli::Cli;
use holdfast_tests::process::Process;
use holdfast_tests::programs::program;
use rustix::process::Signal;

use super::REST;
use crate::clock::Clock;
use crate::disk::{Cut, Disk, Keep, Names};
use crate::net::Net;

/// How long a node may take to serve again, with others that do.
pub(super) const READY_MAX: Duration = Duration::from_secs(60);

/// A node.
#[derive(Debug)]
pub struct FaultyNode {
    name: String,
    net: Arc<Net>,
    folder: PathBuf,
    /// Where its data is.
    pub disk: Disk,
    /// What it takes for the time.
    pub clock: Clock,
    process: Option<Process>,
    paused: bool,
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
        let (at, images) = (folder.join(name), folder.join(format!("{name}-images")));
        let disk = Disk::mount(&at, &images, Names::Strict).expect("a disk");
        let clock = Clock::new(folder, name).expect("a clock");
        Self {
            name: name.to_owned(),
            net: Arc::clone(net),
            folder: folder.to_owned(),
            disk,
            clock,
            process: None,
            paused: false,
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
        let Some(status) = self.ended() else { return };
        self.doomed = false;
        let log = self.log();
        let said: Vec<&str> = log.lines().rev().take(2).collect();
        let said = format!("{} ({status}): {}", self.name, said.join(" / "));
        self.stopped.push(said);
        self.start(false);
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Everything it has said, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Starts it.
    pub fn start(&mut self, bootstrap: bool) {
        let address = self.net.address(&self.name).to_owned();
        let mut command = Command::new(program("holdfastd"));
        command.args(["run", "--rest", "127.0.0.1:8080", "--advertise", &address]);
        command.args([
            "--grpc",
            &format!("{address}:8443"),
            "--raft",
            &format!("{address}:8444"),
        ]);
        command.arg("--data").arg(self.data());
        command.envs(self.clock.environment());
        if bootstrap {
            command.arg("--bootstrap");
        }
        // What an earlier life left says nothing about this one.
        drop(std::fs::remove_file(self.data().join("listen.json")));
        let log = self.log_path();
        let started = self
            .net
            .inside(&self.name, || Process::start(&mut command, &log));
        self.process = Some(started);
        self.paused = false;
    }

    /// Makes it a member of the group that is reached at `server`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn join(&mut self, server: &str, token: &str) {
        let mut command = Command::new(program("holdfastd"));
        command.args([
            "join", "--server", server, "--token", token, "--name", &self.name,
        ]);
        command.args(["--advertise", self.net.address(&self.name)]);
        command.arg("--data").arg(self.data());
        let joined = self.net.inside(&self.name, || command.output());
        let joined = joined.expect("holdfastd starts");
        let said = String::from_utf8_lossy(&joined.stderr);
        assert!(joined.status.success(), "{} joins: {said}", self.name);
        self.start(false);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::ended)
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process.is_some() && self.ended().is_none()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
        self.process = None;
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        self.paused = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        if self.paused {
            self.signal(Signal::CONT);
        }
        self.paused = false;
    }

    fn signal(&mut self, signal: Signal) {
        if self.runs()
            && let Some(process) = &self.process
        {
            process.signal(signal);
        }
    }

    /// Cuts the power of its host; it is off afterwards.
    ///
    /// # Panics
    /// When the disk cannot be taken off or put back.
    pub fn power_cut(&mut self, keep: &mut Keep) -> Cut {
        self.kill();
        let cut = self.disk.power_cut(keep);
        cut.unwrap_or_else(|error| panic!("the power of {} cannot be cut: {error}", self.name))
    }

    /// Empties its disk, as a new one is.
    ///
    /// # Panics
    /// When that fails.
    pub fn wipe(&mut self) {
        self.kill();
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
            let ended = self.ended();
            if self.doomed && ended.is_some() {
                self.start_what_stopped();
                continue;
            }
            if ended.is_none() && self.is_ready() {
                return;
            }
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            if let Some(status) = ended {
                panic!(
                    "{} ended with {status}, the last first: {last:#?}",
                    self.name
                );
            }
            let in_time = started.elapsed() < READY_MAX;
            assert!(
                in_time,
                "{} does not serve, the last first: {last:#?}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Does something with a CLI that asks this node alone.
    pub fn cli<T: Send>(&self, act: impl FnOnce(&Cli) -> T + Send) -> T {
        let cli = Cli::new(REST, &self.folder.join("cli.toml"));
        self.net.inside(&self.name, || act(&cli))
    }
}

impl Drop for FaultyNode {
    fn drop(&mut self) {
        self.resume();
        // At once: its disk goes next.
        self.kill();
    }
}
