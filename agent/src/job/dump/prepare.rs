//! Phase prepare: everything that can refuse the dump before it begins.

use holdfast_pg::ConnectionInfo;
use holdfast_pg::client::ClientPrograms;
use holdfast_pg::sql::{Facts, Session};
use holdfast_proto::BackupWork;
use holdfast_repo::{Backup, LineageFacts, LineageRepository, RunKey};
use holdfast_types::{DumpOptions, Failure, Lineage, Secret};

use super::database::{self, Database};
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{Stopped, check_identity, check_role, thread_died, version};
use crate::job::staging::Staging;

/// What the later phases rely on.
pub(super) struct Ready {
    pub(super) info: ConnectionInfo,
    /// What no log may show.
    pub(super) secret: Option<Secret>,
    pub(super) facts: Facts,
    pub(super) lineage: LineageRepository,
    pub(super) run: RunKey,
    pub(super) client: ClientPrograms,
    pub(super) options: DumpOptions,
    pub(super) databases: Vec<Database>,
    /// Whether the role may read the passwords of roles.
    pub(super) role_passwords: bool,
    pub(super) staging: Staging,
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
    let options = work.dump.clone().unwrap_or_default();
    options.check().map_err(|error| {
        Failure::permanent("invalid", error.to_string(), "correct the field it names")
    })?;
    let secret = work.instance.password.clone();
    let info = ConnectionInfo::parse(&work.instance.connection, secret.clone())?;
    let session = Session::connect(&info).await?;
    let facts = session.facts().await?;
    check_identity(work, &facts)?;
    check_role(work, &facts)?;
    let lineage = open_lineage(work, host, &facts).await?;
    let run: RunKey = work.job.to_string().parse()?;
    if let Some(committed) = lineage.backup_of_run(&run).await? {
        if committed.id == work.backup {
            return Ok(Prepared::Committed(Box::new(committed)));
        }
        return Err(Stopped::Superseded(committed.id)); // I-03
    }
    let databases = database::select(&session, &options).await?;
    let role_passwords = may_read_passwords(&session).await?;
    if options.globals && !role_passwords {
        cx.log(format!(
            "warning: {} may not read the passwords of roles; the roles are dumped without them",
            info.user()
        ));
    }
    let client = client(host, version(&facts) / 10_000).await?;
    cx.log(format!(
        "PostgreSQL {}, {} databases, with the programs of PostgreSQL {} in {}",
        facts.server_version_num,
        databases.len(),
        client.version(),
        client.directory().display(),
    ));
    let staging = Staging::new(host.data_dir(), &work.backup.to_string())?;
    Ok(Prepared::Ready(Box::new(Ready {
        info,
        secret,
        facts,
        lineage,
        run,
        client,
        options,
        databases,
        role_passwords,
        staging,
    })))
}

async fn open_lineage(
    work: &BackupWork,
    host: &Host,
    facts: &Facts,
) -> Result<LineageRepository, Stopped> {
    let repository = host.repository(&work.repository).await?;
    let lineage = Lineage {
        system_identifier: facts.system_identifier,
        incarnation: work.incarnation,
    };
    let lineage_facts = LineageFacts {
        postgres_version: version(facts),
        segment_size: facts.segment_size,
        block_size: facts.block_size,
    };
    let lineage = repository.create_or_open_lineage(&work.cluster, lineage, lineage_facts);
    Ok(lineage.await?)
}

/// The client programs for a server of this version.
pub(in crate::job) async fn client(host: &Host, major: u32) -> Result<ClientPrograms, Stopped> {
    let bin_dirs = host.config().postgres.bin_dirs.clone();
    // It runs programs and waits for them.
    let found =
        tokio::task::spawn_blocking(move || ClientPrograms::for_server(major, &bin_dirs)).await;
    let found = found.map_err(|error| thread_died(&error))?;
    found.map_err(|error| {
        Stopped::Failed(Failure::permanent(
            error.code(),
            error.to_string(),
            error.hint(),
        ))
    })
}

async fn may_read_passwords(session: &Session) -> Result<bool, Stopped> {
    let query = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    let row = session.row(query, &[]).await?;
    Ok(row.try_get(0).unwrap_or(false))
}
