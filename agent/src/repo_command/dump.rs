//! `repo restore` of a dump: its files as they are, which plain `pg_restore`
//! and `psql` take, or one archive of them.

use std::path::Path;
use std::process::ExitCode;

use holdfast_repo::{BackupKind, DumpManifest, LineageRepository, Repository};
use holdfast_types::{BackupId, Failure, RestoreTarget};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::open::{failed, of_failure};
use super::output::{print_json, print_text, size};
use super::restore::{RestoreArgs, ended_by_signal};
use crate::command_error::CommandError;
use crate::job::dump::{extract_all, manifest_of, pack_all};
use crate::job::restore::check_new;
use crate::job::{JobContext, Stopped};

/// What `--format tar` makes of a dump.
const ARCHIVE: &str = "dump.tar";

/// Writes the files of the dump that is named into the new directory; `None`
/// when the target is no dump.
pub(super) async fn extract(args: &RestoreArgs) -> Result<Option<ExitCode>, CommandError> {
    let RestoreTarget::Backup(id) = args.at else {
        return Ok(None);
    };
    let repository = args.place().open().await?;
    let Some(lineage) = lineage_of(&repository, args, id).await? else {
        return Ok(None);
    };
    if args.start {
        return Err(CommandError::refused(Failure::permanent(
            "not_supported_yet",
            format!("{id} is a dump: there is no server to start in its files"),
            "leave --start out, and restore the files with pg_restore into a server of yours",
        )));
    }
    if args.delta {
        return Err(CommandError::usage(Failure::permanent(
            "format_conflict",
            format!("{id} is a dump, and --delta writes over a data directory"),
            "leave --delta out, and give a directory that is empty or not there yet",
        )));
    }
    let backup = lineage
        .find_backup(id)
        .await
        .map_err(|error| failed(&error))?;
    let bytes = backup.database_bytes;
    let (reader, manifest) = manifest_of(&lineage, backup).await.map_err(of_failure)?;
    check_new(&args.dir, bytes).map_err(of_failure)?;
    if args.plan {
        tell(args, id, &manifest, bytes)?;
        return Ok(Some(ExitCode::SUCCESS));
    }
    make(&args.dir)?;
    let cancel = CancellationToken::new();
    let cx = JobContext::new(cancel.clone());
    let signals = tokio::spawn(async move {
        if ended_by_signal().await.is_ok() {
            cancel.cancel();
        }
    });
    let written = if args.is_archive() {
        pack_all(&reader, &args.dir.join(ARCHIVE), &cx).await
    } else {
        extract_all(&reader, &args.dir, |_| true, &cx).await
    };
    signals.abort();
    match written {
        Ok(_) => {}
        Err(Stopped::Failed(failure)) => return Err(of_failure(failure)),
        Err(Stopped::Cancelled | Stopped::Superseded(_)) => {
            return Err(CommandError::failed(Failure::permanent(
                "cancelled",
                "the extraction was ended by a signal",
                format!("delete {} before the next attempt", args.dir.display()),
            )));
        }
    }
    tell(args, id, &manifest, bytes)?;
    Ok(Some(ExitCode::SUCCESS))
}

/// The lineage that holds a dump of this id.
async fn lineage_of(
    repository: &Repository,
    args: &RestoreArgs,
    id: BackupId,
) -> Result<Option<LineageRepository>, CommandError> {
    let lineages = repository.lineages(&args.cluster).await;
    for lineage in lineages.map_err(|error| failed(&error))? {
        let lineage = repository.lineage(&args.cluster, lineage).await;
        let lineage = lineage.map_err(|error| failed(&error))?;
        let held = lineage
            .list_backups()
            .await
            .map_err(|error| failed(&error))?;
        let mut dumps = held.available.iter();
        if dumps.any(|backup| backup.id == id && backup.kind == BackupKind::Logical) {
            return Ok(Some(lineage));
        }
    }
    Ok(None)
}

fn make(dir: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|error| {
        of_failure(Failure::permanent(
            "dir_unusable",
            format!("{} cannot be made: {error}", dir.display()),
            "give a directory whose parent can be written",
        ))
    })
}

fn tell(
    args: &RestoreArgs,
    id: BackupId,
    manifest: &DumpManifest,
    bytes: u64,
) -> Result<(), CommandError> {
    let dir = &args.dir;
    let archive = args.is_archive().then(|| dir.join(ARCHIVE));
    if args.place().is_json() {
        let mut result = json!({"dir": dir, "bytes": bytes, "dump": manifest});
        if let Some(archive) = archive {
            result["archive"] = json!(archive);
        }
        return print_json(&json!({
            "backup": id,
            "state": if args.plan { "planned" } else { "succeeded" },
            "result": result,
        }));
    }
    if let Some(archive) = archive {
        let (size, archive) = (size(bytes), archive.display());
        return print_text(&format!(
            "dump {id}, {size}, in {archive}: extract it, then pg_restore and psql take its files"
        ));
    }
    let mut text = format!("dump {id}, {}, in {}", size(bytes), dir.display());
    for database in &manifest.databases {
        text.push_str(&format!(
            "\n{}  as of {}: pg_restore --dbname=… {}",
            database.name,
            database.snapshot_at,
            dir.join(&database.path).display()
        ));
    }
    if let Some(globals) = &manifest.globals {
        let path = dir.join(&globals.path);
        text.push_str(&format!(
            "\nroles and tablespaces: psql --file={}",
            path.display()
        ));
    }
    print_text(&text)
}
