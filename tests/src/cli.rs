//! `holdfast` as its people run it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::programs::program;

/// Runs the CLI against one server, with a configuration of its own.
#[derive(Debug, Clone)]
pub struct Cli {
    server: String,
    config: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl Cli {
    /// A CLI for `server`, which keeps its login in `config`.
    pub fn new(server: impl Into<String>, config: &Path) -> Self {
        Self {
            server: server.into(),
            config: config.to_owned(),
        }
    }

    /// Logs in.
    ///
    /// # Panics
    /// When that is refused.
    pub fn login(&self, user: &str, password: &str) {
        let ran = self.run_with_input(["login", "--user", user, "--password-stdin"], password);
        assert_eq!(ran.code, 0, "login: {}", ran.stderr);
    }

    /// Runs a command.
    pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Ran {
        self.run_with_input(arguments, "")
    }

    /// Runs a command that reads `input`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_with_input<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        arguments: I,
        input: &str,
    ) -> Ran {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("holdfast starts");
        // A command that reads no input may have ended before we write it.
        drop(
            child
                .stdin
                .take()
                .map(|mut pipe| pipe.write_all(input.as_bytes())),
        );
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("its output");
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// The command line without its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("holdfast"));
        command
            .env("HOLDFAST_SERVER", &self.server)
            .env("HOLDFAST_CLI_CONFIG", &self.config);
        command
            .env_remove("HOLDFAST_TOKEN")
            .env_remove("HOLDFAST_CA");
        command
    }

    /// Runs a command that must succeed, with `-o json`.
    ///
    /// # Panics
    /// When it fails or prints something else than one JSON value.
    pub fn json<'a, I: IntoIterator<Item = &'a str>>(&self, arguments: I) -> Value {
        let all: Vec<&str> = arguments.into_iter().chain(["-o", "json"]).collect();
        let ran = self.run(&all);
        assert_eq!(
            ran.code, 0,
            "holdfast {all:?}: {}{}",
            ran.stdout, ran.stderr
        );
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("holdfast {all:?}: {error}: {}", ran.stdout))
    }

    /// Runs a command that must be refused with this exit code.
    ///
    /// # Panics
    /// When it is not, or does not say why in JSON.
    pub fn refused<'a, I: IntoIterator<Item = &'a str>>(&self, code: i32, arguments: I) -> Value {
        let all: Vec<&str> = arguments.into_iter().chain(["-o", "json"]).collect();
        let ran = self.run(&all);
        assert_eq!(
            ran.code, code,
            "holdfast {all:?}: {}{}",
            ran.stdout, ran.stderr
        );
        let last = ran.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
    }

    /// Applies YAML that must be accepted.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply(&self, yaml: &str) -> String {
        let ran = self.run_with_input(["apply", "-f", "-"], yaml);
        assert_eq!(ran.code, 0, "apply: {}\n{yaml}", ran.stderr);
        ran.stdout
    }
}
