//! Phase verify: pg_restore reads each archive's table of contents back from
//! the repository, from what is durable there and not from what was sent.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_repo::{BackupReader, DumpedDatabase, Entry, Piece};
use holdfast_types::{DumpFormat, Failure, JobPhase};

use super::archive::{Contents, list, list_piped};
use super::copy::Dumped;
use super::prepare::Ready;
use crate::failure::of_repository;
use crate::job::JobContext;
use crate::job::backup::{Stopped, or_cancelled, thread_died, unreadable};

/// The table of contents of a directory archive.
const TOC: &str = "toc.dat";

/// What is in the archive of each database.
pub(super) type Listed = BTreeMap<String, Contents>;

pub(super) async fn run(
    cx: &JobContext,
    prepared: &Ready,
    dumped: &Dumped,
    reader: BackupReader,
) -> Result<Listed, Stopped> {
    cx.enter(JobPhase::Verify);
    let format = dumped.manifest.dump_format;
    let waiting = dumped.manifest.databases.iter();
    let mut waiting: BTreeMap<String, &DumpedDatabase> = waiting
        .map(|database| (archive_path(database, format), database))
        .collect();
    let mut listed = Listed::new();
    let mut entries = reader.entries();
    while let Some(entry) = or_cancelled(cx, async { Ok(entries.next().await?) }).await? {
        let Some(database) = waiting.remove(&entry.path().to_string()) else {
            continue;
        };
        let contents = match format {
            DumpFormat::Custom => {
                let extents = reader.extent_reader();
                list_piped(&prepared.client, entry, extents, &database.name, cx).await?
            }
            DumpFormat::Directory => {
                list_directory(prepared, &reader, entry, &database.name, cx).await?
            }
        };
        listed.insert(database.name.clone(), contents);
    }
    if let Some((path, database)) = waiting.pop_first() {
        return Err(Stopped::Failed(Failure::transient(
            "dump_unreadable",
            format!(
                "the archive {path} of database \"{}\" is not in the repository",
                database.name
            ),
            "take the dump again and report this with the agent's log",
        )));
    }
    cx.log(format!(
        "{} archives are readable in the repository",
        listed.len()
    ));
    Ok(listed)
}

fn archive_path(database: &DumpedDatabase, format: DumpFormat) -> String {
    match format {
        DumpFormat::Custom => database.path.clone(),
        DumpFormat::Directory => format!("{}/{TOC}", database.path),
    }
}

/// pg_restore wants a directory; for its list the table of contents is enough.
async fn list_directory(
    prepared: &Ready,
    reader: &BackupReader,
    entry: Entry,
    database: &str,
    cx: &JobContext,
) -> Result<Contents, Stopped> {
    let directory = prepared.staging.directory("verify")?;
    let path = directory.join(TOC);
    let mut extents = reader.extent_reader();
    let file = path.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        for extent in entry.extents() {
            let read = extents.read_extent(extent, |_, piece| {
                match piece {
                    Piece::Data(data) => bytes.extend_from_slice(data),
                    Piece::Hole(zeros) => {
                        bytes.resize(bytes.len() + usize::try_from(zeros).unwrap_or(0), 0);
                    }
                }
                Ok(())
            });
            read.map_err(|error| of_repository(&error))?;
        }
        std::fs::write(&file, bytes).map_err(|error| unreadable(&file, &error))
    });
    written.await.map_err(|error| thread_died(&error))??;
    let contents = list(&prepared.client, &directory, database, cx).await?;
    remove(&directory);
    Ok(contents)
}

/// What is left goes with the rest of the staging.
fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        tracing::warn!(%error, path = %directory.display(), "files of a dump are left for now");
    }
}
