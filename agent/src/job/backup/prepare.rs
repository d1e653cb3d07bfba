//! Phase prepare: everything that can refuse the backup before PostgreSQL is
//! asked to do anything for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_pg::sql::{Facts, Session};
use holdfast_pg::{ConnectionInfo, SlotName};
use holdfast_proto::BackupWork;
use holdfast_repo::{Backup, LineageFacts, LineageRepository, RunKey};
use holdfast_types::{Failure, JobPhase, Lineage};

use super::outside::{self, Outside};
use super::parent::{self, Against};
use super::{Stopped, carry, control, source, tablespaces};
use crate::host::Host;
use crate::job::JobContext;
use crate::wal::Duty;
use crate::wal::archive::ArchiveSettings;

/// The duty that receives WAL makes the slot; it may have been assigned
/// together with this job.
const SLOT_DEADLINE: Duration = Duration::from_secs(60);
const SLOT_POLL: Duration = Duration::from_millis(250);

/// PostgreSQL 14 to 18.
const SUPPORTED: std::ops::RangeInclusive<i32> = 14..=18;

/// What the later phases rely on.
pub(super) struct Ready {
    pub(super) info: ConnectionInfo,
    pub(super) facts: Facts,
    pub(super) data_dir: PathBuf,
    /// What is known of its files; `None` where only PostgreSQL reads them.
    pub(super) local: Option<Local>,
    pub(super) lineage: LineageRepository,
    pub(super) run: RunKey,
    /// What it is made against.
    pub(super) against: Against,
    /// The role that initdb made: the one role that is always there.
    pub(super) superuser: String,
    /// What receives WAL for this backup alone, where nobody else does.
    pub(super) carried: Option<Duty>,
}

/// A data directory that is ours to read.
pub(super) struct Local {
    pub(super) mode: u32,
    pub(super) control: ControlFile,
    pub(super) outside: Outside,
    /// Where `pg_wal` really is, when it is a link.
    pub(super) wal_directory: Option<PathBuf>,
}

pub(super) enum Prepared {
    Ready(Box<Ready>),
    /// An attempt before this one put the mark and was killed before it could
    /// say so.
    Committed(Box<Backup>),
}

pub(super) async fn run(
    work: &BackupWork,
    cx: &JobContext,
    host: &Host,
) -> Result<Prepared, Stopped> {
    cx.enter(JobPhase::Prepare);
    let info = ConnectionInfo::parse(&work.instance.connection, work.instance.password.clone())?;
    let session = Session::connect(&info).await?;
    let facts = session.facts().await?;
    check_server(work, &facts)?;
    source::check_role(work, &facts)?;
    let superuser = superuser(&session).await?;
    let configured = work.instance.told_directory().map(PathBuf::from);
    let data_dir = configured.unwrap_or_else(|| facts.data_directory.clone());
    let local = if work.instance.is_remote() {
        None
    } else {
        Some(local(&data_dir, &facts).await?)
    };
    let repository = host.repository(&work.repository).await?;
    let lineage = Lineage {
        system_identifier: facts.system_identifier,
        incarnation: work.incarnation,
    };
    let lineage_facts = LineageFacts {
        postgres_version: version(&facts),
        segment_size: facts.segment_size,
        block_size: facts.block_size,
    };
    let lineage = repository
        .create_or_open_lineage(&work.cluster, lineage, lineage_facts)
        .await?;
    let run: RunKey = work.job.to_string().parse()?;
    if let Some(committed) = lineage.backup_of_run(&run).await? {
        if committed.id == work.backup {
            return Ok(Prepared::Committed(Box::new(committed)));
        }
        return Err(Stopped::Superseded(committed.id));
    }
    let carried = work.own_wal.then(|| carry::begin(work, host));
    if !facts.in_recovery || carried.is_some() {
        wal_is_kept(&session, work, host, carried.as_ref()).await?;
    }
    let facts = match carried {
        Some(_) => facts,
        None => source::caught_up(cx, (&info, &session), &lineage, facts).await?,
    };
    let against = parent::choose(work, cx, host, &lineage, &facts, &data_dir).await?;
    tell(cx, &facts, &data_dir, local.as_ref());
    Ok(Prepared::Ready(Box::new(Ready {
        info,
        facts,
        data_dir,
        local,
        lineage,
        run,
        against,
        superuser,
        carried,
    })))
}

