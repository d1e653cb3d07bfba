//! Checking one backup: manifest, packs, maps and, when deep, every chunk.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Problem, VerifyProgress};
use crate::backup::{Backup, BackupReader};
use crate::chunk::{Content, Extent};
use crate::pack;
use crate::{Error, LineageRepository, Result};

/// What one task checks: enough to be worth a task, little enough to share.
const BATCH_EXTENTS: usize = 512;
const BATCH_BYTES: u64 = 128 << 20;

pub(super) async fn check(
    lineage: &LineageRepository,
    backup: &Backup,
    deep: bool,
    progress: &Arc<VerifyProgress>,
) -> Result<Vec<Problem>> {
    let reader = match lineage.open_backup(backup.clone()).await {
        Ok(reader) => reader,
        Err(error) => return Ok(vec![Problem::of(error)?]),
    };
    let mut problems = check_packs(lineage, &reader, deep, progress).await?;
    let mut tasks: JoinSet<Result<Vec<Problem>>> = JoinSet::new();
    let limit = std::thread::available_parallelism().map_or(2, usize::from);
    let mut batch = Batch::default();
    let mut entries = reader.entries();
    loop {
        let entry = match entries.next().await {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => {
                // What follows in the manifest cannot be known.
                problems.push(Problem::of(error)?);
                break;
            }
        };
        for extent in entry.extents() {
            if deep || matches!(extent.content, Content::Map(_)) {
                batch.push(extent.clone());
            }
            if batch.is_full() {
                while tasks.len() >= limit {
                    problems.extend(joined(&mut tasks).await?);
                }
                spawn(
                    &mut tasks,
                    &reader,
                    std::mem::take(&mut batch),
                    deep,
                    progress,
                );
            }
        }
    }
    spawn(&mut tasks, &reader, batch, deep, progress);
    while !tasks.is_empty() {
        problems.extend(joined(&mut tasks).await?);
    }
    problems.sort_by(|a, b| (&a.object, &a.problem).cmp(&(&b.object, &b.problem)));
    // One sentence per object: the first says enough.
    problems.dedup_by(|a, b| a.object == b.object);
    Ok(problems)
}

#[derive(Default)]
struct Batch {
    extents: Vec<Extent>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, extent: Extent) {
        self.bytes += extent.plain_bytes();
        self.extents.push(extent);
    }

    fn is_full(&self) -> bool {
        self.extents.len() >= BATCH_EXTENTS || self.bytes >= BATCH_BYTES
    }
}

async fn joined(tasks: &mut JoinSet<Result<Vec<Problem>>>) -> Result<Vec<Problem>> {
    match tasks.join_next().await {
        Some(done) => done.unwrap_or_else(|error| Err(Error::Local(error.into()))),
        None => Ok(Vec::new()),
    }
}

fn spawn(
    tasks: &mut JoinSet<Result<Vec<Problem>>>,
    reader: &BackupReader,
    batch: Batch,
    deep: bool,
    progress: &Arc<VerifyProgress>,
) {
    if batch.extents.is_empty() {
        return;
    }
    let mut reader = reader.extent_reader();
    let progress = Arc::clone(progress);
    tasks.spawn_blocking(move || {
        let mut read = |extents: &[&Extent]| {
            if deep {
                return reader.read_extents(extents, |_, _, _| Ok(()));
            }
            extents.iter().try_for_each(|extent| match &extent.content {
                Content::Map(map) => reader.read_map(extent, map).map(|_| ()),
                Content::Chunks(_) => Ok(()),
            })
        };
        let all: Vec<&Extent> = batch.extents.iter().collect();
        let mut problems = Vec::new();
        if let Err(error) = read(&all) {
            Problem::of(error)?;
            // One by one, to name every object concerned.
            for extent in all {
                if let Err(error) = read(&[extent]) {
                    problems.push(Problem::of(error)?);
                }
            }
        }
        if deep {
            progress.checked(batch.bytes);
        }
        Ok(problems)
    });
}

/// Every pack must be there with the size the manifest says.
async fn check_packs(
    lineage: &LineageRepository,
    reader: &BackupReader,
    deep: bool,
    progress: &Arc<VerifyProgress>,
) -> Result<Vec<Problem>> {
    let sizes = reader.stored_pack_sizes().await?;
    let mut problems = Vec::new();
    for info in reader.packs() {
        progress.object();
        let object = lineage.name(&info.pack.name());
        let problem = match sizes.get(&object) {
            None => Some("it is missing".to_owned()),
            Some(size) if *size != info.bytes => {
                Some(format!("it has {size} bytes, not {}", info.bytes))
            }
            Some(_) if deep => {
                let header = lineage
                    .repository
                    .store
                    .read_range(&object, 0..pack::HEADER as u64);
                match header.await {
                    Ok(header) => pack::check_header(&header, info.pack, info.key)
                        .err()
                        .map(|damage| damage.to_string()),
                    Err(error) => Some(Problem::of(error)?.problem),
                }
            }
            Some(_) => None,
        };
        problems.extend(problem.map(|problem| Problem { object, problem }));
    }
    Ok(problems)
}
