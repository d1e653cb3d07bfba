//! Asking PostgreSQL's own programs about the new directory, as its owner.

use std::path::PathBuf;
use std::process::Output;

use holdfast_pg::binaries::{Programs, RunAs};
use holdfast_types::Failure;

use super::directory;
use super::prepare::Ready;

/// How much of a program's words is told.
const SAID_CHARS: usize = 2000;

/// Asks `postgres -C` what a setting amounts to.
pub(super) struct Asker {
    programs: Programs,
    dir: PathBuf,
}

impl Asker {
    pub(super) fn new(ready: &Ready) -> Self {
        Self {
            programs: ready.programs.clone(),
            dir: ready.dir.clone(),
        }
    }

    /// The values of several settings, asked for at once: each takes a start of
    /// PostgreSQL's program.
    pub(super) fn ask_all<const N: usize>(&self, names: [&str; N]) -> Result<[String; N], Failure> {
        std::thread::scope(|scope| {
            let asked = names.map(|name| scope.spawn(move || self.ask(name)));
            let mut values = [const { String::new() }; N];
            for (value, asked) in values.iter_mut().zip(asked) {
                let answer = asked.join();
                *value = answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            Ok(values)
        })
    }

    /// The value of a setting as the files of the directory give it. Runs a
    /// program and waits for it.
    pub(super) fn ask(&self, name: &str) -> Result<String, Failure> {
        let user = RunAs::owner_of(&self.dir).map_err(|error| directory::of_programs(&error))?;
        let mut command = self.programs.blocking_command("postgres", user);
        command.arg("-D").arg(&self.dir).args(["-C", name]);
        let output = command
            .output()
            .map_err(|error| cannot_run("postgres", &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Failure::permanent(
            "configuration_invalid",
            format!(
                "PostgreSQL cannot use the restored configuration: {}",
                said(&output)
            ),
            "override the setting it names with --set name=value",
        ))
    }
}

/// A program could not be run at all.
pub(super) fn cannot_run(program: &str, error: &std::io::Error) -> Failure {
    Failure::permanent(
        "pg_program_failed",
        format!("{program} cannot be run: {error}"),
        "check that PostgreSQL's programs are whole and may be executed",
    )
}

/// What a program said, without end.
pub(super) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = if text.trim().is_empty() {
        String::from_utf8_lossy(&output.stdout)
    } else {
        text
    };
    let text = text.trim();
    match text.char_indices().nth(SAID_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
