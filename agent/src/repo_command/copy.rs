//! `repo copy`: backups and WAL into another repository, as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_repo::{
    Backup, BackupKind, Codec, CopyProgress, CopyScope, Error, LineageCopy, LineageRepository,
    Repository,
};
use holdfast_types::{BackupId, Failure, Lsn, Name, Timeline};
use serde_json::{Value, json};

use super::open::{Format, Place, credentials_of_copy, failed};
use super::output::{print_json, print_table, size};
use crate::command_error::CommandError;
use crate::failure::of_repository;

/// What `repo copy` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct CopyArgs {
    /// The repository to copy: file:///directory, s3://bucket/prefix,
    /// gs://bucket/prefix or az://container/prefix
    #[arg(long, value_name = "URL", env = "HOLDFAST_REPO")]
    from: String,
    /// The file that holds its key
    #[arg(long, value_name = "FILE", env = "HOLDFAST_KEY_FILE")]
    key_file: PathBuf,
    /// The repository to copy to, which `repo init` made; its credentials are those
    /// of the environment, or variables of the same names with TO_ before them
    #[arg(long, value_name = "URL")]
    to: String,
    /// The file that holds the key of that one
    #[arg(long, value_name = "FILE")]
    to_key_file: PathBuf,
    /// The object store's address when it is not the provider's own
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint: Option<String>,
    /// The region of the bucket
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    region: Option<String>,
    /// The same of the store to copy to; `--endpoint` when it is not said
    #[arg(long, value_name = "URL")]
    to_endpoint: Option<String>,
    /// The region of the bucket to copy to; `--region` when it is not said
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
    /// One cluster only
    #[arg(long, value_name = "NAME")]
    cluster: Option<Name>,
    /// Which backups: all, latest, or backup:ID; with the WAL from the oldest of
    /// them on
    #[arg(long, value_name = "all|latest|backup:ID", default_value = "all")]
    at: Which,
    /// How results are printed
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Which backups are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Latest,
    One(BackupId),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "latest" => Ok(Self::Latest),
            _ => text
                .strip_prefix("backup:")
                .and_then(|id| id.parse().ok())
                .map(Self::One)
                .ok_or_else(|| "it is all, latest or backup:ID".to_owned()),
        }
    }
}

/// What was done for a lineage.
struct Done {
    lineage: LineageCopy,
    progress: Arc<CopyProgress>,
    copied: Vec<BackupId>,
    there: Vec<BackupId>,
    failed: Vec<(BackupId, Failure)>,
    frontier: BTreeMap<Timeline, Lsn>,
    source_frontier: BTreeMap<Timeline, Lsn>,
}

impl CopyArgs {
    pub(super) fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    fn source(&self) -> Place {
        let (endpoint, region) = (self.endpoint.clone(), self.region.clone());
        Place::of(&self.from, &self.key_file, endpoint, region)
    }

    fn destination(&self) -> Place {
        let endpoint = self.to_endpoint.clone().or_else(|| self.endpoint.clone());
        let region = self.to_region.clone().or_else(|| self.region.clone());
        Place::of(&self.to, &self.to_key_file, endpoint, region)
    }

    fn wants(&self, lineage: &LineageRepository) -> bool {
        let cluster = self.cluster.as_ref();
        cluster.is_none_or(|cluster| cluster == lineage.cluster())
    }
}

