//! An agent with a namespace of its own, a PostgreSQL to protect, and a disk
//! with its journal and the repository.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use holdfast_pg::testkit::TestCluster;
use holdfast_tests::fleet::ROLE;
use holdfast_tests::process::Process;
use holdfast_tests::programs::program;
use rustix::process::Signal;

use crate::disk::{Cut, Disk, Keep, Names};
use crate::net::Net;

/// An agent and what is on its host.
#[derive(Debug)]
pub struct FaultyAgent {
    name: String,
    net: Arc<Net>,
    folder: PathBuf,
    process: Option<Process>,
    paused: bool,
    /// Its journal and the repository.
    pub disk: Disk,
    /// What it protects.
    pub postgres: TestCluster,
}

impl FaultyAgent {
    /// A host with PostgreSQL, and an agent that is not enrolled yet.
    ///
    /// # Panics
    /// When that cannot be made.
    pub fn place(net: &Arc<Net>, folder: &Path, name: &str) -> Self {
        let (at, images) = (folder.join(name), folder.join(format!("{name}-images")));
        let disk = Disk::mount(&at, &images, Names::Strict).expect("a disk");
        let programs = holdfast_pg::testkit::major(15);
        let postgres = TestCluster::builder(&programs)
            .initdb("--data-checksums")
            .start();
        postgres.psql(ROLE);
        Self {
            name: name.to_owned(),
            net: Arc::clone(net),
            folder: folder.to_owned(),
            process: None,
            paused: false,
            disk,
            postgres,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the repository on its disk.
    pub fn repository(&self) -> String {
        format!("file://{}", self.disk.path().join("repository").display())
    }

    fn data(&self) -> PathBuf {
        self.disk.path().join("agent")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Everything it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Enrols it at `server` and starts it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn enroll(&mut self, server: &str, token: &str) {
        let mut command = Command::new(program("holdfast-agent"));
        command.args([
            "enroll", "--server", server, "--token", token, "--name", &self.name,
        ]);
        command.arg("--data").arg(self.data());
        let ran = self.net.inside(&self.name, || command.output());
        let ran = ran.expect("holdfast-agent starts");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{} enrols: {said}", self.name);
        self.start();
    }

    /// Starts it.
    pub fn start(&mut self) {
        let mut command = Command::new(program("holdfast-agent"));
        command.arg("run").arg("--data").arg(self.data());
        let log = self.log_path();
        let started = self
            .net
            .inside(&self.name, || Process::start(&mut command, &log));
        self.process = Some(started);
        self.paused = false;
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
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

    /// Cuts the power under its journal and the repository; it is off afterwards.
    /// PostgreSQL is on another disk and goes on.
    ///
    /// # Panics
    /// When the disk cannot be taken off or put back.
    pub fn power_cut(&mut self, keep: &mut Keep) -> Cut {
        self.kill();
        let cut = self.disk.power_cut(keep);
        cut.unwrap_or_else(|error| panic!("the power of {} cannot be cut: {error}", self.name))
    }
}

impl Drop for FaultyAgent {
    fn drop(&mut self) {
        self.resume();
        self.kill();
    }
}
