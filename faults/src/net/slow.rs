//! A slow wire between a member and the others: its end of the bridge is led
//! through two TAP interfaces, between which a small program of ours holds every
//! frame for a while. The kernel's `netem` would do it, but not every kernel has
//! that; TAP interfaces every one has.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{NetError, ip};
use crate::c::compile;

const SOURCE: &str = include_str!("delay.c");

/// A member's wire while it is slow.
#[derive(Debug)]
pub(super) struct Slow {
    hub: String,
    port: String,
    bridge: String,
    program: Child,
    /// By how much.
    pub(super) delay: Duration,
}

impl Slow {
    /// Slows the wire of the member whose end is `port` in the namespace `hub`,
    /// in which the caller must be: each frame by `delay` and up to half of it more.
    /// The program lies in `folder`.
    ///
    /// It is not started by `ip netns exec`: that gives a program its own copies of
    /// all mounts, and a disk whose power is cut would stay mounted there.
    pub(super) fn start(
        folder: &Path,
        hub: &str,
        port: &str,
        delay: Duration,
    ) -> Result<Self, NetError> {
        let program = built(folder).map_err(|error| NetError::of("cc delay.c", &error))?;
        let (near, far) = (format!("{port}-near"), format!("{port}-far"));
        let bridge = format!("{port}-slow");
        let mut command = Command::new(program);
        command.args([&near, &far]);
        command.arg(delay.as_millis().to_string());
        command.arg((delay.as_millis() / 2).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let program = command.spawn().and_then(ready);
        let program = program.map_err(|error| NetError::of("delay", &error))?;
        let slow = Self {
            hub: hub.to_owned(),
            port: port.to_owned(),
            bridge,
            program,
            delay,
        };
        slow.link(&["add", &slow.bridge, "type", "bridge"])?;
        slow.link(&["set", &slow.bridge, "up"])?;
        slow.link(&["set", &near, "master", &slow.bridge, "up"])?;
        slow.link(&["set", &far, "master", "bridge", "up"])?;
        slow.link(&["set", port, "master", &slow.bridge])?;
        Ok(slow)
    }

    /// Makes the wire fast again. What is on it gets lost.
    pub(super) fn stop(mut self) -> Result<(), NetError> {
        self.link(&["set", &self.port, "master", "bridge"])?;
        self.link(&["delete", &self.bridge])?;
        // The end of its input ends it, and with it its interfaces.
        drop(self.program.stdin.take());
        let ended = self.program.wait();
        ended.map_err(|error| NetError::of("delay", &error))?;
        Ok(())
    }

    fn link(&self, arguments: &[&str]) -> Result<(), NetError> {
        ip(&[&["-n", &self.hub, "link"][..], arguments].concat())
    }
}

fn built(folder: &Path) -> io::Result<PathBuf> {
    let program = folder.join("delay");
    if !program.exists() {
        compile(SOURCE, &program, &[])?;
    }
    Ok(program)
}

/// Waits until it has its interfaces.
fn ready(mut program: Child) -> io::Result<Child> {
    let mut said = String::new();
    if let Some(output) = program.stdout.take() {
        BufReader::new(output).read_line(&mut said)?;
    }
    if said.trim() == "ready" {
        return Ok(program);
    }
    let status = program.wait()?;
    Err(io::Error::other(format!("it ended with {status}")))
}
