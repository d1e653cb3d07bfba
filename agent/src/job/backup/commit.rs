//! Phase commit: the mark is put, and the backup exists.

use std::collections::BTreeMap;

use holdfast_proto::BackupWork;
use holdfast_repo::{Backup, CommitFacts, LinkTarget};
use holdfast_types::JobPhase;

use super::parent::Against;
use super::prepare::{self, Ready};
use super::stop::Ended;
use super::tablespaces::Tablespace;
use super::{Stopped, beside};
use crate::job::JobContext;

/// Facts of a backup that a restore needs, under the names they have in its
/// mark (`docs/repository-format.md`).
pub(crate) mod fact {
    /// The role that initdb made, which is always there.
    pub(crate) const SUPERUSER: &str = "superuser";
    /// The permission bits of the data directory, in octal.
    pub(crate) const DIRECTORY_MODE: &str = "dataDirectoryMode";
    /// Where the server's configuration was.
    pub(crate) const CONFIG_FILE: &str = "configFile";
    /// Where its pg_hba.conf was.
    pub(crate) const HBA_FILE: &str = "hbaFile";
    /// Where its pg_ident.conf was.
    pub(crate) const IDENT_FILE: &str = "identFile";
    /// Where the data directory was.
    pub(crate) const DATA_DIRECTORY: &str = "dataDirectory";
    /// Whether pages carry checksums.
    pub(crate) const CHECKSUMS: &str = "dataChecksums";
    /// Damaged pages that were found.
    pub(crate) const CORRUPT_PAGES: &str = "corruptPages";
    /// Why all was copied though an incremental was asked for.
    pub(crate) const FULL_BECAUSE: &str = "fullBecause";
    /// The tablespaces that lie elsewhere, as JSON; none when it is not there.
    pub(crate) const TABLESPACES: &str = "tablespaces";
    /// `standby` when it was copied from one.
    pub(crate) const FROM: &str = "from";
    /// Of a standby, until when it surely holds every commit: it may have been
    /// behind its primary.
    pub(crate) const COMPLETE_UNTIL: &str = "completeUntil";
    /// `own` when nobody received WAL but the backup for itself.
    pub(crate) const WAL: &str = "wal";
    /// Where pg_wal really was, when it was a link.
    pub(crate) const WAL_DIRECTORY: &str = "walDirectory";
}

/// The value of [`fact::FROM`].
pub(crate) const STANDBY: &str = "standby";
/// The value of [`fact::WAL`].
pub(crate) const OWN_WAL: &str = "own";

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    prepared: &Ready,
    ended: &Ended,
) -> Result<Backup, Stopped> {
    cx.enter(JobPhase::Commit);
    let facts = CommitFacts {
        run: prepared.run.clone(),
        kind: prepared.against.kind().into(),
        parent: prepared.against.parent(),
        postgres_version: prepare::version(&prepared.facts),
        timeline: prepared.facts.timeline,
        start_lsn: ended.label.label.start_lsn,
        stop_lsn: ended.label.stop_lsn,
        started_at: ended.started_at,
        finished_at: ended.finished_at,
        facts: facts(prepared, ended),
    };
    let backup = ended.finished.commit(facts).await?;
    beside::tell(work, cx, &ended.finished.kept_up());
    cx.log(format!(
        "{} of cluster {} is available",
        backup.id, work.cluster
    ));
    Ok(backup)
}

fn tablespaces(tablespaces: &[Tablespace]) -> Option<String> {
    // Text alone: it cannot fail.
    (!tablespaces.is_empty()).then(|| serde_json::to_string(tablespaces).unwrap_or_default())
}

fn full_because(against: &Against) -> Option<String> {
    match against {
        Against::Instead(why) => Some(format!("{}: {}", why.code, why.message)),
        Against::Nothing | Against::Parent(..) => None,
    }
}

fn facts(prepared: &Ready, ended: &Ended) -> BTreeMap<String, String> {
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .and_then(|path| path.to_str())
            .map(str::to_owned)
    };
    let facts = [
        (fact::SUPERUSER, Some(prepared.superuser.clone())),
        (
            fact::DIRECTORY_MODE,
            prepared
                .local
                .as_ref()
                .map(|local| format!("{:o}", local.mode)),
        ),
        (fact::CONFIG_FILE, path(&prepared.facts.config_file)),
        (fact::HBA_FILE, path(&prepared.facts.hba_file)),
        (fact::IDENT_FILE, path(&prepared.facts.ident_file)),
        (
            fact::DATA_DIRECTORY,
            prepared.data_dir.to_str().map(str::to_owned),
        ),
        (
            fact::CHECKSUMS,
            Some(prepared.facts.data_checksums.to_string()),
        ),
        (fact::CORRUPT_PAGES, Some(ended.corrupt_pages.to_string())),
        (fact::FULL_BECAUSE, full_because(&prepared.against)),
        (fact::TABLESPACES, tablespaces(&ended.tablespaces)),
        (fact::FROM, ended.label.replay.map(|_| STANDBY.to_owned())),
        (
            fact::COMPLETE_UNTIL,
            ended
                .label
                .replay
                .and_then(|replay| replay.complete_until)
                .map(|at| at.to_string()),
        ),
        (
            fact::WAL,
            prepared.carried.as_ref().map(|_| OWN_WAL.to_owned()),
        ),
        (
            fact::WAL_DIRECTORY,
            prepared
                .local
                .as_ref()
                .and_then(|local| local.wal_directory.as_deref())
                .and_then(|path| LinkTarget::new(path).ok())
                .map(|target| target.to_string()),
        ),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