/// Copies; a backup that could not be copied hides no other, and is exit code 1.
pub(super) async fn run(args: &CopyArgs) -> Result<ExitCode, CommandError> {
    let from = args.source().open().await?;
    let to = args.destination();
    let to = to.open_with(credentials_of_copy(&to)?).await?;
    let lineages = from.all_lineages().await.map_err(|error| failed(&error))?;
    let lineages: Vec<LineageRepository> = lineages
        .into_iter()
        .filter(|lineage| args.wants(lineage))
        .collect();
    if let (true, Some(cluster)) = (lineages.is_empty(), &args.cluster) {
        return Err(super::open::of_failure(Failure::permanent(
            "cluster_not_in_repository",
            format!("{} holds nothing of {cluster}", from.url()),
            "list what it holds with `holdfast-agent repo list`",
        )));
    }
    let mut done = Vec::new();
    let mut found = args.at == Which::All || args.at == Which::Latest;
    for lineage in lineages {
        let backups = lineage
            .list_backups()
            .await
            .map_err(|error| failed(&error))?;
        for mark in &backups.unreadable {
            eprintln!("warning: {} cannot be read: {}", mark.object, mark.error);
        }
        let chosen = chosen(args.at, backups.available);
        found |= !chosen.is_empty();
        if chosen.is_empty() && matches!(args.at, Which::One(_)) {
            continue;
        }
        let copied = copy(&lineage, &to, args, chosen).await;
        done.push(copied.map_err(|error| failed(&error))?);
    }
    if let (false, Which::One(backup)) = (found, args.at) {
        return Err(super::open::of_failure(Failure::permanent(
            "backup_not_found",
            format!("there is no backup {backup} in {}", from.url()),
            "list the backups with `holdfast-agent repo list`",
        )));
    }
    show(args, &done)?;
    let whole = done.iter().all(|one| one.failed.is_empty());
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(at: Which, available: Vec<Backup>) -> Vec<Backup> {
    match at {
        Which::All => available,
        Which::Latest => available.into_iter().next_back().into_iter().collect(),
        Which::One(id) => available
            .into_iter()
            .filter(|backup| backup.id == id)
            .collect(),
    }
}

async fn copy(
    lineage: &LineageRepository,
    to: &Repository,
    args: &CopyArgs,
    chosen: Vec<Backup>,
) -> Result<Done, Error> {
    let progress = Arc::<CopyProgress>::default();
    let copy = LineageCopy::begin(lineage, to, progress.clone()).await?;
    let (mut copied, mut there, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let mut oldest: Option<(Lsn, Timeline)> = None;
    for backup in chosen {
        if backup.kind != BackupKind::Logical {
            let start = (backup.start_lsn, backup.timeline);
            oldest = Some(oldest.map_or(start, |known| known.min(start)));
        }
        match copy.copy_backup(&backup).await {
            Ok(done) if done.was_there => there.push(backup.id),
            Ok(_) => {
                if !args.is_json() {
                    eprintln!("{} is copied", backup.id);
                }
                copied.push(backup.id);
            }
            Err(error) if is_of_one_backup(&error) => {
                eprintln!("warning: {} is not copied: {error}", backup.id);
                failures.push((backup.id, of_repository(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    let scope = match (args.at, oldest) {
        (Which::All, _) => Some(CopyScope::All),
        (_, Some((start, timeline))) => {
            let start = lineage.facts().segment_size.start_of(start);
            Some(CopyScope::From(timeline, start))
        }
        (_, None) => None,
    };
    if let Some(scope) = scope {
        copy.copy_wal(scope).await?;
    }
    Ok(Done {
        frontier: ends(copy.to()).await?,
        source_frontier: ends(copy.from()).await?,
        lineage: copy,
        progress,
        copied,
        there,
        failed: failures,
    })
}

/// What says something of one backup and nothing of the repositories.
fn is_of_one_backup(error: &Error) -> bool {
    matches!(
        error,
        Error::Damaged { .. }
            | Error::Missing { .. }
            | Error::WalIncomplete { .. }
            | Error::UnknownBackup { .. }
    )
}

/// Where the WAL of each timeline ends.
async fn ends(lineage: &LineageRepository) -> Result<BTreeMap<Timeline, Lsn>, Error> {
    let wal = lineage.wal(Codec::DEFAULT);
    let mut ends = BTreeMap::new();
    for timeline in wal.timelines().await? {
        if let Some(end) = wal.list(timeline).await?.end() {
            ends.insert(timeline, end);
        }
    }
    Ok(ends)
}

fn show(args: &CopyArgs, done: &[Done]) -> Result<(), CommandError> {
    if args.is_json() {
        return print_json(&json!({"copies": done.iter().map(item).collect::<Vec<_>>()}));
    }
    let head = [
        "CLUSTER", "LINEAGE", "COPIED", "THERE", "FAILED", "BYTES", "WAL TO",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(done.iter().map(row));
    print_table(&rows)
}

fn item(done: &Done) -> Value {
    let failed = done.failed.iter();
    let failed: Vec<Value> = failed
        .map(|(backup, failure)| json!({"backup": backup, "error": failure}))
        .collect();
    let ends = |ends: &BTreeMap<Timeline, Lsn>| {
        let one = |(timeline, lsn): (&Timeline, &Lsn)| json!({"timeline": timeline, "lsn": lsn});
        ends.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "cluster": done.lineage.from().cluster(),
        "lineage": done.lineage.from().lineage(),
        "copied": done.copied,
        "there": done.there,
        "failed": failed,
        "copiedBytes": done.progress.copied_bytes(),
        "walEnds": ends(&done.frontier),
        "sourceWalEnds": ends(&done.source_frontier),
    })
}

fn row(done: &Done) -> Vec<String> {
    let end = done.frontier.last_key_value();
    vec![
        done.lineage.from().cluster().to_string(),
        done.lineage.from().lineage().to_string(),
        done.copied.len().to_string(),
        done.there.len().to_string(),
        done.failed.len().to_string(),
        size(done.progress.copied_bytes()),
        end.map_or("-".to_owned(), |(timeline, lsn)| {
            format!("{lsn} on timeline {timeline}")
        }),
    ]
}
