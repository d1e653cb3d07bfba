//! An agent with a namespace and a disk of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use holdfast_tests::programs::program;

use super::Host;
use crate::net::Net;

/// So long without a quorum, and up to half of it more, and an agent follows
/// its schedules itself. Longer than most faults last, short enough to wait for.
const TAKE_OVER_AFTER: &str = "6s";

/// An agent and what is on its host.
#[derive(Debug)]
pub struct FaultyAgent {
    /// Where it runs. On the disk are its journal and, at the first agent, the
    /// repository.
    pub host: Host,
}

impl FaultyAgent {
    /// An agent that is not enrolled yet.
    ///
    /// # Panics
    /// When its disk cannot be mounted.
    pub fn place(net: &Arc<Net>, folder: &Path, name: &str) -> Self {
        Self {
            host: Host::place(net, folder, name),
        }
    }

    fn data(&self) -> PathBuf {
        self.host.disk.path().join("agent")
    }

    /// Enrols it at `server` and starts it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn enroll(&mut self, server: &str, token: &str) {
        let mut command = Command::new(program("holdfast-agent"));
        command.args(["enroll", "--server", server, "--token", token]);
        command.args(["--name", self.host.name()]);
        command.arg("--data").arg(self.data());
        let ran = self.host.output(command);
        let said = String::from_utf8_lossy(&ran.stderr);
        let name = self.host.name();
        assert!(ran.status.success(), "{name} enrols: {said}");
        self.start();
    }

    /// Starts it unless it runs.
    pub fn start_if_down(&mut self) {
        if !self.host.runs() {
            self.start();
        }
    }

    /// Starts it.
    pub fn start(&mut self) {
        let mut command = Command::new(program("holdfast-agent"));
        command.arg("run").arg("--data").arg(self.data());
        command.env("HOLDFAST_CONTROL__TAKE_OVER_AFTER", TAKE_OVER_AFTER);
        self.host.start(command);
    }
}
