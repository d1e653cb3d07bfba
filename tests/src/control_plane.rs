//! A node of the control plane.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::cli::Cli;
use crate::process::Process;
use crate::programs::{Release, program};
use crate::until::until;

/// A running `holdfastd` with its own data directory.
#[derive(Debug)]
pub struct ControlPlane {
    data: PathBuf,
    addresses: Addresses,
    settings: Vec<(&'static str, &'static str)>,
    release: Release,
    process: Process,
}

/// Where a node listens: kept over restarts, so that others find it again.
#[derive(Debug, Clone)]
pub struct Addresses {
    rest: String,
    grpc: String,
    raft: String,
}

impl Addresses {
    /// Ports that the operating system chooses.
    pub fn any() -> Self {
        let any = || "127.0.0.1:0".to_owned();
        Self {
            rest: any(),
            grpc: any(),
            raft: any(),
        }
    }

    /// These ports of the loopback address.
    pub fn ports(rest: u16, grpc: u16, raft: u16) -> Self {
        let on = |port: u16| format!("127.0.0.1:{port}");
        Self {
            rest: on(rest),
            grpc: on(grpc),
            raft: on(raft),
        }
    }
}

impl ControlPlane {
    /// Founds a control plane in `folder` and waits until it is ready.
    pub fn bootstrap(folder: &Path) -> Self {
        Self::bootstrap_at(folder, Addresses::any())
    }

