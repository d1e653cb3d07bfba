//! Copies while a backup is taken: what the repository has taken is offered to them.
//!
//! It is read once. The jobs that copy the backup when it is available find there
//! what was put here, and fetch the rest.

use holdfast_proto::{BackupWork, RepositoryAccess};
use holdfast_repo::{BackupWriter, FanOut, KeptUp, LineageCopy, LineageRepository};

use crate::host::Host;
use crate::job::JobContext;

/// Offers what `writer` puts to the copies that `work` names. Opens them meanwhile:
/// a copy that is away must not hold up the backup.
pub(in crate::job) fn begin(
    work: &BackupWork,
    host: &Host,
    lineage: &LineageRepository,
    writer: &BackupWriter,
) {
    if work.copies.is_empty() {
        return;
    }
    let opening = work
        .copies
        .iter()
        .map(|copy| open(copy.clone(), host.clone(), lineage.clone()));
    writer.fan_out(FanOut::to(opening));
}

async fn open(
    access: RepositoryAccess,
    host: Host,
    lineage: LineageRepository,
) -> Result<LineageCopy, holdfast_repo::Error> {
    let to = host.repository(&access).await?;
    Box::pin(LineageCopy::begin(&lineage, &to, Default::default())).await
}

/// Tells how the copies kept up.
pub(in crate::job) fn tell(work: &BackupWork, cx: &JobContext, kept_up: &[KeptUp]) {
    for (copy, kept_up) in work.copies.iter().zip(kept_up) {
        let KeptUp {
            objects,
            bytes,
            left_behind,
            failed,
        } = kept_up;
        let mut said = format!(
            "copy {}: {objects} objects ({bytes} bytes) put meanwhile, {left_behind} left to its job",
            copy.name
        );
        if let Some(failed) = failed {
            said.push_str(": ");
            said.push_str(failed);
        }
        cx.log(said);
    }
}
