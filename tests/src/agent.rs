//! An agent on this host.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::cli::Cli;
use crate::control_plane::ControlPlane;
use crate::process::Process;
use crate::programs::Release;
use crate::until::until;

/// A running, enrolled `holdfast-agent`.
#[derive(Debug)]
pub struct Agent {
    name: String,
    data: PathBuf,
    bin_dir: Option<PathBuf>,
    release: Release,
    process: Process,
}

impl Agent {
    /// Enrols an agent and waits until its session is up.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn enroll(control_plane: &ControlPlane, cli: &Cli, folder: &Path, name: &str) -> Self {
        Self::enroll_with(control_plane, cli, folder, name, None)
    }

    /// The same, on a host whose PostgreSQL is installed in `bin_dir`.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn enroll_with(
        control_plane: &ControlPlane,
        cli: &Cli,
        folder: &Path,
        name: &str,
        bin_dir: Option<&Path>,
    ) -> Self {
        Self::enroll_with_token(
            control_plane,
            cli.json(["agent", "token", "create"]),
            (folder, name),
            bin_dir,
        )
    }

    /// The same, in a region.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn enroll_in(
        control_plane: &ControlPlane,
        cli: &Cli,
        folder: &Path,
        (name, region): (&str, &str),
        bin_dir: Option<&Path>,
    ) -> Self {
        let token = cli.json(["agent", "token", "create", "--region", region]);
        Self::enroll_with_token(control_plane, token, (folder, name), bin_dir)
    }

    fn enroll_with_token(
        control_plane: &ControlPlane,
        token: serde_json::Value,
        (folder, name): (&Path, &str),
        bin_dir: Option<&Path>,
    ) -> Self {
        let data = folder.join(format!("agent-{name}"));
        let token = token["token"].as_str().expect("a join token");
        let release = control_plane.release();
        let output = try_enroll_as(release, &control_plane.grpc(), token, name, &data);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "enrolling {name}: {said}");
        let bin_dir = bin_dir.map(Path::to_owned);
        let process = run(release, &data, bin_dir.as_deref());
        let mut agent = Self {
            name: name.to_owned(),
            data,
            bin_dir,
            release,
            process,
        };
        agent.wait_ready();
        agent
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
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

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
        drop(std::fs::remove_file(self.data.join("ready.json")));
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.process = run(self.release, &self.data, self.bin_dir.as_deref());
    }

    /// Ends it, and starts it again with failpoints, as `HOLDFAST_FAILPOINTS` says them.
    pub fn restart_armed(&mut self, failpoints: &str) {
        self.kill();
        self.process = run_with(
            self.release,
            &self.data,
            self.bin_dir.as_deref(),
            &[("HOLDFAST_FAILPOINTS", failpoints)],
        );
        self.wait_ready();
    }

    /// Ends it as a service manager does, and starts the program of `release`
    /// on its data.
    pub fn restart_as(&mut self, release: Release) {
        self.process.stop();
        drop(std::fs::remove_file(self.data.join("ready.json")));
        self.release = release;
        self.restart();
        self.wait_ready();
    }

    /// Ends it, changes a setting of a section of its `agent.toml`, and starts
    /// it again.
    ///
    /// # Panics
    /// When the file has no such section.
    pub fn restart_with(&mut self, section: &str, setting: &str) {
        self.kill();
        let path = self.data.join("agent.toml");
        let text = std::fs::read_to_string(&path).expect("agent.toml");
        let heading = format!("[{section}]\n");
        assert!(text.contains(&heading), "{text}");
        let text = text.replacen(&heading, &format!("{heading}{setting}\n"), 1);
        std::fs::write(&path, text).expect("agent.toml is written");
        self.restart();
        self.wait_ready();
    }

    /// Waits until its session is up.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn wait_ready(&mut self) {
        let ready = self.data.join("ready.json");
        until("the agent's session", Duration::from_secs(40), || {
            if let Some(status) = self.process.ended() {
                panic!("holdfast-agent ended with {status}: {}", self.process.log());
            }
            ready.exists().then_some(())
        });
    }
}

/// Runs `enroll` and says how that went.
///
/// # Panics
/// When it cannot be started.
pub fn try_enroll(server: &str, token: &str, name: &str, data: &Path) -> Output {
    try_enroll_as(Release::Current, server, token, name, data)
}

fn try_enroll_as(release: Release, server: &str, token: &str, name: &str, data: &Path) -> Output {
    let mut command = Command::new(release.program("holdfast-agent"));
    command.args([
        "enroll", "--server", server, "--token", token, "--name", name, "--data",
    ]);
    command.arg(data).output().expect("holdfast-agent starts")
}

fn run(release: Release, data: &Path, bin_dir: Option<&Path>) -> Process {
    run_with(release, data, bin_dir, &[])
}

fn run_with(
    release: Release,
    data: &Path,
    bin_dir: Option<&Path>,
    environment: &[(&str, &str)],
) -> Process {
    let mut command = Command::new(release.program("holdfast-agent"));
    command.envs(environment.iter().copied());
    if let Some(bin_dir) = bin_dir {
        command.env(
            "HOLDFAST_POSTGRES__BIN_DIRS",
            format!("[\"{}\"]", bin_dir.display()),
        );
    }
    command.arg("run").arg("--data").arg(data);
    Process::start(&mut command, &data.with_extension("log"))
}
