//! A process of ours: its log in a file, ended when the value is dropped.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::until::until;

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs going to `log`, after what is there.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let twin = file.try_clone().expect("a second handle of the log");
        // Of its own group: an interrupt at the terminal is for us, and we end it.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(file).stderr(twin);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Lets it run on when this value and this program are gone.
    pub fn leave(self) -> u32 {
        let id = self.id();
        std::mem::forget(self);
        id
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("a signal to a running child");
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end, and says how it did.
    ///
    /// # Panics
    /// When it does not end within the 10 s of the contract.
    pub fn stop(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let what = format!("the end of the process that logs to {}", log.display());
        until(&what, Duration::from_secs(11), || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // Asked first: a killed program could leave children behind.
        self.signal(Signal::TERM);
        for _ in 0..100 {
            if self.ended().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill();
    }
}
