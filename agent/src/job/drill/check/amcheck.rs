//! `pg_amcheck` of every database.

use std::process::Stdio;

use super::super::server::Server;
use super::Seen;

/// Lines of what it found that are told.
const LINES: usize = 10;
/// The part of a line that is.
const LINE_CHARS: usize = 300;

pub(super) async fn run(server: &Server) -> Seen {
    let mut command = match server.command("pg_amcheck") {
        Ok(command) => command,
        Err(failure) => return Seen::failed(failure.message),
    };
    command.arg("--host").arg(&server.sockets);
    command.args(["--port", &server.port.to_string()]);
    command.args(["--username", &server.superuser, "--no-password"]);
    // The extension that it needs is made in the copy where it is not there.
    command.args(["--all", "--install-missing", "--jobs=2"]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) => return Seen::failed(format!("pg_amcheck cannot be run: {error}")),
    };
    if output.status.success() {
        return Seen {
            seen: None,
            passed: true,
            why: "pg_amcheck finds nothing wrong".to_owned(),
        };
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines
        .take(LINES)
        .map(|line| line.chars().take(LINE_CHARS).collect())
        .collect();
    Seen::failed(format!(
        "pg_amcheck ended with {}: {}",
        output.status,
        lines.join("; ")
    ))
}