    /// The same at given addresses.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn bootstrap_at(folder: &Path, addresses: Addresses) -> Self {
        Self::bootstrap_with(folder, addresses, &[])
    }

    /// The same with settings, as environment variables.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn bootstrap_with(
        folder: &Path,
        addresses: Addresses,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        Self::found(folder, addresses, settings.to_vec(), Release::Current)
    }

    /// Founds one that runs the programs of that release.
    pub fn bootstrap_release(folder: &Path, release: Release) -> Self {
        Self::found(folder, Addresses::any(), Vec::new(), release)
    }

    fn found(
        folder: &Path,
        addresses: Addresses,
        settings: Vec<(&'static str, &'static str)>,
        release: Release,
    ) -> Self {
        let data = folder.join("control-plane");
        let process = start(release, &data, &addresses, &settings, true);
        let mut node = Self {
            data,
            addresses,
            settings,
            release,
            process,
        };
        node.wait_ready();
        node.keep_addresses();
        node
    }

    /// Lets a node join this one's control plane, and waits until it votes.
    ///
    /// # Panics
    /// When it does not.
    pub fn join(&self, cli: &Cli, folder: &Path, name: &str, addresses: Addresses) -> Self {
        let data = folder.join(name);
        let token = cli.json(["node", "add"])["token"].clone();
        let token = token.as_str().expect("a node token");
        let joined = try_join_as(self.release, &self.grpc(), token, name, &data);
        let said = String::from_utf8_lossy(&joined.stderr);
        assert!(joined.status.success(), "{name} joins: {said}");
        let settings = self.settings.clone();
        let process = start(self.release, &data, &addresses, &settings, false);
        let mut node = Self {
            data,
            addresses,
            settings,
            release: self.release,
            process,
        };
        node.wait_ready();
        node.keep_addresses();
        until("the node to vote", Duration::from_secs(30), || {
            let nodes = cli.json(["node", "list"]);
            let items = nodes["items"].as_array().expect("a list").clone();
            let mut own = items.iter().filter(|item| item["name"] == name);
            own.any(|item| item["state"] == "member").then_some(())
        });
        node
    }

    fn keep_addresses(&mut self) {
        let address = |name: &str| {
            let url = self.listen()[name].as_str().expect("an address").to_owned();
            url.split_once("://").expect("a URL").1.to_owned()
        };
        self.addresses = Addresses {
            rest: address("rest"),
            grpc: address("grpc"),
            raft: address("raft"),
        };
    }

    /// What it wrote when it became ready.
    ///
    /// # Panics
    /// When it has not.
    pub fn listen(&self) -> Value {
        let text = std::fs::read_to_string(self.data.join("listen.json")).expect("listen.json");
        serde_json::from_str(&text).expect("listen.json is JSON")
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The URL of its REST API.
    ///
    /// The file with its CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.data.join("ca.pem")
    }

    /// # Panics
    /// When it is not ready.
    pub fn rest(&self) -> String {
        self.listen()["rest"].as_str().expect("a URL").to_owned()
    }

    /// The address of its REST API, also while it is down.
    pub fn rest_address(&self) -> &str {
        &self.addresses.rest
    }

    /// The URL that agents dial.
    ///
    /// # Panics
    /// When it is not ready.
    pub fn grpc(&self) -> String {
        self.listen()["grpc"].as_str().expect("a URL").to_owned()
    }

    /// The password of `admin`.
    ///
    /// # Panics
    /// When it was never written.
    pub fn admin_password(&self) -> String {
        let line = std::fs::read_to_string(self.data.join("bootstrap-admin"));
        let line = line.expect("bootstrap-admin");
        line.trim()
            .strip_prefix("admin:")
            .expect("admin:PASSWORD")
            .to_owned()
    }

    /// A CLI that is logged in as `admin`.
    pub fn cli(&self) -> Cli {
        let cli = Cli::new(self.rest(), &self.data.join("cli.toml"));
        cli.login("admin", &self.admin_password());
        cli
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Lets it run on when this program is gone; its process id.
    pub fn leave(self) -> u32 {
        self.process.leave()
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it as a power cut would, and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
        drop(std::fs::remove_file(self.data.join("listen.json")));
    }

    /// Starts it again on the same data and addresses.
    pub fn restart(&mut self) {
        self.begin_restart();
        self.wait_ready();
    }

    /// Ends it as a service manager does, and starts it again on the same data
    /// at ports that the operating system chooses.
    pub fn restart_elsewhere(&mut self) {
        self.process.stop();
        drop(std::fs::remove_file(self.data.join("listen.json")));
        self.addresses = Addresses::any();
        self.restart();
        self.keep_addresses();
    }

    /// Ends it if it runs, and starts it again with settings added or changed.
    pub fn restart_with(&mut self, settings: &[(&'static str, &'static str)]) {
        self.begin_restart_with(settings);
        self.wait_ready();
    }

    /// The same without waiting until it is ready.
    pub fn begin_restart_with(&mut self, settings: &[(&'static str, &'static str)]) {
        self.process.stop();
        drop(std::fs::remove_file(self.data.join("listen.json")));
        for (name, value) in settings {
            self.settings.retain(|(known, _)| known != name);
            self.settings.push((name, value));
        }
        self.begin_restart();
    }

    /// Starts it again without waiting: others may have to come back first.
    pub fn begin_restart(&mut self) {
        self.process = start(
            self.release,
            &self.data,
            &self.addresses,
            &self.settings,
            false,
        );
    }

    /// Ends it as a service manager does, and starts the programs of `release`
    /// on its data.
    pub fn restart_as(&mut self, release: Release) {
        self.process.stop();
        drop(std::fs::remove_file(self.data.join("listen.json")));
        self.release = release;
        self.restart();
    }

    /// Which programs it runs.
    pub const fn release(&self) -> Release {
        self.release
    }

    /// Makes it anew from a snapshot of its state, at the same addresses, and
    /// waits until it is ready.
    ///
    /// # Panics
    /// When that fails.
    pub fn restore_state(&mut self, from: &RestoreState) {
        let ran = from.run(&self.data, &self.addresses);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "restore-state: {said}");
        self.restart();
    }

    /// Makes its catalog anew from repositories, at the same addresses, and waits
    /// until it is ready. What the command printed.
    ///
    /// # Panics
    /// When that fails.
    pub fn rebuild(&mut self, from: &Rebuild) -> Value {
        let ran = from.run(&self.data, &self.addresses);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "rebuild: {said}");
        self.restart();
        serde_json::from_slice(&ran.stdout).expect("JSON")
    }

    /// Starts it again without a setting that held it back.
    pub fn upgrade(&mut self, setting: &str) {
        self.settings.retain(|(name, _)| *name != setting);
        drop(std::fs::remove_file(self.data.join("listen.json")));
        self.begin_restart();
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn wait_ready(&mut self) {
        let listen = self.data.join("listen.json");
        until(
            "the control plane to be ready",
            Duration::from_secs(30),
            || {
                if let Some(status) = self.process.ended() {
                    panic!("holdfastd ended with {status}: {}", self.process.log());
                }
                listen.exists().then_some(())
            },
        );
    }
}