/// What people should know of it.
fn tell(cx: &JobContext, facts: &Facts, data_dir: &Path, local: Option<&Local>) {
    for warning in local.iter().flat_map(|local| &local.outside.warnings) {
        cx.log(format!("warning: {warning}"));
    }
    if local.is_none()
        && !facts
            .config_file
            .iter()
            .all(|file| file.starts_with(data_dir))
    {
        cx.log(
            "warning: the configuration is outside the data directory, and a stream does not hold \
             it: a restore begins with PostgreSQL's defaults",
        );
    }
    for tablespace in tablespaces::elsewhere(facts) {
        cx.log(format!(
            "tablespace \"{}\" at {}",
            tablespace.name,
            tablespace.location.display()
        ));
    }
    cx.log(format!(
        "PostgreSQL {} at {}{}, system {}, timeline {}, page checksums {}",
        facts.server_version_num,
        data_dir.display(),
        if local.is_some() { "" } else { ", by a stream" },
        facts.system_identifier,
        facts.timeline,
        if facts.data_checksums {
            "on"
        } else {
            "off: damaged pages cannot be noticed"
        },
    ));
}

/// The lineage of a backup that is committed already.
pub(in crate::job) async fn lineage(
    work: &BackupWork,
    host: &Host,
) -> Result<LineageRepository, Stopped> {
    let info = ConnectionInfo::parse(&work.instance.connection, work.instance.password.clone())?;
    let facts = Session::connect(&info).await?.facts().await?;
    let system_identifier = facts.system_identifier;
    let lineage = Lineage {
        system_identifier,
        incarnation: work.incarnation,
    };
    Ok(host
        .repository(&work.repository)
        .await?
        .lineage(&work.cluster, lineage)
        .await?)
}

/// `server_version_num`, which is never negative.
pub(in crate::job) fn version(facts: &Facts) -> u32 {
    u32::try_from(facts.server_version_num).unwrap_or_default()
}

/// The server must be the one that this cluster is, of a version we know.
pub(in crate::job) fn check_identity(work: &BackupWork, facts: &Facts) -> Result<(), Failure> {
    let found = facts.system_identifier;
    if let Some(expected) = work
        .instance
        .system_identifier
        .filter(|expected| *expected != found)
    {
        return Err(Failure::permanent(
            "foreign_system_identifier",
            format!(
                "the server of cluster {} has system identifier {found}, not {expected}",
                work.cluster
            ),
            "check the instance's connection; if the cluster was made anew (initdb, pg_upgrade), \
             that is a new lineage and must be decided by a person",
        ));
    }
    refuse_unknown_version(facts.server_version_num)
}

fn refuse_unknown_version(server_version_num: i32) -> Result<(), Failure> {
    let major = server_version_num / 10_000;
    if SUPPORTED.contains(&major) {
        return Ok(());
    }
    Err(Failure::permanent(
        "unsupported_postgres_version",
        format!("PostgreSQL {major} is not supported"),
        "PostgreSQL 14 to 18 are",
    ))
}

fn check_server(work: &BackupWork, facts: &Facts) -> Result<(), Failure> {
    check_identity(work, facts)?;
    // A standby has its own idea of it, and could not be one of such a primary.
    if facts.wal_level == "minimal" && !facts.in_recovery {
        return Err(Failure::permanent(
            "wal_level_minimal",
            format!("wal_level of cluster {} is minimal", work.cluster),
            "set wal_level = replica and restart the server",
        ));
    }
    Ok(())
}

/// Looks at what is to be copied.
async fn local(data_dir: &Path, facts: &Facts) -> Result<Local, Stopped> {
    let (control, mode) = local_control_file(data_dir, facts).await?;
    Ok(Local {
        mode,
        control,
        outside: outside::gather(facts, data_dir),
        wal_directory: tablespaces::linked_wal(data_dir),
    })
}

