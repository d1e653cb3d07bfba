//! What `pg_restore --list` says of an archive.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use holdfast_pg::client::ClientPrograms;
use holdfast_repo::{Entry, ExtentReader, Piece};
use holdfast_types::Failure;

use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{Stopped, thread_died};
use crate::job::client::{Purpose, Running};

/// The table of contents of an archive, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::job) struct Contents {
    /// How many entries it has.
    pub(in crate::job) entries: u64,
}

fn purpose(database: &str) -> Purpose {
    Purpose {
        program: "pg_restore --list",
        about: format!("the archive of database \"{database}\""),
        code: "dump_unreadable",
        secret: None,
    }
}

/// Of an archive on this host.
pub(in crate::job) async fn list(
    client: &ClientPrograms,
    archive: &Path,
    database: &str,
    cx: &JobContext,
) -> Result<Contents, Stopped> {
    let mut command = client.command("pg_restore");
    command.arg("--list").arg(archive).stdout(Stdio::piped());
    let mut running = Running::start(command, purpose(database), cx)?;
    let said = read_all(&mut running)?;
    running.wait(cx, std::future::pending()).await?;
    contents(&said.await.map_err(|error| thread_died(&error))??, database)
}

/// Of an archive in a repository: pg_restore reads as much of it as it wants.
pub(in crate::job) async fn list_piped(
    client: &ClientPrograms,
    entry: Entry,
    mut reader: ExtentReader,
    database: &str,
    cx: &JobContext,
) -> Result<Contents, Stopped> {
    let mut command = client.command("pg_restore");
    command.args(["--list", "--format=custom"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start(command, purpose(database), cx)?;
    let mut input = running.stdin()?;
    let said = read_all(&mut running)?;
    let feeding = tokio::task::spawn_blocking(move || feed(&entry, &mut reader, &mut input));
    let ended = running.wait(cx, std::future::pending()).await;
    let fed = feeding.await.map_err(|error| thread_died(&error))?;
    if matches!(ended, Err(Stopped::Cancelled)) {
        return Err(Stopped::Cancelled);
    }
    // What cannot be read from the repository explains the rest.
    fed?;
    ended?;
    contents(&said.await.map_err(|error| thread_died(&error))??, database)
}

type Said = tokio::task::JoinHandle<Result<String, Failure>>;

fn read_all(running: &mut Running) -> Result<Said, Failure> {
    let mut output = running.stdout()?;
    Ok(tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let read = output.read_to_end(&mut bytes);
        read.map_err(|error| unreadable("its output", &error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }))
}

/// Until all is written, or pg_restore has read enough and closed its end.
fn feed(entry: &Entry, reader: &mut ExtentReader, input: &mut impl Write) -> Result<(), Failure> {
    let mut enough = false;
    for extent in entry.extents() {
        let read = reader.read_extent(extent, |_, piece| {
            let written = match piece {
                Piece::Data(data) => input.write_all(data),
                Piece::Hole(zeros) => {
                    std::io::copy(&mut std::io::repeat(0).take(zeros), input).map(drop)
                }
            };
            enough |= written
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
            written
        });
        if enough {
            return Ok(());
        }
        read.map_err(|error| of_repository(&error))?;
    }
    Ok(())
}

/// The head of the list: `; TOC Entries: 12`.
fn contents(said: &str, database: &str) -> Result<Contents, Stopped> {
    let mut lines = said.lines().map(|line| line.trim_start_matches([';', ' ']));
    let entries = lines.find_map(|line| line.strip_prefix("TOC Entries: ")?.trim().parse().ok());
    match entries {
        Some(entries) => Ok(Contents { entries }),
        None => Err(Stopped::Failed(unreadable(
            &format!("the archive of database \"{database}\""),
            "pg_restore --list names no table of contents",
        ))),
    }
}

fn unreadable(what: &str, why: &str) -> Failure {
    Failure::transient(
        "dump_unreadable",
        format!("{what} cannot be read: {why}"),
        "take the dump again; if it stays so, check the client programs and report it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_list_says_how_much_it_holds() {
        let said = ";\n; Archive created at 2026-07-25 10:00:00 UTC\n;     dbname: shop\n;     TOC \
                    Entries: 12\n;     Compression: none\n;\n3; 2615 2200 SCHEMA - public o\n";
        assert_eq!(contents(said, "shop").unwrap(), Contents { entries: 12 });
        let Err(Stopped::Failed(failure)) = contents("nothing", "shop") else {
            panic!("it was taken for a list");
        };
        assert_eq!(failure.code, "dump_unreadable");
    }
}