/// What `holdfastd restore-state` is told.
#[derive(Debug, Clone)]
pub struct RestoreState {
    /// The repository.
    pub url: String,
    /// Its key.
    pub key_file: PathBuf,
    /// The sealing key.
    pub sealing_key_file: PathBuf,
    /// The store's credentials.
    pub environment: Vec<(&'static str, String)>,
    /// Further flags.
    pub more: Vec<String>,
}

impl RestoreState {
    /// Runs it and says how that went.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, data: &Path, addresses: &Addresses) -> Output {
        let mut command = Command::new(program("holdfastd"));
        let environment = self.environment.iter();
        command.envs(environment.map(|(name, value)| (*name, value.as_str())));
        command.args(["restore-state", "--from", &self.url]);
        command.arg("--key-file").arg(&self.key_file);
        command
            .arg("--sealing-key-file")
            .arg(&self.sealing_key_file);
        command.arg("--data").arg(data).args(&self.more);
        command.args(["--rest", &addresses.rest]);
        command.args(["--grpc", &addresses.grpc]);
        command.args(["--raft", &addresses.raft]);
        command.output().expect("holdfastd starts")
    }
}

/// What `holdfastd rebuild` is told.
#[derive(Debug, Clone)]
pub struct Rebuild {
    /// The documents of the repositories.
    pub documents: PathBuf,
    /// Keys, secrets and further flags.
    pub more: Vec<String>,
}

impl Rebuild {
    /// Runs it and says how that went.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, data: &Path, addresses: &Addresses) -> Output {
        self.command(data, addresses)
            .output()
            .expect("holdfastd starts")
    }

    /// Starts it, for ending it in the middle; its log lies beside `data`.
    pub fn start(&self, data: &Path, addresses: &Addresses) -> Process {
        let mut command = self.command(data, addresses);
        Process::start(&mut command, &data.with_extension("rebuild.log"))
    }

    fn command(&self, data: &Path, addresses: &Addresses) -> Command {
        let mut command = Command::new(program("holdfastd"));
        command.arg("rebuild").arg("--file").arg(&self.documents);
        command.args(["-o", "json", "--data"]).arg(data);
        command.args(&self.more);
        command.args(["--rest", &addresses.rest]);
        command.args(["--grpc", &addresses.grpc]);
        command.args(["--raft", &addresses.raft]);
        command
    }
}

/// Runs `holdfastd join` and says how that went.
///
/// # Panics
/// When it cannot be started.
pub fn try_join(server: &str, token: &str, name: &str, data: &Path) -> Output {
    try_join_as(Release::Current, server, token, name, data)
}

fn try_join_as(release: Release, server: &str, token: &str, name: &str, data: &Path) -> Output {
    let mut command = Command::new(release.program("holdfastd"));
    command.args(["join", "--server", server, "--token", token, "--name", name]);
    command.arg("--data").arg(data);
    command.output().expect("holdfastd starts")
}

fn start(
    release: Release,
    data: &Path,
    addresses: &Addresses,
    settings: &[(&'static str, &'static str)],
    bootstrap: bool,
) -> Process {
    let mut command = Command::new(release.program("holdfastd"));
    command.envs(settings.iter().copied());
    command.arg("run").arg("--data").arg(data);
    command.args(["--rest", &addresses.rest]);
    command.args(["--grpc", &addresses.grpc]);
    command.args(["--raft", &addresses.raft]);
    if bootstrap {
        command.arg("--bootstrap");
    }
    Process::start(&mut command, &data.with_extension("log"))
}
