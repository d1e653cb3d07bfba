//! Phase prepare: everything that can refuse the restore before anything is
//! made.

use holdfast_pg::ConnectionInfo;
use holdfast_pg::client::ClientPrograms;
use holdfast_pg::sql::{Facts, Session};
use holdfast_proto::DumpRestoreWork;
use holdfast_repo::{BackupReader, DumpManifest, DumpedDatabase};
use holdfast_types::{Failure, Secret};

use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{Stopped, version};
use crate::job::dump::{client, manifest_of};
use crate::job::staging::Staging;

/// What the later phases rely on.
pub(super) struct Ready {
    pub(super) info: ConnectionInfo,
    pub(super) secret: Option<Secret>,
    /// With the server's own database.
    pub(super) session: Session,
    pub(super) facts: Facts,
    pub(super) client: ClientPrograms,
    pub(super) reader: BackupReader,
    pub(super) database: DumpedDatabase,
    pub(super) staging: Staging,
}

pub(super) async fn run(
    work: &DumpRestoreWork,
    cx: &JobContext,
    host: &Host,
) -> Result<Ready, Stopped> {
    let request = &work.request;
    request.check().map_err(|error| {
        Failure::permanent("invalid", error.to_string(), "correct the field it names")
    })?;
    let repository = host.existing_repository(&work.repository).await?;
    let lineage = repository.lineage(&request.cluster, work.lineage).await?;
    let backup = lineage.find_backup(work.backup).await?;
    let (reader, manifest) = manifest_of(&lineage, backup).await?;
    let database = find(&manifest, work)?;
    let secret = work.instance.password.clone();
    let info = ConnectionInfo::parse(&work.instance.connection, secret.clone())?;
    let session = Session::connect(&info).await?;
    let facts = session.facts().await?;
    check_server(work, &facts, &manifest)?;
    if let Some(owner) = &request.owner {
        check_role(&session, owner).await?;
    }
    let client = client(host, version(&facts) / 10_000).await?;
    refuse_newer_client(&client, version(&facts) / 10_000)?;
    cx.log(format!(
        "database \"{}\" of {}, as of {}, into \"{}\" on PostgreSQL {}, with pg_restore {}",
        request.database,
        work.backup,
        database.snapshot_at,
        request.into,
        facts.server_version_num,
        client.version(),
    ));
    let staging = Staging::new(host.data_dir(), &work.job.to_string())?;
    let what = format!("the archive of database \"{}\"", request.database);
    staging.check_room(database.bytes, &what)?;
    Ok(Ready {
        info,
        secret,
        session,
        facts,
        client,
        reader,
        database,
        staging,
    })
}

fn find(manifest: &DumpManifest, work: &DumpRestoreWork) -> Result<DumpedDatabase, Failure> {
    let name = &work.request.database;
    if let Some(database) = manifest.database(name) {
        return Ok(database.clone());
    }
    let held = manifest.databases.iter();
    let held: Vec<_> = held.map(|database| database.name.as_str()).collect();
    Err(Failure::permanent(
        "database_not_in_dump",
        format!(
            "{} holds no database \"{name}\"; it holds {}",
            work.backup,
            held.join(", ")
        ),
        "name one of these, or another dump",
    ))
}

fn check_server(
    work: &DumpRestoreWork,
    facts: &Facts,
    manifest: &DumpManifest,
) -> Result<(), Failure> {
    let cluster = work.request.target();
    let found = facts.system_identifier;
    let expected = work.instance.system_identifier;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(Failure::permanent(
            "foreign_system_identifier",
            format!(
                "the server of cluster {cluster} has system identifier {found}, not {expected}"
            ),
            "check the instance's connection: nothing is restored into a server that is not the \
             one you mean",
        ));
    }
    if facts.in_recovery {
        return Err(Failure::transient(
            "role_changed",
            format!("the server of cluster {cluster} is a standby"),
            "name the cluster again when its primary is known",
        ));
    }
    // What a pg_dump wrote, only a pg_restore of its version or a later one
    // reads, and that speaks to servers of its own version or a later one.
    let written_by = manifest.client_version.split('.').next();
    let written_by: u32 = written_by.and_then(|major| major.parse().ok()).unwrap_or(0);
    let theirs = (manifest.server_version / 10_000).max(written_by);
    let ours = version(facts) / 10_000;
    if theirs > ours {
        return Err(Failure::permanent(
            "dump_of_newer_postgres",
            format!(
                "{} was written by pg_dump {} of PostgreSQL {}, and the server is PostgreSQL {ours}",
                work.backup,
                manifest.client_version,
                manifest.server_version / 10_000,
            ),
            "restore it into a server of that version or a later one",
        ));
    }
    Ok(())
}

/// From 17 on pg_restore sets `transaction_timeout`, which earlier servers
/// refuse.
fn refuse_newer_client(client: &ClientPrograms, server: u32) -> Result<(), Failure> {
    if client.major() < 17 || server >= 17 {
        return Ok(());
    }
    Err(Failure::permanent(
        "pg_client_not_found",
        format!(
            "pg_restore {} cannot restore into PostgreSQL {server}, and no earlier one that fits \
             was found",
            client.version()
        ),
        format!(
            "install the client programs of PostgreSQL {server} (Debian: \
             postgresql-client-{server}), or name their directory in postgres.binDirs of agent.toml"
        ),
    ))
}

async fn check_role(session: &Session, role: &str) -> Result<(), Stopped> {
    let query = "SELECT count(*) FROM pg_roles WHERE rolname = $1::text::name";
    let row = session.row(query, &[&role]).await?;
    if row.try_get::<_, i64>(0).unwrap_or(0) > 0 {
        return Ok(());
    }
    Err(Stopped::Failed(Failure::permanent(
        "role_missing",
        format!("the server has no role \"{role}\", which shall own the database"),
        "make the role first, or name another one",
    )))
}
