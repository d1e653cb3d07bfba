//! `pg_amcheck` of every database.

use std::process::Stdio;

use super::super::server::Server;
use super::{Fate, Seen};
use crate::job::backup::Stopped;

/// Lines of what it found that are told.
const LINES: usize = 10;
/// The part of a line that is.
const LINE_CHARS: usize = 300;

/// Every database that it looks at, templates too.
const DATABASES: &str = "SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY 1";
const HAS_IT: &str = "SELECT 1 FROM pg_extension WHERE extname = 'amcheck'";
const TAKE_AWAY: &str = "SET session_replication_role = replica; DROP EXTENSION IF EXISTS amcheck";

pub(super) async fn run(server: &Server, fate: Fate) -> Seen {
    if fate == Fate::Thrown {
        return look(server).await;
    }
    let without = match without_it(server).await {
        Ok(without) => without,
        Err(why) => return Seen::failed(why),
    };
    let seen = look(server).await;
    match take_away(server, &without).await {
        Ok(()) => seen,
        Err(why) => Seen::failed(format!(
            "the extension amcheck could not be taken away again: {why}; {}",
            seen.why
        )),
    }
}

/// The databases that do not have the extension, and are not to have it afterwards.
async fn without_it(server: &Server) -> Result<Vec<String>, String> {
    let session = match server.any_session().await {
        Ok(session) => session,
        Err(Stopped::Failed(failure)) => return Err(failure.message),
        Err(_) => return Err("it was stopped".to_owned()),
    };
    let failed = |error: holdfast_pg::Error| crate::failure::chain(&error);
    let mut without = Vec::new();
    for row in session.rows(DATABASES, &[]).await.map_err(failed)? {
        let database: String = row.try_get(0).unwrap_or_default();
        let session = server.session(&server.superuser, &database).await;
        let found = session.map_err(failed)?.rows(HAS_IT, &[]).await;
        if found.map_err(failed)?.is_empty() {
            without.push(database);
        }
    }
    Ok(without)
}

async fn take_away(server: &Server, databases: &[String]) -> Result<(), String> {
    let failed = |error: holdfast_pg::Error| crate::failure::chain(&error);
    for database in databases {
        let session = server.session(&server.superuser, database).await;
        let taken = session.map_err(failed)?.execute(TAKE_AWAY).await;
        taken.map_err(failed)?;
    }
    Ok(())
}

async fn look(server: &Server) -> Seen {
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
