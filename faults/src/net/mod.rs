//! A network of our own: a namespace for every node and agent, joined by a
//! bridge in one more namespace. The machine's own network is not touched.
//!
//! What is cut is cut by nftables inside the namespaces: packets vanish, as on a
//! broken wire, in one direction or both.

mod janitor;
mod rules;
mod slow;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub use janitor::clean_up;
pub use rules::Rules;
use slow::Slow;
use tempfile::TempDir;

/// How the addresses of a network begin.
const BASE: &str = "10.99.0.";
/// All its addresses.
pub const SUBNET: &str = "10.99.0.0/24";

/// So that several networks of one process do not meet.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// A network could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[error("{command}: {problem}; is this root, with iproute2 and nftables installed?")]
pub struct NetError {
    command: String,
    problem: String,
}

impl NetError {
    fn of(command: &str, error: &io::Error) -> Self {
        Self {
            command: command.to_owned(),
            problem: error.to_string(),
        }
    }
}

/// The namespaces, gone when this is dropped.
#[derive(Debug)]
pub struct Net {
    prefix: String,
    addresses: BTreeMap<String, String>,
    /// Each member's end of its wire, in the hub.
    ports: BTreeMap<String, String>,
    slow: Mutex<BTreeMap<String, Slow>>,
    folder: TempDir,
}

impl Net {
    /// Makes a namespace for each of `names`, all reaching each other.
    pub fn new(names: &[&str]) -> Result<Self, NetError> {
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{}{}-{number}-", crate::PREFIX, std::process::id());
        let folder = tempfile::tempdir().map_err(|error| NetError::of("tempdir", &error))?;
        let mut net = Self {
            prefix,
            addresses: BTreeMap::new(),
            ports: BTreeMap::new(),
            slow: Mutex::default(),
            folder,
        };
        let hub = net.space("hub");
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for (host, name) in (1..).zip(names) {
            net.add(name, host)?;
        }
        Ok(net)
    }

    fn add(&mut self, name: &str, host: u8) -> Result<(), NetError> {
        let (hub, space) = (self.space("hub"), self.space(name));
        let (port, address) = (format!("port{host}"), format!("{BASE}{host}"));
        ip(&["netns", "add", &space])?;
        self.addresses.insert(name.to_owned(), address.clone());
        self.ports.insert(name.to_owned(), port.clone());
        ip(&["-n", &space, "link", "set", "lo", "up"])?;
        let link = [
            "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space,
        ];
        ip(&[&["-n", &hub][..], &link].concat())?;
        ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
        let address = format!("{address}/24");
        ip(&["-n", &space, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &space, "link", "set", "eth0", "up"])
    }

    fn space(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The address of a member.
    ///
    /// # Panics
    /// When there is no such member.
    pub fn address(&self, name: &str) -> &str {
        let known = self.addresses.get(name);
        known.unwrap_or_else(|| panic!("{name} is not in this network"))
    }

    /// Does something as `name`: what it connects, binds or starts is in that
    /// member's network.
    ///
    /// # Panics
    /// When the namespace cannot be entered, or `act` panics.
    pub fn inside<T: Send>(&self, name: &str, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter(name).expect("the namespace can be entered");
                act()
            });
            match there.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Moves the calling thread into a member's network, for good.
    pub fn enter(&self, name: &str) -> io::Result<()> {
        let space = File::open(format!("/run/netns/{}", self.space(name)))?;
        let kind = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&space),
            kind,
        )?)
    }

    /// Cuts and mends: from now on the network is as `rules` say.
    pub fn apply(&self, rules: &Rules) -> Result<(), NetError> {
        for name in self.addresses.keys() {
            let script = rules.script(name, &self.addresses);
            run(
                "ip",
                &["netns", "exec", &self.space(name), "nft", "-f", "-"],
                &script,
            )?;
        }
        self.slow_down(&rules.delay)
    }

    fn slow_down(&self, delay: &BTreeMap<String, Duration>) -> Result<(), NetError> {
        let mut slow = self.slow.lock().expect("nobody panics with it");
        for (name, port) in &self.ports {
            let wanted = delay.get(name).copied();
            if slow.get(name).map(|slow| slow.delay) == wanted {
                continue;
            }
            if let Some(now) = slow.remove(name) {
                now.stop()?;
            }
            if let Some(delay) = wanted {
                let (folder, hub) = (self.folder.path(), self.space("hub"));
                let now = self.inside("hub", || Slow::start(folder, &hub, port, delay))?;
                slow.insert(name.clone(), now);
            }
        }
        Ok(())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        janitor::remove_spaces(&self.prefix);
    }
}

fn ip(arguments: &[&str]) -> Result<(), NetError> {
    run("ip", arguments, "")
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<(), NetError> {
    let failed = |problem: String| NetError {
        command: format!("{program} {}", arguments.join(" ")),
        problem,
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut pipe) = child.stdin.take() {
        let written = pipe.write_all(input.as_bytes());
        written.map_err(|error| failed(error.to_string()))?;
    }
    let ran = child.wait_with_output();
    let ran = ran.map_err(|error| failed(error.to_string()))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
    ))
}
