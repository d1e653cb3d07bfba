//! A host of the world: a namespace, a disk, and the one program of ours that
//! runs there, with everything that can be done to a process.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::Arc;

use holdfast_tests::process::Process;
use rustix::process::Signal;

use crate::disk::{Cut, Disk, Keep, Names};
use crate::net::Net;

/// A host. What runs there is killed when it is dropped, before its disk goes.
#[derive(Debug)]
pub struct Host {
    // In the order in which they must end.
    process: Option<Process>,
    /// Its disk.
    pub disk: Disk,
    name: String,
    net: Arc<Net>,
    folder: PathBuf,
    paused: bool,
}

impl Host {
    /// A host with an empty disk; its files lie in `folder`.
    ///
    /// # Panics
    /// When the disk cannot be mounted.
    pub fn place(net: &Arc<Net>, folder: &Path, name: &str) -> Self {
        let (at, images) = (folder.join(name), folder.join(format!("{name}-images")));
        Self {
            process: None,
            disk: Disk::mount(&at, &images, Names::Strict).expect("a disk"),
            name: name.to_owned(),
            net: Arc::clone(net),
            folder: folder.to_owned(),
            paused: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the network.
    pub fn address(&self) -> &str {
        self.net.address(&self.name)
    }

    /// Where files about it lie, outside of its disk.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does something in its namespace.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.net.inside(&self.name, act)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Everything that its program has said, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Runs a command there until it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn output(&self, mut command: Command) -> Output {
        let ran = self.inside(|| command.output());
        ran.expect("the program starts")
    }

    /// Starts its program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&mut self, mut command: Command) {
        let log = self.log_path();
        let started = self.inside(|| Process::start(&mut command, &log));
        self.process = Some(started);
        self.paused = false;
    }

    /// How its program ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::ended)
    }

    /// Whether its program runs.
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

    /// Cuts its power; it is off afterwards.
    ///
    /// # Panics
    /// When the disk cannot be taken off or put back.
    pub fn power_cut(&mut self, keep: &mut Keep) -> Cut {
        self.kill();
        let cut = self.disk.power_cut(keep);
        cut.unwrap_or_else(|error| panic!("the power of {} cannot be cut: {error}", self.name))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.resume();
        // At once: its disk goes next.
        self.kill();
    }
}