/// Reads the control file of the directory that is to be copied: it must be
/// there, ours to read, and that of the server we speak to.
async fn local_control_file(data_dir: &Path, facts: &Facts) -> Result<(ControlFile, u32), Stopped> {
    let directory = data_dir.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&directory).map(|meta| meta.permissions().mode() & 0o7777);
        let mode = mode.map_err(|error| unreadable(&directory, &error))?;
        std::fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))?;
        let path = directory.join(control_file::PATH);
        let (control, _) = control::read(&path)?;
        Ok::<_, Failure>((control, mode))
    });
    let (control, mode) = read
        .await
        .map_err(|error| super::copy::thread_died(&error))??;
    if control.system_identifier != facts.system_identifier {
        return Err(Stopped::Failed(Failure::permanent(
            "data_directory_of_another_server",
            format!(
                "{} is the data directory of system {}, and the server is system {}",
                data_dir.display(),
                control.system_identifier,
                facts.system_identifier
            ),
            "the agent must run on the server's own host, and dataDirectory must name its data \
             directory as this host sees it",
        )));
    }
    Ok((control, mode))
}

/// The data directory, or something in it, cannot be read.
pub(in crate::job) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "run the agent as the owner of the data directory (usually postgres), or say \
             dataDirectory: remote, and backups come over the replication protocol"
        }
        std::io::ErrorKind::NotFound => {
            "the agent must run on the server's own host; check dataDirectory of the instance"
        }
        _ => "look at the kernel's log: the disk may be failing",
    };
    Failure::permanent(
        "data_directory_unreadable",
        format!("{} cannot be read: {error}", path.display()),
        hint,
    )
}

async fn superuser(session: &Session) -> Result<String, Stopped> {
    // BOOTSTRAP_SUPERUSERID: it can be renamed, never dropped.
    let row = session
        .row("SELECT rolname::text FROM pg_roles WHERE oid = 10", &[])
        .await?;
    let name: Option<String> = row.try_get(0).ok();
    Ok(name.unwrap_or_else(|| "postgres".to_owned()))
}

/// The WAL that this backup needs is kept until it is stored, and so before the
/// backup begins (DESIGN 5.2): by our slot, or by PostgreSQL's archiver, which
/// keeps what it has not archived.
async fn wal_is_kept(
    session: &Session,
    work: &BackupWork,
    host: &Host,
    carried: Option<&Duty>,
) -> Result<(), Stopped> {
    let slot = SlotName::for_cluster(&work.cluster);
    let deadline = tokio::time::Instant::now() + SLOT_DEADLINE;
    loop {
        if session.read_slot(&slot).await?.is_some() {
            return Ok(());
        }
        let settings = ArchiveSettings::read(session).await?;
        if settings.wrong(host.executable()).is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            // Who receives for us alone knows why it does not.
            let trouble = match carried {
                Some(duty) => duty.report().borrow().trouble.clone(),
                None if host.wal().archives(&work.cluster) => settings.trouble(host.executable()),
                None => None,
            };
            return Err(Stopped::Failed(
                trouble.unwrap_or_else(|| no_slot(work, &slot)),
            ));
        }
        tokio::time::sleep(SLOT_POLL).await;
    }
}

fn no_slot(work: &BackupWork, slot: &SlotName) -> Failure {
    Failure::transient(
        "replication_slot_missing",
        format!(
            "the server of cluster {} has no replication slot {slot}",
            work.cluster
        ),
        "WAL receiving makes it: check why the cluster's WAL is not being received",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 29: what restores as those before 12 did, with recovery.conf, is refused
    // before it is copied.
    #[test]
    fn what_has_another_way_to_recover_is_refused() {
        for version in [90_624, 110_022, 120_022, 130_022, 190_000] {
            let refused = refuse_unknown_version(version).unwrap_err();
            assert_eq!(refused.code, "unsupported_postgres_version", "{version}");
        }
        for version in [140_000, 150_014, 180_001] {
            assert_eq!(refuse_unknown_version(version), Ok(()), "{version}");
        }
    }
}
