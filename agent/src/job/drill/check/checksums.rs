//! The checksum of every page, by `pg_checksums`, which wants the server stopped.

use std::process::Stdio;
use std::time::Duration;

use holdfast_pg::instance::StopMode;

use super::super::server::Server;
use super::Seen;

/// A clean end writes what is in memory.
const STOP_TIMEOUT: Duration = Duration::from_secs(600);
/// The part of what it says that is told.
const SAID_CHARS: usize = 1000;

pub(super) async fn run(server: &Server) -> Seen {
    let stopped = server.instance().stop(StopMode::Fast, STOP_TIMEOUT).await;
    if let Err(error) = stopped {
        return Seen::failed(format!("the server cannot be stopped for it: {error}"));
    }
    let mut command = match server.command("pg_checksums") {
        Ok(command) => command,
        Err(failure) => return Seen::failed(failure.message),
    };
    command.arg("--check").arg("--pgdata").arg(&server.dir);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) => return Seen::failed(format!("pg_checksums cannot be run: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Seen {
            seen: scanned(&text),
            passed: true,
            why: "pg_checksums finds every page right".to_owned(),
        };
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    if said.contains("not enabled") {
        return Seen::failed(
            "the cluster has no page checksums: take the check out, or turn them on with \
             pg_checksums --enable",
        );
    }
    let said: String = said.chars().take(SAID_CHARS).collect();
    Seen::failed(format!("pg_checksums ended with {}: {said}", output.status))
}

/// How many pages it looked at.
fn scanned(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("Blocks scanned:"))?;
    let count = line.rsplit(':').next()?.trim();
    Some(format!("{count} pages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_pages_is_told() {
        let text = "Checksum operation completed\nFiles scanned:   953\nBlocks scanned:  2817\n";
        assert_eq!(scanned(text).as_deref(), Some("2817 pages"));
        assert_eq!(scanned(""), None);
    }
}
